package retrykit_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var mutate = flag.String("mutate", "", "change each operator of the files that match, such as retry/*.go, and see a test of their package fail; long")

// A mutant is one operator of a file, changed.
type mutant struct {
	file, function string
	line           string // as it stands, without space around it
	at             int    // offset of the operator
	old, new       string
}

// String names the mutant by what it changes and not by a number of a line, so
// that the name lives on.
func (m mutant) String() string {
	return fmt.Sprintf("%s %s: %s: %s to %s", m.file, m.function, m.line, m.old, m.new)
}

// operators are what becomes of each: a bound moves by one, a comparison or a
// connective turns over, arithmetic goes the other way.
var operators = map[token.Token][]token.Token{
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL},
	token.INC: {token.DEC}, token.DEC: {token.INC},
}

// survivors are mutants that no test can tell from the code, and why. Only those
// of files that were mutated are looked at.
var survivors = map[string]string{}

// TestMutants changes one operator after the other, for the compiler only, and
// runs the tests of the package. A mutant under which they pass is one that they
// would not miss; each such one is listed with a reason, or this test fails.
func TestMutants(t *testing.T) {
	if *mutate == "" {
		t.Skip("minutes for each file: make mutants MUTATE=retry/decide.go")
	}
	files, err := filepath.Glob(*mutate)
	require.NoError(t, err)
	var all []mutant
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") {
			all = append(all, mutants(t, filepath.ToSlash(name))...)
		}
	}
	require.NotEmpty(t, all, "no file matches %s", *mutate)
	var mu sync.Mutex
	lives := make(map[string]bool)
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	t.Run("all", func(t *testing.T) {
		for _, m := range all {
			t.Run(m.String(), func(t *testing.T) {
				t.Parallel()
				room <- struct{}{}
				defer func() { <-room }()
				if !m.killed(t) {
					mu.Lock()
					defer mu.Unlock()
					lives[m.String()] = true
				}
			})
		}
	})
	t.Logf("%d mutants, %d killed", len(all), len(all)-len(lives))
	for _, m := range all {
		if name := m.String(); lives[name] {
			assert.NotEmpty(t, survivors[name], "lives: %s", name)
		} else {
			assert.Empty(t, survivors[name], "a test kills it now: %s", name)
		}
	}
}

// mutants returns those of a file. Strings that are put together are left out:
// a + of strings has no other way.
func mutants(t *testing.T, name string) (all []mutant) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, text, 0)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		add := func(pos token.Pos, op token.Token) {
			p := set.Position(pos)
			for _, other := range operators[op] {
				all = append(all, mutant{name, fn.Name.Name, strings.TrimSpace(lines[p.Line-1]), p.Offset, op.String(), other.String()})
			}
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if n.Op != token.ADD || !isText(n.X) && !isText(n.Y) {
					add(n.OpPos, n.Op)
				}
			case *ast.IncDecStmt:
				add(n.TokPos, n.Tok)
			}
			return true
		})
	}
	return all
}

func isText(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.STRING
	case *ast.BinaryExpr:
		return isText(e.X) || isText(e.Y)
	}
	return false
}

// killed reports whether a test fails under the mutant: one of the quick ones,
// or else any. So is one that does not compile.
func (m mutant) killed(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile(m.file)
	require.NoError(t, err)
	changed := string(text[:m.at]) + m.new + string(text[m.at+len(m.old):])
	for _, properties := range []bool{false, true} {
		if _, err := testWith(t, m.file, changed, properties, ""); err != nil {
			return true
		}
		if !exists(filepath.Join(path.Dir(m.file), "property_test.go")) {
			break
		}
	}
	return false
}

package retry_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// promises are the rules of the contract in the words of the package comment,
// by their number.
var promises = sync.OnceValues(func() (map[string]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^  - (C\d+): (.*(?:\n    .*)*)`).FindAllStringSubmatch(f.Doc.Text(), -1) {
		out[m[1]] = strings.Join(strings.Fields(m[2]), " ")
	}
	return out, nil
})

// holds says, when the test fails, which rule of the contract that breaks.
func holds(t *testing.T, rule string) {
	t.Helper()
	all, err := promises()
	require.NoError(t, err)
	require.Contains(t, all, rule)
	t.Logf("%s: %s", rule, all[rule])
}

func TestThePackageCommentHasEveryRule(t *testing.T) {
	all, err := promises()
	require.NoError(t, err)
	assert.Len(t, all, 13)
	for n := range 13 {
		assert.NotEmpty(t, all[fmt.Sprint("C", n+1)], "C%d", n+1)
	}
}

// What waits is a receive, a select or a clock's Sleep. None is outside the one
// function, in any file of the package.
func TestWaitingHappensInOneFunction(t *testing.T) {
	holds(t, "C12")
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var where []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		where = append(where, waiting(t, name, string(text))...)
	}
	assert.Equal(t, []string{"retrier.go: sleep"}, where)
	assert.Equal(t, []string{"x.go: a", "x.go: b", "x.go: c"}, waiting(t, "x.go", `package x
		func a() { <-c }
		func b() { select {} }
		func c() { func() { clock.Sleep(1) }() }
		func d() { e() }`))
}

// waiting lists the functions of a file that wait.
func waiting(t *testing.T, name, text string) (out []string) {
	f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
	require.NoError(t, err)
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && waitsIn(fn) {
			out = append(out, name+": "+fn.Name.Name)
		}
	}
	return out
}

func waitsIn(fn *ast.FuncDecl) (waits bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectStmt:
			waits = true
		case *ast.UnaryExpr:
			waits = waits || n.Op == token.ARROW
		case *ast.SelectorExpr:
			waits = waits || n.Sel.Name == "Sleep"
		}
		return !waits
	})
	return waits
}

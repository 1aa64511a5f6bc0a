package retrykit_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

// A mutant is one operator of a function, changed.
type mutant struct {
	// name says what it changes and not at which line, so that it lives on:
	// "retry/budget.go Allow: b.left > 0: > to >=", with "#2" behind the
	// expression that is the second of its kind in the function.
	name, file string
	number     int
	constant   bool   // a constant cannot sleep: it is compiled by itself
	text       string // then the file with it
}

// operators are what becomes of each: a bound moves by one, a comparison or a
// connective turns over, arithmetic goes the other way, a sign or a not goes.
var operators = map[token.Token][]token.Token{
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL},
	token.INC: {token.DEC}, token.DEC: {token.INC},
	token.ADD_ASSIGN: {token.SUB_ASSIGN}, token.SUB_ASSIGN: {token.ADD_ASSIGN},
}

// A mutatedPackage is one whose files hold all mutants at once; the variable
// mutantAwake says which of them acts.
type mutatedPackage struct {
	folder  string
	files   map[string]string
	mutants []mutant
}

// awake is the file that is added to the package.
const awake = `package %s

import ("os"; "strconv")

var mutantAwake, _ = strconv.Atoi(os.Getenv("MUTANT"))

type mutantNumber interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr | ~float32 | ~float64
}

func mutantAdd[T mutantNumber](n int, x, y T) T { if mutantAwake == n { return x - y }; return x + y }
func mutantSub[T mutantNumber](n int, x, y T) T { if mutantAwake == n { return x + y }; return x - y }
func mutantMul[T mutantNumber](n int, x, y T) T { if mutantAwake == n { return x / y }; return x * y }
func mutantQuo[T mutantNumber](n int, x, y T) T { if mutantAwake == n { return x * y }; return x / y }
func mutantSign[T mutantNumber](n int, x T) T { if mutantAwake == n { return -x }; return x }
`

var arithmetic = map[token.Token]string{token.ADD: "mutantAdd", token.SUB: "mutantSub", token.MUL: "mutantMul", token.QUO: "mutantQuo"}

// mutated returns the package of a folder with its mutants.
func mutated(t *testing.T, folder string) mutatedPackage {
	t.Helper()
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedExportFile,
	}, "./"+folder)
	require.NoError(t, err)
	require.Len(t, loaded, 1)
	require.Empty(t, loaded[0].Errors)
	p := mutatedPackage{folder, make(map[string]string), nil}
	for _, f := range loaded[0].Syntax {
		name := folder + "/" + filepath.Base(loaded[0].Fset.Position(f.Pos()).Filename)
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		m := mutator{p: loaded[0], file: name, text: string(text), start: f.FileStart, all: &p.mutants}
		p.files[name] = m.rewritten(f)
	}
	p.files[folder+"/mutantawake.go"] = fmt.Sprintf(awake, loaded[0].Name)
	return p
}

// A mutator writes a file anew, with its mutants in it.
type mutator struct {
	p        *packages.Package
	file     string
	text     string
	start    token.Pos
	function string
	seen     map[string]int
	all      *[]mutant
}

// raw is the text of a node as it stands.
func (m *mutator) raw(n ast.Node) string { return m.text[n.Pos()-m.start : n.End()-m.start] }

// rewritten is the text of a node with the mutants below it.
func (m *mutator) rewritten(n ast.Node) string {
	from := n.Pos()
	end := n.End()
	if f, ok := n.(*ast.File); ok {
		from, end = f.FileStart, f.FileEnd
	}
	var b strings.Builder
	ast.Inspect(n, func(c ast.Node) bool {
		if c == nil || c == n {
			return true
		}
		outside := m.function
		switch c := c.(type) {
		case *ast.GenDecl:
			if m.function == "" || c.Tok == token.CONST {
				return false // a value of the package is data
			}
		case *ast.FuncDecl:
			m.function, m.seen = c.Name.Name, make(map[string]int)
			b.WriteString(m.text[from-m.start : c.Pos()-m.start])
			b.WriteString(m.rewritten(c))
			from, m.function = c.End(), outside
			return false
		}
		if changed := m.node(c); changed != "" {
			b.WriteString(m.text[from-m.start : c.Pos()-m.start])
			b.WriteString(changed)
			from = c.End()
			return false
		}
		return true
	})
	return b.String() + m.text[from-m.start:end-m.start]
}

// node is the text of a node with its own mutants and those below it, or
// nothing if it has none of its own.
func (m *mutator) node(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return m.binary(n)
	case *ast.UnaryExpr:
		switch {
		case n.Op == token.NOT:
			i := m.add(n, n.Op, n.OpPos, "nothing", "", false)
			return fmt.Sprintf("(mutantAwake == %d && (%s) || mutantAwake != %d && !%s)", i, m.raw(n.X), i, m.inner(n.X))
		case n.Op == token.SUB && m.p.TypesInfo.Types[n].Value == nil:
			i := m.add(n, n.Op, n.OpPos, "nothing", "", false)
			return fmt.Sprintf("(-mutantSign[%s](%d, %s))", m.typeOf(n), i, m.inner(n.X))
		}
	case *ast.IncDecStmt:
		i := m.add(n, n.Tok, n.TokPos, operators[n.Tok][0].String(), "", false)
		return fmt.Sprintf("%s %s= mutantSign[%s](%d, 1)", m.inner(n.X), n.Tok.String()[:1], m.typeOf(n.X), i)
	case *ast.AssignStmt:
		if (n.Tok == token.ADD_ASSIGN || n.Tok == token.SUB_ASSIGN) && m.isNumber(n.Lhs[0]) {
			i := m.add(n, n.Tok, n.TokPos, operators[n.Tok][0].String(), "", false)
			return fmt.Sprintf("%s %s mutantSign[%s](%d, %s)", m.inner(n.Lhs[0]), n.Tok, m.typeOf(n.Lhs[0]), i, m.inner(n.Rhs[0]))
		}
	}
	return ""
}

func (m *mutator) binary(n *ast.BinaryExpr) string {
	others := operators[n.Op]
	function := arithmetic[n.Op]
	if len(others) == 0 || function != "" && !m.isNumber(n) {
		return ""
	}
	if m.p.TypesInfo.Types[n].Value != nil {
		for _, op := range others {
			m.add(n, n.Op, n.OpPos, op.String(), op.String(), true)
		}
		return ""
	}
	if function != "" {
		i := m.add(n, n.Op, n.OpPos, others[0].String(), "", false)
		return fmt.Sprintf("%s[%s](%d, %s, %s)", function, m.typeOf(n), i, m.inner(n.X), m.inner(n.Y))
	}
	// Lazy: an operand may be what makes the other one safe.
	var asleep, b strings.Builder
	b.WriteString("(")
	for _, op := range others {
		i := m.add(n, n.Op, n.OpPos, op.String(), "", false)
		fmt.Fprintf(&b, "mutantAwake == %d && (%s %s %s) || ", i, m.operand(n.X, op), op, m.operand(n.Y, op))
		fmt.Fprintf(&asleep, "mutantAwake != %d && ", i)
	}
	fmt.Fprintf(&b, "%s(%s %s %s))", asleep.String(), m.inner(n.X), n.Op, m.inner(n.Y))
	return b.String()
}

// operand keeps an operand together behind another operator.
func (m *mutator) operand(e ast.Expr, op token.Token) string {
	if op == token.LAND || op == token.LOR {
		return "(" + m.raw(e) + ")"
	}
	return m.raw(e)
}

// inner is the text of an operand, its own mutants included.
func (m *mutator) inner(e ast.Expr) string {
	if changed := m.node(e); changed != "" {
		return changed
	}
	return m.rewritten(e)
}

func (m *mutator) isNumber(e ast.Expr) bool {
	b, ok := m.p.TypesInfo.TypeOf(e).Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsInteger|types.IsFloat) != 0
}

func (m *mutator) typeOf(e ast.Expr) string {
	return types.TypeString(m.p.TypesInfo.TypeOf(e), func(p *types.Package) string {
		if p == m.p.Types {
			return ""
		}
		return path.Base(p.Path())
	})
}

// add notes a mutant and returns its number.
func (m *mutator) add(n ast.Node, op token.Token, at token.Pos, becomes, text string, constant bool) int {
	where := strings.Join(strings.Fields(m.raw(n)), " ")
	key := where + op.String() + becomes
	m.seen[key]++
	if k := m.seen[key]; k > 1 {
		where += fmt.Sprintf(" #%d", k)
	}
	number := len(*m.all) + 1
	if constant {
		o := int(at - m.start)
		text = m.text[:o] + text + m.text[o+len(op.String()):]
	}
	*m.all = append(*m.all, mutant{fmt.Sprintf("%s %s: %s: %s to %s", m.file, m.function, where, op, becomes), m.file, number, constant, text})
	return number
}

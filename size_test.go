package retrykit_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// most is how many lines a function may have. Those of composite literals, the
// tables of tests above all, are data and not counted.
const most = 60

// tooLong are functions that have more lines, with the reason. Others give it
// in their comment, after the words "It is long because".
var tooLong = map[string]string{
	"fakeclock/program_test.go do":                    "an interpreter: a case for each statement",
	"propertytest/explore/house_test.go after":        "each case is a mutant, beside the line that it spoils",
	"propertytest/explore/house_test.go classify":     "the same",
	"propertytest/explore/housedelay_test.go backoff": "the same",
}

func TestNoFunctionIsTooLong(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range slices.Concat(sources(t, false), sources(t, true)) {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := codeLines(f, fn)
			if n <= most || strings.Contains(strings.Join(strings.Fields(fn.Doc.Text()), " "), "It is long because") {
				continue
			}
			name := f.path + " " + fn.Name.Name
			seen[name] = true
			assert.NotEmpty(t, tooLong[name], "%s has %d lines: split it, or say in its comment why that would be worse", name, n)
		}
	}
	for name := range tooLong {
		assert.True(t, seen[name], "%s is excused and not too long", name)
	}
}

// codeLines counts the lines of a function without those in literals.
func codeLines(f file, fn *ast.FuncDecl) int {
	line := func(p token.Pos) int { return f.set.Position(p).Line }
	n := line(fn.End()) - line(fn.Pos()) + 1
	ast.Inspect(fn, func(x ast.Node) bool {
		literal, ok := x.(*ast.CompositeLit)
		if !ok {
			return true
		}
		n -= line(literal.End()) - line(literal.Pos())
		return false
	})
	return n
}

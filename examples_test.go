package retrykit_test

import (
	"go/ast"
	"go/doc"
	"go/types"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

// withoutExample are exported types that no example shows, and why.
var withoutExample = map[string]string{
	"propertytest.HTTPCall":    "it goes into RunHTTP, which takes a test, and an example has none",
	"propertytest.HTTPOptions": "the same",
	"scripted/wire.TB":         "it is a test",
}

// A reader learns a type from an example: each exported type of a package that
// can be imported is that of an expression in an example whose output is
// checked, of whatever package, or has such an example of its own.
func TestEveryExportedTypeIsInAnExample(t *testing.T) {
	loaded, err := packages.Load(&packages.Config{
		Mode:  packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedExportFile,
		Tests: true,
	}, "./...")
	require.NoError(t, err)
	shown := make(map[string]bool)
	exported := make(map[string]bool)
	for _, p := range loaded {
		require.Empty(t, p.Errors)
		examples(p, shown)
		folder := strings.TrimPrefix(p.PkgPath, module)
		if p.Name == "main" || p.ID != p.PkgPath || strings.Contains(folder, "internal/") {
			continue
		}
		for _, name := range p.Types.Scope().Names() {
			if _, ok := p.Types.Scope().Lookup(name).(*types.TypeName); ok && ast.IsExported(name) {
				exported[folder+"."+name] = true
			}
		}
	}
	require.NotEmpty(t, exported)
	for name := range exported {
		_, excused := withoutExample[name]
		assert.NotEqual(t, shown[name], excused, "%s: shown by an example: %v, on the list of those that are not: %v", name, shown[name], excused)
	}
	for name := range withoutExample {
		assert.True(t, exported[name], "%s is excused and does not exist", name)
	}
}

// examples notes the types of all expressions in the examples of a package.
func examples(p *packages.Package, shown map[string]bool) {
	for _, e := range doc.Examples(p.Syntax...) {
		if e.Output == "" && !e.EmptyOutput {
			continue
		}
		name, _, _ := strings.Cut(e.Name, "_")
		shown[strings.TrimPrefix(strings.TrimSuffix(p.PkgPath, "_test"), module)+"."+name] = true
		ast.Inspect(e.Code, func(n ast.Node) bool {
			if x, ok := n.(ast.Expr); ok {
				if tv, ok := p.TypesInfo.Types[x]; ok {
					note(tv.Type, shown)
				}
			}
			return true
		})
	}
}

// note adds a type, those of its elements included, as "folder.Name".
func note(t types.Type, shown map[string]bool) {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		if p := t.Obj().Pkg(); p != nil && strings.HasPrefix(p.Path(), module) {
			shown[strings.TrimPrefix(p.Path(), module)+"."+t.Obj().Name()] = true
		}
	case interface{ Elem() types.Type }: // a pointer, slice, array, map or channel
		note(t.Elem(), shown)
	case *types.Tuple:
		for v := range t.Variables() {
			note(v.Type(), shown)
		}
	}
}

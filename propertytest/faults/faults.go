// Package faults shows each rule's fault in the smallest Go code that has it,
// beside the same code without it, and the script that tells them apart.
//
// All of it is code that a test runs through package explore: the fault is
// found by its rule, and what is called a fix passes. The texts that the command
// explains a rule with are this source.
package faults

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
)

// Fault is code that breaks a rule.
type Fault struct {
	Rule   string // its name
	Story  string // what happens in production, a few sentences
	Script string // a scenario that shows it; "" if it takes many calls
	Code   string // Go source of the fault
	Fix    string // Go source without it

	Faulty, Fixed explore.Subject
	Policy        retry.Policy // of both
	Lacks         []verdict.Feature
}

// All returns the faults in the order of [verdict.Rules].
func All() []Fault { return slices.Clone(all) }

// Of returns the fault of the rule of that name; ok is false if there is none,
// because the rule is about whatever no other rule has a word for.
func Of(rule string) (f Fault, ok bool) {
	for _, f := range all {
		if f.Rule == rule {
			return f, true
		}
	}
	return Fault{}, false
}

//go:embed code_*.go
var sources embed.FS

var all = assemble()

// assemble joins the table with the source of its functions.
func assemble() []Fault {
	code := functions()
	var out []Fault
	for _, f := range table {
		f.Code, f.Fix = code[camel(f.Rule)+"Fault"], code[camel(f.Rule)+"Fixed"]
		if f.Code == "" || f.Fix == "" {
			panic("faults: no code for " + f.Rule)
		}
		f.Story = strings.Join(strings.Fields(f.Story), " ")
		out = append(out, f)
	}
	return out
}

// camel returns the name of a rule as the beginning of a function's.
func camel(rule string) string {
	words := strings.Split(rule, "-")
	for i := 1; i < len(words); i++ {
		words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
	}
	return strings.Join(words, "")
}

// functions returns the source of every function of the embedded files, by
// name.
func functions() map[string]string {
	out := make(map[string]string)
	entries, err := sources.ReadDir(".")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		text, err := sources.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, e.Name(), text, parser.ParseComments)
		if err != nil {
			panic(fmt.Sprintf("faults: %v", err)) // it compiles
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				from := f.Pos()
				if f.Doc != nil {
					from = f.Doc.Pos()
				}
				out[f.Name.Name] = string(text[fset.Position(from).Offset:fset.Position(f.End()).Offset])
			}
		}
	}
	return out
}

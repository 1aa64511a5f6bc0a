// Package docs_test writes the pages that are made from code, and holds them
// equal to it.
package docs_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

var update = flag.Bool("update", false, "write the pages anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o666))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "%s: make golden writes it anew", name)
}

// The manual of the language is the package comment of scripted.
func TestLanguage(t *testing.T) {
	set := token.NewFileSet()
	names, err := filepath.Glob("../scripted/*.go")
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(set, files, "github.com/retrykit/retrykit/scripted")
	require.NoError(t, err)
	printer := p.Printer()
	printer.HeadingLevel = 2
	printer.HeadingID = func(*comment.Heading) string { return "" }
	printer.DocLinkBaseURL = "https://pkg.go.dev"
	body := string(printer.Markdown(p.Parser().Parse(p.Doc)))
	golden(t, "language.md", "# The failure language\n\n<!-- Made from the package comment of scripted by make golden. -->\n\n"+body)
}

func TestPolicies(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Policies that have a name\n\n<!-- Made from retry.Presets by make golden. -->\n\n" +
		"Each is what a library or a service does, as the source says, and what is left out of it. `retrysim schedule NAME` shows when its attempts happen.\n\n" +
		"| name | policy | budget | source | note |\n|---|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;")
	for _, p := range retry.Presets() {
		budget := ""
		if p.Budget != (retry.Budget{}) {
			budget = "`" + p.Budget.String() + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", p.Name, p.Policy, budget, cell.Replace(p.Source), cell.Replace(p.Note))
	}
	golden(t, "policies.md", b.String())
}

// licences are told by words that only they have; the first that fits counts.
var licences = []struct{ name, words string }{
	{"FTL or GPL-2.0-or-later", "The FreeType License, which"},
	{"FTL or GPL-2.0-or-later", "The FreeType Project LICENSE"},
	{"BSL-1.0", "Boost Software License"},
	{"CC-BY-4.0", "Creative Commons Attribution 4.0"},
	{"Apache-2.0", "Apache License"},
	{"OFL-1.1", "SIL Open Font License"},
	{"OFL-1.1", "SIL OPEN FONT LICENSE"},
	{"MPL-2.0", "Mozilla Public License"},
	{"BSD-3-Clause", "Neither the name"},
	{"BSD-2-Clause", "Redistribution and use"},
	{"Unlicense", "This is free and unencumbered"},
	{"MIT", "Permission is hereby granted, free of charge"},
}

// enclosed are the files in a module, besides those in its folder, that hold the
// licences of what is linked in: the first of the two that Freetype-Go offers, and
// those of the code that packages of gonum have from elsewhere.
var enclosed = map[string][]string{
	"github.com/golang/freetype": {"licenses/ftl.txt"},
	"gonum.org/v1/gonum":         {"THIRD_PARTY_LICENSES/Boost-LICENSE", "THIRD_PARTY_LICENSES/Cephes-LICENSE", "THIRD_PARTY_LICENSES/Go-LICENSE", "THIRD_PARTY_LICENSES/Probab-LICENSE"},
}

// Every module that is linked into the command, on any of three systems, with
// its licences, and the script in the HTML reports.
func TestThirdParty(t *testing.T) {
	modules := make(map[string]string) // "path version": its folder
	for _, system := range []string{"linux", "darwin", "windows"} {
		c := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}|{{.Dir}}{{end}}{{end}}", "./cmd/retrysim")
		c.Dir = ".."
		c.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		out, err := c.Output()
		require.NoError(t, err)
		for line := range strings.Lines(string(out)) {
			if name, dir, ok := strings.Cut(strings.TrimSpace(line), "|"); ok {
				modules[name] = dir
			}
		}
	}
	require.NotEmpty(t, modules)
	var table, texts strings.Builder
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		path, version, _ := strings.Cut(name, " ")
		fmt.Fprintf(&texts, "\n## %s\n", path)
		var names []string
		for _, text := range licencesOf(t, modules[name], enclosed[path]...) {
			names = append(names, licenceName(t, name, text))
			fmt.Fprintf(&texts, "\n```text\n%s\n```\n", text)
		}
		slices.Sort(names)
		fmt.Fprintf(&table, "| %s | %s | %s |\n", path, version, strings.Join(slices.Compact(names), ", "))
	}
	fmt.Fprintf(&table, "| the runtime and the standard library of Go | the toolchain's | BSD-3-Clause, in the words of golang.org/x/mod |\n")
	banner, err := os.ReadFile("../cmd/retrysim/internal/report/page/uplot/uPlot.iife.min.js")
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(banner), "\n")
	require.Contains(t, first, "uPlot")
	uplot := licencesOf(t, "../cmd/retrysim/internal/report/page/uplot")
	require.Len(t, uplot, 1)
	require.Contains(t, uplot[0], "MIT License")
	fmt.Fprintf(&texts, "\n## uPlot\n\n```text\n%s\n```\n", uplot[0])
	golden(t, "../THIRD_PARTY.md", "# Third parties\n\n<!-- Made from the module cache by make golden. -->\n\n"+
		"What is linked into `retrysim`, and under which licence. Who imports `retry`, `fakeclock` or `scripted` gets clockwork alone.\n\n"+
		"| module | version | licence |\n|---|---|---|\n"+table.String()+
		credits+"\nThe HTML reports hold uPlot, MIT: `"+first+"`.\n"+texts.String())
}

// credits are what some of the licences ask for.
const credits = `
gonum.org/v1/plot, which draws the charts, imports every backend and font that it has, so licences of another kind are linked in with it. The Liberation fonts are unchanged, under the SIL Open Font License; the Go code around them is not part of that. Two ask for a credit: [SVGo](https://github.com/ajstarks/svgo), by Anthony Starks, is used unchanged under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), without any warranty. Of Freetype-Go the rasteriser is used, unchanged, under the FreeType License, the first of the two on offer: portions of this software are copyright © 1996-2006 The FreeType Project (www.freetype.org), all rights reserved.
`

// licencesOf returns the texts of the licences in a folder, and of others below it.
func licencesOf(t *testing.T, dir string, below ...string) (texts []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "[LC][IO][CP][EY]*"))
	require.NoError(t, err)
	require.NotEmpty(t, names, "%s has no licence", dir)
	for _, name := range below {
		names = append(names, filepath.Join(dir, name))
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " \t\f")
		}
		texts = append(texts, strings.TrimSpace(strings.Join(lines, "\n")))
	}
	return texts
}

func licenceName(t *testing.T, module, text string) string {
	t.Helper()
	for _, l := range licences {
		if strings.Contains(strings.Join(strings.Fields(text), " "), l.words) {
			return l.name
		}
	}
	t.Errorf("%s: which licence is it?", module)
	return ""
}

// The rows that the README quotes stand in the pages that they are from.
func TestTheReadmeQuotesTheFigures(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		return string(text)
	}
	_, trust, ok := strings.Cut(read("../README.md"), "\n## How far to trust it\n")
	require.True(t, ok)
	trust, _, _ = strings.Cut(trust, "\n## ")
	pages := read("scoreboard.md") + read("validation.md")
	rows := 0
	for line := range strings.Lines(trust) {
		if strings.HasPrefix(line, "| ") {
			rows++
			assert.Contains(t, pages, line, "%s", "make scoreboard or make validation has changed it")
		}
	}
	assert.GreaterOrEqual(t, rows, 10)
}

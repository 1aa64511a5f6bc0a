package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"
)

// templates are the files that init --conformance writes.
//
//go:embed conformance/*.txt
var templates embed.FS

// conformance is what the templates are filled with.
type conformance struct {
	Module   string // that is tested
	Folder   string // of the new module, below that of Module
	Version  string // of ours
	Checkout string // where ours is, "" if it is to be downloaded
}

// write writes a module that tests the module around it, and its CI job. What
// is there already is left alone, all of it: either every file is written or
// none.
func (k conformance) write(c *cobra.Command) error {
	text, err := os.ReadFile("go.mod")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("init: no go.mod here: --conformance tests the module in whose folder it is run")
	case err != nil:
		return fmt.Errorf("init: %w", err)
	}
	if k.Module = modfile.ModulePath(text); k.Module == "" {
		return errors.New("init: go.mod names no module")
	}
	k.Version = report.Version()
	if !strings.HasPrefix(k.Version, "v") {
		k.Version = "v0.0.0" // built from a checkout
	}
	files := []struct{ name, from string }{
		{filepath.Join(k.Folder, "go.mod"), "go.mod.txt"},
		{filepath.Join(k.Folder, "conformance_test.go"), "conformance_test.go.txt"},
		{filepath.Join(".github", "workflows", "conformance.yml"), "workflow.yml.txt"},
	}
	for _, f := range files {
		if _, err := os.Lstat(f.name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("init: %s is there already (name another folder)", f.name)
		}
	}
	all := template.Must(template.ParseFS(templates, "conformance/*.txt"))
	for _, f := range files {
		var b bytes.Buffer
		if err := all.ExecuteTemplate(&b, f.from, k); err != nil {
			return fmt.Errorf("init: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(f.name), 0o777); err != nil {
			return ioError{err}
		}
		if err := writeFile(f.name, b.Bytes()); err != nil {
			return ioError{err}
		}
		say(c, "wrote %s", filepath.ToSlash(f.name))
	}
	say(c, "next: cd %s && go mod tidy && go test ./...", k.Folder)
	return nil
}

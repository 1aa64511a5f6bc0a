package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/retrykit/retrykit/scripted"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"
)

const stdin = "-"

// suffixes are those of files with scripts.
var suffixes = []string{".retry", ".txtar"}

// input is a file to read. found says that it was not named but stands in a
// folder that was.
type input struct {
	name  string
	found bool
}

// expand returns the files that the arguments name: themselves, those that
// match them as patterns, and of folders every file below whose name ends in one
// of the suffixes, in lexical order. What begins with a dot is left out. An
// argument may end in /... as in the go command. An error names the argument.
func expand(args []string) ([]input, error) {
	var files []input
	for _, arg := range args {
		if arg == stdin {
			files = append(files, input{name: stdin})
			continue
		}
		names, err := match(arg)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			below, err := below(name)
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
		}
	}
	return files, nil
}

// match returns the files and folders that an argument names.
func match(arg string) ([]string, error) {
	root := strings.TrimSuffix(arg, "...")
	if root = strings.TrimRight(root, "/"); root == "" && !strings.HasPrefix(arg, "/") {
		root = "."
	}
	_, err := os.Stat(root)
	if !errors.Is(err, fs.ErrNotExist) || !strings.ContainsAny(root, "*?[") {
		return []string{root}, err
	}
	names, err := filepath.Glob(root)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", root, err)
	case len(names) == 0:
		return nil, fmt.Errorf("%s: no file matches", root)
	}
	return names, nil
}

// below returns a file as it is, and of a folder the files with scripts.
func below(root string) ([]input, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []input{{name: root}}, nil
	}
	var files []input
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
		case !d.IsDir() && slices.Contains(suffixes, filepath.Ext(name)):
			files = append(files, input{name, true})
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no *%s under %s", strings.Join(suffixes, " or *"), root)
	}
	return files, err
}

// readFile returns the text of a file and the name by which messages call it.
func readFile(c *cobra.Command, file string) (name, text string, err error) {
	b, err := readText(c, file)
	if file == stdin {
		file = "<stdin>"
	}
	return file, string(b), err
}

// inArchive stands between the name of an archive and that of a file in it.
const inArchive = ".txtar:"

// readScript is readFile of a script, which may stand in a txtar archive:
// calls.txtar:refused.retry, or calls.txtar if it holds no other. The text then
// begins with an empty line for each line of the archive before it, so that
// places are those in the archive.
func readScript(c *cobra.Command, file string) (name, text string, err error) {
	archive, member, named := strings.Cut(file, inArchive)
	if named {
		archive += strings.TrimSuffix(inArchive, ":")
	}
	if file == stdin || filepath.Ext(archive) != ".txtar" {
		return readFile(c, file)
	}
	b, err := readText(c, archive)
	if err != nil {
		return file, "", err
	}
	var members []string
	parsed := txtar.Parse(b)
	at := strings.Count(string(parsed.Comment), "\n")
	for _, f := range parsed.Files {
		at++ // the line with its name
		if filepath.Ext(f.Name) == ".retry" {
			members = append(members, f.Name)
			if f.Name == member || !named {
				text = strings.Repeat("\n", at) + string(f.Data)
			}
		}
		at += strings.Count(string(f.Data), "\n")
	}
	name = archive + ":" + member
	switch {
	case len(members) == 0:
		return name, "", fmt.Errorf("%s: %w", archive, scripted.ErrNoScript)
	case named && text == "":
		if near, ok := scripted.Nearest(member, members); ok {
			return name, "", fmt.Errorf("%s holds no script %q (did you mean %s?)", archive, member, near)
		}
		return name, "", fmt.Errorf("%s holds no script %q (it has %s)", archive, member, strings.Join(members, ", "))
	case !named && len(members) > 1:
		return name, "", fmt.Errorf("%s holds %d scripts: name one, such as %s:%s (or play all: retrysim check %[1]s)", archive, len(members), archive, members[0])
	case !named:
		name += members[0]
	}
	return name, text, nil
}

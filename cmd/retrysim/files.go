package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const stdin = "-"

// expand returns the files that the arguments name: themselves, and of folders
// every file below whose name ends in one of the suffixes, in lexical order.
// What begins with a dot is left out. An argument may end in /... as in the go
// command. An error names the argument.
func expand(args, suffixes []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		root := strings.TrimSuffix(arg, "...")
		if root = strings.TrimSuffix(root, "/"); root == "" {
			root = "."
		}
		if arg == stdin {
			root = stdin
		} else if info, err := os.Stat(root); err != nil {
			return nil, err
		} else if info.IsDir() {
			below, err := walk(root, suffixes)
			if err != nil {
				return nil, err
			}
			if len(below) == 0 {
				return nil, fmt.Errorf("no *%s under %s", strings.Join(suffixes, " or *"), root)
			}
			files = append(files, below...)
			continue
		}
		files = append(files, root)
	}
	return files, nil
}

func walk(root string, suffixes []string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
		case !d.IsDir() && slices.Contains(suffixes, filepath.Ext(name)):
			files = append(files, name)
		}
		return nil
	})
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

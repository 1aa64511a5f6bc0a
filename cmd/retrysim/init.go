package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// starter is the scenario that init writes.
//
//go:embed starter.retry
var starter string

func newInit() *cobra.Command {
	var force, conform bool
	var checkout string
	c := &cobra.Command{
		Use:   "init [FILE|-]",
		Short: "Write a scenario to start from",
		Long: `Write a scenario to start from, with comments that say what to change. The file is
starter.retry unless another is named; one that is there already is left alone.

With --conformance, write a module into the folder conformance, or the one that is named,
that puts the retry code of the Go module around it through the conformance suite, and the
CI job that runs it.`,
		Example: `  retrysim init
  retrysim init payments.retry && retrysim run payments.retry
  retrysim init - | retrysim check -
  retrysim init --conformance && cd conformance && go mod tidy && go test ./...`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if conform {
				k := conformance{Folder: "conformance", Checkout: checkout}
				if len(args) > 0 {
					k.Folder = filepath.Clean(args[0])
				}
				if !filepath.IsLocal(k.Folder) || k.Folder == "." {
					return fmt.Errorf("init: --conformance %s: not a folder below this one", args[0])
				}
				return k.write(c)
			}
			file := "starter.retry"
			if len(args) > 0 {
				file = args[0]
			}
			if file == stdin {
				return output(c, []byte(starter))
			}
			if _, err := os.Lstat(file); !force && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("init: %s is there already (name another file, or --force)", file)
			}
			if err := writeFile(file, []byte(starter)); err != nil {
				return ioError{err}
			}
			say(c, "wrote %s; try: retrysim run %[1]s", file)
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace the file if it is there")
	c.Flags().BoolVar(&conform, "conformance", false, "write a module that tests the one around it")
	c.Flags().StringVar(&checkout, "checkout", "", "with --conformance: where retrykit is checked out, if it is not to be downloaded")
	return c
}

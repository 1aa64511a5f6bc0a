package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// starter is the scenario that init writes.
//
//go:embed starter.retry
var starter string

func newInit() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "init [FILE|-]",
		Short: "Write a scenario to start from",
		Long: `Write a scenario to start from, with comments that say what to change. The file is
starter.retry unless another is named; one that is there already is left alone.`,
		Example: `  retrysim init
  retrysim init payments.retry && retrysim run payments.retry
  retrysim init - | retrysim check -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
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
	return c
}

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/retrykit/retrykit/scripted"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
)

type fmtFlags struct{ diff, list, write bool }

func newFmt() *cobra.Command {
	var f fmtFlags
	c := &cobra.Command{
		Use:   "fmt [PATH...]",
		Short: "Format scripts",
		Long: `Format scripts, as gofmt does Go: standard input to standard output, or the files named and
every *.retry and *.txtar below the folders named. Comments and blank lines survive, meaning
does not change. Of a txtar archive every *.retry in it is formatted and nothing else is
touched. With -d the exit status is 1 if a file is not formatted.`,
		Example: `  retrysim fmt -l -w .
  retrysim fmt -d examples
  retrysim fmt < flaky.retry`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	c.Flags().BoolVarP(&f.diff, "diff", "d", false, "print diffs instead of the formatted text")
	c.Flags().BoolVarP(&f.list, "list", "l", false, "list the files that are not formatted")
	c.Flags().BoolVarP(&f.write, "write", "w", false, "write the formatted text to the file")
	return c
}

func (f *fmtFlags) run(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		args = []string{stdin}
	}
	files, err := expand(args)
	if err != nil {
		return fmt.Errorf("fmt: %w", err)
	}
	differs, bad := false, 0
	for _, file := range files {
		changed, err := f.format(c, file.name)
		differs = differs || changed
		switch {
		case file.found && errors.Is(err, scripted.ErrNoScript):
			// an archive of other things
		case errors.As(err, new(ioError)):
			return err
		case err != nil:
			bad++
			fmt.Fprintf(c.ErrOrStderr(), "retrysim: %v\n", err)
		}
	}
	switch {
	case bad > 0:
		return fmt.Errorf("fmt: %s could not be formatted", count(bad, "file"))
	case f.diff && differs:
		return errFailed
	}
	return nil
}

// format does what the flags say with one file and reports whether it was not
// formatted.
func (f *fmtFlags) format(c *cobra.Command, file string) (changed bool, err error) {
	if f.write && file == stdin {
		return false, errors.New("fmt: cannot write to standard input (leave out -w)")
	}
	name, text, err := readFile(c, file)
	if err != nil {
		return false, err
	}
	formatted, err := scripted.FormatFile(name, text)
	if err != nil {
		return false, err
	}
	changed = formatted != text
	switch {
	case !f.diff && !f.list && !f.write:
		return changed, output(c, []byte(formatted))
	case !changed:
		return false, nil
	}
	if f.list {
		if err := output(c, []byte(name+"\n")); err != nil {
			return true, err
		}
	}
	if f.write {
		if err := os.WriteFile(file, []byte(formatted), 0o666); err != nil {
			return true, ioError{err}
		}
	}
	if f.diff {
		return true, output(c, diff.Diff(name+".orig", []byte(text), name, []byte(formatted)))
	}
	return true, nil
}

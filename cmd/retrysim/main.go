// Command retrysim plays failures against retry policies, on virtual time.
//
//	retrysim run FILE|-      one script through the real decorator
//	retrysim check PATH...   scenarios, and whether what they expect comes true
//	retrysim fmt [PATH...]   format scripts
//
// Results go to standard output, messages to standard error. The exit status
// is 0 when the command did its work and every expectation held, 1 when an
// expectation failed or a script was used up, 2 for a mistake in the command
// line or in an input, 3 when the output could not be written.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/retrykit/retrykit/scripted"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // an expectation failed, or a script was used up
	exitUsage  = 2 // a mistake in the command line or in an input
	exitIO     = 3 // the output could not be written
)

// errFailed ends a command whose output already says what failed.
var errFailed = errors.New("failed")

// ioError is an error of writing the output.
type ioError struct{ error }

// run is main with everything it touches as arguments.
func run(args []string, in io.Reader, out, msg io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(msg)
	err := root.Execute()
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFailed):
		return exitFailed
	}
	fmt.Fprintf(msg, "retrysim: %v\n", err)
	if errors.As(err, new(ioError)) {
		return exitIO
	}
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "retrysim",
		Short: "Play failures against retry policies, on virtual time",
		Long:  "Play failures against retry policies, on virtual time. Nothing sleeps, and the same\ncommand prints the same bytes.",
		Example: `  retrysim run examples/overloaded.retry
  retrysim run --script 'transient:50; ok "hi"'
  retrysim run examples/overloaded.retry --policy exp:base=200ms,cap=5s,attempts=6 --json
  retrysim check examples`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(suggestFlag)
	root.AddCommand(newRun(), newCheck(), newFmt(), newPolicies(), newImport(), newExport())
	return root
}

// suggestFlag adds the nearest flag to the error about an unknown one.
func suggestFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var flags []string
	c.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	if near, ok := scripted.Nearest(unknown.GetSpecifiedName(), flags); ok {
		return fmt.Errorf("%w (did you mean --%s?)", err, near)
	}
	return err
}

// Command retrysim plays failures against retry policies, on virtual time.
//
//	retrysim schedule POLICY  when each attempt happens
//	retrysim run FILE|-       one script through the real decorator
//	retrysim fleet FILE|-     many clients, one server, an outage
//	retrysim compare FILE     policies in the same weather; or two saved results
//	retrysim sweep FILE       a scenario at many loads
//	retrysim check PATH...    scenarios, and whether what they expect comes true
//	retrysim fuzz POLICY      a script with which a policy fails its goals
//	retrysim replay FILE      a saved result or a trace, done again
//
// and more: retrysim --help lists them. Each result can be written as text,
// JSON, CSV, Markdown, a picture or a page.
//
// Results go to standard output, messages to standard error. The exit status
// is 0 when the command did its work and every expectation held, 1 when an
// expectation failed, a replay came out otherwise or a script was used up, 2
// for a mistake in the command line or in an input, 3 when the output could not
// be written or the command itself failed, 130 when it was interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/scripted"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a closed pipe is an error of writing, said in a line
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1   // an expectation failed, a replay differs, or a script was used up
	exitUsage       = 2   // a mistake in the command line or in an input
	exitIO          = 3   // the output could not be written, or the command itself failed
	exitInterrupted = 130 // by the user, who got what was finished
)

// errFailed ends a command whose output already says what failed.
var errFailed = errors.New("failed")

// errInterrupted ends a command that the user interrupted, after what was
// finished is written.
var errInterrupted = errors.New("interrupted")

// ioError is an error of writing the output.
type ioError struct{ error }

// run is main with everything it touches as arguments.
func run(args []string, in io.Reader, out, msg io.Writer) int {
	return runContext(context.Background(), args, in, out, msg)
}

// runContext is run until a context ends, as if the user interrupted.
func runContext(ctx context.Context, args []string, in io.Reader, out, msg io.Writer) (status int) {
	defer func() {
		if bug := recover(); bug != nil {
			fmt.Fprintf(msg, "retrysim: this is a bug in retrysim %s, please report it with the command line: %v\n%s", report.Version(), bug, debug.Stack())
			status = exitIO
		}
	}()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(msg)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(msg, "retrysim: interrupted; what was finished is written")
		return exitInterrupted
	}
	// Who calls the command need not know which package an error is from.
	fmt.Fprintf(msg, "retrysim: %s\n", strings.ReplaceAll(firstErrors(err), "simulate: ", ""))
	if errors.As(err, new(ioError)) {
		return exitIO
	}
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "retrysim",
		Short: "Play failures against retry policies, on virtual time",
		Long:  "Nothing sleeps, and the same command prints the same bytes.",
		Example: `  retrysim schedule exp:base=200ms,cap=5s,jitter=full,attempts=6 --deadline 4s
  retrysim run examples/overloaded.retry
  retrysim run --script 'transient:50; ok "hi"'
  retrysim check examples`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
	}
	var version bool
	root.Flags().BoolVar(&version, "version", false, "print the version, as retrysim version does")
	root.RunE = func(c *cobra.Command, _ []string) error {
		if version {
			return printVersion(c)
		}
		return c.Help()
	}
	root.SetFlagErrorFunc(explainFlag)
	root.PersistentFlags().String("color", "auto", "colours: auto, always or never")
	root.PersistentFlags().Bool("ascii", false, "no symbols beyond ASCII")
	root.PersistentFlags().BoolP("quiet", "q", false, "no messages but errors")
	root.PersistentFlags().String("progress", "auto", "how far long runs are, on standard error: auto, plain (a line every ten seconds) or none")
	values(root, "color", tty.Modes...)
	values(root, "progress", progressModes...)
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		mode, _ := c.Flags().GetString("color")
		if _, err := oneOf("--color", mode, tty.Modes); err != nil {
			return err
		}
		mode, _ = c.Flags().GetString("progress")
		_, err := oneOf("--progress", mode, progressModes)
		return err
	}
	for _, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Simulate:", []*cobra.Command{newSchedule(), newRun(), newFleet(), newCompare(), newSweep(), newMerge()}},
		{"Check:", []*cobra.Command{newCheck(), newFuzz(), newReplay(), newFmt(), newLint()}},
		{"Other:", []*cobra.Command{newServe(), newExplain(), newInit(), newPolicies(), newImport(), newExport(), newSchema(), newVersion()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, c := range group.commands {
			c.GroupID = group.title
			c.Args = explainArgs(c.Args)
			root.AddCommand(c)
		}
	}
	root.SetHelpCommand(newHelp())
	root.SetCompletionCommandGroupID("Other:")
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil && c != root {
		c.Args, c.RunE = cobra.ArbitraryArgs, unknownShell
	}
	root.SetHelpTemplate(help)
	root.SetUsageTemplate(usage)
	return root
}

// help says what a command is for, then shows it, and only then explains.
const help = `{{.Short}}.

{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{with .Long}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}`

// usage is cobra's template with the flags that every command has last.
const usage = `Usage:
{{if .Runnable}}  {{.UseLine}}
{{end}}{{if .HasAvailableSubCommands}}  {{.CommandPath}} COMMAND
{{end}}{{if .HasAvailableSubCommands}}{{$all := .Commands}}{{if eq (len .Groups) 0}}
Commands:{{range $all}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{else}}{{range $group := .Groups}}
{{.Title}}{{range $all}}{{if and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableSubCommands}}
More about one: {{.CommandPath}} COMMAND --help
{{end}}`

// newHelp is cobra's command, with an error for what there is no help about.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Say what a command does",
		Example: "  retrysim help fleet",
		GroupID: "Other:",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
			for _, sub := range c.Root().Commands() {
				if len(args) == 0 && sub.IsAvailableCommand() {
					out = append(out, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c.Root(), args)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// unknownShell says which shells there are.
func unknownShell(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	_, err := oneOf("completion", args[0], names)
	return err
}

// explainArgs says what arguments a command takes instead of how many.
func explainArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		err := check(c, args)
		if err != nil && (strings.HasPrefix(err.Error(), "accepts ") || strings.HasPrefix(err.Error(), "unknown command ")) {
			given := "nothing is given"
			if len(args) > 0 {
				given = fmt.Sprintf("%q is given", strings.Join(args, " "))
			}
			return fmt.Errorf("%s: %s: want %s", c.Name(), given, strings.TrimSuffix(c.UseLine(), " [flags]"))
		}
		return err
	}
}

// firstErrors is the text of an error, of a script's mistakes the first few: who
// runs a file that is no script at all need not see a screen for each line.
func firstErrors(err error) string {
	const few = 10
	var all scripted.SyntaxErrors
	if !errors.As(err, &all) || len(all) <= few {
		return err.Error()
	}
	first := fmt.Sprintf("%v\nthere are more mistakes: retrysim check shows them all", all[:few])
	return strings.Replace(err.Error(), all.Error(), first, 1)
}

// unknownCommand says which command was meant.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	for _, name := range names {
		if strings.HasPrefix(name, args[0]) {
			return fmt.Errorf("unknown command %q (did you mean %s?)", args[0], name)
		}
	}
	if near, ok := scripted.Nearest(args[0], names); ok {
		return fmt.Errorf("unknown command %q (did you mean %s?)", args[0], near)
	}
	return fmt.Errorf("unknown command %q (known: %s)", args[0], strings.Join(names, ", "))
}

// explainFlag says what is wrong with a flag: the nearest one to an unknown
// one, and what a value must look like.
func explainFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bad *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		var flags []string
		c.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
		if near, ok := scripted.Nearest(unknown.GetSpecifiedName(), flags); ok {
			return fmt.Errorf("%w (did you mean --%s?)", err, near)
		}
		if name := strings.ToUpper(unknown.GetSpecifiedName()); slices.Contains(strings.FieldsFunc(c.Use, func(r rune) bool { return strings.ContainsRune(" |.", r) }), name) {
			return fmt.Errorf("%w (it goes without: %s)", err, strings.TrimSuffix(c.UseLine(), " [flags]"))
		}
		return fmt.Errorf("%w (%s --help lists them)", err, c.CommandPath())
	case errors.As(err, &bad):
		if looks, ok := looksLike[bad.GetFlag().Value.Type()]; ok {
			return fmt.Errorf("--%s: %q is no %s", bad.GetFlag().Name, bad.GetValue(), looks)
		}
	}
	return err
}

// looksLike says what a value of a type of flag looks like.
var looksLike = map[string]string{
	"duration": "duration (such as 200ms, 1.5s or 2m)",
	"uint64":   "whole number from 0 to 18446744073709551615, nor the word random",
	"int":      "whole number (such as 20, 10k or 1.5M)",
	"bool":     "true or false",
}

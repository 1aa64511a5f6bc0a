package main

import (
	"fmt"
	"io"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

type runFlags struct {
	policy string
	seed   uint64
	script string
	outputFlags
}

func newRun() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run FILE|-",
		Short: "Play one script through the real decorator",
		Long: `Play one script through the real decorator, on virtual time, and print what happened,
attempt by attempt. The exit status is 1 if an expectation of the script fails or the
script is used up, else 0, whatever the outcome.`,
		Example: `  retrysim run examples/overloaded.retry
  retrysim run examples/ratelimit.retry --policy exp:base=200ms,cap=5s,jitter=none,attempts=6
  retrysim run calls.txtar:refused.retry             # of an archive
  retrysim run --script 'transient:50; ok "hi"'
  echo 'transient x9' | retrysim run - -f jsonl     # the trace, an event a line
  retrysim run examples/overloaded.retry -o call.html -o call.svg`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeScripts,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	c.Flags().StringVarP(&f.policy, "policy", "p", "", "use this policy, not the script's (such as exp:base=1s,cap=30s,attempts=3)")
	addSeed(c, &f.seed, "use this seed of the jitter, not the script's")
	c.Flags().StringVar(&f.script, "script", "", "play this text instead of a file")
	f.outputFlags.add(c)
	complete(c, "policy", completePolicies)
	return c
}

func (f *runFlags) run(c *cobra.Command, args []string) error {
	if err := f.outputFlags.check(); err != nil {
		return err
	}
	in, origin, err := f.read(c, args)
	if err != nil {
		return err
	}
	if c.Flags().Changed("policy") {
		policy, err := readPolicy(c, "--policy", f.policy)
		if err != nil {
			return err
		}
		in.Policy = &policy
	}
	if c.Flags().Changed("seed") {
		in.Seed = &f.seed
	}
	d, played, err := in.play()
	if err != nil {
		return err
	}
	d.Command = append(origin, "--policy", played.Policy.String(), "--seed", fmt.Sprint(played.Seed))
	if err := f.outputFlags.write(c, d); err != nil {
		return err
	}
	return verdict(c.ErrOrStderr(), in.Name, played, f.format != "table")
}

// verdict returns errFailed for a run that fails the command. What the table
// does not say goes to msg: a used-up script and, without a table, the
// expectations that failed.
func verdict(msg io.Writer, name string, played *simulate.Run, noTable bool) error {
	failed := played.Failed()
	if noTable {
		for _, c := range failed {
			fmt.Fprintf(msg, "retrysim: %s\n", failure(name, c))
		}
	}
	if used := played.UsedUp(); used != nil && used.Lane == "" && used.Block == (scripted.Pos{}) && used.Blocks == 0 {
		fmt.Fprintf(msg, "retrysim: %s: used up: %s came and the script has %s (add turns, or limit the attempts)\n",
			name, count(used.Call, "request"), count(used.Turns, "turn"))
		return errFailed
	}
	unfit := played.Unfit()
	for _, p := range unfit {
		fmt.Fprintf(msg, "retrysim: %s: %s\n", name, hint(p))
	}
	if len(failed)+len(unfit) > 0 {
		return errFailed
	}
	return nil
}

// read returns the script and the words of the command line that name it.
func (f *runFlags) read(c *cobra.Command, args []string) (in runInput, origin []string, err error) {
	inline := c.Flags().Changed("script")
	switch {
	case inline && len(args) > 0:
		return in, nil, fmt.Errorf("run: both --script and the file %s are given (use one)", args[0])
	case inline:
		return runInput{source: newSource("--script", f.script)}, []string{"run", "--script", f.script}, nil
	case len(args) == 0:
		return in, nil, fmt.Errorf("run: no script (name a file, - for standard input, or --script 'transient:50; ok \"hi\"')")
	}
	name, text, err := readScript(c, args[0])
	return runInput{source: newSource(name, text)}, []string{"run", args[0]}, err
}

// completeScripts completes the names of scripts.
func completeScripts(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"retry"}, cobra.ShellCompDirectiveFilterFileExt
}

// failure says on one line which expectation failed.
func failure(name string, c simulate.Result) string {
	return fmt.Sprintf("%s:%d: expect %s: got %s", name, c.Pos.Line, c.Expect, c.Got)
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

type runFlags struct {
	policy string
	seed   uint64
	script string
	json   bool
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
  retrysim run --script 'transient:50; ok "hi"'
  echo 'transient x9' | retrysim run - --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	c.Flags().StringVarP(&f.policy, "policy", "p", "", "use this policy, not the script's (such as exp:base=1s,cap=30s,attempts=3)")
	c.Flags().Uint64Var(&f.seed, "seed", simulate.DefaultSeed, "use this seed of the jitter, not the script's")
	c.Flags().StringVar(&f.script, "script", "", "play this text instead of a file")
	c.Flags().BoolVar(&f.json, "json", false, "print the trace as JSON lines")
	return c
}

func (f *runFlags) run(c *cobra.Command, args []string) error {
	script, origin, err := f.read(c, args)
	if err != nil {
		return err
	}
	var o simulate.Options
	if c.Flags().Changed("policy") {
		policy, err := scripted.ParsePolicy("--policy", f.policy)
		if err != nil {
			return err
		}
		o.Policy = &policy
	}
	if c.Flags().Changed("seed") {
		o.Seed = &f.seed
	}
	played, err := simulate.Play(script, o)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if f.json {
		b.Write(played.Trace.Bytes())
	} else {
		writeRun(&b, played)
		fmt.Fprintf(&b, "\nreproduce: retrysim run %s --policy %v --seed %d\n", origin, played.Policy, played.Seed)
	}
	if err := output(c, b.Bytes()); err != nil {
		return err
	}
	return verdict(c.ErrOrStderr(), script, played, f.json)
}

// verdict returns errFailed for a run that fails the command. What the table
// does not say goes to msg: a used-up script and, without a table, the
// expectations that failed.
func verdict(msg io.Writer, script *scripted.Script, played *simulate.Run, noTable bool) error {
	failed := played.Failed()
	if noTable {
		for _, c := range failed {
			fmt.Fprintf(msg, "retrysim: %s\n", failure(script.Name, c))
		}
	}
	if used := played.UsedUp(); used != nil && used.Lane == "" && used.Block == (scripted.Pos{}) && used.Blocks == 0 {
		fmt.Fprintf(msg, "retrysim: %s: used up: %s came and the script has %s (add turns, or limit the attempts)\n",
			script.Name, count(used.Call, "request"), count(used.Turns, "turn"))
		return errFailed
	}
	unfit := played.Unfit()
	for _, p := range unfit {
		fmt.Fprintf(msg, "retrysim: %s: %s\n", script.Name, hint(p))
	}
	if len(failed)+len(unfit) > 0 {
		return errFailed
	}
	return nil
}

// read returns the script and the words of the command line that name it.
func (f *runFlags) read(c *cobra.Command, args []string) (script *scripted.Script, origin string, err error) {
	inline := c.Flags().Changed("script")
	switch {
	case inline && len(args) > 0:
		return nil, "", fmt.Errorf("run: both --script and the file %s are given (use one)", args[0])
	case inline:
		script, err = scripted.Parse("--script", f.script)
		return script, "--script " + shellQuote(f.script), err
	case len(args) == 0:
		return nil, "", fmt.Errorf("run: no script (name a file, - for standard input, or --script 'transient:50; ok \"hi\"')")
	}
	name, text, err := readFile(c, args[0])
	if err != nil {
		return nil, "", err
	}
	script, err = scripted.Parse(name, text)
	return script, shellQuote(args[0]), err
}

// shellQuote returns s as one word of a POSIX shell.
func shellQuote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n\"'\\$`;&|<>()*?[]{}~#!") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// failure says on one line which expectation failed.
func failure(name string, c simulate.Result) string {
	return fmt.Sprintf("%s:%d: expect %s: got %s", name, c.Pos.Line, c.Expect, c.Got)
}

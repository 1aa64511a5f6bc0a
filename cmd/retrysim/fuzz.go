package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/scripted"
	"github.com/spf13/cobra"
)

type fuzzFlags struct {
	expects  []string
	deadline time.Duration
	runs     int
	duration time.Duration
	seed     uint64
	outputFlags
}

func newFuzz() *cobra.Command {
	var f fuzzFlags
	c := &cobra.Command{
		Use:   "fuzz POLICY|FILE",
		Short: "Search for a script with which a policy fails its goals",
		Long: `Search for a script and a seed with which a policy fails its goals: conditions as they
stand behind "expect" in a scenario, which must hold whatever the model does, and the rules
that retrysim explain lists. First every small script is played, then what the seed draws;
what is found is made as small as it can be.

Of a file the policy, the deadline and the expectations count, and its turns are tried
first. The exit status is 1 if a script was found.`,
		Example: `  retrysim fuzz exp:base=1s,cap=8s,jitter=full,attempts=4 --expect 'total <= 20s'
  retrysim fuzz openai --expect 'total <= 30s' --expect 'attempts <= 3' --for 10s
  retrysim fuzz goals.retry --runs 100000 --seed 7`,
		Args:              exactlyOne("policy or file", "such as openai, or goals.retry"),
		ValidArgsFunction: completePolicies,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringArrayVarP(&f.expects, "expect", "e", nil, "a condition that must hold for every call; repeatable")
	c.Flags().DurationVar(&f.deadline, "deadline", 0, "the callers' deadline")
	addCount(c, &f.runs, "runs", 20_000, "play so many scripts")
	c.Flags().DurationVar(&f.duration, "for", 0, "play for so long instead")
	addSeed(c, &f.seed, "the seed of what is drawn")
	c.MarkFlagsMutuallyExclusive("runs", "for")
	f.outputFlags.add(c)
	return c
}

type fuzzInput struct {
	Goals string `json:"goals"` // as a scenario
	Runs  *int   `json:"runs"`  // null: for a time
	Seed  uint64 `json:"seed"`
}

type fuzzResult struct {
	Runs    int         `json:"runs"` // until it was found, or in all
	What    *string     `json:"what"` // null: nothing was found
	Script  *string     `json:"script"`
	From    *int        `json:"shrunk_from_turns"`
	Reached []fuzzState `json:"reached"`
}

type fuzzState struct {
	State string `json:"state"`
	Runs  int    `json:"runs"`
}

func (f *fuzzFlags) run(c *cobra.Command, arg string) error {
	if err := f.outputFlags.check(); err != nil {
		return err
	}
	goals, err := f.goals(c, arg)
	if err != nil {
		return err
	}
	if f.runs <= 0 && f.duration <= 0 {
		return fmt.Errorf("--runs: %d is no number of scripts to play", f.runs)
	}
	search := explore.Fuzzing{Scenario: goals, Seed: f.seed, Runs: f.runs}
	in := fuzzInput{Goals: scripted.Format(goals), Runs: &f.runs, Seed: f.seed}
	clock := clockwork.NewRealClock()
	began := clock.Now()
	ctx, stop := interruptible(c)
	defer stop()
	p := newProgress(c, f.runs, 0)
	p.noun = "scripts"
	search.More = func(explore.Progress) bool {
		p.step(0)
		return ctx.Err() == nil
	}
	if f.duration > 0 {
		search.Runs, in.Runs, p.lasts = 0, nil, f.duration
		search.More = func(so explore.Progress) bool {
			p.step(0)
			return ctx.Err() == nil && (so.Runs%64 != 0 || clock.Since(began) < f.duration)
		}
	}
	found, progress, err := explore.Fuzz(search)
	p.clear()
	if err != nil {
		return fmt.Errorf("fuzz: %w", err)
	}
	if took := clock.Since(began); took > 100*time.Millisecond {
		say(c, "%s runs, %s a second", tty.Group(int64(progress.Runs)), tty.Group(int64(float64(progress.Runs)/took.Seconds())))
	}
	d := f.document(arg, in, found, progress)
	if found == nil && ctx.Err() != nil {
		d.Verdict = report.Verdict{Text: "Interrupted: " + d.Verdict.Text}
	}
	if err := f.outputFlags.write(c, d); err != nil {
		return err
	}
	switch {
	case found != nil:
		return errFailed
	case ctx.Err() != nil:
		return errInterrupted
	}
	return nil
}

// goals returns what must hold, as a scenario.
func (f *fuzzFlags) goals(c *cobra.Command, arg string) (*scripted.Script, error) {
	goals := &scripted.Script{Name: arg}
	if isPath(arg) {
		name, text, err := readFile(c, arg)
		if err != nil {
			return nil, err
		}
		if goals, err = scripted.Parse(name, text); err != nil {
			return nil, err
		}
		if len(goals.Lanes) > 0 || len(goals.Blocks) > 0 {
			return nil, fmt.Errorf("fuzz: %s has lanes or call blocks; what is searched for is the script of one call", name)
		}
	} else {
		p, err := readPolicy(c, "policy", arg)
		if err != nil {
			return nil, err
		}
		goals.Policy = &p
	}
	for _, e := range f.expects {
		s, err := scripted.Parse("--expect", "expect "+e+"\nok")
		if err != nil {
			return nil, shifted(err, 1, "expect ", e)
		}
		s.Expects[0].Pos = scripted.Pos{} // it is no part of a file
		goals.Expects = append(goals.Expects, s.Expects...)
	}
	for _, e := range goals.Expects {
		if e.Open {
			return nil, fmt.Errorf("fuzz: expect %s: a ? that is not filled in says nothing", e)
		}
	}
	if c.Flags().Changed("deadline") {
		if f.deadline <= 0 {
			return nil, fmt.Errorf("--deadline: %v is no time to come (such as 4s)", f.deadline)
		}
		goals.TotalTimeout = f.deadline
	}
	return goals, nil
}

func (f *fuzzFlags) document(arg string, in fuzzInput, found *explore.Broken, p explore.Progress) *report.Document {
	d := &report.Document{Kind: "fuzz", Title: "Search for a script that breaks " + arg, Input: in, Command: f.command(arg)}
	result := fuzzResult{Runs: p.Runs}
	t := report.Table{Columns: []report.Column{{Head: "calls that ended in"}, {Head: "runs", Right: true}}}
	for _, s := range p.Reached {
		result.Reached = append(result.Reached, fuzzState{s.Name, s.Count})
		t.Rows = append(t.Rows, []string{s.Name, tty.Group(int64(s.Count))})
	}
	d.Tables = []report.Table{t}
	d.Records = report.Records{Header: []string{"runs", "what", "script"}, Rows: [][]string{{fmt.Sprint(p.Runs), "", ""}}}
	if found == nil {
		d.Verdict = report.Verdict{Mark: report.Good, Text: fmt.Sprintf("Nothing found: what is expected held in %s.", tty.Count(p.Runs, "run"))}
		d.Result = result
		return d
	}
	text := scripted.Format(found.Script)
	result.What, result.Script, result.From = &found.What, &text, &found.From
	d.Records.Rows[0][1], d.Records.Rows[0][2] = found.What, text
	d.Verdict = report.Verdict{Mark: report.Bad, Text: fmt.Sprintf("Broken after %s: %s", tty.Count(p.Runs, "run"), found.What)}
	shown := report.Table{Columns: []report.Column{{Head: "the smallest script found"}}}
	for l := range strings.Lines(text) {
		shown.Rows = append(shown.Rows, []string{strings.TrimRight(l, "\n")})
	}
	d.Tables = []report.Table{shown, t}
	d.Notes = append(d.Notes, "see it: retrysim run --script "+tty.ShellQuote(explore.OneLine(found.Script)))
	d.Result = result
	return d
}

// command returns the words that search again.
func (f *fuzzFlags) command(arg string) []string {
	words := []string{"fuzz", arg}
	for _, e := range f.expects {
		words = append(words, "--expect", e)
	}
	if f.deadline > 0 {
		words = append(words, "--deadline", f.deadline.String())
	}
	if f.duration > 0 {
		words = append(words, "--for", f.duration.String())
	} else {
		words = append(words, "--runs", fmt.Sprint(f.runs))
	}
	return append(words, "--seed", fmt.Sprint(f.seed))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/advice"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

type lintFlags struct {
	deadline time.Duration
	strict   bool
	outputFlags
}

func newLint() *cobra.Command {
	var f lintFlags
	c := &cobra.Command{
		Use:   "lint POLICY|PATH...",
		Short: "Point out mistakes in policies and scenarios",
		Long: `Point out mistakes in policies and scenarios: a cap that is never reached, an attempt
timeout that leaves no time to retry, a last attempt that starts after the deadline, no
jitter, turns that nobody plays. Folders are searched for *.retry and *.txtar.

What it says is advice: the exit status is 0, with --strict 1 if there is any.`,
		Example: `  retrysim lint openai --deadline 10s
  retrysim lint exp:base=1s,timeout=30s,attempts=3 --deadline 20s
  retrysim lint ./... --strict`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("lint: nothing to look at (name policies, files or folders; - for standard input)")
			}
			return nil
		},
		ValidArgsFunction: func(c *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
			policies, _ := completePolicies(c, nil, toComplete)
			return policies, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	c.Flags().DurationVar(&f.deadline, "deadline", 0, "the caller's deadline, where a scenario says none")
	c.Flags().BoolVar(&f.strict, "strict", false, "exit with 1 if there is anything to say")
	f.outputFlags.add(c)
	return c
}

// linted is what there is to say about one policy or script.
type linted struct {
	Where string        `json:"where"`
	Hints []report.Hint `json:"hints"`
}

type lintInput struct {
	Subjects []string       `json:"subjects"`
	Deadline *time.Duration `json:"deadline_ns"`
}

type lintResult struct {
	Found    int      `json:"found"`
	Subjects []linted `json:"subjects"`
}

func (f *lintFlags) run(c *cobra.Command, args []string) error {
	if err := f.outputFlags.check(); err != nil {
		return err
	}
	in := lintInput{Subjects: args}
	if c.Flags().Changed("deadline") {
		in.Deadline = &f.deadline
	}
	result := lintResult{Subjects: []linted{}}
	for _, arg := range args {
		some, err := f.lint(c, arg)
		if err != nil {
			return err
		}
		result.Subjects = append(result.Subjects, some...)
	}
	d := lintDocument(in, result)
	if err := f.outputFlags.write(c, d); err != nil {
		return err
	}
	if f.strict && len(d.Hints) > 0 {
		return errFailed
	}
	return nil
}

// lint looks at what an argument names: files, or a policy if there is no such
// file.
func (f *lintFlags) lint(c *cobra.Command, arg string) ([]linted, error) {
	if !isPath(arg) {
		p, err := readPolicy(c, "policy", arg)
		if err != nil {
			return nil, err
		}
		hints, err := lintPolicy(p, f.deadline)
		return []linted{{Where: p.String(), Hints: hints}}, err
	}
	files, err := expand([]string{arg})
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	var out []linted
	for _, file := range files {
		name, text, err := readFile(c, file.name)
		if err != nil {
			return nil, err
		}
		scripts, err := scripted.ParseFile(name, text)
		switch {
		case file.found && errors.Is(err, scripted.ErrNoScript):
			continue // an archive of other things
		case err != nil:
			return nil, err
		}
		for _, s := range scripts {
			hints, err := lintScript(s, f.deadline)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", title(s), err)
			}
			out = append(out, linted{Where: title(s), Hints: hints})
		}
	}
	return out, nil
}

// isPath reports whether an argument names files, not a policy.
func isPath(arg string) bool {
	if arg == stdin || strings.HasSuffix(arg, "...") || strings.ContainsAny(arg, "*?[") {
		return true
	}
	if ext := filepath.Ext(arg); ext == ".retry" || ext == ".txtar" {
		return true
	}
	_, err := os.Stat(arg)
	return err == nil
}

func lintPolicy(p retry.Policy, deadline time.Duration) ([]report.Hint, error) {
	times, err := simulate.Schedule(p, simulate.ScheduleOptions{Class: retry.Transient(), Deadline: deadline})
	if err != nil {
		return nil, err
	}
	return advice.Of(advice.Use{Policy: p, Deadline: deadline, Times: times}), nil
}

// lintScript looks at the policy in force and at what the script says in vain.
func lintScript(s *scripted.Script, deadline time.Duration) ([]report.Hint, error) {
	if s.IsFleet() {
		return lintFleet(s)
	}
	played, err := simulate.Play(s, simulate.Options{})
	if err != nil {
		return nil, err
	}
	if s.TotalTimeout > 0 {
		deadline = s.TotalTimeout
	}
	hints, err := lintPolicy(played.Policy, deadline)
	if err != nil {
		return nil, err
	}
	add := func(name, format string, args ...any) {
		hints = append(hints, report.Hint{Name: name, Text: fmt.Sprintf(format, args...)})
	}
	for _, p := range played.Unfit() {
		add("does-not-fit", "%s", hint(p))
	}
	if len(played.Checks) == 0 {
		add("expects-nothing", "it expects nothing, so nothing can fail (add a line such as: expect outcome == success)")
	}
	for _, e := range played.Checks {
		if e.Open {
			add("open-value", "line %d: a ? that is not filled in (retrysim check --update)", e.Pos.Line)
		}
	}
	if n, t, ok := unplayed(s, attemptsMade(played)); ok {
		add("never-played", "line %d: the turn %q is never played: the turns before it answer %s, and no more are made", t.Pos.Line, t, tty.Count(n, "attempt"))
	}
	return hints, nil
}

// lintFleet looks at a fleet scenario and at one run of it.
func lintFleet(s *scripted.Script) ([]report.Hint, error) {
	result, err := simulate.RunFleet(context.Background(), s, simulate.FleetOptions{Files: os.DirFS(filepath.Dir(s.Name))})
	if err != nil {
		return nil, err
	}
	hints := diagnose(result.Scenario, result.Runs[0]).hints()
	if len(result.Checks) == 0 {
		hints = append(hints, report.Hint{Name: "expects-nothing", Text: "it expects nothing, so nothing can fail (add a line such as: expect recovery <= 30s)"})
	}
	return hints, nil
}

func attemptsMade(r *simulate.Run) int {
	n := 0
	for _, c := range r.Calls {
		n += c.Attempts
	}
	return n
}

// unplayed returns the first turn that no attempt gets to, and how many
// requests those before it answer. It looks at scripts without lanes and call
// blocks only.
func unplayed(s *scripted.Script, attempts int) (before int, t scripted.Turn, ok bool) {
	if len(s.Lanes) > 0 || len(s.Blocks) > 0 {
		return 0, t, false
	}
	for _, t := range s.Turns {
		if before >= attempts {
			return before, t, true
		}
		times := max(t.Repeat, 1)
		if times > attempts { // forever, or as good as that
			return 0, t, false
		}
		before += times
	}
	return 0, t, false
}

func lintDocument(in lintInput, result lintResult) *report.Document {
	d := &report.Document{Kind: "lint", Title: "Lint of " + strings.Join(in.Subjects, ", "), Input: in}
	d.Records.Header = []string{"where", "name", "text"}
	found := 0
	for _, s := range result.Subjects {
		for _, h := range s.Hints {
			found++
			d.Records.Rows = append(d.Records.Rows, []string{s.Where, h.Name, h.Text})
			text := h.Text
			if len(result.Subjects) > 1 {
				text = s.Where + ": " + h.Text
			}
			d.Hints = append(d.Hints, report.Hint{Name: h.Name, Text: text})
		}
	}
	for i := range result.Subjects {
		if result.Subjects[i].Hints == nil {
			result.Subjects[i].Hints = []report.Hint{}
		}
	}
	result.Found = found
	d.Result = result
	d.Verdict = report.Verdict{Mark: report.Good, Text: "nothing to say about " + about(result.Subjects)}
	if found > 0 {
		d.Verdict = report.Verdict{Text: fmt.Sprintf("%s about %s", tty.Count(found, "hint"), about(result.Subjects))}
	}
	return d
}

func about(subjects []linted) string {
	if len(subjects) == 1 {
		return subjects[0].Where
	}
	return fmt.Sprintf("%d policies and scripts", len(subjects))
}

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/advice"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

type scheduleFlags struct {
	over       []string
	deadline   time.Duration
	took       time.Duration
	retryAfter time.Duration
	throttled  bool
	attempts   int
	runs       int
	seed       uint64
	outputFlags
}

func newSchedule() *cobra.Command {
	var f scheduleFlags
	c := &cobra.Command{
		Use:   "schedule POLICY",
		Short: "Say when each attempt of a policy happens",
		Long: `Say when each attempt of a policy happens if every attempt fails: the bounds of each wait,
and when the attempt starts in 5 %, half and 95 % of all calls. Where the waits add up to a
known distribution the numbers are exact; else they are those of --runs calls.

A policy is a name, a text, a file with such a text, or a file of another system.`,
		Example: `  retrysim schedule exp:base=200ms,cap=5s,jitter=full,attempts=6 --deadline 4s
  retrysim schedule default --over openai        # a wrapper around an SDK that retries too
  retrysim schedule temporal --attempts 10 -f csv
  retrysim schedule grpc:@service_config.json -o schedule.html -o schedule.svg`,
		Args:              exactlyOne("policy", "such as openai, or exp:base=1s,cap=30s,attempts=3"),
		ValidArgsFunction: completePolicies,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringArrayVar(&f.over, "over", nil, "a policy underneath, which each attempt goes through; repeatable")
	c.Flags().DurationVar(&f.deadline, "deadline", 0, "mark the caller's deadline")
	c.Flags().DurationVar(&f.took, "took", 0, "let each attempt take this long to fail")
	c.Flags().DurationVar(&f.retryAfter, "retry-after", 0, "let each failure come with this Retry-After")
	c.Flags().BoolVar(&f.throttled, "throttled", false, "let each failure be a throttling error, such as a 429")
	addCount(c, &f.attempts, "attempts", 0, "work out so many attempts at most (default all, or 50 of a policy without a limit)")
	addCount(c, &f.runs, "runs", simulate.DefaultRuns, "draw so many calls where there is no closed form")
	addSeed(c, &f.seed, "the seed of the draws")
	f.outputFlags.add(c)
	complete(c, "over", completePolicies)
	return c
}

func (f *scheduleFlags) run(c *cobra.Command, text string) error {
	if err := f.outputFlags.check(); err != nil {
		return err
	}
	policy, err := readPolicy(c, "policy", text)
	if err != nil {
		return err
	}
	in := scheduleInput{Policy: policy, Over: []retry.Policy{}, Took: f.took, Throttled: f.throttled, Runs: f.runs, Seed: f.seed}
	for _, o := range f.over {
		p, err := readPolicy(c, "--over", o)
		if err != nil {
			return err
		}
		in.Over = append(in.Over, p)
	}
	for _, flag := range []struct {
		name string
		from time.Duration
		to   **time.Duration
	}{{"deadline", f.deadline, &in.Deadline}, {"retry-after", f.retryAfter, &in.RetryAfter}} {
		if c.Flags().Changed(flag.name) {
			if flag.from < 0 || flag.from == 0 && flag.name == "deadline" {
				return fmt.Errorf("--%s: %v is no time to come (such as 4s)", flag.name, flag.from)
			}
			*flag.to = &flag.from
		}
	}
	if c.Flags().Changed("attempts") {
		in.Attempts = &f.attempts
	}
	d, err := in.document()
	if err != nil {
		return err
	}
	return f.outputFlags.write(c, d)
}

// scheduleInput is all that a schedule depends on.
type scheduleInput struct {
	Policy     retry.Policy   `json:"policy"`
	Over       []retry.Policy `json:"over"`
	Deadline   *time.Duration `json:"deadline_ns"`
	Took       time.Duration  `json:"took_ns"`
	RetryAfter *time.Duration `json:"retry_after_ns"`
	Throttled  bool           `json:"throttled"`
	Attempts   *int           `json:"attempts"`
	Runs       int            `json:"runs"`
	Seed       uint64         `json:"seed"`
}

func (in scheduleInput) options() simulate.ScheduleOptions {
	o := simulate.ScheduleOptions{Over: in.Over, Class: retry.Transient(), Took: in.Took, Runs: in.Runs, Seed: &in.Seed}
	if in.RetryAfter != nil {
		o.Class = retry.TransientAfter(*in.RetryAfter)
	}
	if in.Throttled {
		o.Class = o.Class.Throttled()
	}
	if in.Deadline != nil {
		o.Deadline = *in.Deadline
	}
	if in.Attempts != nil {
		o.Attempts = *in.Attempts
	}
	return o
}

// command returns the words that ask for the same schedule.
func (in scheduleInput) command(exact bool) []string {
	words := []string{"schedule", in.Policy.String()}
	add := func(flag string, value any) { words = append(words, "--"+flag, fmt.Sprint(value)) }
	for _, o := range in.Over {
		add("over", o)
	}
	if in.Deadline != nil {
		add("deadline", *in.Deadline)
	}
	if in.Took > 0 {
		add("took", in.Took)
	}
	if in.RetryAfter != nil {
		add("retry-after", *in.RetryAfter)
	}
	if in.Throttled {
		words = append(words, "--throttled")
	}
	if in.Attempts != nil {
		add("attempts", *in.Attempts)
	}
	if !exact {
		add("runs", in.Runs)
		add("seed", in.Seed)
	}
	return words
}

// document works the schedule out and says what there is to say of it.
func (in scheduleInput) document() (*report.Document, error) {
	o := in.options()
	times, err := simulate.Schedule(in.Policy, o)
	if err != nil {
		return nil, err
	}
	v := scheduleView{in: in, times: times, deadline: o.Deadline}
	d := &report.Document{
		Kind:    "schedule",
		Title:   "Schedule of " + in.Policy.String(),
		Verdict: report.Verdict{Text: v.verdict()},
		Charts:  []chart.Chart{v.bands()},
		Hints:   advice.Of(advice.Use{Policy: in.Policy, Over: in.Over, Deadline: o.Deadline, Times: times}),
		Command: in.command(times.Exact),
		Input:   in,
		Result:  v.result(),
		Records: v.records(),
	}
	d.Tables = []report.Table{v.table(d.Charts[0].(chart.Bands))}
	if n := len(times.Attempts); n > tableRows {
		d.Notes = append(d.Notes, fmt.Sprintf("… and %d more rows, which -f csv has", n-tableRows))
	}
	if len(in.Over) > 0 {
		d.Notes = append(d.Notes, "attempt 2.1 is the first one that the policy underneath makes in the second attempt of the policy above")
	}
	return d, nil
}

// tableRows is how many rows a table has at most.
const tableRows = 20

// scheduleView is a timetable on its way to a reader.
type scheduleView struct {
	in       scheduleInput
	times    *simulate.Timetable
	deadline time.Duration
}

func (v scheduleView) verdict() string {
	all := append([]retry.Policy{v.in.Policy}, v.in.Over...)
	n := simulate.Multiplied(all...)
	rows := v.times.Attempts
	last := rows[len(rows)-1]
	var b strings.Builder
	switch {
	case len(rows) == 1:
		return "1 attempt and no retry: the first error is final."
	case v.times.Cut && n == retry.Unlimited:
		fmt.Fprintf(&b, "Attempts without end; number %d", len(rows))
	case v.times.Cut:
		fmt.Fprintf(&b, "%s; number %d", tty.Count(n, "attempt"), len(rows))
	case last.Reached < 1 || len(rows) < n:
		fmt.Fprintf(&b, "Up to %s; number %d", tty.Count(len(rows), "attempt"), len(rows))
	default:
		fmt.Fprintf(&b, "%s; the last", tty.Count(n, "attempt"))
	}
	if last.Start.Min == last.Start.Max {
		fmt.Fprintf(&b, " starts after %s.", tty.Span(last.Start.P50))
	} else {
		fmt.Fprintf(&b, " starts after %s (median), %s at worst.", tty.Span(last.Start.P50), tty.Span(last.Start.Max))
	}
	if len(v.in.Over) > 0 {
		fmt.Fprintf(&b, " For one call the server sees %s of them.", product(all))
	}
	if last.Reached < 1 {
		fmt.Fprintf(&b, " %s of calls get that far.", tty.Percent(last.Reached))
	}
	if last.Late > 0 {
		fmt.Fprintf(&b, " In %s of calls that is after the %v deadline.", tty.Percent(last.Late), v.deadline)
	}
	return b.String()
}

// product writes how the attempts of stacked policies multiply.
func product(all []retry.Policy) string {
	words := make([]string, len(all))
	for i, p := range all {
		words[i] = strconv.Itoa(max(p.MaxAttempts, 1))
		if p.MaxAttempts == retry.Unlimited {
			words[i] = "unlimited"
		}
	}
	return strings.Join(words, " × ")
}

func (v scheduleView) bands() chart.Bands {
	b := chart.Bands{Title: "When each attempt starts", Deadline: v.deadline}
	for _, a := range v.times.Attempts[:min(len(v.times.Attempts), tableRows)] {
		b.Rows = append(b.Rows, chart.Band{Label: advice.Number(a), Min: a.Start.Min, P5: a.Start.P5, P50: a.Start.P50, P95: a.Start.P95, Max: a.Start.Max})
	}
	return b
}

// table is the timetable for people. The columns about shares are there only
// if they say something.
func (v scheduleView) table(bands chart.Bands) report.Table {
	const drawing = 34
	limited, late := false, false
	for _, a := range v.times.Attempts {
		limited, late = limited || a.Reached < 1, late || a.Late > 0
	}
	t := report.Table{Columns: []report.Column{
		{Head: "attempt", Right: true}, {Group: "wait before", Head: "min", Right: true}, {Group: "wait before", Head: "max", Right: true},
		{Group: "starts after", Head: "p5", Right: true}, {Group: "starts after", Head: "median", Right: true}, {Group: "starts after", Head: "p95", Right: true},
	}}
	if limited {
		t.Columns = append(t.Columns, report.Column{Head: "reached", Right: true})
	}
	if late {
		t.Columns = append(t.Columns, report.Column{Head: "too late", Right: true})
	}
	t.Columns = append(t.Columns, report.Column{Head: bands.Axis(drawing), Wide: true})
	for i, a := range v.times.Attempts[:len(bands.Rows)] {
		row := []string{advice.Number(a), "-", "-"}
		if i > 0 {
			row[1], row[2] = tty.Span(a.WaitMin), tty.Span(a.WaitMax)
		}
		row = append(row, tty.Span(a.Start.P5), tty.Span(a.Start.P50), tty.Span(a.Start.P95))
		if limited {
			row = append(row, tty.Percent(a.Reached))
		}
		if late {
			row = append(row, tty.Percent(a.Late))
		}
		t.Rows = append(t.Rows, append(row, bands.Cell(i, drawing)))
	}
	return t
}

// The machine's view.
type (
	scheduleResult struct {
		Method   string            `json:"method"` // "exact" or "drawn"
		Runs     *int              `json:"runs"`   // null if exact
		Complete bool              `json:"complete"`
		Attempts []scheduleAttempt `json:"attempts"`
		Total    *spread           `json:"total_ns"` // null if not complete
	}
	scheduleAttempt struct {
		Path    []int          `json:"path"`
		WaitMin *time.Duration `json:"wait_min_ns"`
		WaitMax *time.Duration `json:"wait_max_ns"`
		Start   spread         `json:"start_ns"`
		Reached float64        `json:"reached"`
		Late    *float64       `json:"late"` // null without a deadline
	}
	spread struct {
		Min  time.Duration `json:"min"`
		Mean time.Duration `json:"mean"`
		P5   time.Duration `json:"p5"`
		P50  time.Duration `json:"p50"`
		P90  time.Duration `json:"p90"`
		P95  time.Duration `json:"p95"`
		P99  time.Duration `json:"p99"`
		P999 time.Duration `json:"p999"`
		Max  time.Duration `json:"max"`
	}
)

func spreadOf(s simulate.Spread) spread {
	return spread{Min: s.Min, Mean: s.Mean, P5: s.P5, P50: s.P50, P90: s.P90, P95: s.P95, P99: s.P99, P999: s.P999, Max: s.Max}
}

func (v scheduleView) result() scheduleResult {
	r := scheduleResult{Method: "exact", Complete: !v.times.Cut}
	if !v.times.Exact {
		r.Method, r.Runs = "drawn", &v.times.Runs
	}
	for i, a := range v.times.Attempts {
		out := scheduleAttempt{Path: a.Path, Start: spreadOf(a.Start), Reached: a.Reached}
		if i > 0 {
			out.WaitMin, out.WaitMax = &a.WaitMin, &a.WaitMax
		}
		if v.deadline > 0 {
			out.Late = &a.Late
		}
		r.Attempts = append(r.Attempts, out)
	}
	if r.Complete {
		total := spreadOf(v.times.Total)
		r.Total = &total
	}
	return r
}

func (v scheduleView) records() report.Records {
	r := report.Records{Header: []string{
		"attempt", "wait_min_ns", "wait_max_ns", "start_min_ns", "start_mean_ns", "start_p5_ns", "start_p50_ns", "start_p90_ns",
		"start_p95_ns", "start_p99_ns", "start_p999_ns", "start_max_ns", "reached", "late",
	}}
	stacked := len(v.in.Over) > 0
	if stacked {
		r.Header = append(r.Header, "path")
	}
	for i, a := range v.times.Attempts {
		row := []string{strconv.Itoa(i + 1), "", ""}
		if i > 0 {
			row[1], row[2] = report.Nanoseconds(a.WaitMin), report.Nanoseconds(a.WaitMax)
		}
		s := a.Start
		for _, d := range []time.Duration{s.Min, s.Mean, s.P5, s.P50, s.P90, s.P95, s.P99, s.P999, s.Max} {
			row = append(row, report.Nanoseconds(d))
		}
		row = append(row, report.Ratio(a.Reached), "")
		if v.deadline > 0 {
			row[len(row)-1] = report.Ratio(a.Late)
		}
		if stacked {
			row = append(row, strings.ReplaceAll(advice.Number(a), ".", " "))
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

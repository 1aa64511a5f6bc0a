package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

// findInput is all that a search depends on.
type findInput struct {
	fleetInput
	Parameter string  `json:"parameter"`
	Low       *string `json:"low"` // null: looked for around the scenario's own value
	High      *string `json:"high"`
	While     string  `json:"while"`
}

// findRuns is how many seeds are tried unless --runs says so.
const findRuns = 20

// findInput reads --find NAME or NAME=LOW..HIGH, and --while.
func (f *fleetFlags) findInput(c *cobra.Command, in fleetInput) (findInput, error) {
	out := findInput{fleetInput: in, While: strings.TrimSpace(f.while)}
	if !c.Flags().Changed("runs") {
		out.Runs = findRuns
	}
	if out.While == "" {
		return out, errors.New("fleet: --find needs a condition (such as --while 'recovery <= 60s')")
	}
	name, between, ranged := strings.Cut(f.find, "=")
	if out.Parameter = name; ranged {
		low, high, ok := strings.Cut(between, "..")
		if !ok || low == "" || high == "" {
			return out, fmt.Errorf("--find %q: want NAME or NAME=LOW..HIGH (such as fault.duration=1s..5m)", f.find)
		}
		out.Low, out.High = &low, &high
	}
	_, err := parseCondition(out.While)
	return out, err
}

// parseCondition reads a condition about a fleet.
func parseCondition(text string) (scripted.Expect, error) {
	const before = "expect "
	s, err := scripted.Parse("--while", "fleet for=1s\narrive burst\n"+before+text)
	switch {
	case err != nil:
		return scripted.Expect{}, shifted(err, 3, before, text)
	case len(s.Expects) != 1 || s.Expects[0].Open || strings.ContainsAny(text, ";\n#"):
		return scripted.Expect{}, fmt.Errorf("--while %q: want one condition (such as recovery <= 60s)", text)
	}
	return s.Expects[0], nil
}

// shifted returns the first error of a text of the command line that was parsed
// as the end of a line of a script, without what was put before it.
func shifted(err error, line int32, before, text string) error {
	var all scripted.SyntaxErrors
	if !errors.As(err, &all) || all[0].Pos.Line != line {
		return err
	}
	e := *all[0]
	e.Pos.Line, e.Pos.Col, e.Source = 1, max(e.Pos.Col-int32(len(before)), 1), text
	return &e
}

// document searches and says what was found; interrupted says that it was of
// fewer seeds than asked for.
func (in findInput) document(ctx context.Context, c *cobra.Command) (d *report.Document, interrupted bool, err error) {
	script, err := in.fleet()
	if err != nil {
		return nil, false, err
	}
	o := simulate.FindOptions{Parameter: in.Parameter, FleetOptions: in.options()}
	if o.While, err = parseCondition(in.While); err != nil {
		return nil, false, err
	}
	if in.Low != nil && in.High != nil {
		o.Low, o.High = *in.Low, *in.High
	}
	sc, err := simulate.Scenario(script, o.FleetOptions)
	if err != nil {
		return nil, false, err
	}
	const steps = 10
	p := newProgress(c, in.Runs*(steps+2), sc.Horizon)
	defer p.clear()
	o.Steps, o.Done = steps, p.next
	found, err := simulate.Find(p.watch(ctx), script, o)
	switch {
	case ctx.Err() != nil && found == nil:
		return nil, true, errInterrupted
	case ctx.Err() == nil && err != nil:
		return nil, false, err
	}
	v := findView{in, found}
	d = v.document()
	if err != nil {
		d.Verdict.Text = fmt.Sprintf("Interrupted after %d of %d seeds. ", v.seeds(), in.Runs) + d.Verdict.Text
	}
	return d, err != nil, nil
}

// replayFind searches again.
func replayFind(c *cobra.Command, input json.RawMessage, o overrides) (*report.Document, error) {
	var in findInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	in.override(o)
	d, _, err := in.document(c.Context(), c)
	return d, err
}

func (in findInput) command(file string, seed uint64) []string {
	words := in.fleetInput.command(file, seed)
	name := in.Parameter
	if in.Low != nil && in.High != nil {
		name += "=" + *in.Low + ".." + *in.High
	}
	return append(words, "--find", name, "--while", in.While)
}

// findView is what was found on its way to a reader.
type findView struct {
	in    findInput
	found *simulate.Found
}

// findResult is the machine's view. A value is as the scenario has it, null if it
// lies outside the range.
type findResult struct {
	Parameter  string   `json:"parameter"`
	While      string   `json:"while"`
	From       string   `json:"from"`
	To         string   `json:"to"`
	Largest    bool     `json:"largest"` // what is found is the largest that does, else the smallest
	Every      *string  `json:"every"`   // does with every seed
	Median     *string  `json:"median"`  // does with half of them
	Low        *string  `json:"median_low"`
	High       *string  `json:"median_high"`
	Thresholds []string `json:"thresholds"` // of the seeds, from small to large
	Below      int      `json:"below"`      // seeds whose threshold is below the range
	Above      int      `json:"above"`
	Seed       uint64   `json:"seed"` // the first
}

func (v findView) seeds() int { return len(v.found.Thresholds) + v.found.Below + v.found.Above }

func (v findView) document() *report.Document {
	f := v.found
	or := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	d := &report.Document{
		Kind: "find", Title: fmt.Sprintf("%s in %s, while %v", f.Parameter, v.in.Name, f.While), Verdict: v.verdict(), Input: v.in,
		Result: findResult{
			Parameter: f.Parameter, While: f.While.String(), From: f.Between[0], To: f.Between[1], Largest: f.Largest,
			Every: or(f.Every), Median: or(f.Median), Low: or(f.Low), High: or(f.High), Thresholds: f.Thresholds, Below: f.Below, Above: f.Above, Seed: f.Seed,
		},
		Tables:  []report.Table{v.table()},
		Records: report.Records{Header: []string{"parameter", "threshold", "seeds_at_most"}},
		Notes:   []string{fmt.Sprintf("Each seed has its own threshold, found by halving between %s and %s; nothing else differs between the runs of a seed.", f.Between[0], f.Between[1])},
	}
	for k, t := range f.Thresholds {
		d.Records.Rows = append(d.Records.Rows, []string{f.Parameter, t, strconv.Itoa(f.Below + k + 1)})
	}
	if c, ok := v.chart(); ok {
		d.Charts = append(d.Charts, c)
	}
	return d
}

func (v findView) verdict() report.Verdict {
	f, seeds := v.found, count(v.seeds(), "seed")
	if f.Every == "" {
		outside := "No value of %s down to %s is safe: with %d of %s %v fails even there."
		at := f.Between[0]
		n := f.Below
		if !f.Largest {
			outside, at, n = "No value of %s up to %s cures: with %d of %s %v fails even there.", f.Between[1], f.Above
		}
		return report.Verdict{Mark: report.Bad, Unasked: true, Text: fmt.Sprintf(outside, f.Parameter, at, n, seeds, f.While) + v.half()}
	}
	text := "%s up to %s is safe: %v holds with every one of %s."
	if !f.Largest {
		text = "%s from %s on cures: %v holds with every one of %s."
	}
	return report.Verdict{Text: fmt.Sprintf(text, f.Parameter, f.Every, f.While, seeds) + v.half()}
}

// half says where it changes with half of the seeds.
func (v findView) half() string {
	f := v.found
	if f.Median == "" || v.seeds() < 2 {
		return ""
	}
	direction := "up to"
	if !f.Largest {
		direction = "from"
	}
	return fmt.Sprintf(" With half of them it does %s %s (95 %% interval: %s to %s).", direction, f.Median, v.bound(f.Low, "below "+f.Between[0]), v.bound(f.High, "above "+f.Between[1]))
}

func (v findView) bound(value, outside string) string {
	if value == "" {
		return outside
	}
	return value
}

func (v findView) table() report.Table {
	f := v.found
	t := report.Table{Columns: []report.Column{{Head: f.Parameter}, {Head: "value", Right: true}, {Head: "95 % interval"}}}
	outside := "below " + f.Between[0]
	if !f.Largest {
		outside = "above " + f.Between[1]
	}
	middle := "below " + f.Between[0]
	if f.Above > f.Below {
		middle = "above " + f.Between[1]
	}
	t.Rows = [][]string{
		{"does with every seed", v.bound(f.Every, outside), ""},
		{"does with half of them", v.bound(f.Median, middle), v.bound(f.Low, "below "+f.Between[0]) + " to " + v.bound(f.High, "above "+f.Between[1])},
		{"looked for between", f.Between[0] + " and " + f.Between[1], ""},
		{"seeds", strconv.Itoa(v.seeds()), ""},
	}
	return t
}

// chart shows with how many seeds the condition holds at each value.
func (v findView) chart() (chart.Lines, bool) {
	f := v.found
	c := chart.Lines{Title: fmt.Sprintf("Seeds with which %v, by %s", f.While, f.Parameter), XLabel: f.Parameter, YLabel: "% of the seeds"}
	line := chart.Line{Name: f.While.String()}
	add := func(value string, seeds int) bool {
		x, ok := numberOf(value)
		line.X, line.Y = append(line.X, x), append(line.Y, 100*float64(seeds)/float64(v.seeds()))
		return ok
	}
	n := v.seeds()
	// Of a largest value, so many seeds hold at it as have their thresholds at it
	// or above; of a smallest one as have theirs at it or below.
	holding := func(atMost, below int) int {
		if f.Largest {
			return n - below
		}
		return atMost
	}
	fine := add(f.Between[0], holding(f.Below, f.Below))
	for k, t := range f.Thresholds {
		fine = add(t, holding(f.Below+k, f.Below+k)) && fine
		fine = add(t, holding(f.Below+k+1, f.Below+k+1)) && fine
	}
	fine = add(f.Between[1], holding(n-f.Above, n-f.Above)) && fine
	if _, err := time.ParseDuration(f.Between[0]); err == nil {
		c.XLabel = ""
	}
	c.Lines = []chart.Line{line}
	return c, fine && slices.IsSorted(line.X)
}

// numberOf returns what a value of a scenario amounts to: a duration in seconds,
// else the number before its unit.
func numberOf(text string) (float64, bool) {
	if d, err := time.ParseDuration(text); err == nil {
		return d.Seconds(), true
	}
	x, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSuffix(text, "%"), "/s"), 64)
	return x, err == nil
}

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

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
	"github.com/spf13/cobra"
)

type sweepFlags struct {
	policies  []string
	load      string
	vary      []string
	steps     int
	runs      int
	seed      uint64
	shard     string
	staircase bool
	hold      time.Duration
	outputFlags
}

func newSweep() *cobra.Command {
	var f sweepFlags
	c := &cobra.Command{
		Use:   "sweep SCENARIO",
		Short: "Run a scenario at many loads or with many values, and find where it collapses",
		Long: `Run a scenario at many loads, under one policy or several, and find the load from which on
it does not recover. With --vary other numbers of the scenario change: --vary NAME=V,V,...,
the name as in server.queue, fault.for or policy.attempts; several are combined. With
--staircase the load climbs step by step and goes down again within one run, without the
scenario's faults: what is lost on the way down shows hysteresis.

A large sweep can be split: --shard 2/8 runs the second eighth of it and writes a part that
retrysim merge puts together. However it is split, the result has the same bytes.`,
		Example: `  retrysim sweep examples/metastable.retry --load 30%..110% --steps 9
  retrysim sweep examples/metastable.retry -p scenario -p budget=scenario+budget=10% --runs 20 -o sweep.html
  retrysim sweep examples/metastable.retry --vary server.queue=100,300,1000 --vary policy.attempts=1,2,3
  retrysim sweep examples/metastable.retry --staircase --hold 60s -o hysteresis.svg
  retrysim sweep examples/metastable.retry --runs 1000 --shard 1/8 -o part-1.json`,
		Args:              exactlyOne("scenario", "a file with a line such as fleet for=10m, or - for standard input"),
		ValidArgsFunction: completeScripts,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringArrayVarP(&f.policies, "policy", "p", nil, "a policy: [NAME=]POLICY, or scenario,KEY=VALUE; +budget=10%; repeatable (default the scenario's own)")
	c.Flags().StringVar(&f.load, "load", "20%..120%", "from which to which share of the scenario's load")
	addCount(c, &f.steps, "steps", 11, "so many loads, both ends included")
	c.Flags().StringArrayVar(&f.vary, "vary", nil, "another number than the load: NAME=VALUE,VALUE,...; repeatable")
	addCount(c, &f.runs, "runs", 3, "run each so many times, each time with another seed")
	addSeed(c, &f.seed, "what the seeds of the runs are made from")
	c.Flags().StringVar(&f.shard, "shard", "", "run this part only: I/N, from 1/N to N/N")
	c.Flags().BoolVar(&f.staircase, "staircase", false, "let the load climb and go down again in one run")
	c.Flags().DurationVar(&f.hold, "hold", time.Minute, "how long a step of the staircase lasts")
	f.outputFlags.add(c)
	complete(c, "policy", completePolicies)
	return c
}

// sweepInput is all that a sweep depends on, however it is split.
type sweepInput struct {
	source
	Variants []variant       `json:"variants"`
	Axes     []simulate.Axis `json:"axes"`
	Seed     uint64          `json:"seed"`
	Runs     int             `json:"runs"`
	// Hold is how long a step of a staircase lasts; nil: it is none.
	Hold *time.Duration `json:"hold_ns"`
}

func (f *sweepFlags) run(c *cobra.Command, file string) error {
	if err := f.outputFlags.check(); err != nil {
		return err
	}
	in, err := f.input(c, file)
	if err != nil {
		return err
	}
	part, parts := 1, 1
	if f.shard != "" {
		if part, parts, err = parseShard(f.shard); err != nil {
			return err
		}
		if f.staircase {
			return errors.New("sweep: a staircase is one run for each policy and is not split (leave out --shard)")
		}
	}
	ctx, stop := interruptible(c)
	defer stop()
	d, err := in.document(ctx, c, part, parts, f.shard != "")
	if err != nil {
		return err
	}
	d.Command = in.command(file)
	if f.shard != "" {
		d.Command = append(d.Command, "--shard", f.shard)
	}
	if err := f.outputFlags.write(c, d); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

func (f *sweepFlags) input(c *cobra.Command, file string) (sweepInput, error) {
	scenario, err := readFleet(c, file)
	if err != nil {
		return sweepInput{}, err
	}
	in := sweepInput{source: scenario, Seed: f.seed, Runs: f.runs}
	if err := checkRuns(f.runs); err != nil {
		return in, err
	}
	if in.Axes, err = f.axes(c); err != nil {
		return in, err
	}
	if len(f.policies) == 0 {
		f.policies = []string{own}
	}
	for _, text := range f.policies {
		v, err := parseVariant(c, text)
		if err != nil {
			return in, err
		}
		if slices.ContainsFunc(in.Variants, func(w variant) bool { return w.Name == v.Name }) {
			return in, fmt.Errorf("sweep: two policies are called %q (give one a name: NAME=POLICY)", v.Name)
		}
		in.Variants = append(in.Variants, v)
	}
	if f.staircase {
		if f.hold <= 0 {
			return in, fmt.Errorf("--hold: %v is no time to come (such as 60s)", f.hold)
		}
		in.Hold = &f.hold
	} else if c.Flags().Changed("hold") {
		return in, errors.New("sweep: --hold is for a --staircase")
	}
	return in, nil
}

// axes returns what changes: the load unless something else does.
func (f *sweepFlags) axes(c *cobra.Command) ([]simulate.Axis, error) {
	var axes []simulate.Axis
	for _, text := range f.vary {
		name, values, ok := strings.Cut(text, "=")
		a := simulate.Axis{Parameter: name, Values: strings.Split(values, ",")}
		if !ok || name == "" || slices.Contains(a.Values, "") {
			return nil, fmt.Errorf("--vary %q: want NAME=VALUE,VALUE,... (such as server.queue=100,300)", text)
		}
		for i, v := range a.Values {
			if slices.Contains(a.Values[:i], v) {
				return nil, fmt.Errorf("--vary %q: %s stands twice", text, v)
			}
		}
		if slices.ContainsFunc(axes, func(b simulate.Axis) bool { return b.Parameter == name }) {
			return nil, fmt.Errorf("--vary %q: %s varies already", text, name)
		}
		axes = append(axes, a)
	}
	loads := c.Flags().Changed("load") || c.Flags().Changed("steps")
	switch {
	case len(axes) > 0 && f.staircase:
		return nil, errors.New("sweep: a staircase is one of loads (leave out --vary)")
	case len(axes) > 0 && !loads:
		return axes, nil
	}
	values, err := parseLoads(f.load, f.steps)
	return append([]simulate.Axis{{Parameter: simulate.LoadParameter, Values: values}}, axes...), err
}

// parseLoads reads A%..B% and returns so many loads from A to B.
func parseLoads(text string, steps int) ([]string, error) {
	from, to, ok := strings.Cut(text, "..")
	a, ok1 := parsePercentage(from)
	b, ok2 := parsePercentage(to)
	switch {
	case !ok || !ok1 || !ok2 || a <= 0 || b <= a || b > 10_000:
		return nil, fmt.Errorf("--load: %q is no range of loads (such as 20%%..120%%)", text)
	case steps < 2 || steps > 1000:
		return nil, fmt.Errorf("--steps: %d, outside 2 to 1000", steps)
	}
	loads := make([]string, steps)
	for i := range loads {
		loads[i] = decimals(a+(b-a)*float64(i)/float64(steps-1), 4) + "%"
	}
	return loads, nil
}

// parsePercentage reads 20% as 20.
func parsePercentage(text string) (float64, bool) {
	number, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	return v, ok && err == nil
}

// parseShard reads I/N.
func parseShard(text string) (part, parts int, err error) {
	i, n, ok := strings.Cut(text, "/")
	part, err1 := strconv.Atoi(i)
	parts, err2 := strconv.Atoi(n)
	if !ok || err1 != nil || err2 != nil || part < 1 || part > parts || parts > 100_000 {
		return 0, 0, fmt.Errorf("--shard: %q is no part (such as 1/8, up to 8/8)", text)
	}
	return part, parts, nil
}

func (in sweepInput) command(file string) []string {
	words := []string{"sweep", file}
	for _, v := range in.Variants {
		words = append(words, "-p", v.String())
	}
	for _, a := range in.Axes {
		if a.Parameter == simulate.LoadParameter {
			words = append(words, "--load", a.Values[0]+".."+a.Values[len(a.Values)-1], "--steps", fmt.Sprint(len(a.Values)))
		} else {
			words = append(words, "--vary", a.Parameter+"="+strings.Join(a.Values, ","))
		}
	}
	if in.Hold != nil {
		return append(words, "--staircase", "--hold", in.Hold.String(), "--seed", fmt.Sprint(in.Seed))
	}
	return append(words, "--runs", fmt.Sprint(in.Runs), "--seed", fmt.Sprint(in.Seed))
}

// grid returns what package simulate is to run, and the scenario itself.
func (in sweepInput) grid() (simulate.Grid, fleet.Scenario, error) {
	script, err := in.fleet()
	if err != nil {
		return simulate.Grid{}, fleet.Scenario{}, err
	}
	o := simulate.FleetOptions{Seed: &in.Seed, Runs: in.Runs, Files: in.files()}
	sc, err := simulate.Scenario(script, o)
	return simulate.Grid{Script: script, Axes: in.Axes, Candidates: candidates(in.Variants), FleetOptions: o}, sc, err
}

// document runs a part of the sweep, or all of it.
func (in sweepInput) document(ctx context.Context, c *cobra.Command, part, parts int, split bool) (*report.Document, error) {
	g, sc, err := in.grid()
	if err != nil {
		return nil, err
	}
	if in.Hold != nil {
		return in.climb(ctx, c, g, sc)
	}
	runs := in.total()
	p := newProgress(c, runs/parts, sc.Horizon)
	defer p.clear()
	g.Done = p.next
	shard, err := simulate.Sweep(p.watch(ctx), g, part, parts)
	switch {
	case shard == nil:
		return nil, err
	case err != nil && (split || len(shard.Cells) == 0):
		return nil, errInterrupted // a part that lacks runs is no part
	case split:
		return in.partDocument(shard), nil
	}
	d := newSweepView(in, sc, shard).document()
	if err != nil {
		d.Verdict.Text = fmt.Sprintf("Interrupted after %d of %d runs. ", finished(shard), runs) + d.Verdict.Text
	}
	return d, nil
}

// total returns how many runs there are in all parts.
func (in sweepInput) total() int {
	n := len(in.Variants) * in.Runs
	for _, a := range in.Axes {
		n *= len(a.Values)
	}
	return n
}

// finished returns how many runs a shard has.
func finished(s *simulate.Shard) int {
	n := int64(0)
	for _, c := range s.Cells {
		n += c.Runs
	}
	return int(n)
}

// replaySweep runs a saved sweep again.
func replaySweep(c *cobra.Command, input json.RawMessage, o overrides) (*report.Document, error) {
	var in sweepInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	if len(in.Axes) == 0 || len(in.Variants) == 0 || in.Hold != nil && in.Axes[0].Parameter != simulate.LoadParameter || slices.ContainsFunc(in.Axes, func(a simulate.Axis) bool { return len(a.Values) == 0 }) {
		return nil, errors.New("the sweep has no values, or no policies")
	}
	if o.policy != nil {
		return nil, errors.New("a sweep may have several policies: --policy is for a single one")
	}
	if o.seed != nil {
		in.Seed = *o.seed
	}
	return in.document(c.Context(), c, 1, 1, false)
}

func (in sweepInput) partDocument(s *simulate.Shard) *report.Document {
	runs := finished(s)
	return &report.Document{
		Kind: "part", Title: fmt.Sprintf("Part %d of %d of a sweep of %s", s.Index, s.Of, in.Name), Input: in, Result: s,
		Verdict: report.Verdict{Text: fmt.Sprintf("Part %d of %d: %s of %d. Write it with -o FILE.json, and put the parts together with: retrysim merge FILE...", s.Index, s.Of, count(runs, "run"), in.total())},
		Records: report.Records{Header: []string{"part", "parts", "runs"}, Rows: [][]string{{strconv.Itoa(s.Index), strconv.Itoa(s.Of), strconv.Itoa(runs)}}},
	}
}

func newMerge() *cobra.Command {
	var f outputFlags
	c := &cobra.Command{
		Use:   "merge PART...",
		Short: "Put the parts of a sweep together",
		Long: `Put the parts of a sweep together that retrysim sweep --shard wrote. Every part must be there
once, and all must be of the same sweep; the result is that of the whole sweep, to the byte.`,
		Example: `  for i in 1 2 3 4; do retrysim sweep examples/metastable.retry --shard $i/4 -o part-$i.json & done; wait
  retrysim merge part-*.json -o sweep.html`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("merge: no parts (name the files that sweep --shard wrote)")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return []cobra.Completion{"json"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			d, err := merged(c, args)
			if err != nil {
				return err
			}
			return f.write(c, d)
		},
	}
	f.add(c)
	return c
}

// merged reads parts and returns the whole sweep.
func merged(c *cobra.Command, files []string) (*report.Document, error) {
	var in json.RawMessage
	var shards []*simulate.Shard
	for _, file := range files {
		name, text, err := readFile(c, file)
		if err != nil {
			return nil, err
		}
		doc, err := report.Read([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("merge: %s: %w", name, err)
		}
		if doc.Kind != "part" {
			return nil, fmt.Errorf("merge: %s is a result of %s, not a part of a sweep (sweep --shard)", name, doc.Kind)
		}
		shard, err := simulate.ReadShard(name, doc.Result)
		if err != nil {
			return nil, fmt.Errorf("merge: %w", err)
		}
		if in == nil {
			in = doc.Input
		}
		shards = append(shards, shard)
	}
	whole, err := simulate.Merge(shards...)
	if err != nil {
		return nil, fmt.Errorf("merge: %s", strings.TrimPrefix(err.Error(), "simulate: merge: "))
	}
	var input sweepInput
	if err := json.Unmarshal(in, &input); err != nil {
		return nil, fmt.Errorf("merge: %s: no whole %s: %w", files[0], report.Schema("part"), err)
	}
	if !input.made(whole) {
		return nil, fmt.Errorf("merge: %s: its input is not that of its runs", files[0])
	}
	_, sc, err := input.grid()
	if err != nil {
		return nil, err
	}
	d := newSweepView(input, sc, whole).document()
	d.Command = input.command(input.Name)
	return d, nil
}

// made reports whether a sweep may be that of the input.
func (in sweepInput) made(s *simulate.Shard) bool {
	var own []string
	for _, v := range in.Variants {
		own = append(own, v.Name)
	}
	return s.Runs == in.Runs && slices.Equal(own, s.Candidates) &&
		slices.EqualFunc(in.Axes, s.Axes, func(a, b simulate.Axis) bool { return a.Parameter == b.Parameter && slices.Equal(a.Values, b.Values) })
}

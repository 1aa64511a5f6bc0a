package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
	"github.com/spf13/cobra"
)

type sweepFlags struct {
	policies  []string
	load      string
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
		Short: "Run a scenario at many loads, and find where it collapses",
		Long: `Run a scenario at many loads, under one policy or several, and find the load from which on
it does not recover. With --staircase the load climbs step by step and goes down again
within one run, without the scenario's faults: what is lost on the way down shows hysteresis.

A large sweep can be split: --shard 2/8 runs the second eighth of it and writes a part that
retrysim merge puts together. However it is split, the result has the same bytes.`,
		Example: `  retrysim sweep examples/metastable.retry --load 30%..110% --steps 9
  retrysim sweep examples/metastable.retry -p scenario -p budget=scenario+budget=10% --runs 20 -o sweep.html
  retrysim sweep examples/metastable.retry --staircase --hold 60s -o hysteresis.svg
  retrysim sweep examples/metastable.retry --runs 1000 --shard 1/8 -o part-1.json`,
		Args:              exactlyOne("scenario", "a file with a line such as fleet for=10m, or - for standard input"),
		ValidArgsFunction: completeScripts,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringArrayVarP(&f.policies, "policy", "p", nil, "a policy: [NAME=]POLICY, or scenario,KEY=VALUE; +budget=10%; repeatable (default the scenario's own)")
	c.Flags().StringVar(&f.load, "load", "20%..120%", "from which to which share of the scenario's load")
	c.Flags().IntVar(&f.steps, "steps", 11, "so many loads, both ends included")
	c.Flags().IntVar(&f.runs, "runs", 3, "run each load so many times, with the seeds from the first on")
	c.Flags().Uint64Var(&f.seed, "seed", simulate.DefaultSeed, "the first seed")
	c.Flags().StringVar(&f.shard, "shard", "", "run this part only: I/N, from 1/N to N/N")
	c.Flags().BoolVar(&f.staircase, "staircase", false, "let the load climb and go down again in one run")
	c.Flags().DurationVar(&f.hold, "hold", time.Minute, "how long a step of the staircase lasts")
	f.outputFlags.add(c)
	complete(c, "policy", completePolicies)
	return c
}

// sweepInput is all that a sweep depends on, however it is split.
type sweepInput struct {
	Name     string    `json:"name"`
	Script   string    `json:"script"`
	SHA256   string    `json:"sha256"`
	Variants []variant `json:"variants"`
	Loads    []int64   `json:"loads"` // in millionths of the scenario's own
	Seed     uint64    `json:"seed"`
	Runs     int       `json:"runs"`
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
	d, err := in.document(ctx, c, part, parts)
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
	in := sweepInput{Name: scenario.Name, Script: scenario.Script, SHA256: scenario.SHA256, Seed: f.seed, Runs: f.runs}
	if err := checkRuns(f.runs); err != nil {
		return in, err
	}
	if in.Loads, err = parseLoads(f.load, f.steps); err != nil {
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

// parseLoads reads A%..B% and returns so many loads from A to B.
func parseLoads(text string, steps int) ([]int64, error) {
	from, to, ok := strings.Cut(text, "..")
	a, ok1 := parsePercentage(from)
	b, ok2 := parsePercentage(to)
	switch {
	case !ok || !ok1 || !ok2 || a <= 0 || b <= a || b > 100:
		return nil, fmt.Errorf("--load: %q is no range of loads (such as 20%%..120%%)", text)
	case steps < 2 || steps > 1000:
		return nil, fmt.Errorf("--steps: %d, outside 2 to 1000", steps)
	}
	loads := make([]int64, steps)
	for i := range loads {
		loads[i] = int64(math.Round((a + (b-a)*float64(i)/float64(steps-1)) * 1e6))
	}
	return loads, nil
}

// parsePercentage reads 20% as .2.
func parsePercentage(text string) (float64, bool) {
	number, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	return v / 100, ok && err == nil
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
	percent := func(load int64) string { return decimals(float64(load)/1e4, 4) + "%" }
	words = append(words, "--load", percent(in.Loads[0])+".."+percent(in.Loads[len(in.Loads)-1]), "--steps", fmt.Sprint(len(in.Loads)))
	if in.Hold != nil {
		return append(words, "--staircase", "--hold", in.Hold.String(), "--seed", fmt.Sprint(in.Seed))
	}
	return append(words, "--runs", fmt.Sprint(in.Runs), "--seed", fmt.Sprint(in.Seed))
}

// cell is one load under one policy: sums over its runs, all of them integers,
// so that parts of a sweep add up in any order.
type cell struct {
	Load      int64  `json:"load"` // in millionths of the scenario's own
	Policy    string `json:"policy"`
	Runs      int64  `json:"runs"`
	Recovered int64  `json:"recovered"`
	Faulty    int64  `json:"faulty"`
	Collapsed int64  `json:"collapsed"`
	Calls     int64  `json:"calls"`
	Attempts  int64  `json:"attempts"`
	Succeeded int64  `json:"succeeded"`
	Served    int64  `json:"served"`
	Wasted    int64  `json:"wasted"` // of the served
	// The latencies of the calls that succeed.
	Latency fleet.Histogram `json:"latency"`
}

func (c *cell) add(r *fleet.Result) {
	c.Runs++
	if _, ok := r.Recovery(); ok {
		c.Recovered++
	}
	if r.FaultsEnd >= 0 {
		c.Faulty++
	}
	if r.Collapsed {
		c.Collapsed++
	}
	t := r.Total
	c.Calls, c.Attempts, c.Succeeded = c.Calls+t.Calls, c.Attempts+t.Attempts(), c.Succeeded+t.Succeeded
	c.Served, c.Wasted = c.Served+t.Served, c.Wasted+t.ServedLate+t.ServedFailed
	c.Latency.Merge(r.Latency())
}

// merge adds the sums of a part.
func (c *cell) merge(o cell) {
	c.Runs, c.Recovered, c.Faulty, c.Collapsed = c.Runs+o.Runs, c.Recovered+o.Recovered, c.Faulty+o.Faulty, c.Collapsed+o.Collapsed
	c.Calls, c.Attempts, c.Succeeded = c.Calls+o.Calls, c.Attempts+o.Attempts, c.Succeeded+o.Succeeded
	c.Served, c.Wasted = c.Served+o.Served, c.Wasted+o.Wasted
	c.Latency.Merge(&o.Latency)
}

// quantile returns a latency; ok is false if there is none.
func (c *cell) quantile(q fleet.Share) (d time.Duration, ok bool) {
	return c.Latency.Quantile(q), c.Latency.Count() > 0
}

// cells lists the cells of a sweep, empty.
func (in sweepInput) cells() []cell {
	var out []cell
	for _, load := range in.Loads {
		for _, v := range in.Variants {
			out = append(out, cell{Load: load, Policy: v.Name})
		}
	}
	return out
}

// document runs a part of the sweep, or all of it.
func (in sweepInput) document(ctx context.Context, c *cobra.Command, part, parts int) (*report.Document, error) {
	f := fleetInput{Name: in.Name, Script: in.Script}
	script, err := f.script()
	if err != nil {
		return nil, err
	}
	sc, err := simulate.Scenario(script, simulate.FleetOptions{Files: f.files()})
	if err != nil {
		return nil, err
	}
	if in.Hold != nil {
		return in.climb(ctx, c, sc)
	}
	cells, err := in.play(ctx, c, sc, part, parts)
	if err != nil {
		return nil, err
	}
	if parts > 1 {
		return in.partDocument(cells, part, parts), nil
	}
	d := sweepView{in: in, scenario: sc, cells: cells}.document()
	if ctx.Err() != nil {
		d.Verdict.Text = fmt.Sprintf("Interrupted after %d of %d runs. ", finished(cells), len(cells)*in.Runs) + d.Verdict.Text
	}
	return d, nil
}

// play runs the replicates of a part: the flattened index of cell and run, cut
// into as many contiguous pieces as there are parts.
func (in sweepInput) play(ctx context.Context, c *cobra.Command, sc fleet.Scenario, part, parts int) ([]cell, error) {
	cells := in.cells()
	scenarios := make([]fleet.Scenario, len(cells))
	for i := range cells {
		altered, err := in.Variants[i%len(in.Variants)].apply(sc)
		if err != nil {
			return nil, err
		}
		loaded, ok := scaled(altered, float64(cells[i].Load)/1e6)
		if !ok {
			return nil, fmt.Errorf("sweep: %s has no load that can be scaled (arrive poisson, uniform or closed)", in.Name)
		}
		if err := loaded.Validate(); err != nil {
			return nil, fmt.Errorf("sweep: at %s%% of the load, %s: %w", decimals(float64(cells[i].Load)/1e4, 2), in.Variants[i%len(in.Variants)], err)
		}
		scenarios[i] = loaded
	}
	total := len(cells) * in.Runs
	from, to := (part-1)*total/parts, part*total/parts
	p := newProgress(c, to-from, sc.Horizon)
	defer p.clear()
	watched := p.watch(ctx)
	results := make([]*fleet.Result, to-from)
	jobs := make(chan int)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for k := range jobs {
				run, err := fleet.Run(watched, scenarios[k/in.Runs], in.Seed+uint64(k%in.Runs))
				if err == nil && !run.Interrupted {
					run.Series = nil // not needed, and large
					results[k-from] = run
					p.next(run.Events)
				}
			}
		})
	}
	for k := from; k < to; k++ {
		jobs <- k
	}
	close(jobs)
	group.Wait()
	missing := false
	for k, run := range results {
		if run == nil {
			missing = true
			continue
		}
		cells[(from+k)/in.Runs].add(run)
	}
	if missing && (parts > 1 || finished(cells) == 0) {
		return nil, errInterrupted // a part that lacks runs would be merged into a lie
	}
	return cells, nil
}

// finished returns how many runs the cells have.
func finished(cells []cell) int {
	n := int64(0)
	for _, c := range cells {
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
	if o.policy != nil {
		return nil, errors.New("a sweep may have several policies: --policy is for a single one")
	}
	if o.seed != nil {
		in.Seed = *o.seed
	}
	return in.document(c.Context(), c, 1, 1)
}

// partResult is a part of a sweep.
type partResult struct {
	Part  int    `json:"part"`
	Parts int    `json:"parts"`
	Cells []cell `json:"cells"`
}

func (in sweepInput) partDocument(cells []cell, part, parts int) *report.Document {
	runs := int64(0)
	r := report.Records{Header: []string{"part", "parts", "runs"}}
	for _, c := range cells {
		runs += c.Runs
	}
	r.Rows = [][]string{{strconv.Itoa(part), strconv.Itoa(parts), strconv.FormatInt(runs, 10)}}
	return &report.Document{
		Kind: "part", Title: fmt.Sprintf("Part %d of %d of a sweep of %s", part, parts, in.Name), Input: in,
		Verdict: report.Verdict{Text: fmt.Sprintf("Part %d of %d: %s of %d. Write it with -o FILE.json, and put the parts together with: retrysim merge FILE...", part, parts, count(int(runs), "run"), len(cells)*in.Runs)},
		Result:  partResult{part, parts, cells}, Records: r,
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
	var in sweepInput
	var inText []byte
	var parts []string // the file of each
	var cells []cell
	for _, file := range files {
		name, text, err := readFile(c, file)
		if err != nil {
			return nil, err
		}
		doc, err := report.Read([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("merge: %s: %w", name, err)
		}
		var r partResult
		if doc.Kind != "part" {
			return nil, fmt.Errorf("merge: %s is a result of %s, not a part of a sweep (sweep --shard)", name, doc.Kind)
		}
		if err := json.Unmarshal(doc.Result, &r); err != nil || r.Part < 1 || r.Part > r.Parts || r.Parts > 100_000 {
			return nil, fmt.Errorf("merge: %s: no whole %s", name, report.Schema("part"))
		}
		if inText == nil {
			inText, parts = doc.Input, make([]string, r.Parts)
			if err := json.Unmarshal(doc.Input, &in); err != nil {
				return nil, fmt.Errorf("merge: %s: no whole %s: %w", name, report.Schema("part"), err)
			}
			cells = in.cells()
		}
		switch {
		case !bytes.Equal(inText, doc.Input) || len(parts) != r.Parts || len(r.Cells) != len(cells):
			return nil, fmt.Errorf("merge: %s is part of another sweep than %s", name, files[0])
		case parts[r.Part-1] != "":
			return nil, fmt.Errorf("merge: part %d is there twice: %s and %s", r.Part, parts[r.Part-1], name)
		}
		parts[r.Part-1] = name
		for i := range cells {
			cells[i].merge(r.Cells[i])
		}
	}
	var missing []string
	for i, file := range parts {
		if file == "" {
			missing = append(missing, strconv.Itoa(i+1))
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("merge: of %d parts %s missing: %s", len(parts), plural(len(missing), "is", "are"), strings.Join(missing, ", "))
	}
	f := fleetInput{Name: in.Name, Script: in.Script}
	script, err := f.script()
	if err != nil {
		return nil, err
	}
	sc, err := simulate.Scenario(script, simulate.FleetOptions{Files: f.files()})
	if err != nil {
		return nil, err
	}
	d := sweepView{in: in, scenario: sc, cells: cells}.document()
	d.Command = in.command(in.Name)
	return d, nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

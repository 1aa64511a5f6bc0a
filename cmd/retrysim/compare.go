package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
	"github.com/spf13/cobra"
)

type compareFlags struct {
	policies  []string
	reference string
	sort      string
	seed      uint64
	runs      int
	failIf    []string
	outputFlags
}

func newCompare() *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare SCENARIO -p POLICY -p POLICY... | OLD NEW",
		Short: "Compare policies in the same weather, or two saved results",
		Long: `Compare policies in the same weather: every policy meets the same arrivals and the same
service times, so that a difference is the policy's. The answer ends in a recommendation
with its reason, its cost and how much it depends on the load, or says that there is no
difference.

Or compare two results that retrysim wrote as JSON or HTML, and with --fail-if exit with 1 if
a number got worse by more than it may. With --fail-if, a fleet's numbers are
` + strings.Join(measureNames(), ", ") + `.`,
		Example: `  retrysim compare examples/metastable.retry -p scenario -p jitter=scenario,base=1s,jitter=full -p budget=scenario+budget=10%
  retrysim compare examples/outage.retry -p openai -p aws -p grpc --runs 20 -o compare.html
  retrysim compare main.json pr.json --fail-if 'attempts_per_call > +5%' --fail-if 'succeeded < -1pp'`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return errors.New("compare: name a scenario and policies (-p), or two saved results")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return []cobra.Completion{"retry", "json", "html"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.outputFlags.check(); err != nil {
				return err
			}
			if len(args) == 2 {
				return f.saved(c, args[0], args[1])
			}
			return f.run(c, args[0])
		},
	}
	c.Flags().StringArrayVarP(&f.policies, "policy", "p", nil, "a policy to compare: [NAME=]POLICY, or scenario,KEY=VALUE; +budget=10%; repeatable")
	c.Flags().StringVar(&f.reference, "reference", "", "compare with this one (default the first)")
	c.Flags().StringVar(&f.sort, "sort", "", "sort by this number, the best first (default as given)")
	c.Flags().Uint64Var(&f.seed, "seed", simulate.DefaultSeed, "the first seed")
	c.Flags().IntVar(&f.runs, "runs", 5, "run each so many times, with the seeds from the first on")
	c.Flags().StringArrayVar(&f.failIf, "fail-if", nil, "fail if a number changes by more: 'NAME > +5%', 'NAME < -1pp'; repeatable")
	f.outputFlags.add(c)
	complete(c, "policy", completePolicies)
	values(c, "sort", measureNames()...)
	return c
}

// compareInput is all that a comparison depends on.
type compareInput struct {
	Name      string    `json:"name"`
	Script    string    `json:"script"`
	SHA256    string    `json:"sha256"`
	Variants  []variant `json:"variants"`
	Reference string    `json:"reference"`
	Sort      *string   `json:"sort"`
	Seed      uint64    `json:"seed"`
	Runs      int       `json:"runs"`
}

func (f *compareFlags) run(c *cobra.Command, file string) error {
	if len(f.failIf) > 0 {
		return errors.New("compare: --fail-if is for two saved results (compare OLD NEW)")
	}
	in, err := f.input(c, file)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c)
	defer stop()
	d, interrupted, err := in.document(ctx, c)
	if err != nil {
		return err
	}
	d.Command = in.command(file)
	if err := f.outputFlags.write(c, d); err != nil {
		return err
	}
	if interrupted {
		return errInterrupted
	}
	return nil
}

func (f *compareFlags) input(c *cobra.Command, file string) (compareInput, error) {
	scenario, err := readFleet(c, file)
	if err != nil {
		return compareInput{}, err
	}
	in := compareInput{Name: scenario.Name, Script: scenario.Script, SHA256: scenario.SHA256, Seed: f.seed, Runs: f.runs}
	if err := checkRuns(f.runs); err != nil {
		return in, err
	}
	if len(f.policies) < 2 {
		return in, errors.New("compare: name at least two policies, each behind a -p (scenario is the scenario's own)")
	}
	for _, text := range f.policies {
		v, err := parseVariant(c, text)
		if err != nil {
			return in, err
		}
		if slices.ContainsFunc(in.Variants, func(w variant) bool { return w.Name == v.Name }) {
			return in, fmt.Errorf("compare: two policies are called %q (give one a name: NAME=POLICY)", v.Name)
		}
		in.Variants = append(in.Variants, v)
	}
	in.Reference = in.Variants[0].Name
	if f.reference != "" {
		var names []string
		for _, v := range in.Variants {
			names = append(names, v.Name)
		}
		if in.Reference, err = oneOf("--reference", f.reference, names); err != nil {
			return in, err
		}
	}
	if f.sort != "" {
		if _, ok := measureOf(f.sort); !ok {
			_, err := oneOf("--sort", f.sort, measureNames())
			return in, err
		}
		in.Sort = &f.sort
	}
	return in, nil
}

func (in compareInput) command(file string) []string {
	words := []string{"compare", file}
	for _, v := range in.Variants {
		words = append(words, "-p", v.String())
	}
	if in.Reference != in.Variants[0].Name {
		words = append(words, "--reference", in.Reference)
	}
	if in.Sort != nil {
		words = append(words, "--sort", *in.Sort)
	}
	return append(words, "--runs", fmt.Sprint(in.Runs), "--seed", fmt.Sprint(in.Seed))
}

// scenario returns what the script describes.
func (in compareInput) scenario() (fleet.Scenario, error) {
	f := fleetInput{Name: in.Name, Script: in.Script}
	script, err := f.script()
	if err != nil {
		return fleet.Scenario{}, err
	}
	return simulate.Scenario(script, simulate.FleetOptions{Files: f.files()})
}

// contestant is a policy and how it fared.
type contestant struct {
	variant
	scenario fleet.Scenario
	runs     []*fleet.Result // by seed; as many as were finished of every contestant
}

// document runs the comparison and says what there is to say of it.
func (in compareInput) document(ctx context.Context, c *cobra.Command) (d *report.Document, interrupted bool, err error) {
	sc, err := in.scenario()
	if err != nil {
		return nil, false, err
	}
	var all []contestant
	for _, v := range in.Variants {
		altered, err := v.apply(sc)
		if err != nil {
			return nil, false, err
		}
		if err := altered.Validate(); err != nil {
			return nil, false, fmt.Errorf("--policy %s: %w", v, err)
		}
		all = append(all, contestant{variant: v, scenario: altered})
	}
	p := newProgress(c, len(all)*in.Runs, sc.Horizon)
	defer p.clear()
	interrupted = in.play(p.watch(ctx), p, all)
	if len(all[0].runs) == 0 {
		return nil, false, errInterrupted
	}
	v := newComparison(in, all)
	v.settle(ctx)
	return v.document(), interrupted, nil
}

// play runs every contestant with every seed, side by side. It reports whether
// it was interrupted: then only the seeds remain that all have finished.
func (in compareInput) play(ctx context.Context, p *progress, all []contestant) (interrupted bool) {
	for i := range all {
		all[i].runs = make([]*fleet.Result, in.Runs)
	}
	type job struct{ contestant, seed int }
	jobs := make(chan job)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for j := range jobs {
				run, err := fleet.Run(ctx, all[j.contestant].scenario, in.Seed+uint64(j.seed))
				if err != nil || run.Interrupted {
					continue // the scenario was valid, so it is the context
				}
				run.Seed = in.Seed + uint64(j.seed)
				all[j.contestant].runs[j.seed] = run
				p.next(run.Events)
			}
		})
	}
	for seed := range in.Runs {
		for i := range all {
			jobs <- job{i, seed}
		}
	}
	close(jobs)
	group.Wait()
	for seed := range in.Runs {
		for i := range all {
			if all[i].runs[seed] == nil {
				for k := range all {
					all[k].runs = all[k].runs[:seed]
				}
				return true
			}
		}
	}
	return false
}

// replayCompare compares again.
func replayCompare(c *cobra.Command, input json.RawMessage, o overrides) (*report.Document, error) {
	var in compareInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	if o.policy != nil {
		return nil, errors.New("a comparison has several policies: --policy is for a single one")
	}
	if o.seed != nil {
		in.Seed = *o.seed
	}
	d, _, err := in.document(c.Context(), c)
	return d, err
}

// scaled returns the scenario with its load times a factor; ok is false if it
// has none that can be scaled.
func scaled(sc fleet.Scenario, factor float64) (out fleet.Scenario, ok bool) {
	out = sc
	out.Groups = slices.Clone(sc.Groups)
	for i := range out.Groups {
		g := &out.Groups[i]
		g.Arrivals = slices.Clone(g.Arrivals)
		for k := range g.Arrivals {
			a := &g.Arrivals[k]
			a.Steps = slices.Clone(a.Steps)
			for n := range a.Steps {
				a.Steps[n].Rate = fleet.Rate(float64(a.Steps[n].Rate)*factor + .5)
				ok = true
			}
			if a.Kind == fleet.Closed {
				g.Clients = max(int(float64(max(g.Clients, 1))*factor+.5), 1)
				ok = true
			}
		}
	}
	return out, ok
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/simulate"
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
	addSeed(c, &f.seed, "the first seed")
	addCount(c, &f.runs, "runs", 5, "run each so many times, with the seeds from the first on")
	c.Flags().StringArrayVar(&f.failIf, "fail-if", nil, "fail if a number changes by more: 'NAME > +5%', 'NAME < -1pp'; repeatable")
	f.outputFlags.add(c)
	complete(c, "policy", completePolicies)
	values(c, "sort", measureNames()...)
	return c
}

// compareInput is all that a comparison depends on.
type compareInput struct {
	source
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
	in := compareInput{source: scenario, Seed: f.seed, Runs: f.runs}
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

// document runs the comparison and says what there is to say of it.
func (in compareInput) document(ctx context.Context, c *cobra.Command) (d *report.Document, interrupted bool, err error) {
	script, err := in.fleet()
	if err != nil {
		return nil, false, err
	}
	o := simulate.FleetOptions{Seed: &in.Seed, Runs: in.Runs, Files: in.files()}
	sc, err := simulate.Scenario(script, o)
	if err != nil {
		return nil, false, err
	}
	p := newProgress(c, len(in.Variants)*in.Runs, sc.Horizon)
	defer p.clear()
	o.Done = p.next
	got, err := simulate.Compare(p.watch(ctx), script, candidates(in.Variants), o)
	switch {
	case ctx.Err() != nil && got == nil:
		return nil, false, errInterrupted
	case ctx.Err() == nil && err != nil:
		return nil, false, err
	}
	v := newComparison(in, got)
	v.script, v.options = script, o
	v.settle(ctx)
	return v.document(), err != nil, nil
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

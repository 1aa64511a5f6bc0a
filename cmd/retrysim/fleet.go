package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

type fleetFlags struct {
	policy  string
	seed    uint64
	runs    int
	find    string
	while   string
	overlay string
	outputFlags
}

func newFleet() *cobra.Command {
	var f fleetFlags
	c := &cobra.Command{
		Use:   "fleet SCENARIO|-",
		Short: "Let many clients meet one server in bad weather",
		Long: `Let many clients meet one server in bad weather: a scenario file says how calls arrive, what
the server can do, and what goes wrong. The answer says whether the fleet recovers, and if
not, which loop keeps it down and what one change would do about it, tried in a run.

--find looks for the largest value of a number with which a condition holds, or the smallest
that cures: of a fault, a queue, a policy, or the load. --overlay lays what was measured over
what is simulated: CSV with the columns start_ns and any of
` + strings.Join(simulate.SeriesNames(), ", ") + `.

--policy takes a policy, or the scenario's own with some keys otherwise, and behind a +
what all calls share: budget=10%, budget=aws, breaker=5/30s, breaker=10% or throttle=2. The exit status
is 1 if an expectation of the scenario fails.`,
		Example: `  retrysim fleet examples/outage.retry
  retrysim fleet examples/outage.retry -p scenario+budget=10%
  retrysim fleet examples/outage.retry -p scenario,jitter=full --runs 20 -o outage.html
  retrysim fleet examples/metastable.retry --find fault.duration --while 'recovery <= 60s'
  retrysim fleet examples/outage.retry --overlay measured.csv -o overlay.svg`,
		Args:              exactlyOne("scenario", "a file with a line such as fleet for=10m, or - for standard input"),
		ValidArgsFunction: completeScripts,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringVarP(&f.policy, "policy", "p", "", "let the clients do this instead (a policy, or scenario,KEY=VALUE; +budget=10%)")
	addSeed(c, &f.seed, "use this seed, not the scenario's")
	addCount(c, &f.runs, "runs", 1, "run so many times, with the seeds from the first on (--find: 20 times)")
	c.Flags().StringVar(&f.find, "find", "", "find a value: NAME or NAME=LOW..HIGH, such as fault.duration, server.queue or load")
	c.Flags().StringVar(&f.while, "while", "", "with --find: the condition, such as 'recovery <= 60s'")
	c.Flags().StringVar(&f.overlay, "overlay", "", "lay a file of measured series over the simulated ones")
	f.outputFlags.add(c)
	complete(c, "policy", completePolicies)
	return c
}

func (f *fleetFlags) run(c *cobra.Command, file string) error {
	if err := f.outputFlags.check(); err != nil {
		return err
	}
	scenario, err := readFleet(c, file)
	if err != nil {
		return err
	}
	if err := checkRuns(f.runs); err != nil {
		return err
	}
	in := fleetInput{source: scenario, Runs: f.runs}
	if c.Flags().Changed("policy") {
		v, err := parseVariant(c, f.policy)
		if err != nil {
			return err
		}
		in.Variant = &v
	}
	if c.Flags().Changed("seed") {
		in.Seed = &f.seed
	}
	if f.overlay != "" {
		name, text, err := readFile(c, f.overlay)
		if err != nil {
			return err
		}
		in.Overlay = &overlayInput{name, text}
	}
	ctx, stop := interruptible(c)
	defer stop()
	if f.find != "" || f.while != "" {
		return f.search(ctx, c, file, in)
	}
	d, result, err := in.document(ctx, c)
	if err != nil {
		return err
	}
	d.Command = in.command(file, result.Seed)
	if err := f.outputFlags.write(c, d); err != nil {
		return err
	}
	switch {
	case result.Interrupted:
		return errInterrupted
	case !result.OK():
		return errFailed
	}
	return nil
}

// search is the command with --find.
func (f *fleetFlags) search(ctx context.Context, c *cobra.Command, file string, in fleetInput) error {
	switch {
	case f.find == "":
		return errors.New("fleet: --while is for a --find (such as --find fault.duration)")
	case f.overlay != "":
		return errors.New("fleet: --overlay is of one run (leave out --find)")
	}
	search, err := f.findInput(c, in)
	if err != nil {
		return err
	}
	d, interrupted, err := search.document(ctx, c)
	if err != nil {
		return err
	}
	d.Command = search.command(file, d.Result.(findResult).Seed)
	if err := f.outputFlags.write(c, d); err != nil {
		return err
	}
	if interrupted {
		return errInterrupted
	}
	return nil
}

func checkRuns(n int) error {
	if n < 1 || n > 100_000 {
		return fmt.Errorf("--runs: %d, outside 1 to 100000", n)
	}
	return nil
}

// fleetInput is all that a fleet's result depends on, but for recordings that
// the scenario names: those are read again.
type fleetInput struct {
	source
	Variant *variant `json:"variant"` // null: what the scenario says
	Seed    *uint64  `json:"seed"`    // null: the scenario's, or 1
	Runs    int      `json:"runs"`
	// Overlay is what was measured; null: nothing.
	Overlay *overlayInput `json:"overlay"`
}

// command returns the words that run the same.
func (in fleetInput) command(file string, seed uint64) []string {
	words := []string{"fleet", file}
	if in.Variant != nil {
		words = append(words, "--policy", in.Variant.String())
	}
	words = append(words, "--seed", fmt.Sprint(seed))
	if in.Runs > 1 {
		words = append(words, "--runs", fmt.Sprint(in.Runs))
	}
	if in.Overlay != nil {
		words = append(words, "--overlay", in.Overlay.Name)
	}
	return words
}

// options are those of package simulate.
func (in fleetInput) options() simulate.FleetOptions {
	o := simulate.FleetOptions{Seed: in.Seed, Files: in.files(), Runs: in.Runs}
	if in.Variant != nil {
		o.Alter = in.Variant.apply
	}
	return o
}

// simulate runs the scenario.
func (in fleetInput) simulate(ctx context.Context, c *cobra.Command) (*simulate.FleetResult, error) {
	script, err := in.fleet()
	if err != nil {
		return nil, err
	}
	o := in.options()
	sc, err := simulate.Scenario(script, o)
	if err != nil {
		return nil, err
	}
	p := newProgress(c, in.Runs, sc.Horizon)
	defer p.clear()
	o.Done = p.next
	return simulate.RunFleet(p.watch(ctx), script, o)
}

// document runs the scenario and says what there is to say of it.
func (in fleetInput) document(ctx context.Context, c *cobra.Command) (*report.Document, *simulate.FleetResult, error) {
	result, err := in.simulate(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	v := fleetView{in: in, result: result, first: result.Runs[0]}
	if v.overlaid, err = in.Overlay.lay(v.first); err != nil {
		return nil, nil, err
	}
	d, err := v.document(ctx)
	return d, result, err
}

// replayFleet runs a saved fleet again.
func replayFleet(c *cobra.Command, input json.RawMessage, o overrides) (*report.Document, error) {
	var in fleetInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	in.override(o)
	d, _, err := in.document(c.Context(), c)
	return d, err
}

func (in *fleetInput) override(o overrides) {
	if o.policy != nil {
		text := o.policy.String()
		in.Variant = &variant{Name: text, Base: &text}
	}
	if o.seed != nil {
		in.Seed = o.seed
	}
}

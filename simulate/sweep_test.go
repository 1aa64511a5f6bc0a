package simulate_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

const small = `fleet for=20s
arrive uniform rate=10/s
clients "loop" n=10 { arrive closed think=1s }
server workers=2 service=exp:50ms queue=10
policy exp:base=100ms,jitter=full,attempts=3
fault refuse from=3s for=2s
`

// stopping returns a context that ends when so many runs have, and options that
// count them.
func stopping(t *testing.T, after int32) (context.Context, func(*fleet.Result)) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var n atomic.Int32
	return ctx, func(*fleet.Result) {
		if n.Add(1) == after {
			cancel()
		}
	}
}

// The load is a parameter as well, candidates meet the same chance, and the sums
// are those of the runs one by one.
func TestASweepIsItsRuns(t *testing.T) {
	once := retry.Policy{MaxAttempts: 1}
	grid := simulate.Grid{
		Script:     parse(t, strings.Replace(small, "clients \"loop\" n=10 { arrive closed think=1s }\n", "", 1)),
		Axes:       []simulate.Axis{{Parameter: "load", Values: []string{"50%", "200%"}}},
		Candidates: []simulate.Candidate{{Name: "own"}, {Name: "once", Policy: &once}},
	}
	grid.Runs = 4
	sweep, err := simulate.Sweep(t.Context(), grid, 1, 1)
	require.NoError(t, err)
	require.Len(t, sweep.Cells, 4)
	assert.Equal(t, []string{"own", "once"}, sweep.Candidates)
	for i, c := range sweep.Cells {
		policy := grid.Candidates[i%2].Policy
		changed, err := simulate.WithParameter(grid.Script, "arrive.rate", []string{"5/s", "20/s"}[i/2])
		require.NoError(t, err)
		var total fleet.Counts
		var sum, squares float64
		for run := range 4 {
			seed := fleet.SeedOf(1, uint64(i/2), uint64(run))
			r, err := simulate.RunFleet(t.Context(), changed, simulate.FleetOptions{Seed: &seed, Policy: policy})
			require.NoError(t, err)
			total.Add(r.Runs[0].Total)
			share, ok := simulate.Measured(r.Runs[0], scripted.SubjectSuccesses)
			require.True(t, ok)
			sum, squares = sum+float64(share), squares+float64(share)*float64(share)
		}
		assert.Equal(t, total, c.Total, "%v %s", c.Values, c.Candidate)
		mean, half := c.Successes.Mean(c.Runs)
		assert.InDelta(t, sum/4, mean, 1e-6)
		assert.InDelta(t, 3.182446*max(squares/4-sum/4*sum/4, 0), half*half*3/3.182446, 1e-5*half*half, "Student's t of 3")
	}
	_, half := simulate.Sum{N: 5}.Mean(1)
	assert.Zero(t, half, "one run has no interval")
}

// A load changes rates and the clients of closed loops.
func TestLoad(t *testing.T) {
	s := parse(t, small)
	grid := simulate.Grid{Script: s, Axes: []simulate.Axis{{Parameter: "load", Values: []string{"33.3333%"}}}}
	seen := false
	grid.Alter = func(sc *fleet.Scenario) error {
		seen = true
		assert.Equal(t, 10, sc.Groups[0].Clients, "the load is changed last")
		return nil
	}
	_, err := simulate.Sweep(t.Context(), grid, 1, 1)
	require.NoError(t, err)
	assert.True(t, seen)
	for value, want := range map[string]string{
		"0%":   `load "0%": want per cent`,
		"80":   `load "80": want per cent`,
		"-20%": `load "-20%": want per cent`,
	} {
		grid.Axes[0].Values = []string{value}
		_, err := simulate.Sweep(t.Context(), grid, 1, 1)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "simulate: sweep: load="+value, "it says which cell")
	}
	grid = simulate.Grid{Script: parse(t, "fleet for=1s; arrive burst"), Axes: []simulate.Axis{{Parameter: "load", Values: []string{"50%"}}}}
	_, err = simulate.Sweep(t.Context(), grid, 1, 1)
	assert.ErrorContains(t, err, "has none that can be scaled")
}

// What was finished is handed back, and what lacks runs is not merged.
func TestAnInterruptedSweep(t *testing.T) {
	grid := simulate.Grid{Script: parse(t, small), Axes: []simulate.Axis{{Parameter: "server.queue", Values: []string{"1", "2", "3"}}}}
	grid.Runs = 200
	ctx, done := stopping(t, 40)
	grid.Done = done
	part, err := simulate.Sweep(ctx, grid, 1, 1)
	require.ErrorIs(t, err, context.Canceled)
	runs := int64(0)
	for _, c := range part.Cells {
		runs += c.Runs
	}
	assert.GreaterOrEqual(t, runs, int64(40))
	assert.Less(t, runs, int64(600))
	_, err = simulate.Merge(part)
	assert.ErrorContains(t, err, "shard 1 of 1 is not whole")
	text, err := json.Marshal(part)
	require.NoError(t, err)
	_, err = simulate.ReadShard("a.json", text)
	assert.ErrorContains(t, err, "run it again")
}

// A shard may come from anywhere: what Sweep does not write is refused.
func TestShardsThatAreNone(t *testing.T) {
	grid := simulate.Grid{
		Script:     parse(t, small),
		Axes:       []simulate.Axis{{Parameter: "server.queue", Values: []string{"1", "2"}}},
		Candidates: []simulate.Candidate{{Name: "a"}, {Name: "b"}},
	}
	grid.Runs = 3
	shard, err := simulate.Sweep(t.Context(), grid, 2, 2)
	require.NoError(t, err)
	text, err := json.Marshal(shard)
	require.NoError(t, err)
	_, err = simulate.ReadShard("a.json", text)
	require.NoError(t, err)
	for _, change := range []func(*simulate.Shard){
		func(s *simulate.Shard) { s.Of = 0 },
		func(s *simulate.Shard) { s.Index = 3 },
		func(s *simulate.Shard) { s.Of, s.Index = 1<<40, 1<<39 },
		func(s *simulate.Shard) { s.Runs = 0 },
		func(s *simulate.Shard) { s.Runs = 1 << 62 },
		func(s *simulate.Shard) { s.Runs = 4 },
		func(s *simulate.Shard) { s.Axes = append(s.Axes, simulate.Axis{Parameter: "x"}) },
		func(s *simulate.Shard) { s.Axes = []simulate.Axis{{Parameter: "x", Values: make([]string, 2_000_000)}} },
		func(s *simulate.Shard) { s.Candidates = make([]string, 1<<20) },
		func(s *simulate.Shard) { s.Candidates = []string{"b", "a"} },
		func(s *simulate.Shard) { s.Cells = s.Cells[1:] },
		func(s *simulate.Shard) { s.Cells = s.Cells[:1] },
		func(s *simulate.Shard) { s.Cells = append(s.Cells, s.Cells[0]) },
		func(s *simulate.Shard) { s.Cells[0].Runs-- },
		func(s *simulate.Shard) { s.Cells[0].Runs++ },
		func(s *simulate.Shard) { s.Cells[0].Index = -1 },
		func(s *simulate.Shard) { s.Cells[0].Values = []string{"9"} },
		func(s *simulate.Shard) { s.Schema = "retrykit.shard/v2" },
	} {
		var bad simulate.Shard
		require.NoError(t, json.Unmarshal(text, &bad))
		change(&bad)
		changed, err := json.Marshal(&bad)
		require.NoError(t, err)
		_, err = simulate.ReadShard("a.json", changed)
		assert.ErrorContains(t, err, "a.json: shard", "%s", changed[:min(len(changed), 300)])
	}
}

// Who is interrupted gets the seeds that all candidates have finished.
func TestAnInterruptedComparison(t *testing.T) {
	once := retry.Policy{MaxAttempts: 1}
	o := simulate.FleetOptions{Runs: 500}
	ctx, done := stopping(t, 20)
	o.Done = done
	c, err := simulate.Compare(ctx, parse(t, small), []simulate.Candidate{{Name: "own"}, {Name: "once", Policy: &once}}, o)
	require.ErrorIs(t, err, context.Canceled)
	assert.Greater(t, c.Runs, 3)
	assert.Less(t, c.Runs, 500)
	for _, st := range c.Candidates {
		require.Len(t, st.Runs, c.Runs)
		for k, r := range st.Runs {
			assert.Equal(t, uint64(1+k), r.Seed)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c, err = simulate.Compare(ended, parse(t, small), []simulate.Candidate{{Name: "own"}, {Name: "once"}}, simulate.FleetOptions{})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, c)
}

// One run of each decides nothing.
func TestACompareOfOneRun(t *testing.T) {
	once := retry.Policy{MaxAttempts: 1}
	c, err := simulate.Compare(t.Context(), parse(t, small), []simulate.Candidate{{Name: "own"}, {Name: "once", Policy: &once}}, simulate.FleetOptions{Runs: 1})
	require.NoError(t, err)
	for _, st := range c.Candidates {
		assert.Empty(t, st.DominatedBy)
		for _, m := range st.Metrics {
			assert.False(t, m.Difference.Clear())
			assert.Zero(t, m.Half)
		}
	}
}

const collapsing = `fleet for=3m
arrive poisson rate=200/s
server rate=300/s queue=3000
policy const:base=0s,jitter=none,attempts=2
timeout attempt=1s
fault outage from=30s for=20s
`

// Without a range it is looked for around the value of the script, up and down.
func TestFindLooksAround(t *testing.T) {
	expect := parse(t, "fleet for=1m; arrive burst; expect recovery <= 60s").Expects[0]
	find := func(text, parameter string) *simulate.Found {
		t.Helper()
		found, err := simulate.Find(t.Context(), parse(t, text), simulate.FindOptions{Parameter: parameter, While: expect, Steps: 5, FleetOptions: simulate.FleetOptions{Runs: 3}})
		require.NoError(t, err)
		return found
	}
	down := find(collapsing, "fault.duration")
	assert.True(t, down.Largest)
	up := find(strings.Replace(collapsing, "for=20s", "for=200ms", 1), "fault.duration")
	for _, f := range []*simulate.Found{down, up} {
		d, err := time.ParseDuration(f.Every)
		require.NoError(t, err)
		assert.Greater(t, d, 500*time.Millisecond, "%+v", f)
		assert.Less(t, d, 3*time.Second, "%+v", f)
	}
	cure := find(collapsing, "load")
	assert.True(t, cure.Largest, "the largest safe load")
	assert.Regexp(t, `^\d+(\.\d+)?%$`, cure.Every)
	queue := find(collapsing, "server.queue")
	assert.Regexp(t, `^\d+$`, queue.Every)

	for parameter, want := range map[string]string{
		"server.hop":      "the line has no hop (it has rate, queue): say between which values to look",
		"server.rat":      "the line has no rat (did you mean rate?)",
		"policy.jitter":   `is "none", which cannot be doubled and halved`,
		"policy.elapsed":  "has none: say between which values to look",
		"policy.attempts": "", // from 2 down to 1
		"fault.from":      "and with every value tried above and below",
	} {
		_, err := simulate.Find(t.Context(), parse(t, collapsing), simulate.FindOptions{Parameter: parameter, While: expect, Steps: 2, FleetOptions: simulate.FleetOptions{Runs: 2}})
		if want == "" {
			assert.NoError(t, err, parameter)
		} else {
			assert.ErrorContains(t, err, want, parameter)
		}
	}
}

// Seeds whose threshold lies outside the range count as that: nothing within it
// does in every run.
func TestFindOutsideItsRange(t *testing.T) {
	expect := parse(t, "fleet for=1m; arrive burst; expect recovery <= 60s").Expects[0]
	wide, err := simulate.Find(t.Context(), parse(t, collapsing), simulate.FindOptions{Parameter: "fault.for", While: expect, Low: "100ms", High: "10s", Steps: 12, FleetOptions: simulate.FleetOptions{Runs: 5}})
	require.NoError(t, err)
	require.Len(t, wide.Thresholds, 5)
	require.Zero(t, wide.Below+wide.Above)
	narrow, err := simulate.Find(t.Context(), parse(t, collapsing), simulate.FindOptions{Parameter: "fault.for", While: expect, Low: wide.Thresholds[2], High: "10s", Steps: 12, FleetOptions: simulate.FleetOptions{Runs: 5}})
	require.NoError(t, err)
	assert.Equal(t, 2, narrow.Below, "%+v", narrow)
	assert.Empty(t, narrow.Every)
	assert.NotEmpty(t, narrow.Median)

	ctx, done := stopping(t, 12)
	part, err := simulate.Find(ctx, parse(t, collapsing), simulate.FindOptions{Parameter: "fault.for", While: expect, Low: "100ms", High: "10s", Steps: 3, FleetOptions: simulate.FleetOptions{Runs: 50, Done: done}})
	assert.ErrorIs(t, err, context.Canceled)
	if assert.NotNil(t, part) {
		assert.Less(t, len(part.Thresholds), 50)
		assert.NotEmpty(t, part.Thresholds)
	}
}

package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/bits"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// Axis is one parameter of a [Grid] and the values it takes.
type Axis struct {
	Parameter string   `json:"parameter"` // see [WithParameter]
	Values    []string `json:"values"`    // as the script has them
}

// Grid is a scenario, the values that its parameters take, and how often each
// combination is run.
type Grid struct {
	Script     *scripted.Script
	Axes       []Axis
	Replicates int    // of each cell; 0 acts as 1
	Seed       uint64 // 0 acts as [DefaultSeed]
	FleetOptions
}

// ShardSchema names the form of a [Shard] as JSON.
const ShardSchema = "retrysim.sweep/v1"

// Shard is the part of a sweep that one process has run, or all of it. It holds
// integers only, so merging is exact and its order does not matter.
type Shard struct {
	Schema string `json:"schema"`
	Model  string `json:"model"` // the hash of scenario, axes, replicates and seed
	Index  int    `json:"index"` // from 1
	Of     int    `json:"of"`
	Axes   []Axis `json:"axes"`
	Cells  []Cell `json:"cells"` // in order; those without a run in this shard are left out
}

// Cell is what the runs of one combination of values sum up to.
type Cell struct {
	Index     int             `json:"index"`  // the last axis changes first
	Values    []string        `json:"values"` // one of each axis
	Runs      int64           `json:"runs"`
	Faulty    int64           `json:"faulty"`    // with a fault to recover from
	Recovered int64           `json:"recovered"` // of them
	Collapsed int64           `json:"collapsed"`
	Total     fleet.Counts    `json:"total"`
	Latency   fleet.Histogram `json:"latency"`
	Recovery  fleet.Histogram `json:"recovery"` // of those that recovered
	// Sums, and sums of squares, of each run's share of successes and attempts
	// per call, both in millionths.
	Successes     Sum `json:"successes"`
	Amplification Sum `json:"amplification"`
}

// Sum is a sum of integers and of their squares.
type Sum struct {
	N       int64      `json:"n"`
	Squares fleet.Area `json:"squares"`
}

func (s *Sum) add(n int64) {
	s.N += n
	s.Squares.Add(uint64(n), uint64(n))
}

func (s *Sum) merge(other Sum) {
	s.N += other.N
	var carry uint64
	s.Squares.Lo, carry = bits.Add64(s.Squares.Lo, other.Squares.Lo, 0)
	s.Squares.Hi += other.Squares.Hi + carry
}

// cells returns how many combinations there are.
func (g *Grid) cells() int {
	n := 1
	for _, a := range g.Axes {
		n *= len(a.Values)
	}
	return n
}

// values returns the combination of a cell.
func (g *Grid) values(cell int) []string {
	out := make([]string, len(g.Axes))
	for i := len(g.Axes) - 1; i >= 0; i-- {
		n := len(g.Axes[i].Values)
		out[i] = g.Axes[i].Values[cell%n]
		cell /= n
	}
	return out
}

// scenario returns what a cell runs.
func (g *Grid) scenario(cell int) (fleet.Scenario, error) {
	s := g.Script
	for i, v := range g.values(cell) {
		var err error
		if s, err = WithParameter(s, g.Axes[i].Parameter, v); err != nil {
			return fleet.Scenario{}, err
		}
	}
	return Scenario(s, g.FleetOptions)
}

// model is the hash of everything that a sweep's results depend on.
func (g *Grid) model() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%d\n%d\n", ShardSchema, scripted.Format(g.Script), g.replicates(), g.seed())
	for _, a := range g.Axes {
		fmt.Fprintf(h, "%q %q\n", a.Parameter, a.Values)
	}
	if g.Policy != nil {
		fmt.Fprintf(h, "%v\n", *g.Policy)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func (g *Grid) replicates() int { return max(g.Replicates, 1) }

func (g *Grid) seed() uint64 {
	if g.Seed == 0 {
		return DefaultSeed
	}
	return g.Seed
}

// seedOf is the seed of a run. It depends on the sweep's seed, the cell and the
// replicate, and never on the shard.
func (g *Grid) seedOf(cell, replicate int) uint64 {
	return fleet.SeedOf(g.seed(), uint64(cell), uint64(replicate))
}

// Sweep runs the index-th of so many equal parts of a grid, counted from 1, on
// all processors. The parts are ranges of (cell, replicate), so there may be
// more of them than cells. An interrupted sweep is an error.
func Sweep(ctx context.Context, g Grid, index, of int) (*Shard, error) {
	if of < 1 || index < 1 || index > of {
		return nil, fmt.Errorf("simulate: sweep: shard %d of %d: want 1 to the number of shards", index, of)
	}
	for _, a := range g.Axes {
		if len(a.Values) == 0 {
			return nil, fmt.Errorf("simulate: sweep: %s has no values", a.Parameter)
		}
	}
	scenarios := make([]fleet.Scenario, g.cells())
	for c := range scenarios {
		var err error
		if scenarios[c], err = g.scenario(c); err != nil {
			return nil, err
		}
	}
	n := len(scenarios) * g.replicates()
	from, to := n*(index-1)/of, n*index/of
	runs := make([]Cell, to-from)
	errs := make([]error, to-from)
	parallel(to-from, func(k int) {
		c, replicate := (from+k)/g.replicates(), (from+k)%g.replicates()
		var r *fleet.Result
		if r, errs[k] = fleet.Run(ctx, scenarios[c], g.seedOf(c, replicate)); errs[k] == nil {
			errs[k] = ctx.Err()
			runs[k] = g.cell(c, r)
		}
	})
	out := &Shard{Schema: ShardSchema, Model: g.model(), Index: index, Of: of, Axes: append([]Axis{}, g.Axes...), Cells: []Cell{}}
	for k := range runs {
		if errs[k] != nil {
			return nil, errs[k]
		}
		out.add(&runs[k])
	}
	return out, nil
}

// cell is one run as a cell.
func (g *Grid) cell(c int, r *fleet.Result) Cell {
	out := Cell{Index: c, Values: g.values(c), Runs: 1, Total: r.Total}
	out.Latency.Merge(r.Latency())
	if r.FaultsEnd >= 0 {
		out.Faulty = 1
	}
	if d, ok := r.Recovery(); ok {
		out.Recovered = 1
		out.Recovery.Add(d)
	}
	if r.Collapsed {
		out.Collapsed = 1
	}
	out.Successes.add(measure(r, scripted.SubjectSuccesses, ""))
	out.Amplification.add(measure(r, scripted.SubjectAmplification, ""))
	return out
}

// add puts a cell behind the others, or adds it to the last one if that is the
// same.
func (s *Shard) add(c *Cell) {
	if n := len(s.Cells); n > 0 && s.Cells[n-1].Index == c.Index {
		s.Cells[n-1].merge(c)
		return
	}
	s.Cells = append(s.Cells, *c)
}

func (c *Cell) merge(other *Cell) {
	c.Runs += other.Runs
	c.Faulty += other.Faulty
	c.Recovered += other.Recovered
	c.Collapsed += other.Collapsed
	c.Total.Add(other.Total)
	c.Latency.Merge(&other.Latency)
	c.Recovery.Merge(&other.Recovery)
	c.Successes.merge(other.Successes)
	c.Amplification.merge(other.Amplification)
}

// Merge puts the shards of a sweep together, given in any order. The result is
// that of one shard, to the byte. Shards that are missing, given twice, or of
// another sweep are an error.
func Merge(shards ...*Shard) (*Shard, error) {
	if len(shards) == 0 {
		return nil, fmt.Errorf("simulate: merge: no shards")
	}
	first := shards[0]
	inOrder := make([]*Shard, first.Of)
	for _, s := range shards {
		switch {
		case s.Schema != ShardSchema:
			return nil, fmt.Errorf("simulate: merge: schema %q, want %q", s.Schema, ShardSchema)
		case s.Model != first.Model:
			return nil, fmt.Errorf("simulate: merge: shard %d of %d is of another sweep: its scenario, axes, replicates or seed differ", s.Index, s.Of)
		case s.Of != first.Of:
			return nil, fmt.Errorf("simulate: merge: shard %d is one of %d, the others are of %d", s.Index, s.Of, first.Of)
		case s.Index < 1 || s.Index > s.Of:
			return nil, fmt.Errorf("simulate: merge: shard %d of %d", s.Index, s.Of)
		case inOrder[s.Index-1] != nil:
			return nil, fmt.Errorf("simulate: merge: shard %d of %d is given twice", s.Index, s.Of)
		}
		inOrder[s.Index-1] = s
	}
	out := &Shard{Schema: ShardSchema, Model: first.Model, Index: 1, Of: 1, Axes: first.Axes, Cells: []Cell{}}
	for k, s := range inOrder {
		if s == nil {
			return nil, fmt.Errorf("simulate: merge: shard %d of %d is missing", k+1, first.Of)
		}
		for i := range s.Cells {
			c := s.Cells[i]
			c.Latency, c.Recovery = fleet.Histogram{}, fleet.Histogram{} // the shard's own are not to be changed
			c.Latency.Merge(&s.Cells[i].Latency)
			c.Recovery.Merge(&s.Cells[i].Recovery)
			out.add(&c)
		}
	}
	return out, nil
}

// ReadShard reads what a sweep wrote as JSON.
func ReadShard(text []byte) (*Shard, error) {
	var s Shard
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("simulate: shard: %w", err)
	}
	if s.Schema != ShardSchema || s.Of < 1 {
		return nil, fmt.Errorf("simulate: shard: schema %q, want %q", s.Schema, ShardSchema)
	}
	for i := range s.Cells {
		if i > 0 && s.Cells[i].Index <= s.Cells[i-1].Index {
			return nil, fmt.Errorf("simulate: shard: cell %d is out of order", s.Cells[i].Index)
		}
	}
	return &s, nil
}

package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// Axis is one parameter of a [Grid] and the values it takes.
type Axis struct {
	Parameter string   `json:"parameter"` // see [WithParameter]; also "load", in per cent of the scenario's own
	Values    []string `json:"values"`    // as the script has them
}

// Grid is a scenario, the values that its parameters take, and the policies
// under which each combination of them is run.
type Grid struct {
	Script     *scripted.Script
	Axes       []Axis
	Candidates []Candidate // none: what the script says
	// FleetOptions say how often each is run, and with which seed: that of a run
	// is drawn from it, the combination and the number of the run. All
	// candidates meet the same chance.
	FleetOptions
}

// shardSchema names the form of a [Shard] as JSON.
const shardSchema = "retrykit.shard/v1"

// Shard is the part of a sweep that one process has run, or all of it. It holds
// integers only, so merging is exact and its order does not matter.
type Shard struct {
	Schema     string   `json:"schema"`
	Model      string   `json:"model"` // the hash of what each cell runs, how often, and of the seed
	Index      int      `json:"index"` // from 1
	Of         int      `json:"of"`
	Axes       []Axis   `json:"axes"`
	Candidates []string `json:"candidates"` // their names
	Runs       int      `json:"runs"`       // of each cell, in all shards
	Cells      []Cell   `json:"cells"`      // in order; those without a run in this shard are left out

	name string // where it was read from, for messages
}

// String names the shard.
func (s *Shard) String() string {
	text := fmt.Sprintf("shard %d of %d", s.Index, s.Of)
	if s.name != "" {
		text = s.name + ": " + text
	}
	return text
}

// Cell is what the runs of one combination of values under one candidate sum up
// to.
type Cell struct {
	Index     int             `json:"index"`     // the candidate changes first, then the last axis
	Values    []string        `json:"values"`    // one of each axis
	Candidate string          `json:"candidate"` // "" if the grid has none
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

// Mean returns the mean of so many summands and half the width of its 95 %
// interval (Student); 0 of a single one, which has none.
func (s Sum) Mean(n int64) (mean, half float64) {
	if n < 1 {
		return 0, 0
	}
	mean = float64(s.N) / float64(n)
	if n < 2 {
		return mean, 0
	}
	squares := math.Ldexp(float64(s.Squares.Hi), 64) + float64(s.Squares.Lo)
	variance := max(squares-float64(mean*float64(s.N)), 0) / float64(n-1)
	return mean, student(float64(n)) * math.Sqrt(variance/float64(n))
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

// combinations returns how many there are; -1 if they are too many to count.
func combinations(axes []Axis) int {
	n := 1
	for _, a := range axes {
		if len(a.Values) > 0 && n > maxCells/len(a.Values) {
			return -1
		}
		n *= len(a.Values)
	}
	return n
}

// valuesOf returns the values of a combination.
func valuesOf(axes []Axis, combination int) []string {
	out := make([]string, len(axes))
	for i := len(axes) - 1; i >= 0; i-- {
		n := len(axes[i].Values)
		out[i] = axes[i].Values[combination%n]
		combination /= n
	}
	return out
}

// The bounds of a sweep: how many cells, and how many runs in all.
const (
	maxCells = 1_000_000
	maxRuns  = 1_000_000_000
)

// candidates returns those that each combination is run under.
func (g *Grid) candidates() []Candidate {
	if len(g.Candidates) == 0 {
		return []Candidate{{}}
	}
	return g.Candidates
}

// worked is a grid worked out.
type worked struct {
	Grid
	scenarios []fleet.Scenario // by cell
	runs      int              // of each cell
	seed      uint64
}

func (g *Grid) work() (*worked, error) {
	for _, a := range g.Axes {
		if len(a.Values) == 0 {
			return nil, fmt.Errorf("simulate: sweep: %s has no values", a.Parameter)
		}
	}
	p := &worked{Grid: *g, runs: max(g.FleetOptions.Runs, 1), seed: pick(g.Seed, g.Script.Seed, DefaultSeed)}
	n := combinations(g.Axes)
	if n < 0 || n > maxCells/len(g.candidates()) || p.runs > maxRuns/(n*len(g.candidates())) {
		return nil, fmt.Errorf("simulate: sweep: more than %d combinations, or %d runs", maxCells, maxRuns)
	}
	for k := range n {
		script, o, err := withValues(g.Script, g.FleetOptions, g.Axes, valuesOf(g.Axes, k))
		if err != nil {
			return nil, err
		}
		for _, c := range g.candidates() {
			sc, err := Scenario(script, o.with(c))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", g.name(k, c), err)
			}
			p.scenarios = append(p.scenarios, sc)
		}
	}
	return p, nil
}

// name says which cell is meant.
func (g *Grid) name(combination int, c Candidate) string {
	var words []string
	for i, v := range valuesOf(g.Axes, combination) {
		words = append(words, g.Axes[i].Parameter+"="+v)
	}
	if c.Name != "" {
		words = append(words, c.Name)
	}
	return "simulate: sweep: " + strings.Join(words, ", ")
}

// withValues returns a script and options with other values of some parameters.
func withValues(s *scripted.Script, o FleetOptions, axes []Axis, values []string) (*scripted.Script, FleetOptions, error) {
	var err error
	for i, v := range values {
		if axes[i].Parameter == LoadParameter {
			o = o.altered(func(sc *fleet.Scenario) error { return AtLoad(sc, v) })
		} else if s, err = WithParameter(s, axes[i].Parameter, v); err != nil {
			return nil, o, err
		}
	}
	return s, o, nil
}

// model is the hash of everything that a sweep's results depend on: of the
// scenarios themselves, so that it does not matter what made them so.
func (p *worked) model() string {
	h := sha256.New()
	encode := func(v any) {
		if err := json.NewEncoder(h).Encode(v); err != nil {
			panic(fmt.Sprintf("simulate: a scenario that JSON cannot hold: %v", err)) // it is plain data
		}
	}
	encode([]any{shardSchema, p.runs, p.seed, p.Axes})
	for i, sc := range p.scenarios {
		if sc.Server.Queue == fleet.Unbounded {
			sc.Server.Queue = -1 // it is not the same number everywhere
		}
		sc.Groups = slices.Clone(sc.Groups)
		for k := range sc.Groups {
			arrivals := slices.Clone(sc.Groups[k].Arrivals)
			for n := range arrivals {
				if i > 0 {
					arrivals[n].Log = nil // it is long, and the same in all of them
				}
			}
			sc.Groups[k].Arrivals = arrivals
		}
		encode(p.candidates()[i%len(p.candidates())].Name)
		encode(sc)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// seedOf is the seed of a run. It depends on the sweep's seed, the combination
// and the number of the run, and never on the shard.
func (p *worked) seedOf(cell, run int) uint64 {
	return fleet.SeedOf(p.seed, uint64(cell/len(p.candidates())), uint64(run))
}

// rangeOf returns which of n runs a shard has, [from, to).
func rangeOf(n, index, of int) (from, to int) {
	at := func(k int) int { return int(int64(n) * int64(k) / int64(of)) } // below 1e9 · 1e6
	return at(index - 1), at(index)
}

// Sweep runs the index-th of so many equal parts of a grid, counted from 1, on
// all processors. The parts are ranges of (cell, run), so there may be more of
// them than cells. There are at most 1,000,000 parts, as many cells, and
// 1,000,000,000 runs.
//
// When the context ends, the error is its own and the shard holds the runs that
// had ended. [Merge] refuses such a shard.
func Sweep(ctx context.Context, g Grid, index, of int) (*Shard, error) {
	if of < 1 || of > maxCells || index < 1 || index > of {
		return nil, fmt.Errorf("simulate: sweep: shard %d of %d: want 1 to the number of shards, at most %d", index, of, maxCells)
	}
	p, err := g.work()
	if err != nil {
		return nil, err
	}
	from, to := rangeOf(len(p.scenarios)*p.runs, index, of)
	cells := make([]*Cell, len(p.scenarios))
	var mu sync.Mutex
	parallel(to-from, func(k int) {
		c, number := (from+k)/p.runs, (from+k)%p.runs
		r, err := p.run(ctx, p.scenarios[c], p.seedOf(c, number))
		if err != nil {
			return
		}
		one := p.cell(c, r)
		mu.Lock()
		defer mu.Unlock()
		if cells[c] == nil {
			cells[c] = one
		} else {
			cells[c].merge(one)
		}
	})
	out := &Shard{Schema: shardSchema, Model: p.model(), Index: index, Of: of, Axes: append([]Axis{}, g.Axes...), Candidates: []string{}, Runs: p.runs, Cells: []Cell{}}
	for _, c := range g.Candidates {
		out.Candidates = append(out.Candidates, c.Name)
	}
	for _, c := range cells {
		if c != nil {
			out.Cells = append(out.Cells, *c)
		}
	}
	return out, ctx.Err()
}

// cell is one run as a cell.
func (p *worked) cell(c int, r *fleet.Result) *Cell {
	n := len(p.candidates())
	out := &Cell{Index: c, Values: valuesOf(p.Axes, c/n), Candidate: p.candidates()[c%n].Name, Runs: 1, Total: r.Total}
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
	successes, _ := Measured(r, scripted.SubjectSuccesses)
	amplification, _ := Measured(r, scripted.SubjectAmplification)
	out.Successes.add(successes)
	out.Amplification.add(amplification)
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
// that of one shard, to the byte. Shards that are missing, given twice, of
// another sweep or not whole are an error.
func Merge(shards ...*Shard) (*Shard, error) {
	if len(shards) == 0 {
		return nil, fmt.Errorf("simulate: merge: no shards")
	}
	first := shards[0]
	if err := first.check(); err != nil {
		return nil, fmt.Errorf("simulate: merge: %w", err)
	}
	inOrder := make([]*Shard, first.Of)
	for _, s := range shards {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("simulate: merge: %w", err)
		}
		switch {
		case s.Model != first.Model:
			return nil, fmt.Errorf("simulate: merge: %v is of another sweep than %v: its scenario, axes, policies, runs or seed differ", s, first)
		case s.Of != first.Of:
			return nil, fmt.Errorf("simulate: merge: %v and %v are not of the same number", first, s)
		case inOrder[s.Index-1] != nil:
			return nil, fmt.Errorf("simulate: merge: %v is given twice: also as %v", s, inOrder[s.Index-1])
		}
		inOrder[s.Index-1] = s
	}
	var missing []string
	for k, s := range inOrder {
		if s == nil {
			missing = append(missing, strconv.Itoa(k+1))
		}
	}
	if n := len(missing); n > 0 {
		if n > 10 {
			missing = append(missing[:10], fmt.Sprintf("and %d more", n-10))
		}
		return nil, fmt.Errorf("simulate: merge: of %d shards these are missing: %s", first.Of, strings.Join(missing, ", "))
	}
	out := *first
	out.Index, out.Of, out.Cells = 1, 1, []Cell{}
	for _, s := range inOrder {
		for i := range s.Cells {
			c := s.Cells[i]
			c.Latency, c.Recovery = fleet.Histogram{}, fleet.Histogram{} // the shard's own are not to be changed
			c.Latency.Merge(&s.Cells[i].Latency)
			c.Recovery.Merge(&s.Cells[i].Recovery)
			out.add(&c)
		}
	}
	return &out, nil
}

// ReadShard reads what a sweep wrote as JSON; the name is for messages. A shard
// that is not whole is an error.
func ReadShard(name string, text []byte) (*Shard, error) {
	s := Shard{name: name}
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%s: no shard of a sweep: %w", name, err)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return &s, nil
}

// check says what is wrong with a shard that may come from anywhere.
func (s *Shard) check() error {
	cells := combinations(s.Axes)
	if n := len(s.Candidates); n > 0 {
		if cells > maxCells/n {
			cells = -1
		}
		cells *= n
	}
	switch {
	case s.Schema != shardSchema:
		return fmt.Errorf("%v: schema %q, want %q", s, s.Schema, shardSchema)
	case s.Of < 1 || s.Of > maxCells || s.Index < 1 || s.Index > s.Of:
		return fmt.Errorf("%v: there is no such number", s)
	case cells < 1 || s.Runs < 1 || s.Runs > maxRuns/cells:
		return fmt.Errorf("%v: its axes and runs make no sweep", s)
	}
	from, to := rangeOf(cells*s.Runs, s.Index, s.Of)
	for i := range s.Cells {
		c := &s.Cells[i]
		if from >= to || c.Index != from/s.Runs || !s.fits(c) {
			return fmt.Errorf("%v: cell %d is none of its own", s, c.Index)
		}
		runs := min(to, (c.Index+1)*s.Runs) - from
		if c.Runs != int64(runs) {
			return fmt.Errorf("%v is not whole: cell %d has %d runs of %d; run it again", s, c.Index, c.Runs, runs)
		}
		from += runs
	}
	if from < to {
		return fmt.Errorf("%v is not whole: cell %d is missing; run it again", s, from/s.Runs)
	}
	return nil
}

// fits reports whether a cell has the values and the candidate of its index.
func (s *Shard) fits(c *Cell) bool {
	combination, candidate := c.Index, ""
	if n := len(s.Candidates); n > 0 {
		combination, candidate = c.Index/n, s.Candidates[c.Index%n]
	}
	return c.Candidate == candidate && slices.Equal(c.Values, valuesOf(s.Axes, combination))
}

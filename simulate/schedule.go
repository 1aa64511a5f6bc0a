package simulate

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// The sizes of a schedule that names none.
const (
	// DefaultRuns is how many calls are drawn where there is no closed form.
	DefaultRuns = 20_000
	// DefaultAttempts is how many attempts of an unlimited policy are worked
	// out.
	DefaultAttempts = 50
)

// maxStack is how many policies may lie on top of one another.
const maxStack = 4

// maxAttempts is how many attempts of a limited policy are worked out.
const maxAttempts = 1000

// ScheduleOptions say in what circumstances the attempts of [Schedule] fail.
// With the zero ScheduleOptions each fails the moment it begins, with a
// transient error and no Retry-After.
type ScheduleOptions struct {
	// Over are the policies underneath, the outermost first: each attempt of
	// one policy is a whole call of the next, as when a wrapper retries an SDK
	// that retries. There are at most 3.
	Over []retry.Policy
	// Class is that of every failure. The zero value, which no policy would
	// retry, stands for [retry.Transient].
	Class retry.Classification
	// Took is how long an attempt takes to fail, unless its timeout ends it
	// before. It is not negative, and neither is Deadline.
	Took time.Duration
	// Deadline is the caller's, since the call began. It is marked and not
	// obeyed: what starts at it or later is what the caller never sees. 0
	// means none.
	Deadline time.Duration
	// Attempts is how many attempts are worked out at most, up to 1000. 0 means
	// as many as there are or, of a policy that makes more than 1000,
	// [DefaultAttempts].
	Attempts int
	// Runs is how many calls are drawn where there is no closed form, up to
	// 10,000,000. 0 means [DefaultRuns].
	Runs int
	// Seed is that of the draws. nil means [DefaultSeed].
	Seed *uint64
}

// Timetable says when the attempts of a call begin if all of them fail.
type Timetable struct {
	Attempts []AttemptTimes // in the order they are made
	// Total is how long the caller waits for the last error. It is the zero
	// Spread if Cut.
	Total Spread
	// Cut says that the policy makes more attempts than are listed.
	Cut bool
	// Exact says that the quantiles are those of the distribution, to within a
	// nanosecond for each wait. Else they are those of Runs calls drawn from
	// Seed.
	Exact bool
	Runs  int
	Seed  uint64
}

// AttemptTimes says when one attempt begins.
type AttemptTimes struct {
	// Path is the attempt's number in each of the stacked policies, the
	// outermost first. It has one element if nothing is stacked.
	Path []int
	// WaitMin and WaitMax bound the wait right before it, both included.
	WaitMin, WaitMax time.Duration
	// Start is when it begins, since the call began, in the calls that make
	// it. Where policies are stacked under a limit on the elapsed time, its
	// bounds are those of the calls drawn.
	Start Spread
	// Reached is the share of calls that make it: less than 1 only under a
	// limit on the elapsed time.
	Reached float64
	// Late is the share of those in which it begins at the deadline or later.
	Late float64
}

// Spread is the distribution of a time: its bounds, its mean and the quantiles,
// P5 the one that 5 % of the calls do not exceed.
type Spread struct {
	Min, P5, P50, P90, P95, P99, P999, Max time.Duration
	Mean                                   time.Duration
}

// quantiles are those of a Spread, in thousandths.
var quantiles = []int64{50, 500, 900, 950, 990, 999}

func (s *Spread) quantile(i int) *time.Duration {
	return []*time.Duration{&s.P5, &s.P50, &s.P90, &s.P95, &s.P99, &s.P999}[i]
}

// Schedule works out when each attempt of a policy begins if every attempt
// fails. Every wait is that of [retry.Policy.Decide].
//
// Waits that are drawn independently and evenly have a sum whose distribution
// is known (Irwin and Hall, for unequal widths), and the result is exact. Waits
// that depend on one another (decorrelated jitter, a limit on the elapsed
// time), that a cap cuts after the jitter, of stacked policies, or of so many
// different widths that the sum would take too long, are drawn: the same seed
// gives the same calls.
//
// The error is that of an invalid policy or option.
func Schedule(p retry.Policy, o ScheduleOptions) (*Timetable, error) {
	stack := append([]retry.Policy{p}, o.Over...)
	if err := o.validate(stack); err != nil {
		return nil, err
	}
	if o.Class == (retry.Classification{}) {
		o.Class = retry.Transient()
	}
	seed := pick(o.Seed, nil, DefaultSeed)
	s := scheduler{stack: stack, options: o, limit: limitOf(stack, o.Attempts)}
	if len(stack) == 1 {
		if t, ok := s.exact(); ok {
			t.Seed = seed
			return t, nil
		}
	}
	return s.drawn(seed), nil
}

func (o ScheduleOptions) validate(stack []retry.Policy) error {
	for _, p := range stack {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	switch {
	case len(stack) > maxStack:
		return fmt.Errorf("simulate: %d policies are stacked, %d at most", len(stack), maxStack)
	case o.Took < 0, o.Deadline < 0:
		return errors.New("simulate: a schedule takes no negative durations")
	case o.Attempts < 0 || o.Attempts > maxAttempts:
		return fmt.Errorf("simulate: a schedule has 0 to %d attempts", maxAttempts)
	case o.Runs < 0 || o.Runs > 10_000_000:
		return errors.New("simulate: a schedule draws 0 to 10000000 calls")
	}
	return nil
}

// limitOf returns how many attempts are worked out: all that the stack makes,
// if that is a number one can list.
func limitOf(stack []retry.Policy, asked int) int {
	if asked > 0 {
		return asked
	}
	n := Multiplied(stack...)
	if n > maxAttempts {
		return DefaultAttempts
	}
	return n
}

// Multiplied returns how many attempts reach the server for one call through
// the stacked policies if all fail: the product of theirs. It saturates at
// [retry.Unlimited].
func Multiplied(stack ...retry.Policy) int {
	n := 1
	for _, p := range stack {
		m := max(p.MaxAttempts, 1)
		if m > retry.Unlimited/n {
			return retry.Unlimited
		}
		n *= m
	}
	return n
}

// scheduler works out one timetable.
type scheduler struct {
	stack   []retry.Policy
	options ScheduleOptions
	limit   int
}

// path is an attempt's number in each stacked policy.
type path [maxStack]int

// start is one attempt of one call.
type start struct {
	path path
	wait time.Duration // right before it
	at   time.Duration
}

// play makes one call whose attempts all fail. It returns their starts, when
// the last error came, and whether the limit cut the call short.
func (s *scheduler) play(src rand.Source, into []start) (starts []start, total time.Duration, cut bool) {
	c := failing{scheduler: s, src: src, starts: into[:0]}
	total = c.call(0, 0, math.MaxInt64)
	return c.starts, total, c.cut
}

// failing is a call whose attempts all fail.
type failing struct {
	*scheduler
	src    rand.Source
	starts []start
	path   path
	wait   time.Duration // the one that was last
	cut    bool
}

// call makes a call of one level, from the moment at, and returns when it
// fails. Its context ends at the moment until.
func (c *failing) call(level int, at, until time.Duration) time.Duration {
	p, begun, previous := c.stack[level], at, time.Duration(0)
	for number := 1; ; number++ {
		c.path[level] = number
		ends := until
		if p.AttemptTimeout > 0 {
			ends = min(until, later(at, p.AttemptTimeout))
		}
		failed := ends
		if level < len(c.stack)-1 {
			failed = c.call(level+1, at, ends)
		} else {
			c.add(at)
			failed = min(later(at, c.options.Took), ends)
		}
		if c.cut || failed >= until {
			return failed
		}
		class := c.options.Class
		if failed >= ends {
			class = retry.Transient().TimedOut()
		}
		d := p.Decide(retry.Failure{Attempt: number, Class: class, Elapsed: failed - begun, Previous: previous}, c.src)
		next := later(failed, d.Wait)
		if !d.Retry() || next >= until {
			c.cut = c.cut || d.Retry() && next == math.MaxInt64 // nobody lives to see it
			return failed
		}
		previous, c.wait = d.Wait, d.Wait
		at = next
	}
}

func (c *failing) add(at time.Duration) {
	if len(c.starts) == c.limit {
		c.cut = true
		return
	}
	c.starts = append(c.starts, start{path: c.path, wait: c.wait, at: at})
}

// later returns t + d, saturating.
func later(t, d time.Duration) time.Duration {
	if d > math.MaxInt64-t {
		return math.MaxInt64
	}
	return t + d
}

// steady is a source that gives the same word for ever. Every wait grows with
// its word, so the least and the greatest one give the bounds of the schedule.
type steady uint64

func (s steady) Uint64() uint64 { return uint64(s) }

const (
	least    = steady(0)
	greatest = steady(math.MaxUint64)
)

// drawn works a timetable out of many calls.
func (s *scheduler) drawn(seed uint64) *Timetable {
	runs := s.options.Runs
	if runs == 0 {
		runs = DefaultRuns
	}
	t := &Timetable{Runs: runs, Seed: seed}
	rows := make(map[path]*samples)
	var totals []time.Duration
	var starts []start
	draw := func(src rand.Source) (total time.Duration) {
		var cut bool
		starts, total, cut = s.play(src, starts)
		t.Cut = t.Cut || cut
		for _, at := range starts {
			if rows[at.path] == nil {
				rows[at.path] = &samples{waitMin: at.wait, waitMax: at.wait}
			}
			rows[at.path].bound(at)
		}
		return total
	}
	lo, hi := s.extremes(draw)
	source := retry.Seeded(seed, 0)
	for run := range runs {
		totals = append(totals, draw(source(uint64(run+1))))
		for _, at := range starts {
			rows[at.path].starts = append(rows[at.path].starts, at.at)
		}
	}
	for at, row := range rows {
		if len(row.starts) > 0 { // else only an extreme call gets there
			if limit := s.stack[0].MaxElapsed; limit > 0 && len(s.stack) == 1 {
				row.max = min(row.max, limit)
			}
			t.Attempts = append(t.Attempts, row.times(at[:len(s.stack)], runs, s.options.Deadline))
		}
	}
	slices.SortFunc(t.Attempts, func(a, b AttemptTimes) int { return slices.Compare(a.Path, b.Path) })
	if !t.Cut {
		t.Total = spread(totals, min(lo, hi), max(lo, hi))
	}
	return t
}

// extremes draws the calls with the shortest and the longest waits. A limit on
// the elapsed time ends the longer one early, so it is put aside and cuts the
// bounds instead.
func (s *scheduler) extremes(draw func(rand.Source) time.Duration) (lo, hi time.Duration) {
	if len(s.stack) > 1 {
		return draw(least), draw(greatest)
	}
	limit := s.stack[0].MaxElapsed
	s.stack[0].MaxElapsed = 0
	lo, hi = draw(least), draw(greatest)
	s.stack[0].MaxElapsed = limit
	if limit > 0 {
		hi = min(hi, later(limit, s.options.Took))
	}
	return lo, hi
}

// samples are what was drawn of one attempt.
type samples struct {
	waitMin, waitMax time.Duration
	min, max         time.Duration
	seen             bool
	starts           []time.Duration
}

func (r *samples) bound(at start) {
	if !r.seen {
		r.min, r.max, r.seen = at.at, at.at, true
	}
	r.min, r.max = min(r.min, at.at), max(r.max, at.at)
	r.waitMin, r.waitMax = min(r.waitMin, at.wait), max(r.waitMax, at.wait)
}

func (r *samples) times(p []int, runs int, deadline time.Duration) AttemptTimes {
	late := 0
	for _, at := range r.starts {
		if deadline > 0 && at >= deadline {
			late++
		}
	}
	return AttemptTimes{
		Path: slices.Clone(p), WaitMin: r.waitMin, WaitMax: r.waitMax,
		Start:   spread(r.starts, r.min, r.max),
		Reached: float64(len(r.starts)) / float64(runs),
		Late:    float64(late) / float64(len(r.starts)),
	}
}

// spread sorts the times and returns their distribution within the bounds, by
// the nearest rank.
func spread(times []time.Duration, lo, hi time.Duration) Spread {
	slices.Sort(times)
	n := int64(len(times))
	s := Spread{Min: min(lo, times[0]), Max: max(hi, times[n-1]), Mean: mean(times)}
	for i, q := range quantiles {
		*s.quantile(i) = times[(q*n+999)/1000-1]
	}
	return s
}

// mean returns the mean, rounded down, of times that are not negative.
func mean(times []time.Duration) time.Duration {
	n := time.Duration(len(times))
	var whole, rest time.Duration
	for _, d := range times {
		whole += d / n
		if rest += d % n; rest >= n {
			whole, rest = whole+1, rest-n
		}
	}
	return whole
}

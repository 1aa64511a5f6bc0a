package retry_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
)

func newPacer(t testing.TB, p retry.Pace) *retry.Pacer {
	a, err := retry.NewPacer(p)
	require.NoError(t, err)
	return a
}

// A step reserves, settles, cancels or asks; seconds are the unit of time.
type step struct {
	at   time.Duration
	do   string // "reserve N", "settle I N", "cancel I"
	next string // what Next answers until it has nothing more
}

func TestPacer(t *testing.T) {
	const s = time.Second
	requests := retry.Rate{Limit: 60, Per: time.Minute, Burst: 2} // one a second, two at once
	tests := []struct {
		name  string
		pace  retry.Pace
		steps []step
	}{
		{"the zero pace", retry.Pace{}, []step{
			{0, "reserve 7", "0 starts, never"}, {0, "reserve 9", "1 starts, never"}, {0, "settle 0 7", "never"}}},
		{"a bucket begins full and refills evenly", retry.Pace{Requests: requests}, []step{
			{5 * s, "reserve 0", "0 starts, never"},
			{5 * s, "reserve 0", "1 starts, never"},
			{5 * s, "reserve 0", "6s"},
			{5 * s, "reserve 0", "6s"},
			{6*s - 1, "", "6s"},
			{6 * s, "", "2 starts, 7s"},
			{7 * s, "", "3 starts, never"},
			{9*s + s/2, "reserve 0", "4 starts, never"},
			{9*s + s/2, "reserve 0", "5 starts, never"},
			{9*s + s/2, "reserve 0", "10.5s"}}},
		{"idle time fills it no further", retry.Pace{Requests: requests}, []step{
			{0, "reserve 0", "0 starts, never"},
			{1000 * s, "reserve 0", "1 starts, never"},
			{1000 * s, "reserve 0", "2 starts, never"},
			{1000 * s, "reserve 0", "16m41s"}}},
		{"a third of a second is rounded up, once", retry.Pace{Requests: retry.Rate{Limit: 3, Per: s, Burst: 1}}, []step{
			{0, "reserve 0", "0 starts, never"},
			{0, "reserve 0", "333.333334ms"},
			{333333334, "", "1 starts, never"},
			{333333334, "reserve 0", "666.666668ms"}, // no whole bucket at 1/3 s, so the next third is counted from the attempt
		}},
		{"thirds that are waited for in time add up to a second", retry.Pace{Requests: retry.Rate{Limit: 3, Per: s, Burst: 3}}, []step{
			{0, "reserve 0", "0 starts, never"}, {0, "reserve 0", "1 starts, never"}, {0, "reserve 0", "2 starts, never"},
			{0, "reserve 0", "333.333334ms"}, {0, "reserve 0", "333.333334ms"}, {0, "reserve 0", "333.333334ms"},
			{333333334, "", "3 starts, 666.666667ms"},
			{666666667, "", "4 starts, 1s"},
			{s, "", "5 starts, never"}}},
		{"two thirds of a second from a whole one", retry.Pace{Requests: retry.Rate{Limit: 3, Per: s, Burst: 2}}, []step{
			{0, "reserve 0", "0 starts, never"}, {0, "reserve 0", "1 starts, never"},
			{0, "reserve 0", "333.333334ms"}}},
		{"first come, first served: a large one holds up small ones", retry.Pace{Tokens: retry.Rate{Limit: 100, Per: 100 * s}}, []step{
			{0, "reserve 60", "0 starts, never"},
			{0, "reserve 90", "50s"},
			{0, "reserve 1", "50s"},
			{50 * s, "", "1 starts, 51s"},
			{51 * s, "", "2 starts, never"}}},
		{"all that a bucket holds", retry.Pace{Tokens: retry.Rate{Limit: 100, Per: 100 * s, Burst: 50}}, []step{
			{0, "reserve 51", "retry: not sent: 51 tokens are more than there ever are at once (100 per 1m40s, 50 at once)"},
			{0, "reserve 50", "0 starts, never"},
			{0, "reserve 50", "50s"}}},
		{"what was not spent comes back", retry.Pace{Tokens: retry.Rate{Limit: 100, Per: 100 * s}}, []step{
			{0, "reserve 100", "0 starts, never"},
			{0, "reserve 70", "1m10s"},
			{10 * s, "settle 0 60", "30s"},
			{30 * s, "", "1 starts, never"}}},
		{"what was spent beyond it is a debt", retry.Pace{Tokens: retry.Rate{Limit: 100, Per: 100 * s}}, []step{
			{0, "reserve 10", "0 starts, never"},
			{0, "settle 0 150", "never"},
			{0, "reserve 1", "51s"}}},
		{"a debt is counted from now, not from when the bucket was full", retry.Pace{Tokens: retry.Rate{Limit: 100, Per: 100 * s}}, []step{
			{0, "reserve 10", "0 starts, never"},
			{1000 * s, "settle 0 20", "never"},
			{1000 * s, "reserve 100", "16m50s"}}},
		{"a cost that is not known is what was reserved", retry.Pace{Tokens: retry.Rate{Limit: 100, Per: 100 * s}}, []step{
			{0, "reserve 100", "0 starts, never"},
			{0, "settle 0 -1", "never"},
			{0, "reserve 5", "5s"}}},
		{"only the first settlement counts", retry.Pace{Tokens: retry.Rate{Limit: 100, Per: 100 * s}, Concurrency: 1}, []step{
			{0, "reserve 100", "0 starts, never"},
			{0, "settle 0 100", "never"},
			{0, "settle 0 0", "never"},
			{0, "cancel 0", "never"},
			{0, "reserve 5", "5s"},
			{5 * s, "", "1 starts, never"},
			{5 * s, "reserve 0", "never"}}},
		{"an attempt that was not made gives all back", retry.Pace{Requests: requests, Tokens: retry.Rate{Limit: 100, Per: 100 * s}}, []step{
			{0, "reserve 100", "0 starts, never"},
			{0, "reserve 80", "1m20s"},
			{0, "cancel 0", "1 starts, never"},
			{0, "reserve 20", "2 starts, never"},
			{0, "reserve 0", "1s"}}},
		{"one that leaves the queue lets the next be first", retry.Pace{Requests: requests}, []step{
			{0, "reserve 0", "0 starts, never"}, {0, "reserve 0", "1 starts, never"},
			{0, "reserve 0", "1s"}, {0, "reserve 0", "1s"}, {0, "reserve 0", "1s"},
			{0, "cancel 3", "1s"},
			{s / 2, "cancel 2", "1s"},
			{s, "", "4 starts, never"}}},
		{"so many at a time", retry.Pace{Concurrency: 2}, []step{
			{0, "reserve 0", "0 starts, never"}, {0, "reserve 0", "1 starts, never"},
			{0, "reserve 0", "never"}, {0, "reserve 0", "never"},
			{3 * s, "settle 1 0", "2 starts, never"},
			{4 * s, "settle 0 0", "3 starts, never"}}},
		{"the longest wait", retry.Pace{Requests: requests, QueueTimeout: 2 * s}, []step{
			{0, "reserve 0", "0 starts, never"}, {0, "reserve 0", "1 starts, never"},
			{0, "reserve 0", "1s"}, {0, "reserve 0", "1s"}, {0, "reserve 0", "1s"}, {0, "reserve 0", "1s"},
			{s, "", "2 starts, 2s"},
			{2 * s, "", "3 starts, 4: retry: not sent: waited 2s, the most there is, for requests (60 per 1m0s, 2 at once), " +
				"5: retry: not sent: waited 2s, the most there is, for requests (60 per 1m0s, 2 at once), never"},
			{3 * s, "reserve 0", "6 starts, never"}}},
		{"what was in the way: tokens", retry.Pace{Requests: requests, Tokens: retry.Rate{Limit: 100, Per: 100 * s}, QueueTimeout: s}, []step{
			{0, "reserve 100", "0 starts, never"},
			{0, "reserve 10", "1s"},
			{s, "", "1: retry: not sent: waited 1s, the most there is, for 10 tokens (100 per 1m40s), never"}}},
		{"what was in the way: those under way", retry.Pace{Requests: requests, Concurrency: 1, QueueTimeout: s}, []step{
			{0, "reserve 0", "0 starts, never"},
			{0, "reserve 0", "1s"},
			{s, "", "1: retry: not sent: waited 1s, the most there is, for one of 1 under way to end, never"}}},
		{"both rates at once: the first named", retry.Pace{Requests: retry.Rate{Limit: 1, Per: 9 * s}, Tokens: retry.Rate{Limit: 1, Per: 9 * s}, QueueTimeout: s}, []step{
			{0, "reserve 1", "0 starts, never"},
			{0, "reserve 1", "1s"},
			{s, "", "1: retry: not sent: waited 1s, the most there is, for requests (1 per 9s), never"}}},
		{"room that comes at the last moment", retry.Pace{Concurrency: 1, QueueTimeout: s}, []step{
			{0, "reserve 0", "0 starts, never"},
			{0, "reserve 0", "1s"},
			{s, "settle 0 0", "1 starts, never"}}},
		{"room that comes after it", retry.Pace{Concurrency: 1, QueueTimeout: s}, []step{
			{0, "reserve 0", "0 starts, never"},
			{0, "reserve 0", "1s"},
			{s + 1, "settle 0 0", "1: retry: not sent: waited 1s, the most there is, for one of 1 under way to end, never"}}},
		{"asked too late: a turn that came in time is kept", retry.Pace{Requests: requests, QueueTimeout: s}, []step{
			{0, "reserve 0", "0 starts, never"}, {0, "reserve 0", "1 starts, never"}, {0, "reserve 0", "1s"},
			{5 * s, "", "2 starts, never"}}},
		{"time that goes backwards", retry.Pace{Requests: requests}, []step{
			{9 * s, "reserve 0", "0 starts, never"}, {0, "reserve 0", "1 starts, never"},
			{0, "reserve 0", "10s"}}},
		{"tokens below 0", retry.Pace{Tokens: retry.Rate{Limit: 1, Per: s}}, []step{
			{0, "reserve -5", "0 starts, never"}, {0, "settle 0 -5", "never"}, {0, "reserve 1", "1 starts, never"}}},
		{"a debt of centuries is bounded", retry.Pace{Tokens: retry.Rate{Limit: 1, Per: 1000 * time.Hour, Burst: 10}}, []step{
			{0, "reserve 9", "0 starts, never"},
			{0, "settle 0 9223372036854775807", "never"},
			{0, "reserve 10", "2552047h47m16.854775807s"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPacer(t, tt.pace)
			var all []*retry.Reservation
			for i, step := range tt.steps {
				var verb string
				var n, tokens int64
				_, _ = fmt.Sscan(step.do, &verb, &n, &tokens)
				now := int64(step.at)
				switch verb {
				case "reserve":
					r, err := p.Reserve(now, n)
					if err != nil {
						require.EqualError(t, err, step.next)
						continue
					}
					all = append(all, r)
				case "settle":
					all[n].Settle(now, tokens)
				case "cancel":
					all[n].Cancel(now)
				}
				require.Equal(t, step.next, ask(p, now, all), "step %d: %v", i, step)
			}
		})
	}
}

// ask empties the queue of those that leave it now.
func ask(p *retry.Pacer, now int64, all []*retry.Reservation) (answers string) {
	for {
		r, at := p.Next(now)
		switch {
		case r == nil && at == math.MaxInt64:
			return answers + "never"
		case r == nil:
			return answers + time.Duration(at).String()
		case r.Err() == nil:
			answers += fmt.Sprintf("%d starts, ", slices.Index(all, r))
		default:
			answers += fmt.Sprintf("%d: %v, ", slices.Index(all, r), r.Err())
		}
	}
}

func TestPaceValidate(t *testing.T) {
	for want, p := range map[string]retry.Pace{
		"retry: pace: Requests.Limit is negative: -1 (use 0 for no limit)":            {Requests: retry.Rate{Limit: -1, Per: 1}},
		"retry: pace: Requests.Burst is negative: -1 (use 0 for Limit)":               {Requests: retry.Rate{Limit: 1, Per: 1, Burst: -1}},
		"retry: pace: Tokens.Per is 0s, want the time in which 5 come back":           {Tokens: retry.Rate{Limit: 5}},
		"retry: pace: Tokens.Per is -1ns, want the time in which 5 come back":         {Tokens: retry.Rate{Limit: 5, Per: -1}},
		"retry: pace: Tokens.Limit is 0, but the rate has a Per or a Burst":           {Tokens: retry.Rate{Burst: 5}},
		"retry: pace: Tokens takes longer than 292 years to fill its burst":           {Tokens: retry.Rate{Limit: 1, Per: math.MaxInt64, Burst: 10}},
		"retry: pace: Concurrency is negative: -1 (use 0 for any number)":             {Concurrency: -1},
		"retry: pace: QueueTimeout is negative: -1ns (use 0 for as long as it takes)": {QueueTimeout: -1},
	} {
		p, err := retry.NewPacer(p)
		assert.EqualError(t, err, want)
		assert.Nil(t, p)
	}
	// A time that is just too long for a word, and one that fills it.
	for _, r := range []retry.Rate{{Limit: 1, Per: 4, Burst: 1 << 62}, {Limit: 1, Per: 1, Burst: math.MaxInt64}} {
		assert.EqualError(t, retry.Pace{Tokens: r}.Validate(), "retry: pace: Tokens takes longer than 292 years to fill its burst")
	}
	assert.NoError(t, retry.Pace{Tokens: retry.Rate{Limit: 1, Per: 1, Burst: math.MaxInt64 - 1}}.Validate())
}

// A part of a nanosecond that a bucket is in debt is not forgiven when its
// nanosecond comes.
func TestPacerKeepsPartsOfANanosecond(t *testing.T) {
	p := newPacer(t, retry.Pace{Tokens: retry.Rate{Limit: 3, Per: 4}}) // one in 4/3 ns
	for now := range int64(4) {                                        // which the bucket owes from 0 to 16/3
		_, err := p.Reserve(now, 1)
		require.NoError(t, err)
		r, _ := p.Next(now)
		require.NotNil(t, r)
	}
	_, err := p.Reserve(3, 3)
	require.NoError(t, err)
	_, at := p.Next(3)
	assert.Equal(t, int64(6), at)
}

// A debt that ends behind the last nanosecond there is ends there.
func TestPacerDebtSaturates(t *testing.T) {
	const late = math.MaxInt64 / 10 * 9
	for less := range int64(3) { // whatever part of a nanosecond is left
		p := newPacer(t, retry.Pace{Tokens: retry.Rate{Limit: 3, Per: 1, Burst: 1}})
		_, err := p.Reserve(late, 1)
		require.NoError(t, err)
		r, _ := p.Next(late)
		require.NotNil(t, r)
		r.Settle(late, math.MaxInt64-less)
		_, err = p.Reserve(late, 1)
		require.NoError(t, err)
		r, at := p.Next(late)
		assert.Nil(t, r)
		assert.GreaterOrEqual(t, at, int64(math.MaxInt64-1))
	}
}

func TestQueueErrorSaysHowLongAndWhyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, retry.Pace{Requests: retry.Rate{Limit: 1, Per: time.Minute}})
		done, err := p.Wait(t.Context(), nil, 0)
		require.NoError(t, err)
		done(0)
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Wait(ctx, nil, 0)
		assert.EqualError(t, err, "retry: not sent: cancelled after waiting 1s for requests (1 per 1m0s): context deadline exceeded")
	})
}

// oracle is a pacer without a trick: rational tokens, refilled from one moment
// to the next.
type oracle struct {
	pace     retry.Pace
	level    [2]*big.Rat
	now      int64
	underWay int
	waiting  []int
	cost     map[int]int64
	deadline map[int]int64
	starts   map[int]int64
	timeouts map[int]int64
}

func (o *oracle) rates() [2]retry.Rate { return [2]retry.Rate{o.pace.Requests, o.pace.Tokens} }

func (o *oracle) burst(i int) *big.Rat {
	if r := o.rates()[i]; r.Burst > 0 {
		return big.NewRat(r.Burst, 1)
	}
	return big.NewRat(o.rates()[i].Limit, 1)
}

func (o *oracle) add(i int, n *big.Rat) {
	o.level[i].Add(o.level[i], n)
	if o.level[i].Cmp(o.burst(i)) > 0 {
		o.level[i].Set(o.burst(i))
	}
}

// advance moves to a moment, a nanosecond after the other.
func (o *oracle) advance(to int64) {
	for {
		for len(o.waiting) > 0 && o.leaves(o.waiting[0]) {
			o.waiting = o.waiting[1:]
		}
		if o.now >= to {
			return
		}
		o.now++
		for i, r := range o.rates() {
			if r.Limit > 0 {
				o.add(i, big.NewRat(r.Limit, int64(r.Per)))
			}
		}
	}
}

func (o *oracle) leaves(id int) bool {
	fits := o.pace.Concurrency == 0 || o.underWay < o.pace.Concurrency
	need := [2]*big.Rat{big.NewRat(1, 1), big.NewRat(o.cost[id], 1)}
	for i, r := range o.rates() {
		fits = fits && (r.Limit == 0 || o.level[i].Cmp(need[i]) >= 0)
	}
	switch {
	case fits:
		for i := range need {
			o.level[i].Sub(o.level[i], need[i])
		}
		o.underWay++
		o.starts[id] = o.now
	case o.deadline[id] <= o.now:
		o.timeouts[id] = o.now
	default:
		return false
	}
	return true
}

// duel is a pacer beside its oracle.
type duel struct {
	*oracle
	p           *retry.Pacer
	all         []*retry.Reservation
	began, outs map[int]int64
	over        map[int]bool
	debts       int // attempts that cost more than was reserved
}

func newDuel(t *rapid.T) *duel {
	rate := func(label string) retry.Rate {
		r := retry.Rate{Limit: rapid.Int64Range(0, 7).Draw(t, label+" limit")}
		if r.Limit > 0 {
			r.Per = time.Duration(rapid.Int64Range(1, 40).Draw(t, label+" per"))
			r.Burst = rapid.Int64Range(0, 9).Draw(t, label+" burst")
		}
		return r
	}
	pace := retry.Pace{Requests: rate("requests"), Tokens: rate("tokens"),
		Concurrency: rapid.IntRange(0, 3).Draw(t, "concurrency"), QueueTimeout: time.Duration(rapid.Int64Range(0, 30).Draw(t, "timeout"))}
	p, err := retry.NewPacer(pace)
	require.NoError(t, err)
	o := &oracle{pace: pace, cost: map[int]int64{}, deadline: map[int]int64{}, starts: map[int]int64{}, timeouts: map[int]int64{}}
	for i := range o.level {
		o.level[i] = new(big.Rat).Set(o.burst(i))
	}
	return &duel{oracle: o, p: p, began: map[int]int64{}, outs: map[int]int64{}, over: map[int]bool{}}
}

// pass lets time pass for both, for the pacer by the moments that Next names.
func (d *duel) pass(t *rapid.T, to int64) {
	for now := d.now; ; {
		r, at := d.p.Next(now)
		switch id := slices.Index(d.all, r); {
		case r != nil && r.Err() == nil:
			d.began[id] = now
		case r != nil:
			d.outs[id] = now
		case at > to:
			if now < to {
				_, again := d.p.Next(to)
				require.Equal(t, at, again, "asking early changes nothing")
			}
			d.advance(to)
			return
		default:
			require.Greater(t, at, now)
			now = at
		}
	}
}

func (d *duel) reserve(t *rapid.T) {
	cost := rapid.Int64Range(0, 9).Draw(t, "cost")
	r, err := d.p.Reserve(d.now, cost)
	if d.pace.Tokens.Limit > 0 && big.NewRat(cost, 1).Cmp(d.burst(1)) > 0 {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	id := len(d.all)
	d.all = append(d.all, r)
	d.waiting, d.cost[id], d.deadline[id] = append(d.waiting, id), cost, math.MaxInt64
	if d.pace.QueueTimeout > 0 {
		d.deadline[id] = d.now + int64(d.pace.QueueTimeout)
	}
}

// end settles or cancels an attempt that has begun.
func (d *duel) end(t *rapid.T, id int, settle bool) {
	used := rapid.Int64Range(-1, 15).Draw(t, "actual")
	d.over[id] = true
	d.underWay--
	if settle {
		d.all[id].Settle(d.now, used)
		if used < 0 {
			used = d.cost[id]
		}
	} else {
		d.all[id].Cancel(d.now)
		used = 0
		d.add(0, big.NewRat(1, 1))
	}
	if used > d.cost[id] {
		d.debts++
	}
	d.add(1, big.NewRat(d.cost[id]-used, 1))
}

// Against rational arithmetic, a nanosecond at a time.
func TestPacerAgainstRationals(t *testing.T) {
	var timeouts, waits, debts int
	rapid.Check(t, func(t *rapid.T) {
		d := newDuel(t)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			d.pass(t, d.now+rapid.Int64Range(0, 12).Draw(t, "pass"))
			id := -1
			if len(d.all) > 0 {
				id = rapid.IntRange(0, len(d.all)-1).Draw(t, "which")
			}
			_, begun := d.began[id]
			switch action := rapid.SampledFrom([]string{"reserve", "settle", "cancel"}).Draw(t, "action"); {
			case action == "reserve" || id < 0:
				d.reserve(t)
			case begun && !d.over[id]:
				d.end(t, id, action == "settle")
			case action == "cancel" && slices.Contains(d.waiting, id):
				d.all[id].Cancel(d.now)
				d.waiting = slices.DeleteFunc(d.waiting, func(w int) bool { return w == id })
			}
			d.pass(t, d.now)
			require.Equal(t, d.starts, d.began)
			require.Equal(t, d.timeouts, d.outs)
		}
		timeouts += len(d.outs)
		debts += d.debts
		for id, at := range d.began {
			if at > 0 && d.deadline[id] != at {
				waits++
			}
		}
	})
	assert.Positive(t, timeouts)
	assert.Positive(t, waits)
	assert.Positive(t, debts)
}

// Goroutines on virtual time: who waits, how long, and in which order.
func TestPacerWaitsInOrder(t *testing.T) {
	const s = time.Second
	var starts []string
	err := fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		p := newPacer(t, retry.Pace{Requests: retry.Rate{Limit: 1, Per: s}, Concurrency: 2, QueueTimeout: 6 * s})
		g := clk.NewGroup()
		for i := range 6 {
			name := fmt.Sprintf("%c", 'a'+i)
			g.Go(name, func(clk *fakeclock.Clock) error {
				done, err := p.Wait(t.Context(), clk, 0)
				starts = append(starts, fmt.Sprintf("%s %v %v", name, clk.Elapsed(), err))
				if err != nil {
					return nil
				}
				clk.Sleep(4 * s)
				done(0)
				return nil
			})
		}
		return g.Wait()
	})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"a 0s <nil>", "b 1s <nil>", // two at once, a second apart
		"c 4s <nil>", "d 5s <nil>", // as the first two end
		"e 6s retry: not sent: waited 6s, the most there is, for one of 2 under way to end",
		"f 6s retry: not sent: waited 6s, the most there is, for one of 2 under way to end",
	}, starts)
}

func TestPacerWaitEndsWithItsContext(t *testing.T) {
	why := errors.New("shutdown")
	pace := retry.Pace{Requests: retry.Rate{Limit: 1, Per: time.Minute}}
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, pace)
		first, err := p.Wait(t.Context(), nil, 0)
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		begin := time.Now()
		time.AfterFunc(time.Second, func() { cancel(why) })
		var second sync.WaitGroup
		second.Go(func() {
			synctest.Wait() // behind the one that gives up
			done, err := p.Wait(t.Context(), nil, 0)
			assert.NoError(t, err)
			assert.Equal(t, time.Minute, time.Since(begin), "what gave up took nothing")
			done(0)
		})
		_, err = p.Wait(ctx, nil, 0)
		assert.Equal(t, time.Second, time.Since(begin))
		assert.EqualError(t, err, "retry: not sent: cancelled after waiting 1s for requests (1 per 1m0s): context canceled: shutdown")
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, why)
		second.Wait()
		first(0)

		// One that has ended already takes nothing either.
		_, err = newPacer(t, pace).Wait(ctx, nil, 0)
		assert.ErrorIs(t, err, why)
	})
}

func TestPacerLeavesNoTimer(t *testing.T) {
	clock := auto()
	p := newPacer(t, retry.Pace{Requests: retry.Rate{Limit: 1, Per: time.Minute}, QueueTimeout: time.Hour})
	_, err := p.Wait(t.Context(), clock, 0)
	require.NoError(t, err)
	ctx, cancel := fakeclock.WithTimeout(t.Context(), clock, time.Second)
	defer cancel()
	_, err = p.Wait(ctx, clock, 0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, time.Second, clock.Elapsed())
	assert.Empty(t, clock.Pending(), "timers left")
}

// A bucket of one a second under many goroutines, on package time.
func TestPacerIsSafeForConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, retry.Pace{Requests: retry.Rate{Limit: 10, Per: time.Second}, Tokens: retry.Rate{Limit: 1000, Per: time.Second}, Concurrency: 7})
		begin := time.Now()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%3*1000)*time.Second)
				defer cancel()
				if done, err := p.Wait(ctx, nil, int64(i)); err == nil {
					time.Sleep(time.Duration(i) * time.Millisecond)
					done(int64(i / 2))
				}
			})
		}
		all.Wait()
		took := time.Since(begin)
		assert.GreaterOrEqual(t, took, 5*time.Second)
		assert.LessOrEqual(t, took, 10*time.Second)
		synctest.Wait()
		done, err := p.Wait(t.Context(), nil, 1000)
		require.NoError(t, err, "nothing was lost")
		done(-1)
	})
}

// What the client kept to itself is no failure of the server, and no reason to
// queue again.
func TestAnAttemptThatWasNotSentIsNotCounted(t *testing.T) {
	for _, timeout := range []time.Duration{0, 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(t, retry.Pace{Requests: retry.Rate{Limit: 1, Per: time.Hour}, QueueTimeout: time.Minute})
			_, err := p.Wait(t.Context(), nil, 0)
			require.NoError(t, err)
			circuit, err := retry.NewCircuit(retry.Breaker{Failures: 1, OpenFor: time.Hour})
			require.NoError(t, err)
			r, err := retry.New(retry.Config{Limit: circuit,
				Policy: retry.Policy{MaxAttempts: 5, BaseDelay: time.Second, AttemptTimeout: timeout}})
			require.NoError(t, err)
			var h retry.History
			_, err = retry.Do(retry.WithObserver(t.Context(), &h), r, func(ctx context.Context) (int, error) {
				_, err := p.Wait(ctx, nil, 0)
				return 0, err
			})
			var queue *retry.QueueError
			require.ErrorAs(t, err, &queue)
			if timeout == 0 {
				assert.Equal(t, time.Minute, queue.Waited)
			} else {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, timeout, queue.Waited)
			}
			assert.True(t, allowed(circuit, time.Now()), "the circuit is closed")
			assert.Len(t, h.Attempts(), 1)
		})
	}
}

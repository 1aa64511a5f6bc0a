package fleet

import (
	"math/bits"
	"time"
)

// Counts is what happened, in numbers. Every attempt that was begun ends in
// one of Succeeded, Failed, Refused, Limited, Permanent, TimedOut and Unsent, or is
// overtaken by a late answer; every call in Succeeded, Unsent, or one of Unstarted
// to Expired; what the horizon cut off, in none.
type Counts struct {
	Calls   int64 `json:"calls"`   // begun
	Tries   int64 `json:"tries"`   // first attempts
	Retries int64 `json:"retries"` // attempts after the first

	// How attempts ended.
	Succeeded int64 `json:"succeeded"` // and with them their calls
	Failed    int64 `json:"failed"`    // served, with a transient error
	Refused   int64 `json:"refused"`   // turned away: the queue is full, load is shed, a refusal
	Limited   int64 `json:"limited"`   // turned away by a limiter
	Permanent int64 `json:"permanent"`
	TimedOut  int64 `json:"timed_out"`
	Unsent    int64 `json:"unsent"` // the client's own pacing did not let them go in time, which ends the call
	Late      int64 `json:"late"`   // calls that a late answer ended, among Succeeded

	// How calls ended without success.
	Unstarted    int64 `json:"unstarted"`     // the limit refused the first attempt
	Exhausted    int64 `json:"exhausted"`     // no attempt was left
	Denied       int64 `json:"denied"`        // the limit refused a retry
	Ended        int64 `json:"ended"`         // by a permanent error
	OutOfTime    int64 `json:"out_of_time"`   // by the policy's own time limit
	LongHint     int64 `json:"long_hint"`     // because the server asked for more time than the policy gives
	Expired      int64 `json:"expired"`       // by the call's deadline
	TokensUsed   int64 `json:"tokens_used"`   // of calls that succeeded
	TokensWasted int64 `json:"tokens_wasted"` // of attempts that failed when served, or were given up on while the server had them
	Cost         int64 `json:"cost_1e12"`     // of TokensUsed, in trillionths of the currency
	CostWasted   int64 `json:"cost_wasted_1e12"`

	// The server's work, and what of it was for nothing.
	Served       int64 `json:"served"`        // requests, in all
	ServedLate   int64 `json:"served_late"`   // of them, when nobody waited for the answer any more
	ServedFailed int64 `json:"served_failed"` // of them, with a failure
	Dropped      int64 `json:"dropped"`       // expired requests, which were not served
	Busy         int64 `json:"busy_ns"`       // nanoseconds of service
}

// fields lists the counts, for adding and for writing.
func (c *Counts) fields() [27]*int64 {
	return [...]*int64{
		&c.Calls, &c.Tries, &c.Retries,
		&c.Succeeded, &c.Failed, &c.Refused, &c.Limited, &c.Permanent, &c.TimedOut, &c.Unsent, &c.Late,
		&c.Unstarted, &c.Exhausted, &c.Denied, &c.Ended, &c.OutOfTime, &c.LongHint, &c.Expired,
		&c.TokensUsed, &c.TokensWasted, &c.Cost, &c.CostWasted,
		&c.Served, &c.ServedLate, &c.ServedFailed, &c.Dropped, &c.Busy,
	}
}

// Add adds other counts.
func (c *Counts) Add(other Counts) {
	to, from := c.fields(), other.fields()
	for i := range to {
		*to[i] += *from[i]
	}
}

// Attempts returns how many attempts were begun.
func (c Counts) Attempts() int64 { return c.Tries + c.Retries }

// GaveUp returns how many calls ended without success.
func (c Counts) GaveUp() int64 {
	return c.Unstarted + c.Exhausted + c.Denied + c.Ended + c.OutOfTime + c.LongHint + c.Expired + c.Unsent
}

// Interval is one step of the series.
type Interval struct {
	Start time.Duration `json:"start_ns"`
	Counts
	Queue   int64 `json:"queue"`   // waiting at its end
	Serving int64 `json:"serving"` // in service at its end
}

// Result is a run in integers.
type Result struct {
	Seed     uint64        `json:"seed"`
	Horizon  time.Duration `json:"horizon_ns"` // what was simulated, less if interrupted
	Interval time.Duration `json:"interval_ns"`
	Events   int64         `json:"events"`
	Series   []Interval    `json:"series"`
	Groups   []GroupResult `json:"groups"`
	Total    Counts        `json:"total"`

	// Waiting and Serving are the areas below the number of waiting requests
	// and of those in service, in request-nanoseconds: divided by the horizon,
	// the means.
	Waiting Area          `json:"waiting_area"`
	Serving Area          `json:"serving_area"`
	Arrived int64         `json:"arrived"`     // requests that reached the server
	LastEnd time.Duration `json:"last_end_ns"` // when the last call ended
	// Limiters is how many requests each turned away: which limit was binding.
	Limiters []int64 `json:"limiters"`
	// FaultsEnd is when the last fault was over, -1 if there was none.
	FaultsEnd time.Duration `json:"faults_end_ns"`
	// RecoveredAt is when the run recovered; -1 if it did not, or had no fault
	// to recover from.
	RecoveredAt time.Duration `json:"recovered_at_ns"`
	// Collapsed says that in the last tenth of the run less than a tenth of
	// the calls begun succeeded.
	Collapsed bool `json:"collapsed"`
	// Interrupted says that the run was stopped before the horizon.
	Interrupted bool `json:"interrupted"`
}

// GroupResult is the part of a group.
type GroupResult struct {
	Name string `json:"name"`
	Counts
	Latency Histogram `json:"latency"`       // of the calls that succeeded, from their start
	GaveUp  Histogram `json:"gave_up_after"` // of those that did not, until they gave up
	// Limiters is how many of the group's requests each turned away.
	Limiters []int64 `json:"limiters"`
	// Series is the group's part of each interval of the run's series; nil if
	// there is one group only, whose series is the run's.
	Series []Counts `json:"series,omitempty"`
}

// Bound is what kept a group's attempts from being served.
type Bound string

const (
	ByNothing Bound = ""
	ByServer  Bound = "server"  // the queue was full, or load was shed
	ByTimeout Bound = "timeout" // the client gave up on them
	ByLimiter Bound = "limit"   // a limiter in front of the server
	ByBudget  Bound = "budget"  // the client's own budget, breaker or throttle
	ByPace    Bound = "pace"    // the client's own pacing
)

// Binding returns which limit bound the group most: the one that stopped most
// attempts, and how many; for [ByLimiter] also the number of the limiter, from
// 1. The first of several equal ones wins.
func (g *GroupResult) Binding() (by Bound, limiter int, attempts int64) {
	consider := func(b Bound, number int, n int64) {
		if n > attempts {
			by, limiter, attempts = b, number, n
		}
	}
	consider(ByServer, 0, g.Refused)
	for k, n := range g.Limiters {
		consider(ByLimiter, k+1, n)
	}
	consider(ByBudget, 0, g.Denied+g.Unstarted)
	consider(ByPace, 0, g.Unsent)
	consider(ByTimeout, 0, g.TimedOut)
	return by, limiter, attempts
}

// Area is a sum of products that does not overflow.
type Area struct {
	Hi uint64 `json:"hi"`
	Lo uint64 `json:"lo"`
}

// Add adds n·d.
func (a *Area) Add(n, d uint64) {
	hi, lo := bits.Mul64(n, d)
	var carry uint64
	a.Lo, carry = bits.Add64(a.Lo, lo, 0)
	a.Hi += hi + carry
}

// Over returns the area divided by a time, in millionths; 0 if the time is not
// above 0, or the result beyond 64 bits.
func (a Area) Over(d time.Duration) int64 {
	hi, lo := bits.Mul64(a.Lo, million)
	hi += a.Hi * million
	if d <= 0 || hi >= uint64(d) {
		return 0
	}
	q, _ := bits.Div64(hi, lo, uint64(d))
	return int64(q)
}

// judge finds out whether and when the run recovered, and whether it has
// collapsed.
func (r *Result) judge(rule Recovery) {
	if rule == (Recovery{}) {
		rule = Recovery{Share: 900_000, Window: 5 * time.Second}
	}
	r.RecoveredAt = -1
	if r.FaultsEnd >= 0 {
		r.RecoveredAt = r.recoveredAt(rule)
	}
	var tail Counts
	for _, i := range r.Series[len(r.Series)-max(len(r.Series)/10, min(len(r.Series), 1)):] {
		tail.Add(i.Counts)
	}
	r.Collapsed = tail.Calls > 0 && tail.Succeeded*10 < tail.Calls
}

func (r *Result) recoveredAt(rule Recovery) time.Duration {
	n := int(max((rule.Window+r.Interval-1)/r.Interval, 1))
	for first := range r.Series {
		if r.Series[first].Start < r.FaultsEnd || first+n > len(r.Series) {
			continue
		}
		var calls, succeeded int64
		for _, i := range r.Series[first : first+n] {
			calls += i.Calls
			succeeded += i.Succeeded
		}
		if succeeded*million >= calls*int64(rule.Share) {
			return r.Series[first].Start
		}
	}
	return -1
}

// Recovery returns how long after the last fault the run recovered; ok is
// false if it has not by the horizon, or if there was no fault.
func (r *Result) Recovery() (d time.Duration, ok bool) {
	if r.RecoveredAt < 0 {
		return 0, false
	}
	return r.RecoveredAt - r.FaultsEnd, true
}

// Latency returns the time to success over all groups.
func (r *Result) Latency() *Histogram {
	if len(r.Groups) == 1 {
		return &r.Groups[0].Latency
	}
	var h Histogram
	for i := range r.Groups {
		h.Merge(&r.Groups[i].Latency)
	}
	return &h
}

// Ratio returns a/b in millionths, rounded down, 0 if b is 0. Neither is
// negative.
func Ratio(a, b int64) Share {
	if b == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(a), million)
	if hi >= uint64(b) {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(hi, lo, uint64(b))
	return Share(min(q, 1<<63-1))
}

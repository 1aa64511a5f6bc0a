package retry

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Pace is the rule of client-side pacing: how much a client asks of a server,
// whatever the server would take. It is a comparable value; a [Pacer] is the
// state that obeys it. The zero Pace lets every attempt go at once.
type Pace struct {
	Requests Rate // each attempt takes one
	Tokens   Rate // each attempt takes what it is expected to cost
	// Concurrency is how many attempts are under way at the most. 0 means any
	// number.
	Concurrency int
	// QueueTimeout is how long an attempt waits for its turn at the most. One
	// whose turn comes exactly then still goes. 0 means as long as it takes.
	QueueTimeout time.Duration
}

// Rate is the rule of a token bucket, which begins full, is refilled evenly
// with Limit in every Per, and holds Burst at the most. The zero Rate is no
// limit.
type Rate struct {
	Limit int64
	Per   time.Duration
	Burst int64 // 0 means Limit
}

// String returns the rate in words, such as "600 per 1m0s" or "600 per 1m0s, 10
// at once".
func (r Rate) String() string {
	switch {
	case r.Limit == 0:
		return "unlimited"
	case r.Burst == 0 || r.Burst == r.Limit:
		return fmt.Sprintf("%d per %v", r.Limit, r.Per)
	}
	return fmt.Sprintf("%d per %v, %d at once", r.Limit, r.Per, r.Burst)
}

// Validate names the first field whose value has no meaning.
func (p Pace) Validate() error {
	for _, f := range []struct {
		name string
		rate Rate
	}{{"Requests", p.Requests}, {"Tokens", p.Tokens}} {
		switch r := f.rate; {
		case r.Limit < 0:
			return fmt.Errorf("retry: pace: %s.Limit is negative: %d (use 0 for no limit)", f.name, r.Limit)
		case r.Burst < 0:
			return fmt.Errorf("retry: pace: %s.Burst is negative: %d (use 0 for Limit)", f.name, r.Burst)
		case r.Limit > 0 && r.Per <= 0:
			return fmt.Errorf("retry: pace: %s.Per is %v, want the time in which %d come back", f.name, r.Per, r.Limit)
		case r.Limit == 0 && r != Rate{}:
			return fmt.Errorf("retry: pace: %s.Limit is 0, but the rate has a Per or a Burst", f.name)
		case r.Limit > 0 && newTokenBucket(r).burst.ns == math.MaxInt64:
			return fmt.Errorf("retry: pace: %s takes longer than 292 years to fill its burst", f.name)
		}
	}
	switch {
	case p.Concurrency < 0:
		return fmt.Errorf("retry: pace: Concurrency is negative: %d (use 0 for any number)", p.Concurrency)
	case p.QueueTimeout < 0:
		return fmt.Errorf("retry: pace: QueueTimeout is negative: %v (use 0 for as long as it takes)", p.QueueTimeout)
	}
	return nil
}

// tokenBucket is the state of a [Rate]: the moment at which it is full, if
// nothing more is taken. What it holds at t is Burst less what comes back from
// t to then, so no tick refills it and nothing is ever rounded.
type tokenBucket struct {
	rate   Rate
	burst  span // that an empty bucket takes to be full
	fullAt span // since the epoch of the times it is told
}

// span is a time of ns + part/Limit nanoseconds, 0 <= part < Limit. Its ns
// saturates.
type span struct{ ns, part int64 }

func newTokenBucket(r Rate) tokenBucket {
	r.Burst = cmp.Or(r.Burst, r.Limit)
	b := tokenBucket{rate: r, fullAt: span{ns: math.MinInt64}}
	if r.Limit > 0 {
		b.burst = b.time(r.Burst)
	}
	return b
}

// time returns how long n take to come back.
func (b *tokenBucket) time(n int64) span {
	hi, lo := bits.Mul64(uint64(n), uint64(b.rate.Per))
	if hi >= uint64(b.rate.Limit) {
		return span{ns: math.MaxInt64}
	}
	ns, part := bits.Div64(hi, lo, uint64(b.rate.Limit))
	if ns > math.MaxInt64 {
		return span{ns: math.MaxInt64}
	}
	return span{int64(ns), int64(part)}
}

// ready returns the first whole nanosecond at which the bucket holds n, in the
// past if it does already. n is at most Burst.
func (b *tokenBucket) ready(n int64) int64 {
	if b.rate.Limit == 0 {
		return math.MinInt64
	}
	t := b.minus(b.plus(b.fullAt, b.time(n)), b.burst)
	if t.part > 0 && t.ns < math.MaxInt64 {
		t.ns++
	}
	return t.ns
}

// take takes n out of the bucket, even if that puts it in debt.
func (b *tokenBucket) take(now, n int64) {
	if b.rate.Limit == 0 {
		return
	}
	if b.fullAt.ns < now {
		b.fullAt = span{ns: now}
	}
	b.fullAt = b.plus(b.fullAt, b.time(n))
}

// giveBack puts n into the bucket; what makes it overflow is lost.
func (b *tokenBucket) giveBack(n int64) {
	if b.rate.Limit > 0 {
		b.fullAt = b.minus(b.fullAt, b.time(n))
	}
}

func (b *tokenBucket) plus(x, y span) span {
	part := x.part - (b.rate.Limit - y.part) // of the sum, less a whole nanosecond
	carry := int64(1)
	if part < 0 {
		part += b.rate.Limit
		carry = 0
	}
	ns := addInt64(addInt64(x.ns, y.ns), carry)
	return span{ns, part}
}

func (b *tokenBucket) minus(x, y span) span {
	part, borrow := x.part-y.part, int64(0)
	if part < 0 {
		part += b.rate.Limit
		borrow = 1
	}
	return span{addInt64(addInt64(x.ns, -y.ns), -borrow), part}
}

// addInt64 returns x + y, saturating.
func addInt64(x, y int64) int64 {
	switch sum := x + y; {
	case x > 0 && y > 0 && sum < 0:
		return math.MaxInt64
	case x < 0 && y < 0 && sum >= 0:
		return math.MinInt64
	default:
		return sum
	}
}

package explore_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

const (
	ms   = time.Millisecond
	sec  = time.Second
	most = time.Duration(math.MaxInt64)
)

// The bounds that the oracle gives a wait, against what was worked out by hand.
func TestTheOraclesWindows(t *testing.T) {
	plain, asks := scripted.Transient{}, func(d time.Duration) scripted.Answer { return scripted.Transient{Hinted: true, Wait: d} }
	for _, tt := range []struct {
		policy    string
		n         int
		answer    scripted.Answer
		previous  time.Duration
		low, high time.Duration
		givesUp   bool
	}{
		{"exp:base=1s,cap=3s,jitter=none", 1, plain, 0, sec, sec, false},
		{"exp:base=1s,cap=3s,jitter=none", 2, plain, 0, 2 * sec, 2 * sec, false},
		{"exp:base=1s,cap=3s,jitter=none", 3, plain, 0, 3 * sec, 3 * sec, false},
		{"exp:base=1s,cap=none,jitter=none", 11, plain, 0, 1024 * sec, 1024 * sec, false},
		{"exp:base=1ns,cap=none,jitter=none", 63, plain, 0, 1 << 62, 1 << 62, false},
		{"exp:base=1ns,cap=none,jitter=none", 64, plain, 0, most, most, false},
		{"exp:base=1s,cap=none,jitter=none", 5000, plain, 0, most, most, false},
		{"exp:base=0s,cap=none,jitter=none", 9, plain, 0, 0, 0, false},
		{"exp:base=2s,cap=1s,jitter=none", 1, plain, 0, sec, sec, false},
		{"exp:base=1s,factor=3,cap=none,jitter=none", 4, plain, 0, 27 * sec, 27 * sec, false},
		{"const:base=1s,jitter=none", 7, plain, 0, sec, sec, false},
		{"linear:base=1s,cap=none,jitter=none", 4, plain, 0, 4 * sec, 4 * sec, false},
		{"linear:base=1s,step=5s,cap=12s,jitter=none", 3, plain, 0, 11 * sec, 11 * sec, false},
		{"linear:base=1s,step=5s,cap=12s,jitter=none", 4, plain, 0, 12 * sec, 12 * sec, false},
		{"list:delays=2s/1s/3s,jitter=none", 2, plain, 0, sec, sec, false},
		{"list:delays=2s/1s/3s,jitter=none", 8, plain, 0, 3 * sec, 3 * sec, false},

		{"exp:base=1s,cap=3s,jitter=additive", 3, plain, 0, 3 * sec, 3300 * ms, false},
		{"exp:base=1s,cap=none,jitter=full", 3, plain, 0, 0, 4 * sec, false},
		{"exp:base=1s,cap=none,jitter=equal", 3, plain, 0, 2 * sec, 4 * sec, false},
		{"exp:base=1s,cap=none,jitter=-25%+50%", 2, plain, 0, 1500 * ms, 3 * sec, false},
		{"exp:base=3ns,cap=none,jitter=equal", 1, plain, 0, 2, 3, false},
		{"exp:base=1s,cap=3s,capped=exact,jitter=additive", 3, plain, 0, 3 * sec, 3 * sec, false},
		{"exp:base=1s,cap=3s,capped=exact,jitter=additive", 2, plain, 0, 2 * sec, 2200 * ms, false},
		{"exp:base=1s,cap=3s,capped=after-jitter,jitter=equal", 3, plain, 0, 2 * sec, 3 * sec, false},
		{"exp:base=1s,cap=none,jitter=decorrelated", 1, plain, 0, sec, 3 * sec, false},
		{"exp:base=1s,cap=none,jitter=decorrelated", 2, plain, 2500 * ms, sec, 7500 * ms, false},
		{"exp:base=1s,cap=4s,jitter=decorrelated", 2, plain, 2500 * ms, sec, 4 * sec, false},
		{"exp:base=1s,cap=none,jitter=decorrelated", 2, plain, most, sec, most, false},

		{"exp:base=1s,cap=3s,jitter=none", 3, asks(10 * sec), 0, 10 * sec, 10 * sec, false},
		{"exp:base=1s,cap=3s,jitter=none", 3, asks(0), 0, 0, 0, false},
		{"exp:base=1s,cap=3s,jitter=additive", 1, asks(10 * sec), 0, 10 * sec, 11 * sec, false},
		{"exp:base=1s,cap=3s,jitter=full", 1, asks(10 * sec), 0, 10 * sec, 10 * sec, false},
		{"exp:base=1s,cap=3s,jitter=none,retry-after=ignore", 2, asks(10 * sec), 0, 2 * sec, 2 * sec, false},
		{"exp:base=1s,cap=3s,jitter=none,retry-after=larger", 2, asks(sec), 0, 2 * sec, 2 * sec, false},
		{"exp:base=1s,cap=3s,jitter=none,retry-after=larger", 2, asks(9 * sec), 0, 9 * sec, 9 * sec, false},
		{"exp:base=1s,jitter=none,max-retry-after=5s", 1, asks(5 * sec), 0, 5 * sec, 5 * sec, false},
		{"exp:base=1s,jitter=none,max-retry-after=5s", 1, asks(6 * sec), 0, 5 * sec, 5 * sec, false},
		{"exp:base=1s,jitter=none,max-retry-after=5s,long-retry-after=drop", 2, asks(6 * sec), 0, 2 * sec, 2 * sec, false},
		{"exp:base=1s,jitter=none,max-retry-after=5s,long-retry-after=give-up", 1, asks(5 * sec), 0, 5 * sec, 5 * sec, false},
		{"exp:base=1s,jitter=none,max-retry-after=5s,long-retry-after=give-up", 1, asks(6 * sec), 0, 0, 0, true},
	} {
		p, err := retry.ParsePolicy(tt.policy)
		if assert.NoError(t, err) {
			low, high, givesUp := explore.Window(p, tt.n, tt.answer, tt.previous)
			assert.Equal(t, []any{tt.low, tt.high, tt.givesUp}, []any{low, high, givesUp}, "%s, wait %d after %v", tt.policy, tt.n, tt.answer)
		}
	}
}

// What the oracle says of courses that were written by hand.
func TestTheOracle(t *testing.T) {
	begin := func(deadline time.Duration) trace.Event { return trace.Event{Kind: trace.Begin, Deadline: &deadline} }
	attempt := func(n int, from, to time.Duration, kind trace.Kind, class string) trace.Trace {
		return trace.Trace{{Attempt: n, At: from, Kind: trace.Attempt}, {Attempt: n, At: to, Kind: kind, Class: class}}
	}
	fails := func(n int, at time.Duration) trace.Trace { return attempt(n, at, at, trace.Failed, "transient") }
	works := func(n int, at time.Duration) trace.Trace { return attempt(n, at, at, trace.Opened, "") }
	cancel := func(at time.Duration) trace.Trace { return trace.Trace{{At: at, Kind: trace.Cancel}} }
	end := func(at time.Duration) trace.Trace { return trace.Trace{{At: at, Kind: trace.End, Error: "x"}} }
	const three = "policy exp:base=1s,cap=none,jitter=none,attempts=3; "
	for _, tt := range []struct {
		script string
		course []trace.Trace
		says   string
	}{
		{three + "transient; ok", []trace.Trace{fails(1, 0), works(2, sec), end(sec)}, ""},
		{three + "transient; ok", []trace.Trace{fails(1, 0), works(2, sec-1), end(sec)}, "attempt 2 came after 999.999999ms, where the contract says 1s to 1s"},
		{three + "transient; ok", []trace.Trace{fails(1, 0), works(2, sec+1), end(sec)}, "attempt 2 came after 1.000000001s, where the contract says 1s to 1s"},
		{three + "transient; ok", []trace.Trace{fails(1, 0), end(0)}, "the call ended after attempt 1, where the contract goes on after 1s to 1s"},
		{three + "transient; ok", []trace.Trace{fails(1, 0)}, ""}, // nobody saw how it went on
		{three + "ok; ok", []trace.Trace{works(1, 0), works(2, sec), end(sec)}, "attempt 1 succeeded, and attempt 2 followed"},
		{three + "transient forever", []trace.Trace{fails(1, 0), fails(2, sec), fails(3, 3*sec), end(3 * sec)}, ""},
		{three + "transient forever", []trace.Trace{fails(1, 0), fails(2, sec), fails(3, 3*sec), fails(4, 7*sec), end(7 * sec)}, "attempt 4 follows attempt 3, where the contract ends the call"},
		{three + "permanent: no; ok", []trace.Trace{attempt(1, 0, 0, trace.Failed, "permanent"), end(0)}, ""},
		{three + "permanent: no; ok", []trace.Trace{attempt(1, 0, 0, trace.Failed, "permanent"), works(2, sec), end(sec)}, "attempt 2 follows attempt 1, where the contract ends the call"},
		{"policy off; transient; ok", []trace.Trace{fails(1, 0), end(0)}, ""},
		{"policy off; transient; ok", []trace.Trace{fails(1, 0), works(2, 0), end(0)}, "attempt 2 follows attempt 1, where the contract ends the call"},

		{three + "transient; ok", []trace.Trace{fails(1, 0), cancel(sec / 2), end(sec / 2)}, ""},
		{three + "transient; ok", []trace.Trace{fails(1, 0), cancel(sec / 2), works(2, sec), end(sec)}, "attempt 2 came after the context had ended"},
		{three + "transient; ok", []trace.Trace{fails(1, 0), cancel(sec), works(2, sec), end(sec)}, "attempt 2 came after the context had ended"},
		{three + "transient; ok", []trace.Trace{fails(1, 0), works(2, sec), cancel(sec), end(sec)}, ""},
		{three + "transient; ok", []trace.Trace{{begin(sec)}, fails(1, 0), end(0)}, ""},
		{three + "transient; ok", []trace.Trace{{begin(sec + 1)}, fails(1, 0), end(0)}, "the call ended after attempt 1, where the contract goes on after 1s to 1s"},
		{three + "transient; ok", []trace.Trace{{begin(sec)}, fails(1, 0), works(2, sec), end(sec)}, "attempt 2 came when there was no time left for it"},

		{"policy exp:base=1s,jitter=none,attempts=3,elapsed=1s; transient; ok", []trace.Trace{fails(1, 0), works(2, sec), end(sec)}, ""},
		{"policy exp:base=1s,jitter=none,attempts=3,elapsed=999ms; transient; ok", []trace.Trace{fails(1, 0), end(0)}, ""},
		{"policy exp:base=1s,jitter=none,attempts=3,elapsed=999ms; transient; ok", []trace.Trace{fails(1, 0), works(2, sec), end(sec)}, "attempt 2 came when there was no time left for it"},
		{"policy exp:base=1s,jitter=none,attempts=3,elapsed=1s; transient after 1ms; ok", []trace.Trace{attempt(1, 0, ms, trace.Failed, "transient"), works(2, sec+ms), end(2 * sec)}, "attempt 2 came when there was no time left for it"},

		{"policy exp:base=1s,jitter=none,attempts=3,timeout=2s; hang; ok", []trace.Trace{attempt(1, 0, 2*sec, trace.Failed, "transient"), works(2, 3*sec), end(3 * sec)}, ""},
		{"policy exp:base=1s,jitter=none,attempts=3,throttle-base=4s; 429; ok", []trace.Trace{attempt(1, 0, 0, trace.Failed, "throttled"), works(2, 4*sec), end(4 * sec)}, ""},
		{"policy exp:base=1s,jitter=none,attempts=3,throttle-base=4s; 429; ok", []trace.Trace{attempt(1, 0, 0, trace.Failed, "throttled"), works(2, sec), end(sec)}, "attempt 2 came after 1s, where the contract says 4s to 4s"},
	} {
		s, err := scripted.Parse("test", tt.script)
		if assert.NoError(t, err) {
			var course trace.Trace
			for _, part := range tt.course {
				course = append(course, part...)
			}
			assert.Equal(t, tt.says, explore.Oracle(s, course), "%s: %v", tt.script, course)
		}
	}
}

package explore

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// policies are what a subject that obeys any policy is tried with in small
// worlds: each shows something that the others do not.
func policies() []retry.Policy {
	exp := retry.Policy{MaxAttempts: 4, BaseDelay: time.Second, MaxDelay: 3 * time.Second}
	with := func(change func(p *retry.Policy)) retry.Policy {
		p := exp
		change(&p)
		return p
	}
	return []retry.Policy{
		exp,
		retry.Default(),
		{},
		{MaxAttempts: 1, BaseDelay: time.Second},
		{MaxAttempts: -1, BaseDelay: time.Second},
		{MaxAttempts: 2, BaseDelay: time.Second, MaxDelay: 500 * time.Millisecond},
		{MaxAttempts: retry.Unlimited, BaseDelay: 100 * time.Millisecond, Jitter: retry.JitterAdditive},
		{MaxAttempts: 4},
		with(func(p *retry.Policy) { p.MaxAttempts, p.MaxElapsed = 6, 3*time.Second }),
		with(func(p *retry.Policy) { p.AttemptTimeout = 700 * time.Millisecond }),
	}
}

// world is what the small worlds of a policy are made of: the failures, and
// what ends a script.
type world struct {
	policy   retry.Policy
	failures []scripted.Turn
	endings  [][]scripted.Turn // what a call can end with, those that matter after any failures first
	streams  [][]scripted.Turn // what an opened stream can end with: which failures came before makes no difference to it
}

// newWorld returns the turns that matter to a policy: hints below and above its
// backoff and beyond its cap, and what can go wrong in a stream if there is one.
func newWorld(p retry.Policy, streams, classes bool) world {
	turn := func(a scripted.Answer) scripted.Turn { return scripted.Turn{Answer: a} }
	short, long := hints(p)
	w := world{policy: p, failures: []scripted.Turn{
		turn(scripted.Transient{}),
		turn(scripted.Transient{Hinted: true, Wait: long}),
		{Answer: scripted.Transient{Hinted: true, Wait: short}, After: 3 * time.Millisecond},
		turn(scripted.Transient{Hinted: true}),
		{Answer: scripted.Reset{}, After: 7 * time.Millisecond},
	}}
	hello := scripted.Stream{Items: []scripted.Item{scripted.Text("Hel"), scripted.Text("lo")}}
	w.endings = [][]scripted.Turn{
		{turn(hello)},
		{{Answer: scripted.Transient{}, Repeat: scripted.Forever}},
	}
	if classes {
		w.endings = append(w.endings,
			[]scripted.Turn{turn(scripted.Permanent{Reason: "no"}), turn(hello)},
			[]scripted.Turn{turn(scripted.Permanent{Reason: unclassified}), turn(hello)},
			[]scripted.Turn{turn(scripted.Permanent{Reason: canceled}), turn(hello)},
		)
	}
	if p.AttemptTimeout > 0 {
		w.failures = append(w.failures, turn(scripted.Hang{}))
	}
	if !streams { // an answer that breaks off is a failure as any other
		w.failures = append(w.failures, turn(scripted.Stream{Items: hello.Items[:1], End: scripted.Cut{}}))
		return w
	}
	after := func(end scripted.Ending, items ...scripted.Item) []scripted.Turn {
		return []scripted.Turn{turn(scripted.Stream{Items: items, End: end}), turn(hello)}
	}
	w.streams = append(w.streams,
		after(scripted.Finish{Usage: retry.Usage{InputTokens: 3, OutputTokens: 5}},
			scripted.Reasoning{Parts: []scripted.Item{scripted.Text("hm")}, Signature: "s"}, scripted.Text(""), scripted.Text("Hel"),
			scripted.Tool{Name: "search", Parts: []scripted.Item{scripted.Text("{"), scripted.Text("}")}}),
		after(nil),
		after(scripted.EOF{}),
		after(scripted.Transient{Hinted: true, Wait: time.Millisecond}, scripted.Text("Hel")),
		after(scripted.Permanent{Reason: "no"}, scripted.Text("Hel"), scripted.Pause(time.Second), scripted.Text("lo")),
		after(scripted.Transient{}),
		after(scripted.Cut{}, scripted.Text("same"), scripted.Text("same")),
		after(scripted.EOF{}, scripted.Text("Hel")),
	)
	return w
}

// hints returns a Retry-After that is shorter than the first backoff, and one
// beyond the cap, both in whole milliseconds.
func hints(p retry.Policy) (short, long time.Duration) {
	base := max(p.BaseDelay, 10*time.Millisecond)
	short = (base / 2).Truncate(time.Millisecond)
	long = (max(p.MaxDelay, base)*2 + 500*time.Millisecond).Truncate(time.Millisecond)
	if p.MaxRetryAfter > 0 {
		long = (p.MaxRetryAfter + time.Second).Truncate(time.Millisecond)
	}
	return max(short, time.Millisecond), min(long, 1000*time.Hour)
}

// scripts yields every script of the world with that many failures before its
// ending. Where no attempt is left for an ending there is one script, and none
// where not all failures could be met.
func (w world) scripts(failures int) iter.Seq[*scripted.Script] {
	endings := slices.Concat(w.endings, w.streams)
	switch most := max(w.policy.MaxAttempts, 1); {
	case failures > most:
		return func(func(*scripted.Script) bool) {}
	case failures == most:
		endings = endings[:1]
	case failures == 2:
		endings = w.endings
	case failures > 2:
		endings = w.endings[:min(3, len(w.endings))]
	}
	return func(yield func(*scripted.Script) bool) {
		bodies := [][]scripted.Turn{nil}
		for range failures {
			var longer [][]scripted.Turn
			for _, body := range bodies {
				for _, f := range w.failures {
					longer = append(longer, append(slices.Clone(body), f))
				}
			}
			bodies = longer
		}
		for _, body := range bodies {
			for _, end := range endings {
				if endless := end[0].Repeat == scripted.Forever; endless && w.policy.MaxAttempts == retry.Unlimited {
					continue
				}
				if !yield(&scripted.Script{Policy: &w.policy, Turns: slices.Concat(body, end)}) {
					return
				}
			}
		}
	}
}

// oddHints are scripts of a server that asks for what code that counts in another
// unit, in too few bits or from another moment gets wrong.
func oddHints(p retry.Policy) (out []*scripted.Script) {
	const day = 24 * time.Hour
	hello := scripted.Turn{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}}
	for _, wait := range []time.Duration{
		time.Millisecond, 9 * time.Millisecond, 999 * time.Millisecond, 1001 * time.Millisecond, 61 * time.Second,
		time.Hour + time.Second, 10 * time.Hour, 25 * time.Hour, 50 * day, 400 * day,
	} {
		turn := scripted.Turn{Answer: scripted.Transient{Hinted: true, Wait: wait}}
		out = append(out, &scripted.Script{Policy: &p, Turns: []scripted.Turn{turn, hello}},
			&scripted.Script{Policy: &p, Turns: []scripted.Turn{{Answer: scripted.Transient{}, After: 3 * time.Millisecond}, turn, hello}})
	}
	return out
}

// oddErrors are scripts of failures that wrap what has another class: a refusal
// that a layer below gave up on, and a server's own timeout, which matches the
// error of a context that has not ended.
func oddErrors(p retry.Policy) (out []*scripted.Script) {
	hello := scripted.Turn{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}}
	final := scripted.Turn{Answer: scripted.Permanent{Reason: givenUp}}
	slow := scripted.Turn{Answer: scripted.Status{Status: 504, Message: timedOut}}
	for _, turns := range [][]scripted.Turn{{final, hello}, {slow, hello}, {slow, final, hello}} {
		out = append(out, &scripted.Script{Policy: &p, Turns: turns})
	}
	return out
}

// longAnswer is a script of a stream of many chunks, some of them long, in letters of
// more than a byte.
func longAnswer(p retry.Policy) *scripted.Script {
	var items []scripted.Item
	for i := range 40 {
		items = append(items, scripted.Text(fmt.Sprint(i, strings.Repeat(" ä€", 1+i%4*20))))
	}
	return &scripted.Script{Policy: &p, Turns: []scripted.Turn{{Answer: scripted.Stream{Items: items}}}}
}

// endlessHint is a script of a server that asks for so long that the time which is
// gone and the wait together are more than a number holds.
func endlessHint(p retry.Policy) *scripted.Script {
	const most = (math.MaxInt64 / time.Millisecond) * time.Millisecond
	return &scripted.Script{Policy: &p, Turns: []scripted.Turn{
		{Answer: scripted.Transient{Hinted: true, Wait: most}, After: 10 * time.Millisecond},
		{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}},
	}}
}

// marathons are scripts longer than any small world: so many failures that a
// counter or a shift runs over, and a server that asks for a month.
func marathons(given []retry.Policy) (out []*scripted.Script) {
	run := func(p retry.Policy, failures int, a scripted.Answer) {
		turns := []scripted.Turn{{Answer: a, Repeat: failures}, {Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}}}
		out = append(out, &scripted.Script{Policy: &p, Turns: turns})
	}
	const month = 30 * 24 * time.Hour
	for _, p := range given {
		if failures := min(p.MaxAttempts-1, 70); failures > 3 && p.MaxDelay > 0 {
			run(p, failures, scripted.Transient{})
		}
	}
	if len(given) == 0 {
		run(retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: time.Second, MaxDelay: 3 * time.Second}, 70, scripted.Transient{})
		run(retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: time.Millisecond}, 40, scripted.Transient{})
		run(retry.Policy{MaxAttempts: 300, BaseDelay: time.Millisecond, MaxDelay: time.Millisecond}, 299, scripted.Transient{})
		run(retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}, 2, scripted.Transient{Hinted: true, Wait: month})
	}
	return out
}

// cuts yields the script with the caller's context ending at each moment that
// matters: before the call, in each attempt that takes time, in each wait, with
// and without a deadline later on, and by a deadline that leaves no time for a
// wait. starts and ends are those of
// the attempts of a run that was left alone; moments before the attempt of index
// from are left out.
func cuts(s *scripted.Script, starts, ends []time.Duration, from int) iter.Seq[*scripted.Script] {
	return func(yield func(*scripted.Script) bool) {
		cancel := func(at time.Duration) bool {
			c := *s
			c.Cancel = &at
			return yield(&c)
		}
		bound := func(at time.Duration) bool {
			c := *s
			c.TotalTimeout = at
			return at <= 0 || yield(&c)
		}
		both := func(at, deadline time.Duration) bool { // the deadline leaves time, and says nothing of the cancelling
			c := *s
			c.Cancel, c.TotalTimeout = &at, deadline
			return yield(&c)
		}
		if from == 0 && !cancel(0) {
			return
		}
		for i, end := range ends {
			if i < from {
				continue
			}
			if starts[i]+2 < end && !cancel(starts[i]+(end-starts[i])/2|1) {
				return
			}
			if i+1 == len(starts) {
				break
			}
			wait := starts[i+1] - end
			if wait < 3 {
				continue
			}
			middle := end + wait/2 | 1
			if !cancel(middle) || !both(middle, plus(starts[i+1], 10_000*time.Hour)) || !bound(middle) || !cancel(end+1) || !bound(starts[i+1]+1) || !bound(starts[i+1]) || !bound(starts[i+1]-1) {
				return
			}
		}
	}
}

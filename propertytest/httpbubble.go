package propertytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/scripted/wire"
)

// This file is about real time made virtual: what is in it runs in a bubble of
// testing/synctest, but for the watchdog.

const (
	// httpLatency comes before every answer, so that code which does not wait
	// still gets somewhere in time.
	httpLatency = time.Millisecond
	// httpCeiling is how many requests a call may send.
	httpCeiling = 2000
)

// httpPatience is how long, in real time, a call may go on without a request. A
// variable for tests.
var httpPatience = time.Second

// httpRun is one script and what came of it.
type httpRun struct {
	script *scripted.Script
	trace  trace.Trace
	astray string // what is said of code that sent nothing
	late   bool   // the call returned well after its context had ended
	hung   bool   // nothing came of it, in real time
	over   bool   // the rest of the suite would come to no better end
}

// firstWait returns the time between the first failure and the second attempt.
func (r *httpRun) firstWait() (time.Duration, bool) {
	failed := time.Duration(-1)
	for _, e := range r.trace {
		switch {
		case e.Kind == trace.Failed && e.Attempt == 1:
			failed = e.At
		case e.Kind == trace.Attempt && e.Attempt == 2 && failed >= 0:
			return e.At - failed, true
		}
	}
	return 0, false
}

// play runs a scenario, nil if it is not for this code or nothing is any more.
func (h *httpSuite) play(t *testing.T, call HTTPCall, s httpScenario, seed uint64) *httpRun {
	t.Helper()
	if s.bounded && h.deaf || h.over {
		return nil
	}
	script, err := h.parse(s)
	if err != nil {
		h.problems = append(h.problems, err)
		return nil
	}
	enter := func() *httpRun {
		b := &httpBubble{suite: h, scenario: s, script: script, test: call, seed: seed, ended: make(chan httpEnd, 1), never: make(chan struct{})}
		go b.enter(t) // on a goroutine of its own, so that it can be left alone if it hangs
		return b.watch()
	}
	run := enter()
	if run.hung {
		run = enter() // again: the machine may have been busy
	}
	if run.trace == nil {
		h.problems = append(h.problems, errors.New("the call ended its goroutine, as t.FailNow and require do: let it return an error"))
	}
	if h.over = run.over; run.astray != "" && h.played == 0 {
		h.problems, h.over = append(h.problems, errors.New(run.astray)), true
		return nil
	}
	return run
}

func lastOf(events trace.Trace) time.Duration {
	if len(events) == 0 {
		return 0
	}
	return events[len(events)-1].At
}

func (r *httpRun) attempts() (n int) {
	for _, e := range r.trace {
		if e.Kind == trace.Attempt {
			n++
		}
	}
	return n
}

// httpBubble is one scenario in its bubble.
type httpBubble struct {
	suite    *httpSuite
	scenario httpScenario
	script   *scripted.Script
	test     HTTPCall
	seed     uint64

	number atomic.Pointer[string] // as it stands in stacks
	server atomic.Pointer[wire.Local]
	moves  atomic.Uint64 // requests
	ended  chan httpEnd
	never  chan struct{} // made outside the bubble, whose time stands still while this is waited for
}

// httpEnd is how a bubble ended.
type httpEnd struct {
	run      *httpRun
	panicked any // of what is ours
}

// watch returns what came of the run, when it is over or when nothing has
// moved in it for too long. It is the watchdog, on real time.
func (b *httpBubble) watch() *httpRun {
	ticker := time.NewTicker(httpPatience / looks)
	defer ticker.Stop()
	last, same := uint64(0), 0
	for {
		select {
		case end := <-b.ended:
			if end.panicked != nil {
				panic(end.panicked)
			}
			return end.run
		case <-ticker.C:
		}
		if moves := b.moves.Load(); moves != last {
			last, same = moves, 0
		} else if same++; same > looks { // the first look may have been due before
			return b.hung()
		}
	}
}

// hung is what is known of a run that does not end.
func (b *httpBubble) hung() *httpRun {
	run := &httpRun{script: b.script, hung: true, over: true, trace: trace.Trace{{Call: 1, Kind: trace.Begin}}}
	if server := b.server.Load(); server != nil {
		run.trace = append(run.trace, server.Trace()...)
		renumber(run.trace)
	}
	run.add(trace.Stuck, lastOf(run.trace), fmt.Sprintf("the call neither ended nor sent anything for %v of real time: it spins, waits for something outside its bubble, or holds a lock while it sleeps\n%s", httpPatience, b.goroutines()))
	return run
}

func (b *httpBubble) goroutines() string { return goroutinesOf(b.number.Load(), httpMarks) }

// httpMarks tell the goroutines of the call from those of the harness.
var httpMarks = marks{
	call: "github.com/retrykit/retrykit/propertytest.(*httpBubble).call",
	own:  []string{"github.com/retrykit/retrykit/propertytest.(*httpBubble)", "github.com/retrykit/retrykit/scripted/wire.", "net/http.(*persistConn).writeLoop"},
}

// enter runs the bubble and tells how it ended.
func (b *httpBubble) enter(t *testing.T) {
	run := &httpRun{script: b.script}
	defer func() {
		v := recover()
		if v != nil && strings.Contains(fmt.Sprint(v), "blocked goroutines remain") {
			run.add(trace.Leaked, lastOf(run.trace), "goroutines are blocked for good")
			v = nil
		}
		b.ended <- httpEnd{run, v}
	}()
	synctest.Test(t, func(t *testing.T) { b.inside(t, run) })
}

// inside is a run in its bubble.
func (b *httpBubble) inside(t *testing.T, run *httpRun) {
	number := bubbleNumber()
	b.number.Store(&number)
	random := rand.New(rand.NewPCG(b.seed, 0))
	time.Sleep(time.Duration(random.Int64N(int64(24 * time.Hour))))
	server := wire.Start(b.script, wire.Config{Format: b.suite.format, Latency: httpLatency, Close: b.scenario.close})
	b.server.Store(server)
	begin := time.Now()
	deadline := httpDeadline
	if b.scenario.deadline > 0 {
		deadline = b.scenario.deadline
	}
	base, release := context.WithCancel(t.Context())
	defer release()
	ctx, cancel := context.WithTimeout(base, deadline)
	defer cancel()
	if b.scenario.cancel > 0 {
		timer := time.AfterFunc(b.scenario.cancel, cancel)
		defer timer.Stop()
	}
	guard := &httpGuard{base: server.HTTP.Transport, n: &b.moves, spent: make(chan struct{})}
	got := b.await(ctx, &http.Client{Transport: guard}, server.URL, guard)
	at := time.Since(begin)
	var ended time.Duration // when the context ended, 0 if the call was over before
	for _, d := range []time.Duration{deadline, b.scenario.cancel} {
		if d > 0 && at >= d {
			ended = d
		}
	}
	if run.over = got.asleep || got.exited; got.asleep {
		b.events(run, got, at, 0, deadline, ended)
		b.ended <- httpEnd{run: run}
		<-b.never // or the sleeper comes to the end of time, where sleeping again ends the process
	}
	if guard.count() == 0 && got.panicked == nil && !got.exited {
		run.astray = fmt.Sprintf("the code sent nothing through the client that it was given, and returned the error %v: a client of its own reaches no server here", got.err)
	}
	guard.CloseIdleConnections()
	time.Sleep(time.Second) // net/http takes its time with some connections
	synctest.Wait()
	open := server.Connections()
	release()
	server.Close()
	synctest.Wait()
	if !got.exited {
		b.events(run, got, at, open, deadline, ended)
	}
}

// httpResult is what a call returned.
type httpResult struct {
	text     string
	err      error
	panicked any
	spent    bool // it never returned, however many attempts it had
	asleep   bool // nor did it until almost the end of time
	exited   bool // its goroutine ended
	attempts int  // that its own loop made
}

// await makes the call, and gives it up at last.
func (b *httpBubble) await(ctx context.Context, client *http.Client, url string, guard *httpGuard) httpResult {
	done := make(chan httpResult, 1)
	go func() { b.call(ctx, client, url, done) }()
	end := time.NewTimer(lifetime)
	defer end.Stop()
	var got httpResult
	select {
	case got = <-done:
	case <-guard.spent:
	case <-end.C:
		got.asleep = true
	}
	if got.spent = guard.count() > httpCeiling; got.spent {
		got.exited = false
	}
	if got.attempts = guard.count(); b.suite.options.Attempts != nil {
		got.attempts = b.suite.options.Attempts()
	}
	return got
}

// call makes the call and sends what it returned.
func (b *httpBubble) call(ctx context.Context, client *http.Client, url string, done chan<- httpResult) {
	got := httpResult{exited: true}
	defer func() {
		if v := recover(); v != nil {
			got = httpResult{panicked: v}
		}
		done <- got
	}()
	text, err := b.test(ctx, client, url)
	got = httpResult{text: text, err: err}
}

// events adds to what the server saw what the harness knows.
func (b *httpBubble) events(run *httpRun, got httpResult, at time.Duration, open int, deadline, ended time.Duration) {
	run.trace = append(trace.Trace{{Call: 1, Kind: trace.Begin, Deadline: &deadline}}, b.server.Load().Trace()...)
	renumber(run.trace)
	last := run.attempts()
	if ended > 0 {
		run.add(trace.Cancel, ended, "")
		run.late = at > ended+time.Second
	}
	switch {
	case got.panicked != nil:
		run.add(trace.Panicked, at, fmt.Sprintf("%T", got.panicked))
	case got.spent:
		run.add(trace.Stuck, at, fmt.Sprintf("the call sent %d requests and went on", httpCeiling))
	case got.asleep:
		run.add(trace.Stuck, at, fmt.Sprintf("the call had not returned after %d years, and virtual time ends after 262\n%s", lifetime/(365*24*time.Hour), b.goroutines()))
	default:
		b.suite.reads = run.received(got, at) || b.suite.reads
		run.trace = append(run.trace, trace.Event{At: at, Call: 1, Attempt: got.attempts, Kind: trace.End, Error: errorText(got.err)})
		if b.scenario.stalls && at >= deadline && last == 1 {
			run.add(trace.Stuck, at, "the body of a refusal never ended, and only the caller's deadline ended the attempt")
		}
	}
	if open > 0 {
		run.add(trace.Leaked, at, fmt.Sprintf("%d connections cannot be used again", open))
	}
	slices.SortStableFunc(run.trace, func(a, b trace.Event) int { return int(min(max(a.At-b.At, -1), 1)) })
}

// add adds what the server did not see.
func (r *httpRun) add(kind trace.Kind, at time.Duration, text string) {
	r.trace = append(r.trace, trace.Event{At: at, Call: 1, Attempt: r.attempts(), Kind: kind, Error: text})
}

// renumber counts all attempts as those of one call, as the harness knows them
// to be.
func renumber(events trace.Trace) {
	type key struct {
		call    uint64
		attempt int
	}
	numbers := make(map[key]int)
	for i := range events {
		e := &events[i]
		if e.Attempt == 0 {
			continue
		}
		k := key{e.Call, e.Attempt}
		if numbers[k] == 0 {
			numbers[k] = len(numbers) + 1
		}
		e.Call, e.Attempt = 1, numbers[k]
	}
}

// errorText is what a trace keeps of an error: its type, since its text may
// quote a prompt or a key.
func errorText(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded.Error()
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	}
	return fmt.Sprintf("%T", err)
}

// httpGuard counts the requests of a call, and ends the goroutine that sends
// one too many: nothing else ends a loop that no error and no context ends.
type httpGuard struct {
	base  http.RoundTripper
	n     *atomic.Uint64
	spent chan struct{}
}

func (g *httpGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	if n := g.n.Add(1); n > httpCeiling {
		if n == httpCeiling+1 {
			close(g.spent)
		}
		runtime.Goexit()
	}
	return g.base.RoundTrip(r)
}

// CloseIdleConnections makes that of [http.Client] work.
func (g *httpGuard) CloseIdleConnections() {
	if t, ok := g.base.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func (g *httpGuard) count() int { return int(g.n.Load()) }

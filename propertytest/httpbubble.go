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
	"sync"
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
	// httpPatience is how long, in real time, one run may take.
	httpPatience = 30 * time.Second
)

// horizon is where the time of a bubble ends.
var horizon = time.Unix(0, 1<<63-1)

// httpRun is one script and what came of it.
type httpRun struct {
	script *scripted.Script
	trace  trace.Trace
	late   bool // the call returned well after its context had ended
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

// play runs a scenario, nil if it is not for this code.
func (h *httpSuite) play(t *testing.T, call HTTPCall, s httpScenario, seed uint64) *httpRun {
	t.Helper()
	if s.bounded && h.deaf {
		return nil
	}
	script, err := h.parse(s)
	if err != nil {
		h.problems = append(h.problems, err)
		return nil
	}
	run := &httpRun{script: script}
	w := watchHTTP(scripted.Format(script))
	defer w.Stop()
	if left := inBubble(t, func(t *testing.T) { h.inside(t, call, s, run, seed) }); left != "" {
		run.trace = append(run.trace, trace.Event{At: lastOf(run.trace), Call: 1, Attempt: run.attempts(), Kind: trace.Leaked, Error: left})
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

// watchHTTP ends the process, with a dump, if a run hangs in a way that its
// bubble does not see.
func watchHTTP(script string) *time.Timer {
	return time.AfterFunc(httpPatience, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("propertytest: code under test has hung for %v of real time: it waits for something outside its bubble, holds a lock while it sleeps, or computes without end. The script:\n%s\n%s",
			httpPatience, script, buf[:runtime.Stack(buf, true)]))
	})
}

// inBubble runs f in a bubble and says what was left blocked in it.
func inBubble(t *testing.T, f func(*testing.T)) (left string) {
	t.Helper()
	defer func() {
		switch v := recover(); {
		case v == nil:
		case strings.Contains(fmt.Sprint(v), "blocked goroutines remain"):
			left = "goroutines are blocked for good"
		default:
			panic(v)
		}
	}()
	synctest.Test(t, f)
	return ""
}

// inside is a run in its bubble.
func (h *httpSuite) inside(t *testing.T, call HTTPCall, s httpScenario, run *httpRun, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	time.Sleep(time.Duration(random.Int64N(int64(24 * time.Hour))))
	server := wire.Start(run.script, wire.Config{Format: h.format, Latency: httpLatency, Close: s.close})
	begin := time.Now()
	deadline := httpDeadline
	if s.deadline > 0 {
		deadline = s.deadline
	}
	base, release := context.WithCancel(t.Context())
	defer release()
	ctx, cancel := context.WithTimeout(base, deadline)
	defer cancel()
	if s.cancel > 0 {
		timer := time.AfterFunc(s.cancel, cancel)
		defer timer.Stop()
	}
	guard := &httpGuard{base: server.HTTP.Transport, spent: make(chan struct{})}
	client := &http.Client{Transport: guard}
	got := h.call(ctx, call, client, server.URL, guard)
	at := time.Since(begin)
	var ended time.Duration // when the context ended, 0 if the call was over before
	for _, d := range []time.Duration{deadline, s.cancel} {
		if d > 0 && at >= d {
			ended = d
		}
	}
	guard.CloseIdleConnections()
	open := 0
	if time.Now().Before(horizon.Add(-time.Hour)) {
		time.Sleep(time.Second) // net/http takes its time with some connections
		synctest.Wait()
		open = server.Connections()
	}
	release()
	server.Close()
	synctest.Wait()
	run.trace = h.events(s, run, server.Trace(), got, at, open, deadline, ended)
}

// httpResult is what a call returned.
type httpResult struct {
	text     string
	err      error
	panicked any
	spent    bool // it never returned, however many attempts it had
	attempts int  // that its own loop made
}

// call makes the call on a goroutine of its own, which may be given up.
func (h *httpSuite) call(ctx context.Context, call HTTPCall, client *http.Client, url string, guard *httpGuard) httpResult {
	done := make(chan httpResult, 1)
	go func() {
		got := httpResult{spent: true}
		defer func() {
			if v := recover(); v != nil {
				got = httpResult{panicked: v}
			}
			done <- got
		}()
		text, err := call(ctx, client, url)
		got = httpResult{text: text, err: err}
	}()
	var got httpResult
	select {
	case got = <-done:
	case <-guard.spent:
		got.spent = true
	}
	if got.attempts = guard.count(); h.options.Attempts != nil {
		got.attempts = h.options.Attempts()
	}
	return got
}

// events adds to what the server saw what the harness knows.
func (h *httpSuite) events(s httpScenario, run *httpRun, seen trace.Trace, got httpResult, at time.Duration, open int, deadline, ended time.Duration) trace.Trace {
	out := trace.Trace{{Call: 1, Kind: trace.Begin, Deadline: &deadline}}
	out = append(out, seen...)
	renumber(out)
	run.trace = out
	last := run.attempts()
	add := func(kind trace.Kind, at time.Duration, text string) {
		out = append(out, trace.Event{At: at, Call: 1, Attempt: last, Kind: kind, Error: text})
	}
	if ended > 0 {
		add(trace.Cancel, ended, "")
		run.late = at > ended+time.Second
	}
	switch {
	case got.panicked != nil:
		add(trace.Panicked, at, fmt.Sprintf("%T", got.panicked))
	case got.spent:
		add(trace.Stuck, at, fmt.Sprintf("the call sent %d requests and went on", httpCeiling))
	default:
		out = append(out, trace.Event{At: at, Call: 1, Attempt: got.attempts, Kind: trace.End, Error: errorText(got.err)})
		if s.stalls && at >= deadline && last == 1 {
			add(trace.Stuck, at, "the body of a refusal never ended, and only the caller's deadline ended the attempt")
		}
	}
	if open > 0 {
		add(trace.Leaked, at, fmt.Sprintf("%d connections cannot be used again", open))
	}
	slices.SortStableFunc(out, func(a, b trace.Event) int { return int(min(max(a.At-b.At, -1), 1)) })
	return out
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
	spent chan struct{}

	mu sync.Mutex
	n  int
}

func (g *httpGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	g.n++
	n := g.n
	g.mu.Unlock()
	if n > httpCeiling {
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

func (g *httpGuard) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

package explore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// errCancelled is the cause with which a scenario cancels its calls.
var errCancelled = errors.New("the caller does not want it any more")

// horizon is as far as virtual time goes in a scenario: waits are judged
// exactly, and a [time.Duration] is exact for 292 years.
const horizon = 250 * 365 * 24 * time.Hour

// playing is a scenario that is being played: what all its calls share.
type playing struct {
	script *scripted.Script
	policy retry.Policy
	clock  *fakeclock.Clock
	inner  *scripted.Model
	most   int  // attempts of a call, before it counts as endless
	stream bool // it is a chat model that is played against
	counts bool // as in Subject
	leaves int  // the same
	asks   *asking
	// attempts may be made by goroutines of the subject
	concurrent bool

	mu     sync.Mutex
	events trace.Trace
	calls  []*caller
}

// caller is one call of a scenario.
type caller struct {
	number   uint64
	clock    *fakeclock.Clock // of its goroutine
	ctx      context.Context
	request  retry.ChatRequest
	attempts int
	failures []error         // what each attempt failed with, nil where it did not
	endless  bool            // there were too many attempts
	starts   []time.Duration // of the first attempts
	broke    error           // what its stream broke with
	derived  []derived
	cancel   func() // ends its context as the scenario says, once
	drop     func() // ends its context, as whoever made it must
	// goroutine is where the call was made, if its context may end by cancel.
	goroutine string
}

// Play plays a scenario, which must have a policy, against a new subject and
// returns what was seen. run nil is [Coroutines].
func (s Subject) Play(script *scripted.Script, run Runner) trace.Trace {
	if s.watch != nil {
		s.watch(script)
	}
	if run == nil {
		run = Coroutines
	}
	if s.clockless {
		script = withLatency(script)
	}
	p := &playing{script: script, policy: *script.Policy, most: endless(script), stream: s.streams(), counts: s.counts, leaves: s.leaves, asks: full, events: make(trace.Trace, 0, 16)}
	if s.bare {
		p.asks = bare
	}
	err := run(fakeclock.Config{MaxTime: horizon, MaxEvents: s.effort.most(script, p.most), BusyLoop: 100_000, Stall: time.Second}, func(stage Stage) error {
		p.mu.Lock() // a stage that is left alone, since it is stuck, is not waited for
		p.clock, p.concurrent = stage.Clock.Named("suite"), stage.Settle != nil
		p.mu.Unlock()
		p.inner = scripted.NewModel(script)
		p.inner.Error = unlike
		call := s.prepare(p, stage.Clock)
		n := max(script.Calls, len(script.Blocks), 1)
		for i := range n {
			p.calls = append(p.calls, &caller{number: uint64(i + 1)})
		}
		if script.AtOnce {
			stage.All(n, func(i int, clock *fakeclock.Clock) { p.call(p.calls[i], clock, call) })
		} else {
			for _, c := range p.calls {
				p.call(c, stage.Clock, call)
			}
		}
		if stage.Settle != nil {
			stage.Settle()
		}
		p.leaks(stage.Clock)
		return nil
	})
	p.mu.Lock()
	alone := !p.concurrent
	p.mu.Unlock()
	if err != nil && alone {
		p.release()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if report := (*fakeclock.Report)(nil); errors.As(err, &report) { // which ended the goroutines of all calls
		p.events = slices.DeleteFunc(p.events, func(e trace.Event) bool { return e.Error == exited })
	}
	if s.effort.note(script, p.clock, err) {
		err = errPolls
	}
	if err != nil {
		p.failed(err)
	}
	return slices.Clip(p.events)
}

// release ends the contexts of calls that did not come to their end: one that is
// blocked in a select statement ends with them.
func (p *playing) release() {
	for _, c := range p.calls {
		if c.drop != nil {
			c.drop()
		}
	}
}

// failed notes why a scenario did not come to its end.
func (p *playing) failed(err error) {
	if errors.Is(err, fakeclock.ErrLimit) {
		if !polled(err) {
			p.beyond()
		}
		return // what was seen until then is right or wrong as it is
	}
	kind := trace.Stuck
	switch {
	case errors.Is(err, errStrayed), errors.Is(err, fakeclock.ErrStall) && sleeping(err.Error()):
		kind = trace.Strayed
	case errors.Is(err, errLeft):
		kind = trace.Leaked
	}
	e := trace.Event{Call: 1, Kind: kind, Error: err.Error()}
	if n := len(p.events); n > 0 {
		e.At, e.Call, e.Attempt = p.events[n-1].At, p.events[n-1].Call, p.events[n-1].Attempt
	}
	p.events = append(p.events, e)
}

// beyond notes a wait of the subject that goes on beyond the horizon: it is as
// long as what is left until there, at least.
func (p *playing) beyond() {
	n := len(p.events)
	for n > 0 && p.events[n-1].Kind == trace.Notice {
		n--
	}
	if n > 0 && p.events[n-1].Kind == trace.Failed {
		e := p.events[n-1]
		wait := horizon - e.At
		p.events = append(p.events, trace.Event{At: e.At, Call: e.Call, Attempt: e.Attempt, Kind: trace.Wait, Wait: &wait})
	}
}

// What the errors of a [Runner] are that are more than a deadlock.
var (
	errStrayed = errors.New("explore: time passed on another clock")
	errLeft    = errors.New("explore: something is left")
)

// Strayed returns the error of a [Runner] whose subject waited on another clock
// than the one it was given; what says how that was seen.
func Strayed(what string) error { return &conduct{errStrayed, what} }

// Left returns the error of a [Runner] whose subject left something behind, such
// as goroutines; what says what.
func Left(what string) error { return &conduct{errLeft, what} }

type conduct struct {
	kind error
	what string
}

func (e *conduct) Error() string { return e.what }
func (e *conduct) Unwrap() error { return e.kind }

// latency is what an attempt takes at least of code that waits on the time of a
// bubble. Without it a loop that waits for nothing would stay at one instant,
// and events would coincide that the bubble puts in no order.
const latency = time.Millisecond

// withLatency returns the script with no turn that takes less than [latency].
func withLatency(s *scripted.Script) *scripted.Script {
	slow := func(turns []scripted.Turn) []scripted.Turn {
		turns = slices.Clone(turns)
		for i := range turns {
			turns[i].After = max(turns[i].After, latency)
		}
		return turns
	}
	c := *s
	c.Turns, c.Blocks = slow(s.Turns), slices.Clone(s.Blocks)
	for i := range c.Blocks {
		c.Blocks[i].Turns = slow(c.Blocks[i].Turns)
	}
	return &c
}

// endless returns how many attempts are so many that no call of the script can
// need them.
func endless(s *scripted.Script) int {
	const most = 100_000
	turns := 0
	for _, t := range s.Turns {
		turns += min(max(t.Repeat, 1), most)
	}
	for _, b := range s.Blocks {
		for _, t := range b.Turns {
			turns += min(max(t.Repeat, 1), most)
		}
	}
	return 20 + min(max(s.Policy.MaxAttempts, 1), turns)
}

// tooMany is the panic that ends a call which goes on for ever.
type tooMany struct{}

// prepare makes the subject, and returns how one call of it is made: what it
// hands over and the error it ends with. If the subject cannot be made, that is
// how its calls end.
func (s Subject) prepare(p *playing, clock *fakeclock.Clock) (call func(*caller) (retry.Stream, error)) {
	defer func() {
		v := recover()
		if _, gaveUp := v.(*fakeclock.Report); gaveUp {
			panic(v)
		}
		switch {
		case v == nil && call == nil:
			p.events = append(p.events, trace.Event{Call: 1, Kind: trace.Panicked, Error: exited})
		case v != nil:
			text := fmt.Sprintf("the subject cannot be made: %v%s", v, panickedAt())
			call = func(*caller) (retry.Stream, error) { panic(text) }
		}
	}()
	env := Env{Clock: clock, Policy: p.policy, Seed: 1, Notify: func(attempt int, err error, wait time.Duration) {
		if len(p.calls) == 1 { // with several nobody knows whose it is
			p.add(p.calls[0], trace.Event{Attempt: attempt, Kind: trace.Notice, Error: fmt.Sprint(err), Wait: &wait})
		}
	}, sources: new(atomic.Uint64)}
	if p.script.Seed != nil {
		env.Seed = *p.script.Seed
	}
	if s.model != nil {
		model := s.model(env, &watchedModel{p})
		return func(c *caller) (retry.Stream, error) {
			if model == nil {
				panic(unmade)
			}
			return model.ChatStream(c.ctx, c.request)
		}
	}
	do := s.do(env)
	return func(c *caller) (retry.Stream, error) {
		if do == nil {
			panic(unmade)
		}
		return nil, do(c.ctx, func(ctx context.Context) error { return p.operation(ctx, c) })
	}
}

const (
	// unmade is the panic of a subject that is nil.
	unmade = "the function that makes the subject returned nil"
	// exited is what is said of code that ends its goroutine.
	exited = "the code ended its goroutine, as t.FailNow and package require do: let it panic or return an error"
)

// call makes one call as its caller would, and reads its stream to the end.
func (p *playing) call(c *caller, clock *fakeclock.Clock, make func(*caller) (retry.Stream, error)) {
	c.clock = clock
	release := p.enter(c)
	defer release()
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		report, gaveUp := v.(*fakeclock.Report)
		_, endless := v.(tooMany)
		switch {
		case endless || c.endless:
			p.goesOn(c)
		case gaveUp:
			panic(report)
		case v != nil:
			p.add(c, trace.Event{Attempt: c.attempts, Kind: trace.Panicked, Error: fmt.Sprint(v) + panickedAt()})
		default:
			p.add(c, trace.Event{Attempt: c.attempts, Kind: trace.Panicked, Error: exited})
		}
	}()
	stream, err := make(c)
	if c.endless { // on another goroutine, which has been ended
		p.goesOn(c)
	}
	end := trace.Event{Kind: trace.End, Is: p.identify(c, err)}
	switch {
	case err != nil:
		end.Error = err.Error()
	case p.stream && stream == nil && p.opened(c):
		end.Error, end.Is = "neither a stream nor an error", []trace.Identity{trace.IsOther}
	}
	if p.stream {
		end.Body = p.asks.hash(c.request)
	}
	p.add(c, end)
	switch {
	case stream != nil && err == nil:
		p.consume(c, stream)
	}
	p.contexts(c)
	returned = true
}

// goesOn notes that there were too many attempts.
func (p *playing) goesOn(c *caller) {
	p.add(c, trace.Event{Attempt: c.attempts, Kind: trace.Stuck, Error: fmt.Sprintf("%d attempts, and no end of them", c.attempts)})
}

// panickedAt returns the calls that led to the panic which is being recovered,
// the innermost first, one a line: nothing that differs from run to run.
func panickedAt() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	var b strings.Builder
	for inside := false; ; {
		f, more := frames.Next()
		switch {
		case strings.HasPrefix(f.Function, "runtime."):
			inside = inside || f.Function == "runtime.gopanic"
		case strings.HasPrefix(f.Function, ownFrames) || !more:
			if inside {
				return b.String()
			}
		case inside:
			fmt.Fprintf(&b, "\n\tin %s (%s:%d)", f.Function, filepath.Base(f.File), f.Line)
		}
		if !more {
			return b.String()
		}
	}
}

// ownFrames is how the names of this package's functions begin.
const ownFrames = "github.com/retrykit/retrykit/propertytest/explore."

type callerKey struct{}

// enter makes the context of a call, and notes that it was entered.
func (p *playing) enter(c *caller) (release func()) {
	base := context.WithValue(context.Background(), callerKey{}, c)
	if !p.counts {
		base = retry.WithCall(base, c.number)
	}
	root, cancel := context.WithCancelCause(base)
	own := c.clock.Named("suite")
	undo := []func(){func() { cancel(nil) }}
	at := func(d time.Duration, f func()) {
		if d <= 0 {
			f()
			return
		}
		timer := own.AfterFunc(d, f)
		undo = append(undo, func() { timer.Stop() })
	}
	begin := trace.Event{Kind: trace.Begin}
	if d := p.script.TotalTimeout; d > 0 {
		deadline := p.clock.Elapsed() + d
		begin.Deadline = &deadline
		at(d, func() { p.add(c, trace.Event{Kind: trace.Cancel}) })
		c.ctx, c.drop = fakeclock.WithTimeout(root, own, d)
	} else {
		c.ctx, c.drop = fakeclock.WithCancel(root, own)
	}
	undo = append(undo, c.drop)
	if p.stream {
		c.request = p.asks.again()
		begin.Body = p.asks.digest
	}
	p.add(c, begin)
	if p.script.Cancel != nil {
		c.goroutine = goroutine()
		var once sync.Once
		c.cancel = func() {
			once.Do(func() {
				p.add(c, trace.Event{Kind: trace.Cancel})
				cancel(errCancelled)
			})
		}
		at(*p.script.Cancel-p.clock.Elapsed(), c.cancel)
	}
	return func() {
		for _, f := range undo {
			f()
		}
	}
}

// identify says what an error is to a caller who asks.
func (p *playing) identify(c *caller, err error) []trace.Identity {
	if err == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var is []trace.Identity
	if n := len(c.failures); n > 0 && c.failures[n-1] != nil {
		last := c.failures[n-1]
		if err == last {
			is = append(is, trace.IsSame)
		}
		if errors.Is(err, last) {
			is = append(is, trace.IsLast)
		}
	}
	ended, cause := c.ctx.Err(), context.Cause(c.ctx)
	if _, bounded := c.ctx.Deadline(); ended == nil && bounded {
		ended, cause = context.DeadlineExceeded, context.DeadlineExceeded // no time was left
	}
	if ended != nil && errors.Is(err, ended) {
		is = append(is, trace.IsContext)
	}
	if cause != nil && errors.Is(err, cause) {
		is = append(is, trace.IsCause)
	}
	if len(is) == 0 {
		is = append(is, trace.IsOther)
		for _, f := range c.failures {
			if f != nil && errors.Is(err, f) {
				is[0] = trace.IsEarlier
			}
		}
	}
	return is
}

// consume reads the stream as a caller does.
func (p *playing) consume(c *caller, s retry.Stream) {
	defer s.Close() // a second time, which is allowed
	defer s.Close()
	for n := 1; p.leaves == 0 || n < p.leaves; n++ {
		chunk, err := s.Recv()
		e := trace.Event{Attempt: c.attempts}
		switch {
		case err == nil:
			e.Kind = trace.Chunk
			e.Chunk, e.Size, e.Body = describe(chunk)
		case err == io.EOF:
			e.Kind = trace.EOF
		default:
			e.Kind, e.Error = trace.Broken, err.Error()
			e.Is = c.identifyBroken(err)
		}
		p.add(c, e)
		if err != nil {
			return
		}
		if p.seen() > 10_000 {
			panic(tooMany{})
		}
	}
}

// identifyBroken says what the error of a stream is to a caller who asks, if its
// stream is known to have broken.
func (c *caller) identifyBroken(err error) []trace.Identity {
	switch {
	case c.broke == nil:
		return nil
	case err == c.broke:
		return []trace.Identity{trace.IsSame, trace.IsLast}
	case errors.Is(err, c.broke):
		return []trace.Identity{trace.IsLast}
	}
	return []trace.Identity{trace.IsOther}
}

// opened reports whether the last attempt of a call succeeded.
func (p *playing) opened(c *caller) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(c.failures)
	return n > 0 && c.failures[n-1] == nil
}

// derived is a context that a subject made for an attempt.
type derived struct {
	context.Context
	attempt int
}

// contexts notes the contexts that a call which is over has not released: each
// stays with its parent for as long as that lives.
func (p *playing) contexts(c *caller) {
	if p.concurrent || c.ctx.Err() != nil {
		return // an attempt may be running, or they have ended with the caller's
	}
	for _, d := range c.derived {
		if d.Err() == nil {
			p.add(c, trace.Event{Attempt: d.attempt, Kind: trace.Leaked, Error: fmt.Sprintf("the context of attempt %d was not released", d.attempt) + p.left()})
			return
		}
	}
}

// leaks notes what the calls left behind.
func (p *playing) leaks(clock *fakeclock.Clock) {
	for _, w := range clock.Pending() {
		if w.Owner != "suite" {
			p.add(p.calls[len(p.calls)-1], trace.Event{Kind: trace.Leaked, Error: fmt.Sprintf("%s until %v is left", armed(w.Kind), w.Until) + p.left()})
		}
	}
	if n := p.inner.Open(); n > 0 {
		p.add(p.calls[len(p.calls)-1], trace.Event{Kind: trace.Leaked, Error: fmt.Sprintf("%d streams are open", n) + p.left()})
	}
}

// armed says in words what is armed on a clock.
func armed(k fakeclock.Kind) string {
	switch k {
	case fakeclock.KindAfter:
		return "a channel of After"
	case fakeclock.KindAfterFunc:
		return "a function of AfterFunc"
	}
	return "a " + k.String()
}

// left says what the caller did who did not read to the end.
func (p *playing) left() string {
	switch p.leaves {
	case 0:
		return ""
	case 1:
		return ", and the caller has closed its stream, which it did not read"
	}
	return fmt.Sprintf(", and the caller has closed its stream after %d chunks", p.leaves-1)
}

// seen returns how many events there were.
func (p *playing) seen() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events)
}

// add notes an event that happens now.
func (p *playing) add(c *caller, e trace.Event) {
	e.At, e.Call = p.clock.Elapsed(), c.number
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
}

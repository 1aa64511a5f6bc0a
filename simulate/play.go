package simulate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// DefaultSeed is the seed of a run that names none.
const DefaultSeed = 1

// Options override what a script says. The zero Options override nothing.
type Options struct {
	Policy *retry.Policy // nil: the script's, else [retry.Default]
	Seed   *uint64       // nil: the script's, else [DefaultSeed]
}

// Run is what happened when a script was played.
type Run struct {
	Policy retry.Policy // in force
	Seed   uint64       // in force

	*Call         // the first one; most scripts make no other
	Calls  []Call // in the order of their numbers
	Trace  trace.Trace
	Checks []Result // the script's expectations, in their order
}

// Call is one logical call and what came of it.
type Call struct {
	Number   uint64 // from 1
	Lane     string // that answered it, "" outside lanes
	Block    int    // the call block that answered it, from 1; 0 outside blocks
	Outcome  scripted.Outcome
	Reason   retry.Reason  // why the decorator stopped
	Attempts int           // made
	Elapsed  time.Duration // virtual, from the start of the call to the end of its stream
	Err      error         // what the caller got, from the call or from the stream; nil on success
	Chunks   []retry.StreamChunk
	Events   trace.Trace // the part of the run's trace that is about this call

	began time.Duration // since the start of the run
}

// Play puts every call of a script through a [retry.Model] over the scripted
// model, on virtual time, and reads the streams to their ends. The error is
// that of an invalid policy, of calls that do not end (an [*EndlessError]), of a
// lane to which no request was found, or of a fleet scenario, which has no turns;
// whatever else the script does to a call is no error but a Run.
//
// Calls at once begin in the order of their numbers, and whenever several
// could go on the one that has waited since the earliest does.
func Play(s *scripted.Script, o Options) (*Run, error) {
	if s.IsFleet() {
		return nil, fmt.Errorf("simulate: %s is a fleet scenario: it has no turns to play (Fleet runs it)", s.Name)
	}
	run := &Run{Policy: pick(o.Policy, s.Policy, retry.Default()), Seed: pick(o.Seed, s.Seed, DefaultSeed)}
	if run.Policy.AttemptTimeout == 0 {
		run.Policy.AttemptTimeout = s.AttemptTimeout
	}
	if err := run.Policy.Validate(); err != nil {
		return nil, err
	}
	run.Calls = plan(s)
	run.Call = &run.Calls[0]
	most := maxEvents + eventsOfCall*len(run.Calls)
	err := fakeclock.Run(fakeclock.Config{MaxEvents: most, BusyLoop: most}, func(clock *fakeclock.Clock) error {
		t := newTable(s, run, clock)
		if err := t.meet(); err != nil {
			return err
		}
		defer t.finish()
		if !s.AtOnce {
			for i := range run.Calls {
				t.call(clock, &run.Calls[i])
			}
			return nil
		}
		group := clock.NewGroup()
		for i := range run.Calls {
			c := &run.Calls[i]
			group.Go(fmt.Sprintf("call %d", c.Number), func(clock *fakeclock.Clock) error {
				t.call(clock, c)
				return nil
			})
		}
		return group.Wait()
	})
	switch {
	case errors.As(err, new(*unreachedError)):
		return nil, err
	case err != nil:
		return nil, &EndlessError{Name: s.Name, Err: err}
	}
	return run, nil
}

// EndlessError is the error of a script whose calls do not end.
type EndlessError struct {
	Name string // of the script
	Err  error  // what the clock reports, with a dump
}

// Error returns the first line of the report.
func (e *EndlessError) Error() string {
	why, _, _ := strings.Cut(e.Err.Error(), "\n")
	return fmt.Sprintf("simulate: %s does not end: %s", e.Name, why)
}

// Unwrap returns the report of the clock.
func (e *EndlessError) Unwrap() error { return e.Err }

// How much may happen in a run, or at one instant of it, before it counts as
// endless: a policy without a limit meets a failure that is forever.
const (
	maxEvents    = 100_000
	eventsOfCall = 300 // and as many for each call
)

// pick returns the override if there is one, else what the script says, else
// the default.
func pick[T any](override, said *T, otherwise T) T {
	switch {
	case override != nil:
		return *override
	case said != nil:
		return *said
	}
	return otherwise
}

// plan lists the calls of a script: those of each lane in turn, numbered from
// 1.
func plan(s *scripted.Script) []Call {
	var calls []Call
	add := func(lane string, blocks int) {
		n := max(s.Calls, blocks, 1)
		for i := range n {
			c := Call{Number: uint64(len(calls) + 1), Lane: lane}
			if blocks > 0 {
				c.Block = i + 1
			}
			calls = append(calls, c)
		}
	}
	for _, l := range s.Lanes {
		add(l.Name, len(l.Blocks))
	}
	if len(s.Lanes) == 0 || len(s.Turns)+len(s.Blocks) > 0 {
		add("", len(s.Blocks))
	}
	return calls
}

// table is where the calls of a run meet: one scripted model, one record.
type table struct {
	script   *scripted.Script
	run      *Run
	inner    *scripted.Model
	recorder *trace.Recorder
	requests map[string]scripted.Request // lane: what its callers ask
}

func newTable(s *scripted.Script, run *Run, clock *fakeclock.Clock) *table {
	t := &table{script: s, run: run, inner: scripted.NewModel(s), recorder: trace.NewRecorder(clock)}
	t.recorder.ErrorText = error.Error // a script holds no secrets
	return t
}

// call makes one call and reads its stream.
func (t *table) call(clock *fakeclock.Clock, c *Call) {
	request := t.requests[c.Lane]
	inner := t.inner.As(request.Model)
	inner.Clock = clock
	model, err := retry.NewModel(inner, retry.Config{
		Policy: t.run.Policy,
		Clock:  clock,
		Source: retry.Seeded(t.run.Seed, 0),
		Observer: retry.ObserverFunc(func(e retry.Event) {
			t.recorder.Observe(e)
			if end, ok := e.(retry.CallEnded); ok {
				c.Reason, c.Attempts = end.Reason, end.Attempt
			}
		}),
	})
	if err != nil {
		panic(fmt.Sprintf("simulate: a policy that was valid is not: %v", err))
	}
	c.began = clock.Elapsed()
	ctx, cancel := t.context(clock, c)
	defer cancel()
	ctx = retry.WithCall(scripted.WithRequest(ctx, request), c.Number)
	stream, err := model.ChatStream(ctx, retry.ChatRequest{Messages: []retry.Message{retry.UserText("hello")}})
	if err == nil {
		c.Chunks, err = drain(t.recorder.Stream(c.Number, c.Attempts, stream))
	}
	c.Err = err
	c.Elapsed = clock.Elapsed() - c.began
	c.Outcome = outcome(c, ctx)
}

// context returns the caller's context of a call. It ends when the script
// cancels the run and when the call's total timeout is over; the record says
// when.
func (t *table) context(clock *fakeclock.Clock, c *Call) (context.Context, func()) {
	ctx, cancel := fakeclock.WithCancel(context.Background(), clock)
	undo := []func(){cancel}
	said := false
	say := func() {
		if !said {
			t.recorder.Cancel(c.Number)
		}
		said = true
	}
	at := func(d time.Duration, end func()) {
		if d <= 0 {
			end()
			return
		}
		timer := clock.AfterFunc(d, end)
		undo = append(undo, func() { timer.Stop() })
	}
	if t.script.Cancel != nil {
		at(*t.script.Cancel-c.began, func() { say(); cancel() })
	}
	if d := t.script.TotalTimeout; d > 0 {
		at(d, say)
		bounded, release := fakeclock.WithTimeout(ctx, clock, d)
		ctx, undo = bounded, append(undo, release)
	}
	return ctx, func() {
		for _, f := range undo {
			f()
		}
	}
}

// meet finds for each lane a request that comes to it: one that meets its
// conditions and those of no lane before.
func (t *table) meet() error {
	lanes := make(map[string]scripted.Lane)
	for _, l := range t.script.Lanes {
		lanes[l.Name] = l
	}
	t.requests = make(map[string]scripted.Request)
	player := scripted.NewPlayer(t.script)
	for _, c := range t.run.Calls {
		if _, ok := t.requests[c.Lane]; ok {
			continue
		}
		var ok bool
		if t.requests[c.Lane], ok = t.requestTo(lanes[c.Lane], player); !ok {
			return &unreachedError{c.Lane}
		}
	}
	return nil
}

// requestTo returns the simplest request that comes to the lane. The player's
// turns are not those of the run.
func (t *table) requestTo(l scripted.Lane, player *scripted.Player) (request scripted.Request, ok bool) {
	for _, other := range []string{"", "other"} { // what the lane does not care about
		for _, rest := range []string{"", "-1"} { // what may follow where it says *
			request = presents(l, t.inner.Model(), other, rest)
			if taken, _ := player.Take(request); taken.Lane == l.Name {
				return request, true
			}
		}
	}
	return request, false
}

// presents returns a request that meets the conditions of a lane.
func presents(l scripted.Lane, model, other, rest string) scripted.Request {
	values := map[string]string{"model": model + other, "path": other}
	for _, f := range l.When {
		value, open := strings.CutSuffix(f.Value, "*")
		if open {
			value += rest
		}
		values[f.Name] = value
	}
	return scripted.Request{Model: values["model"], Path: values["path"], Header: func(name string) string {
		if value, ok := values[name]; ok {
			return value
		}
		return other
	}}
}

// unreachedError is the error of a lane whose callers would be answered by
// another.
type unreachedError struct{ lane string }

func (e *unreachedError) Error() string {
	what := fmt.Sprintf("lane %q", e.lane)
	if e.lane == "" {
		what = "the turns outside lanes"
	}
	return fmt.Sprintf("simulate: found no request that comes to %s: the lanes before take what was tried (say more exactly when they do)", what)
}

// finish hands out the trace and judges the calls.
func (t *table) finish() {
	t.run.Trace = t.recorder.Trace()
	for _, e := range t.run.Trace {
		c := &t.run.Calls[e.Call-1]
		c.Events = append(c.Events, e)
	}
	t.run.Checks = results(t.script, t.run)
}

// drain reads a stream to its end and closes it.
func drain(s retry.Stream) (chunks []retry.StreamChunk, err error) {
	for chunk, err := range retry.Chunks(s) {
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, chunk)
	}
	return chunks, nil
}

// outcome says how the call ended for its caller.
func outcome(c *Call, ctx context.Context) scripted.Outcome {
	if ctx.Err() != nil && errors.Is(c.Err, ctx.Err()) {
		return scripted.Cancelled // in an attempt, which the decorator takes for a permanent error, or in the stream
	}
	switch c.Reason {
	case retry.Succeeded:
		n := len(c.Chunks)
		switch {
		case c.Err != nil:
			return scripted.Broken
		case n == 0 || !terminal(c.Chunks[n-1]):
			return scripted.Truncated
		}
		return scripted.Success
	case retry.NotTransient:
		return scripted.Refused
	case retry.Cancelled:
		return scripted.Cancelled
	}
	return scripted.Exhausted
}

func terminal(chunk retry.StreamChunk) bool {
	_, ok := chunk.(retry.TurnFinished)
	return ok
}

// UsedUp returns the error of the first call that found no turn left in the
// script, nil if there was none. Such a run says nothing about the policy.
func (r *Run) UsedUp() *scripted.UsedUpError {
	for _, c := range r.Calls {
		if e := (*scripted.UsedUpError)(nil); errors.As(c.Err, &e) {
			return e
		}
	}
	return nil
}

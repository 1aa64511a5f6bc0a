package fakeclock

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says which call a [Wait] came from.
type Kind uint8

// The kinds of waits. The zero Kind is none of them: a [Match] takes it for any.
const (
	KindSleep     Kind = iota + 1 // Sleep and SleepContext
	KindTimer                     // NewTimer
	KindAfter                     // After
	KindTicker                    // NewTicker: one Wait for each tick
	KindAfterFunc                 // AfterFunc
	KindDeadline                  // WithTimeout and WithDeadline

	kindReady // a goroutine of Run that can go on
)

var kindNames = [...]string{"any", "sleep", "timer", "after", "ticker", "afterfunc", "ctx-deadline", "ready"}

// String returns the name of the kind as it stands in traces and dumps.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Outcome says how a [Wait] ended.
type Outcome uint8

// The outcomes. The zero Outcome is Pending.
const (
	Pending   Outcome = iota // it has not ended
	Fired                    // it took its whole duration
	Stopped                  // Stop, or the cancel function of a context, ended it
	Rearmed                  // Reset ended it and began another
	Cancelled                // the context of a SleepContext ended it
	Dropped                  // a tick came while the tick before was still unread
)

var outcomeNames = [...]string{"pending", "fired", "stopped", "rearmed", "cancelled", "dropped"}

// String returns the name of the outcome as it stands in traces and dumps.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Wait is one wait on a clock. Its instants count from the start of the clock.
type Wait struct {
	// N numbers the waits in the order they were armed, from 1. A clock that does
	// not record numbers only those of one list.
	N       int
	Kind    Kind
	Owner   string // empty when nobody is named
	Armed   time.Duration
	Until   time.Duration // when it is or was due
	Ended   time.Duration // zero while Pending
	Outcome Outcome
	Site    string // file:line of the call, with Config.Record set to Sites
}

// Asked returns the duration the wait was asked to take.
func (w Wait) Asked() time.Duration { return w.Until - w.Armed }

// String returns the wait as one line of a trace.
func (w Wait) String() string {
	var b strings.Builder
	at := "pending"
	if w.Outcome != Pending {
		at = offset(w.Ended)
	}
	fmt.Fprintf(&b, "%-10s %-10s %-12s %s", at, orDash(w.Owner), w.Kind, w.Asked())
	switch w.Outcome {
	case Fired:
	case Pending:
		fmt.Fprintf(&b, " until %s", offset(w.Until))
	default:
		fmt.Fprintf(&b, " %s", w.Outcome)
	}
	if w.Site != "" {
		fmt.Fprintf(&b, " at %s", w.Site)
	}
	return b.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// offset writes an instant as "+1.5s".
func offset(d time.Duration) string { return "+" + d.String() }

// Match selects waits. The zero Match selects every wait a goroutine can be
// blocked on: all kinds but AfterFunc and context deadlines, of any owner.
type Match struct {
	Kind  Kind
	Owner string
}

func (m Match) wants(ev *event) bool {
	if m.Kind == 0 && (ev.kind == KindAfterFunc || ev.kind == KindDeadline) || ev.kind == kindReady {
		return false
	}
	return (m.Kind == 0 || m.Kind == ev.kind) && (m.Owner == "" || m.Owner == ev.owner.name)
}

// String describes the match in words: `sleep waits of "worker"`.
func (m Match) String() string {
	s := "waits"
	if m.Kind != 0 {
		s = m.Kind.String() + " waits"
	}
	if m.Owner != "" {
		s += " of " + strconv.Quote(m.Owner)
	}
	return s
}

// record is a Wait as the engine keeps it.
type record struct {
	kind                Kind
	outcome             Outcome
	owner               *owner
	armed, until, ended int64
	order               uint64 // of ending; zero while pending
	site                *site  // nil unless sites are recorded
}

// site is a raw stack, turned into a line only when somebody asks.
type site [8]uintptr

// note begins the record of ev, due at when. It is called by the functions of
// the clock themselves, which is what the frames skipped here rely on.
func (e *engine) note(ev *event, when int64) {
	ev.armed = e.now
	if e.recording != NoRecord {
		e.record(ev, when)
	}
}

func (e *engine) record(ev *event, when int64) {
	r := record{kind: ev.kind, owner: ev.owner, armed: e.now, until: when}
	if e.recording == Sites {
		r.site = new(site)
		runtime.Callers(3, r.site[:])
	}
	e.records = append(e.records, r)
	ev.rec = len(e.records)
}

// finish ends the record of ev.
func (e *engine) finish(ev *event, o Outcome) {
	if ev.rec != 0 {
		e.recordEnd(ev, o)
	}
}

func (e *engine) recordEnd(ev *event, o Outcome) {
	r := &e.records[ev.rec-1]
	e.ends++
	r.outcome, r.ended, r.order = o, e.now, e.ends
}

// reopen takes back the end of the record of ev.
func (e *engine) reopen(ev *event) {
	if ev.rec != 0 {
		r := &e.records[ev.rec-1]
		r.outcome, r.ended, r.order = Pending, 0, 0
	}
}

const ownFrames = "github.com/retrykit/retrykit/fakeclock."

// line returns the first line outside this package: "retry.go:143".
func (s *site) line() string {
	if s == nil {
		return ""
	}
	n := 0
	for n < len(s) && s[n] != 0 {
		n++
	}
	frames := runtime.CallersFrames(s[:n])
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.HasPrefix(f.Function, ownFrames) {
			return filepath.Base(f.File) + ":" + strconv.Itoa(f.Line)
		}
		if !more {
			return ""
		}
	}
}

func (e *engine) wait(n int) Wait {
	r := &e.records[n]
	return Wait{
		N: n + 1, Kind: r.kind, Owner: r.owner.name, Outcome: r.outcome, Site: r.site.line(),
		Armed: time.Duration(r.armed), Until: time.Duration(r.until), Ended: time.Duration(r.ended),
	}
}

// Waits returns the recorded waits in the order they were armed. It is empty
// without [Config.Record].
func (c *Clock) Waits() []Wait {
	e := c.e
	e.peek()
	defer e.mu.Unlock()
	ws := make([]Wait, len(e.records))
	for i := range ws {
		ws[i] = e.wait(i)
	}
	return ws
}

// Pending returns what is armed, in the order in which it will fire. It works
// without recording.
func (c *Clock) Pending() []Wait {
	e := c.e
	e.peek()
	defer e.mu.Unlock()
	return e.pending(func(*event) bool { return true })
}

// Leaks returns what is armed although no goroutine sleeps on it: timers and
// tickers nobody stopped, functions yet to be called, contexts nobody cancelled.
// At the end of a test it should be empty.
func (c *Clock) Leaks() []Wait {
	e := c.e
	e.peek()
	defer e.mu.Unlock()
	return e.pending(func(ev *event) bool { return ev.kind != KindSleep })
}

func (e *engine) pending(want func(*event) bool) []Wait {
	armed := slices.Clone(e.queue.all())
	slices.SortFunc(armed, func(a, b entry) int {
		if a.before(&b.key) {
			return -1
		}
		return 1
	})
	var ws []Wait
	for _, a := range armed {
		ev := a.ev
		switch {
		case ev.kind == kindReady || !want(ev):
		case ev.rec != 0:
			ws = append(ws, e.wait(ev.rec-1))
		default:
			ws = append(ws, Wait{N: len(ws) + 1, Kind: ev.kind, Owner: ev.owner.name,
				Armed: time.Duration(ev.armed), Until: time.Duration(ev.when)})
		}
	}
	return ws
}

package fakeclock

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The reasons why a clock gives up. Each error is a [*Report] that matches one of
// them with [errors.Is].
var (
	// ErrDeadlock: every goroutine waits and nothing is armed that could wake one.
	ErrDeadlock = errors.New("deadlock")
	// ErrStall: a goroutine neither waits on the clock nor ends.
	ErrStall = errors.New("stall")
	// ErrBusyLoop: the clock is called over and over while time stands still.
	ErrBusyLoop = errors.New("busy loop")
	// ErrLimit: virtual time or the number of events went beyond its limit.
	ErrLimit = errors.New("limit exceeded")
	// ErrRealDeadline: a context has a deadline set on the wall clock.
	ErrRealDeadline = errors.New("real deadline on virtual time")
)

// Report is the error with which a clock gives up. Where a function returns an
// error the report is that error; where it returns none, as Sleep, the report is
// the value of a panic. A report does not change any more.
type Report struct {
	// Reason is ErrDeadlock or another of the reasons of this package.
	Reason error
	// Text says what happened and, often, what to do.
	Text string
	// Dump says who waits since when, until when, for what and where. It may be
	// empty.
	Dump string
	// Alive names the goroutines of Run that are blocked outside the clock or
	// spin, and could not be ended.
	Alive []string
}

// Error returns the reason, the text and the dump, several lines in all.
func (r *Report) Error() string {
	s := fmt.Sprintf("fakeclock: %v: %s", r.Reason, r.Text)
	if r.Dump != "" {
		s += "\n" + strings.TrimSuffix(r.Dump, "\n")
	}
	return s
}

// Unwrap returns the reason.
func (r *Report) Unwrap() error { return r.Reason }

// fail gives up, with e.mu held. It panics, or in Run ends the goroutine that
// called; it returns only on the scheduler, and in Follow, where nobody calls.
func (e *engine) fail(r *Report) {
	if e.follow != nil {
		e.follow.gaveUp = r
		return
	}
	if e.sched != nil {
		e.sched.fail(r)
		return
	}
	e.mu.Unlock()
	panic(r)
}

func (e *engine) report(reason error, format string, args ...any) *Report {
	return &Report{Reason: reason, Text: fmt.Sprintf(format, args...), Dump: e.dump()}
}

// The reports of what hot paths check are made out of line.

func (e *engine) failBusy() {
	e.idle = 0
	e.fail(e.report(ErrBusyLoop, "%d calls on the clock while it stands at %s: a loop that waits for no time, or for time that only a wait would move",
		e.maxIdle, offset(time.Duration(e.now))))
}

func (e *engine) failAgain(n int) {
	e.fail(e.report(ErrBusyLoop, "%d functions armed by others have fired while the clock stands at %s: one that arms itself again for the same instant comes to no end",
		n, offset(time.Duration(e.now))))
}

func (e *engine) failTime(t int64) {
	e.fail(e.report(ErrLimit, "the next event is at %s, beyond the limit on virtual time, %s",
		offset(time.Duration(t)), time.Duration(e.maxTime)))
}

func (e *engine) failEvents() {
	e.fail(e.report(ErrLimit, "one event more than the limit of %d", e.maxEvents))
}

func (e *engine) foreignDeadline(d time.Time) *Report {
	return e.report(ErrRealDeadline, "the context ends at %s on the wall clock, but here it is %s: make it with fakeclock.WithTimeout, or set Config.RealDeadlines if it only guards the test",
		d.UTC().Format(time.RFC3339), e.time())
}

func (e *engine) time() string {
	return e.start.Add(time.Duration(e.now)).Format(time.RFC3339Nano)
}

// Dump describes the clock at this moment: the time, the goroutines of Run, and
// what is armed, in the order in which it will fire.
func (c *Clock) Dump() string {
	e := c.e
	e.peek()
	defer e.mu.Unlock()
	return e.dump()
}

func (e *engine) dump() string {
	var b strings.Builder
	armed := e.pending(func(*event) bool { return true })
	fmt.Fprintf(&b, "virtual now %s (%s), %s fired, %d armed\n",
		offset(time.Duration(e.now)), e.time(), count(int(e.fired), "event"), len(armed))
	if e.seed != 0 {
		fmt.Fprintf(&b, "order of simultaneous events drawn from Seed: %d\n", e.seed)
	}
	if e.sched != nil {
		e.sched.dump(&b)
	}
	const most = 50
	for i, w := range armed {
		if i == most {
			fmt.Fprintf(&b, "  ... and %d more\n", len(armed)-most)
			break
		}
		line := fmt.Sprintf("  #%-3d %-12s %-10s until %s (in %s, armed %s)",
			w.N, w.Kind, orDash(w.Owner), offset(w.Until), w.Until-time.Duration(e.now), offset(w.Armed))
		if w.Site != "" {
			line += " " + w.Site
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// count writes a number of things: "1 event", "2 events".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

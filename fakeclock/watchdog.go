package fakeclock

import (
	"bytes"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// This file holds the only real timers of the package. None of them decides what
// happens in virtual time: they decide how soon something that is certain is
// found out.

// limbo is the state of an Auto clock that has handed out a channel which is not
// ready. Either the statement that asked for it has another case that is ready,
// an ended context, and all is well; or it has not, because the context that
// ended is not among its cases, and its goroutine blocks. Only the runtime knows
// which, so after a moment of real time it is asked, again and again, until the
// goroutine is seen blocked, or the clock is used, or the goroutine is gone.
type limbo struct {
	timer  *timer
	gid    string // id of the goroutine
	caller string // function that has evaluated the channel
	since  time.Duration
	pause  time.Duration
	real   *time.Timer
}

const (
	firstLook = time.Millisecond
	lastPause = 100 * time.Millisecond
)

func (e *engine) intoLimbo(t *timer) {
	l := &limbo{timer: t, gid: goroutineID(), caller: callerName(), pause: firstLook}
	e.limbo, e.busy = l, true
	l.real = time.AfterFunc(l.pause, func() { e.lookInLimbo(l) })
}

// outOfLimbo notes that the goroutine has gone on.
func (e *engine) outOfLimbo() {
	if e.limbo != nil {
		e.limbo.real.Stop()
		e.limbo = nil
	}
}

func (e *engine) lookInLimbo(l *limbo) {
	state := goroutineState(l.gid, l.caller)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.limbo != l {
		return
	}
	l.since += l.pause
	switch {
	case state == gone || e.stall < 0 && l.timer.place == 0:
		e.limbo = nil
	case state == blocked && l.timer.place != 0:
		// The wait is for this timer and for no context that has ended.
		e.limbo = nil
		e.autoWait(&e.sel, l.timer)
		if len(l.timer.ch) == 0 {
			l.since, l.pause = 0, firstLook
			e.limbo, e.busy = l, true
			l.real.Reset(l.pause)
		}
	case state == blocked && l.since >= e.stall:
		e.fail(e.report(ErrStall, "%s blocks on the channel of a %s that is not armed: it was stopped, or its value has been received", l.caller, l.timer.kind))
	default:
		l.pause = min(2*l.pause, lastPause)
		l.real.Reset(l.pause)
	}
}

type state uint8

const (
	elsewhere state = iota // it runs, or blocks in another function
	blocked
	gone
)

// goroutineState asks the runtime whether the goroutine is blocked on channels
// in the given function.
func goroutineState(id, function string) state {
	stacks := make([]byte, 1<<16)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			stacks = stacks[:n]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	for g := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		header, frames, _ := strings.Cut(string(g), "\n")
		rest, ok := strings.CutPrefix(header, "goroutine "+id+" [")
		if !ok {
			continue
		}
		waits := strings.HasPrefix(rest, "select") || strings.HasPrefix(rest, "chan receive")
		if waits && strings.HasPrefix(frames, function+"(") {
			return blocked
		}
		return elsewhere
	}
	return gone
}

func goroutineID() string {
	var buf [64]byte
	s := string(buf[:runtime.Stack(buf[:], false)])
	s = strings.TrimPrefix(s, "goroutine ")
	id, _, _ := strings.Cut(s, " ")
	if _, err := strconv.Atoi(id); err != nil {
		return "?" // matches no goroutine, so nothing is ever concluded
	}
	return id
}

// callerName returns the function outside this package that is waiting.
func callerName() string {
	var s site
	runtime.Callers(3, s[:])
	frames := runtime.CallersFrames(s[:])
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.HasPrefix(f.Function, ownFrames) {
			return f.Function
		}
		if !more {
			return ""
		}
	}
}

package fakeclock

import (
	"bytes"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file holds the only real timers of the package. None of them decides what
// happens in virtual time: they decide how soon something that is certain is
// found out.

// limbo is the state of an Auto clock that has handed out a channel on which the
// goroutine may yet block. Either the statement that asked for it has another
// case that is ready, an ended context, and all is well; or it has not, because
// the context that ended is not among its cases, and its goroutine blocks. Or the
// channel is that of a ticker and has a tick, but the statement is a range loop,
// which will not ask for the channel again. Only the runtime knows which, so after
// a moment of real time it is asked, again and again, until the goroutine is seen
// blocked, or the clock is used, or the goroutine is gone.
type limbo struct {
	timer *timer
	gid   string // id of the goroutine
	call  call   // that evaluated the channel
	since time.Duration
	pause time.Duration
	real  *time.Timer
}

const (
	firstLook = time.Millisecond
	lastPause = 100 * time.Millisecond
	givenUp   = 10 * time.Second // a goroutine that does something else has left the statement
)

func (e *engine) intoLimbo(t *timer) {
	l := &limbo{timer: t, gid: goroutineID(), call: caller(), pause: firstLook}
	if len(t.ch) == 0 {
		l.call.line = "" // a select statement blocks in another line than its cases
	}
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
	state := goroutineState(l.gid, l.call)
	e.mu.Lock()
	if e.limbo != l {
		e.mu.Unlock()
		return
	}
	armed := l.timer.place != 0
	l.since += l.pause
	l.pause = min(2*l.pause, lastPause)
	switch {
	case state == gone || e.stall < 0 && !armed || state == elsewhere && l.since >= givenUp:
		e.limbo = nil
	case state == blocked && armed && len(l.timer.ch) == 0:
		// The wait is for this timer and for no context that has ended.
		e.limbo = nil
		e.sel.ctxs = slices.DeleteFunc(e.sel.ctxs, func(c *vcontext) bool { return c.endedAt != 0 })
		e.sel.over = false
		if !e.autoWait(&e.sel, l.timer) || l.timer.kind == KindTicker {
			e.limbo, e.busy = l, true
			l.since, l.pause = 0, firstLook
		}
	case state == blocked && !armed && l.since >= e.stall:
		e.fail(e.report(ErrStall, "%s blocks on the channel of a %s that is not armed: it was stopped, or its value has been received",
			l.call.function, l.timer.kind))
	}
	if e.limbo == l {
		l.real.Reset(l.pause)
	}
	e.mu.Unlock()
}

type state uint8

const (
	elsewhere state = iota // it runs, or blocks in another function
	blocked
	gone
)

// goroutineState asks the runtime whether the goroutine is blocked on channels in
// the given place.
func goroutineState(id string, at call) state {
	for g := range bytes.SplitSeq(allStacks(), []byte("\n\n")) {
		header, frames, _ := strings.Cut(string(g), "\n")
		rest, ok := strings.CutPrefix(header, "goroutine "+id+" [")
		if !ok {
			continue
		}
		waits := strings.HasPrefix(rest, "select") || strings.HasPrefix(rest, "chan receive")
		if waits && strings.HasPrefix(frames, at.function+"(") && strings.Contains(firstTwoLines(frames), at.line) {
			return blocked
		}
		return elsewhere
	}
	return gone
}

func allStacks() []byte {
	stacks := make([]byte, 1<<16)
	for {
		if n := runtime.Stack(stacks, true); n < len(stacks) {
			return stacks[:n]
		}
		stacks = make([]byte, 2*len(stacks))
	}
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

func firstTwoLines(s string) string {
	first, rest, _ := strings.Cut(s, "\n")
	second, _, _ := strings.Cut(rest, "\n")
	return first + "\n" + second + " "
}

// call is a place in the code outside this package.
type call struct {
	function string
	line     string // "/file.go:12 ", or empty for any line of the function
}

// caller returns the innermost call of this package.
func caller() call {
	var s site
	runtime.Callers(3, s[:])
	frames := runtime.CallersFrames(s[:])
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.HasPrefix(f.Function, ownFrames) {
			return call{f.Function, "/" + filepath.Base(f.File) + ":" + strconv.Itoa(f.Line) + " "}
		}
		if !more {
			return call{}
		}
	}
}

// watch returns when the loop is done, or when one goroutine has run for the
// whole of Config.Stall without parking; then it returns that goroutine.
func (s *scheduler) watch(done <-chan struct{}) (stuck *proc) {
	if s.e.stall < 0 {
		<-done
		return nil
	}
	const looks = 4
	ticker := time.NewTicker(max(s.e.stall/looks, 1))
	defer ticker.Stop()
	var last uint64
	for same := 0; ; {
		select {
		case <-done:
			return nil
		case <-ticker.C:
		}
		s.e.mu.Lock()
		if s.cur == nil || s.resumes != last {
			same, last = 0, s.resumes
		} else if same++; same == looks {
			s.reportStall()
			stuck = s.cur
			s.e.mu.Unlock()
			return stuck
		}
		s.e.mu.Unlock()
	}
}

func (s *scheduler) reportStall() {
	p := s.cur
	where := "it blocks on something other than the clock, or spins"
	if w := stuckWhere(); w != "" {
		where = "it is in " + w
	}
	r := s.e.report(ErrStall, "goroutine %q has not parked for %v and is still alive: %s; code that blocks on channels or locks belongs in a bubble",
		p.name, s.e.stall, where)
	r.Alive = []string{p.name}
	s.failure, s.over = r, true
}

// stuckWhere looks for the one coroutine in the program that is not parked:
// "[chan receive] at refill_test.go:31". It returns nothing if there are several.
func stuckWhere() string {
	where := ""
	for g := range bytes.SplitSeq(allStacks(), []byte("\n\n")) {
		header, frames, _ := strings.Cut(string(g), "\n")
		_, state, ok := strings.Cut(header, " [")
		if !ok || strings.HasPrefix(state, "coroutine") || !strings.Contains(frames, "fakeclock.(*scheduler).body(") {
			continue
		}
		if where != "" {
			return ""
		}
		state, _, _ = strings.Cut(state, "]")
		where = "[" + state + "]"
		if line := firstLine(frames); line != "" {
			where += " at " + line
		}
	}
	return where
}

// firstLine returns the file and line of the first frame outside the standard
// library, whose import paths have no dot in their first element.
func firstLine(frames string) string {
	lines := strings.Split(frames, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		host, _, _ := strings.Cut(lines[i], "/")
		if strings.HasPrefix(lines[i], "main.") || host != lines[i] && strings.Contains(host, ".") {
			file, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " ")
			return filepath.Base(file)
		}
	}
	return ""
}

// endInTime ends a parked goroutine, on another one since a coroutine that exits
// takes along who resumed it. It reports whether the deferred calls returned
// within Config.Stall.
func (s *scheduler) endInTime(p *proc) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.e.mu.Lock()
		defer s.e.mu.Unlock()
		p.stop()
	}()
	if s.e.stall < 0 {
		<-done
		return true
	}
	timeout := time.NewTimer(s.e.stall)
	defer timeout.Stop()
	select {
	case <-done:
		return true
	case <-timeout.C:
		return false
	}
}

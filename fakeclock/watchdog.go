package fakeclock

import (
	"bytes"
	"iter"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file holds the only real timers of the package. None of them decides what
// happens in virtual time: they decide how soon something that is certain is
// found out.

// lookout looks, in Auto, whether the goroutine that uses the clock is blocked.
// Then it waits for the clock alone, and time can move. It looks while the last
// call handed out a channel on which the goroutine may block, or while channels
// are kept that were not received at once. Whether the goroutine is blocked there
// only the runtime knows.
type lookout struct {
	real  *time.Timer // nil before the first use
	on    bool        // real is running
	gid   string      // id of the goroutine
	site  site        // of the last call, if that may be the wait; or else it begins with zero
	exact bool        // the wait is in that very line
	seen  bool        // blocked there
	calls uint64      // e.calls at the last look
	since time.Duration
	pause time.Duration
}

const (
	soon      = 20 * time.Microsecond // about what a look takes
	later     = time.Millisecond
	lastPause = 100 * time.Millisecond
	givenUp   = 10 * time.Second // a goroutine that does something else has left the statement
)

// lookSoon is for a channel that is not ready, so that its goroutine is likely to
// block.
func (e *engine) lookSoon() {
	l := &e.lookout
	runtime.Callers(3, l.site[:])
	l.exact, l.seen = false, false
	l.gid = goroutineID()
	e.look(soon)
}

// lookLater is for a channel that need not be the wait: of a ticker, which a range
// loop asks for only once, or of a context.
func (e *engine) lookLater(exact bool) {
	l := &e.lookout
	const frames = 2 // few, since it is often called
	runtime.Callers(4, l.site[:frames])
	l.site[frames] = 0
	l.exact, l.seen = exact, false
	if !l.on {
		l.gid = goroutineID()
		e.look(later)
	}
}

// keep notes that a channel has been handed out for later.
func (e *engine) keep(t *timer) {
	if !slices.Contains(e.kept, t) {
		e.kept = append(e.kept, t)
	}
	if l := &e.lookout; !l.on {
		l.gid = goroutineID()
		e.look(later)
	}
}

// look begins to look for the goroutine.
func (e *engine) look(after time.Duration) {
	l := &e.lookout
	e.busy = true
	l.on, l.calls, l.since, l.pause = true, e.calls, 0, after
	if after == soon {
		go e.lookAtOnce()
		return
	}
	e.lookAgain(after)
}

func (e *engine) lookAgain(after time.Duration) {
	if l := &e.lookout; l.real == nil {
		l.real = time.AfterFunc(after, e.lookInTime)
	} else {
		l.real.Reset(after)
	}
}

// restBetweenLooks lets others run, and sleeps if the looks have been many.
func restBetweenLooks(pause time.Duration) {
	runtime.Gosched()
	if pause > 10*soon {
		time.Sleep(pause)
	}
}

// lookAtOnce looks without a pause, as often as a goroutine may need that is about
// to block.
func (e *engine) lookAtOnce() {
	for range 20 {
		runtime.Gosched()
		if pause := e.lookNow(); pause != soon {
			break
		}
	}
	e.lookInTime()
}

func (e *engine) lookInTime() {
	if pause := e.lookNow(); pause != 0 {
		e.mu.Lock()
		e.lookAgain(pause)
		e.mu.Unlock()
	}
}

// lookNow looks once, and returns when to look again, or zero for never.
func (e *engine) lookNow() (pause time.Duration) {
	e.mu.Lock()
	l := &e.lookout
	e.kept = slices.DeleteFunc(e.kept, func(t *timer) bool { return t.place == 0 && len(t.ch) == 0 })
	anywhere := slices.ContainsFunc(e.kept, func(t *timer) bool { return t.place != 0 })
	if l.site[0] == 0 && !anywhere || e.closed != "" {
		l.on = false
		e.mu.Unlock()
		return 0
	}
	calls, gid, site, exact := e.calls, l.gid, l.site, l.exact
	quiet := calls == l.calls && e.calling == 0 && e.expiring == 0
	e.mu.Unlock()

	now := elsewhere
	if quiet {
		now = goroutineState(gid, site.calls(), exact, anywhere)
	}

	e.mu.Lock()
	l.since += l.pause
	switch {
	case !quiet || e.calls != calls: // it goes on
		l.calls, l.since, l.pause = e.calls, 0, later
	case now == gone || now == elsewhere && l.since >= givenUp:
		l.on, l.site[0], l.pause = false, 0, 0
	case now == blocked:
		e.goOn()
	case l.since > 20*soon:
		l.pause = min(2*l.pause, lastPause)
	}
	pause = l.pause
	e.mu.Unlock()
	return pause
}

// goOn fires events for a goroutine that is seen blocked, until one may have woken
// it.
func (e *engine) goOn() {
	l := &e.lookout
	e.calls++ // another that has looked at the same time must look again
	l.calls, l.seen = e.calls, true
	e.stmt.try.clear()
	again := len(e.stmt.held) > 0 || e.stmt.over
	e.reset(&e.stmt)
	if again {
		return // the context which has ended was in another statement, or its channel is about to close
	}
	// What is ready now is no case of the statement.
	e.unread()
	for _, t := range e.full {
		e.passOver(t)
	}
	for n := 0; e.queue.len() > 0; n++ {
		if n > e.maxIdle {
			e.fail(e.report(ErrDeadlock, "the goroutine is blocked, and the last %d events woke it not: only timers that it does not wait for go on", n))
		}
		t := e.queue.first().out
		moved := e.now
		e.step()
		l.calls = e.calls // functions may have called
		if l.pause = soon; e.now > moved {
			l.since = 0
		}
		if t == nil {
			return // perhaps it was a context, which is seen at the next look
		}
		if len(t.ch) == 0 {
			if l.pause = later; t.kind != KindTicker { // or a range loop blocks again
				l.site[0] = 0
			}
			return // received
		}
		e.passOver(t)
	}
	l.pause = min(2*l.pause, lastPause)
	if e.stall >= 0 && l.since >= e.stall {
		who := l.site.calls()[0].function
		if who == "" {
			who = "the goroutine"
		}
		e.fail(e.report(ErrStall, "%s blocks on a channel that nothing armed will fill: its timer was stopped, or its value has been received, or its context has no deadline", who))
	}
}

// passOver notes that a channel has a value which a blocked goroutine does not
// receive. If it is not kept it stood in an earlier statement.
func (e *engine) passOver(t *timer) {
	if !slices.Contains(e.kept, t) {
		t.asked = false
	}
}

type state uint8

const (
	elsewhere state = iota // it runs, or blocks in another function
	blocked
	gone
)

// goroutineState asks the runtime whether the goroutine is blocked on channels in
// the statement that made the calls, or anywhere in the code of the user.
func goroutineState(id string, made []call, exact, anywhere bool) state {
	buf := stacks.Get().(*[]byte)
	defer stacks.Put(buf)
	*buf = allStacks(*buf)
	begins := []byte("goroutine " + id + " [")
	for g := range bytes.SplitSeq(*buf, []byte("\n\n")) {
		g, ok := bytes.CutPrefix(g, begins)
		if !ok {
			continue
		}
		rest, frames, _ := strings.Cut(string(g), "\n")
		waits := strings.HasPrefix(rest, "select") || strings.HasPrefix(rest, "chan receive")
		if waits && (inStatement(frames, made, exact) || anywhere && inUserCode(frames)) {
			return blocked
		}
		return elsewhere
	}
	return gone
}

// stacks are buffers for a look at all goroutines, which may be taken at every
// wait.
var stacks = sync.Pool{New: func() any { return new([]byte) }}

// allStacks returns the stacks of all goroutines, in buf if they fit.
func allStacks(buf []byte) []byte {
	buf = buf[:cap(buf)]
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			return buf[:n]
		}
		buf = make([]byte, max(2*len(buf), 1<<16))
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

// call is a place in the code.
type call struct {
	function string
	line     int
}

// calls returns the calls of the site that are outside this package, innermost
// first.
func (s *site) calls() []call {
	n := slices.Index(s[:], 0)
	if n < 0 {
		n = len(s)
	}
	if n == 0 {
		return []call{{}}
	}
	var all []call
	frames := runtime.CallersFrames(s[:n])
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.HasPrefix(f.Function, ownFrames) {
			all = append(all, call{f.Function, f.Line})
		}
		if !more {
			return all
		}
	}
}

// inStatement reports whether the frames of a blocked goroutine are in the
// statement that made the calls, or in a function that it has called since. A
// select statement blocks in the line it begins in, which is not after any of its
// cases; a channel that is given to a function, in the line of that call.
func inStatement(frames string, made []call, exact bool) bool {
	for function, line := range framesOf(frames) {
		for _, c := range made {
			if c.function == function {
				return line == c.line || line < c.line && !exact
			}
		}
	}
	return false
}

// inUserCode reports whether the frames begin outside the standard library, whose
// import paths have no dot in their first element.
func inUserCode(frames string) bool {
	for function := range framesOf(frames) {
		if strings.HasPrefix(function, "reflect.") {
			continue
		}
		host, _, _ := strings.Cut(function, "/")
		return strings.HasPrefix(function, "main.") || host != function && strings.Contains(host, ".")
	}
	return false
}

// framesOf reads the function and line of each frame in the text of a stack.
func framesOf(frames string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for frames != "" {
			var function, file string
			function, frames, _ = strings.Cut(frames, "\n")
			file, frames, _ = strings.Cut(frames, "\n")
			file, _, _ = strings.Cut(file, " +0x")
			line, err := strconv.Atoi(file[strings.LastIndexByte(file, ':')+1:])
			if args := strings.LastIndexByte(function, '('); err == nil && args > 0 && !yield(function[:args], line) {
				return
			}
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
		if s.cur == nil || s.resumes != last || s.handLate() {
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
	for g := range bytes.SplitSeq(allStacks(nil), []byte("\n\n")) {
		header, frames, _ := strings.Cut(string(g), "\n")
		_, state, ok := strings.Cut(header, " [")
		if !ok || isParked(state, frames) || !strings.Contains(frames, "fakeclock.(*scheduler).body(") {
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

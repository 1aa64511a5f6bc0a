package propertytest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
)

// bubbles plays scenarios, each in a bubble of testing/synctest of its own, so
// that the subject may use goroutines, raw channels and locks. It is not safe for
// concurrent use: scenarios are played one after another.
type bubbles struct {
	t *testing.T
	// follow says what moves time. Without it, the clock of the stage is moved by
	// hand, event by event, and the time of the bubble must stand still: if it is
	// what the subject waits for, that is another clock than it was given. With
	// it, the clock of the stage follows the bubble.
	follow bool
	seed   uint64
	played uint64
	looks  *time.Ticker // of the watchdog; in real time
	left   leftovers
}

// leftovers tells of goroutines that are left. To look at all goroutines takes
// long once there are many, so after some scenarios the last look must do.
type leftovers struct {
	mu    sync.Mutex
	times int
	last  string
}

func (l *leftovers) tell(b *bubble) string {
	const most = 25
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.times++; l.times > most {
		return "goroutines are left when the call is over, as in an earlier scenario:\n" + l.last
	}
	l.last = b.goroutines()
	return "goroutines are left when the call is over:\n" + l.last
}

const (
	// lifetime is how long a bubble may last: its time ends 262 years after it
	// began, where sleeps end at once, or with the process.
	lifetime = 252 * 365 * 24 * time.Hour
	// offset is how much later than others a bubble may begin.
	offset = 1000 * time.Hour
	// looks are how often the watchdog must see that nothing has happened. A
	// process that is merely kept from running does not look.
	looks = 4
)

// newBubbles returns a runner for clocked code, or for code that waits on the
// time of the bubble.
func newBubbles(t *testing.T, follow bool, seed uint64) *bubbles {
	return &bubbles{t: t, follow: follow, seed: seed}
}

// run is an [explore.Runner].
func (bs *bubbles) run(cfg fakeclock.Config, f func(explore.Stage) error) error {
	bs.played++
	b := &bubble{cfg: cfg, follow: bs.follow, f: f, over: make(chan error, 1)}
	b.offset = time.Duration(rand.New(rand.NewPCG(bs.seed, bs.played)).Int64N(int64(offset)))
	// On a goroutine of its own, so that it can be left alone if it hangs.
	go b.enter(bs)
	return bs.watch(b, cfg.Stall)
}

// watch returns when the bubble is over, or when nothing has moved in it for the
// given real time.
func (bs *bubbles) watch(b *bubble, stall time.Duration) error {
	select { // most are over before a look could be due
	case err := <-b.over:
		return err
	default:
	}
	if bs.looks == nil {
		bs.looks = time.NewTicker(max(stall/looks, 1))
	}
	last, same := uint64(0), 0
	for {
		select {
		case err := <-b.over:
			return err
		case <-bs.looks.C:
		}
		if moves := b.moves.Load(); moves != last {
			last, same = moves, 0
		} else if same++; same > looks { // the first look may have been due before
			return &fakeclock.Report{Reason: fakeclock.ErrStall,
				Text: fmt.Sprintf("nothing has moved for %v of real time: the code spins, or blocks where virtual time cannot help, on a lock, on input or on a goroutine of another test", stall),
				Dump: b.goroutines()}
		}
	}
}

// bubble is one scenario in its bubble.
type bubble struct {
	cfg    fakeclock.Config
	follow bool
	f      func(explore.Stage) error
	offset time.Duration
	clock  *fakeclock.Clock
	number atomic.Pointer[string] // as it stands in stacks
	moves  atomic.Uint64
	over   chan error // how it ended, once

	failure error // what the driver found
}

// enter runs the bubble and tells how it ended.
func (b *bubble) enter(bs *bubbles) {
	defer func() {
		v := recover()
		cause, _ := v.(error)
		switch {
		case v != nil && (cause == nil || !strings.HasPrefix(cause.Error(), "deadlock: ")):
			b.over <- fmt.Errorf("propertytest: the bubble panicked: %v", v)
		case b.failure != nil:
			b.over <- b.failure
		case v != nil:
			b.over <- explore.Left(bs.left.tell(b))
		default:
			b.over <- nil
		}
	}()
	synctest.Test(bs.t, func(*testing.T) { b.main() })
}

// main is the first goroutine of the bubble.
func (b *bubble) main() {
	number := bubbleNumber()
	b.number.Store(&number)
	if b.follow {
		b.followTime()
	} else {
		b.drive()
	}
}

// start lets f begin on a stage. The channel gives how it ended.
func (b *bubble) start(settle func()) <-chan error {
	finished := make(chan error, 1)
	go func() {
		var err error
		defer func() { // it may also exit, or panic with a report of the clock
			if v := recover(); v != nil {
				report, ok := v.(*fakeclock.Report)
				if !ok {
					panic(v)
				}
				err = report
			}
			finished <- err
		}()
		err = b.f(explore.Stage{Clock: b.clock, Settle: settle, All: func(n int, f func(int, *fakeclock.Clock)) {
			b.all(n, f, settle)
		}})
	}()
	return finished
}

// all runs n calls at once. Each begins when the others have come to rest, so
// that what they do first has an order.
func (b *bubble) all(n int, f func(int, *fakeclock.Clock), settle func()) {
	ended := make(chan struct{}, n)
	for i := range n {
		go func() {
			defer func() { ended <- struct{}{} }()
			f(i, b.clock.Named(fmt.Sprintf("call %d", i+1)))
		}()
		settle()
	}
	for range n {
		<-ended
	}
}

// drive moves the clock of the stage whenever all is at rest, and notices when
// only the time of the bubble could get the subject any further.
func (b *bubble) drive() {
	cfg := b.cfg
	cfg.Mode = fakeclock.Manual
	b.clock = fakeclock.New(cfg)
	began := time.Now()
	settle := make(chan chan struct{}) // asks for a moment when all is at rest
	finished := b.start(func() {
		done := make(chan struct{})
		settle <- done
		<-done
	})
	for nap := time.Millisecond; ; {
		synctest.Wait()
		b.moves.Add(1)
		select {
		case err := <-finished:
			b.finish(err, time.Since(began))
			return
		case done := <-settle:
			close(done)
			continue
		default:
		}
		if b.advance() {
			nap = time.Millisecond
			continue
		}
		if b.failure == nil && time.Since(began) > lifetime/2 {
			b.failure = b.deadlock()
		}
		if b.failure != nil {
			return
		}
		select { // only the bubble's own time can help
		case err := <-finished:
			b.finish(err, time.Since(began))
			return
		case done := <-settle:
			close(done)
		case <-time.After(nap):
			nap *= 2
		}
	}
}

// finish notes how f ended, and that it took time of the bubble.
func (b *bubble) finish(err error, strayed time.Duration) {
	if b.failure = err; err == nil && strayed > 0 {
		b.failure = explore.Strayed(fmt.Sprintf("the code waited %v on the clock of package time, and not on the clock it was given", strayed))
	}
	b.drain()
}

// advance fires the next event of the clock, if there is one within its limits.
func (b *bubble) advance() (fired bool) {
	defer func() {
		if v := recover(); v != nil {
			report, ok := v.(*fakeclock.Report)
			if !ok {
				panic(v)
			}
			b.failure, fired = report, false
		}
	}()
	_, fired = b.clock.AdvanceNext()
	return fired
}

// drain lets what is left on the clock go on, so that goroutines which only wait
// for it end. They have been counted.
func (b *bubble) drain() {
	failure := b.failure
	for range 100 {
		if !b.advance() {
			break
		}
		synctest.Wait()
	}
	b.failure = failure
}

// followTime lets the bubble's own time pass.
func (b *bubble) followTime() {
	time.Sleep(b.offset) // what is seeded with the time is not the same every time
	cfg := b.cfg
	cfg.Mode, cfg.Base, cfg.Settle = fakeclock.Follow, clockwork.NewRealClock(), func() {
		b.moves.Add(1)
		synctest.Wait()
	}
	b.clock = fakeclock.New(cfg)
	finished := b.start(b.clock.Settle)
	end := time.NewTimer(lifetime)
	defer end.Stop()
	select {
	case b.failure = <-finished:
		b.clock.Settle()
	case <-end.C:
		b.failure = b.deadlock()
	}
}

func (b *bubble) deadlock() error {
	return &fakeclock.Report{Reason: fakeclock.ErrDeadlock,
		Text: "the code waits, and no time makes it go on:", Dump: b.goroutines()}
}

var bubbleHeader = regexp.MustCompile(`synctest bubble \d+\]`)

// bubbleNumber returns what marks the goroutines of this bubble in stacks.
func bubbleNumber() string {
	var header [80]byte
	return string(bubbleHeader.Find(header[:runtime.Stack(header[:], false)]))
}

func (b *bubble) goroutines() string { return goroutinesOf(b.number.Load(), bubbleMarks) }

// goroutinesOf tells where the goroutines of a bubble are, those of the suite left
// out: state and calls of each, and nothing that differs from run to run.
func goroutinesOf(number *string, m marks) string {
	if number == nil || *number == "" {
		return ""
	}
	stacks := make([]byte, 1<<16)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			stacks = stacks[:n]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	var out []string
	for g := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		header, frames, _ := strings.Cut(string(g), "\n")
		if strings.HasSuffix(strings.TrimSuffix(header, ":"), ", "+*number) {
			if told := m.tell(header, frames); told != "" {
				out = append(out, told)
			}
		}
	}
	const most = 10
	if n := len(out); n > most {
		out = append(out[:most], fmt.Sprintf("\t... and %d more\n", n-most))
	}
	return strings.Join(out, "")
}

// marks are what the names of the suite's functions begin with.
type marks struct {
	call string   // that calls the subject
	own  []string // those of goroutines that are not the subject's
}

var bubbleMarks = marks{
	call: "github.com/retrykit/retrykit/propertytest/explore.",
	own:  []string{"github.com/retrykit/retrykit/propertytest.(*bubble)"},
}

// tell returns the state of a goroutine and its calls up to those of the suite,
// the innermost first; "" if it is one of the suite's own.
func (m marks) tell(header, frames string) string {
	_, state, _ := strings.Cut(header, "[")
	state, _, _ = strings.Cut(state, ",")
	var b strings.Builder
	fmt.Fprintf(&b, "\tgoroutine [%s]\n", strings.TrimSuffix(strings.TrimSuffix(state, "]:"), " (durable)"))
	const most = 12
	lines := strings.Split(strings.TrimSpace(frames), "\n")
	called := slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, m.call) })
	for i := 0; i+1 < len(lines); i += 2 {
		function := lines[i]
		if i >= 2*most {
			fmt.Fprintf(&b, "\t\t... and more\n")
			break
		}
		if !called && m.isOwn(function) {
			return ""
		}
		started, created := strings.CutPrefix(function, "created by ")
		if created {
			function, _, _ = strings.Cut(started, " in goroutine")
			function = "started by " + function
		} else if at := strings.LastIndexByte(function, '('); at > 0 {
			function = function[:at]
		}
		if strings.HasPrefix(function, m.call) {
			break
		}
		at, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +0x")
		fmt.Fprintf(&b, "\t\t%s (%s)\n", function, filepath.Base(at))
	}
	return b.String()
}

func (m marks) isOwn(function string) bool {
	return slices.ContainsFunc(append(m.own, "testing.tRunner", "testing/synctest."), func(own string) bool { return strings.HasPrefix(function, own) })
}

// Package bubble runs arbitrary concurrent code on virtual time: code with raw
// channels, locks, wait groups, errgroups and timers of package time, which the
// other modes of package fakeclock cannot follow.
//
//	func TestFetch(t *testing.T) {
//		bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) {
//			answers := make(chan string)
//			go func() { clk.Sleep(time.Second); answers <- "late" }()
//			...
//		})
//	}
//
// It is a thin layer over [testing/synctest]. What it adds is a clock that
// follows the time of the bubble and fires its own events one at a time: after
// each it waits until all goroutines of the bubble are blocked again, so those
// which wake at the same instant run one after the other, in the order of
// package fakeclock and not of the Go scheduler. Timers of package time, and
// goroutines woken by each other, keep the order that the runtime gives them,
// which is random.
//
// Also added: the record and the trace of the waits on the clock, a dump when the
// bubble deadlocks, and a report, instead of a hang, when all goroutines are
// blocked but the bubble cannot see it. The runtime does not count a goroutine
// that waits for a mutex, for input or for a system call; if it waits for one
// that a sleeper holds, virtual time stands still for good.
package bubble

import (
	"bytes"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/fakeclock"
)

// Test runs f in a bubble of its own, with a clock that follows the bubble's
// time, and returns when all goroutines of the bubble have ended. The rules of
// [synctest.Test] hold inside: no t.Run, no t.Parallel, no channels from outside.
// One rule is added: call clk.Settle instead of synctest.Wait, because the clock
// waits between its events too, and the runtime allows one waiter at a time.
//
// Of the configuration, Mode, Base and Settle are set by Test, and so is TB unless
// it is given. Config.Stall is the real time after which blocked goroutines that the
// bubble cannot see are reported: zero means ten seconds, a negative duration
// never. That report is a panic, since nothing can end those goroutines; it
// matches [fakeclock.ErrStall]. A deadlock, or a limit exceeded, fails the test,
// with a dump.
func Test(t *testing.T, cfg fakeclock.Config, f func(t *testing.T, clk *fakeclock.Clock)) {
	t.Helper()
	if f == nil {
		panic("bubble: Test with a nil function")
	}
	if err := test(t, cfg, f); err != nil {
		t.Fatal(err)
	}
}

// test returns the report of a deadlock.
func test(t *testing.T, cfg fakeclock.Config, f func(t *testing.T, clk *fakeclock.Clock)) (err error) {
	var clk *fakeclock.Clock
	w := watch(cfg.Stall)
	defer w.stop()
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		cause, ok := v.(error)
		if !ok || !strings.HasPrefix(cause.Error(), "deadlock: ") {
			panic(v)
		}
		if err = clk.Err(); err != nil {
			return // nothing has fired since
		}
		err = &fakeclock.Report{Reason: fakeclock.ErrDeadlock, Text: strings.TrimPrefix(cause.Error(), "deadlock: "), Dump: clk.Dump()}
	}()
	synctest.Test(t, func(t *testing.T) {
		cfg.Mode, cfg.Base, cfg.Settle = fakeclock.Follow, clockwork.NewRealClock(), wait
		if cfg.TB == nil {
			cfg.TB = t
		}
		clk = fakeclock.New(cfg)
		w.found(clk)
		f(t, clk)
	})
	return clk.Err()
}

// wait is synctest.Wait with a better word for the one misuse that is not the
// clock's fault.
func wait() {
	defer func() {
		if v := recover(); v != nil {
			panic(fmt.Sprintf("bubble: %v: use the Settle method of the clock instead of synctest.Wait", v))
		}
	}()
	synctest.Wait()
}

// watchdog looks from outside, in real time, whether a bubble hangs.
type watchdog struct {
	bubble chan string // its number, once known
	clk    *fakeclock.Clock
	done   chan struct{}
	ended  chan struct{}
	stall  time.Duration
}

func watch(stall time.Duration) *watchdog {
	if stall == 0 {
		stall = 10 * time.Second
	}
	w := &watchdog{bubble: make(chan string, 1), done: make(chan struct{}), ended: make(chan struct{}), stall: stall}
	go w.run()
	return w
}

// found tells the watchdog which bubble to look at. It is called inside.
func (w *watchdog) found(clk *fakeclock.Clock) {
	w.clk = clk
	var header [80]byte
	n := runtime.Stack(header[:], false)
	w.bubble <- string(number.Find(header[:n]))
}

var number = regexp.MustCompile(`synctest bubble \d+\]`)

func (w *watchdog) stop() {
	close(w.done)
	<-w.ended
}

func (w *watchdog) run() {
	defer close(w.ended)
	if w.stall < 0 {
		return
	}
	const looks = 4
	tick := time.NewTicker(max(w.stall/looks, 1))
	defer tick.Stop()
	var id string
	for same := 0; ; {
		select {
		case <-w.done:
			return
		case id = <-w.bubble:
		case <-tick.C:
			if hangs := hanging(id); hangs == "" {
				same = 0
			} else if same++; same == looks {
				panic(&fakeclock.Report{
					Reason: fakeclock.ErrStall,
					Text: fmt.Sprintf("all goroutines of the bubble have been blocked for %v, but time cannot move because one waits for what the bubble does not see: %s; do not hold a lock while sleeping",
						w.stall, hangs),
					Dump: w.clk.Dump(),
				})
			}
		}
	}
}

var header = regexp.MustCompile(`^goroutine (\d+) \[([^\]]*)\]`)

// hanging returns the state of a goroutine that keeps the bubble from going on,
// if all its goroutines are blocked, and where it is.
func hanging(id string) string {
	if id == "" {
		return ""
	}
	hangs := ""
	for g := range bytes.SplitSeq(stacks(), []byte("\n\n")) {
		m := header.FindSubmatch(g)
		if m == nil || !strings.HasSuffix(string(m[0]), ", "+id) {
			continue
		}
		state := strings.TrimSuffix(string(m[2]), ", "+strings.TrimSuffix(id, "]"))
		switch {
		case strings.HasPrefix(state, "run") || strings.HasPrefix(state, "syscall") || strings.HasPrefix(state, "copystack"):
			return ""
		case strings.Contains(state, "(durable)") || strings.HasPrefix(state, "sleep") || strings.HasPrefix(state, "synctest"):
		default:
			hangs = fmt.Sprintf("goroutine %s [%s]", m[1], state)
			if at := line.FindSubmatch(g); at != nil {
				hangs += " at " + string(at[1])
			}
		}
	}
	return hangs
}

// line finds the file of the first frame outside the standard library: the import
// path of its function has a dot before the first slash.
var line = regexp.MustCompile(`(?m)^[^/\s]+\.[^/\s]+/.*\n\t.*/([^/]+:\d+)`)

func stacks() []byte {
	buf := make([]byte, 1<<16)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			return buf[:n]
		}
		buf = make([]byte, 2*len(buf))
	}
}

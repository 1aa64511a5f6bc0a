package fakeclock

import (
	"fmt"
	"math"
	"time"

	"github.com/jonboulle/clockwork"
)

// Mode says who moves the time of a [Clock].
type Mode uint8

const (
	// Manual time moves when the test says so, with [Clock.Advance] or
	// [Clock.AdvanceNext]. It is the zero Mode.
	Manual Mode = iota
	// Auto time moves when the code under test waits: one goroutine, one wait
	// after the other, each over at once.
	Auto
	// Follow takes its time from another clock, [Config.Base], and adds the
	// order, the record and the reports of this package. Package bubble uses it
	// on the time of a testing/synctest bubble.
	Follow

	run // coroutines, made by Run only
)

// String returns the name of the mode in lower case.
func (m Mode) String() string {
	switch m {
	case Manual:
		return "manual"
	case Auto:
		return "auto"
	case Follow:
		return "follow"
	case run:
		return "run"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// Recording says how much a [Clock] remembers of the waits it has seen.
type Recording uint8

const (
	// NoRecord remembers nothing but what is still armed: the zero Recording.
	NoRecord Recording = iota
	// Waits remembers every wait and how it ended.
	Waits
	// Sites remembers also the line of code that armed each wait, which costs
	// several times the wait itself. In Run it also tells which goroutine calls.
	Sites
)

// Config describes a [Clock]. The zero Config is a manual clock with a fixed
// order of simultaneous events that records nothing and has no limits but the
// one on busy loops.
type Config struct {
	// Mode says who moves time. [Run] ignores it.
	Mode Mode

	// Seed, if not zero, draws the order of simultaneous events at random, from
	// this seed only: the same seed gives the same order. Zero keeps them in the
	// order (owner, arming).
	Seed uint64

	// Record says what [Clock.Waits], [Clock.Trace] and the dumps can tell.
	// With a TB it is at least Waits.
	Record Recording

	// TB, if not nil, is the test that the clock belongs to. If that test fails,
	// the seed, the trace and a dump go to its log when it ends.
	TB TB

	// MaxTime limits virtual time, counted from the start. Moving beyond it is an
	// error that matches [ErrLimit]; a Follow clock stands still then, and
	// [Clock.Err] returns the error. Zero means no limit.
	MaxTime time.Duration

	// MaxEvents limits the number of events fired, likewise. Zero means no limit.
	MaxEvents int

	// BusyLoop limits the calls on the clock, in Auto and Run, while time stands
	// still. One more is an error that matches [ErrBusyLoop]. It also limits the
	// ticks in a row, in Run and Follow, that nobody takes: then only tickers keep
	// time going; and the functions that others arm for the instant at which they
	// fire, in one call of Advance. Zero means a million; a negative number means
	// no limit.
	BusyLoop int

	// Stall is the real time after which a goroutine that neither waits on the
	// clock nor ends is reported as an error that matches [ErrStall]. Zero means
	// ten seconds; a negative duration switches the report off.
	// Only Run, and Auto where it handed out a channel that nothing will fill,
	// can tell a stall from a goroutine with other things to do.
	Stall time.Duration

	// RealDeadlines accepts contexts whose deadline was set on the wall clock.
	// Without it they are refused with [ErrRealDeadline], since virtual time will
	// never get there.
	RealDeadlines bool

	// Base is the clock that a Follow clock follows, which uses its Now and its
	// AfterFunc; other modes want it nil.
	Base clockwork.Clock

	// Settle, if not nil, is called by a Follow clock before and after each event,
	// to wait until all that runs has come to rest. In a bubble it is
	// synctest.Wait. Without it, events of one instant fire in order but the
	// goroutines they wake run in any.
	Settle func()
}

const (
	defaultBusyLoop = 1_000_000
	defaultStall    = 10 * time.Second
)

// limitOfCalls returns the limit that BusyLoop stands for.
func limitOfCalls(c Config) int {
	switch {
	case c.BusyLoop < 0:
		return math.MaxInt
	case c.BusyLoop == 0:
		return defaultBusyLoop
	}
	return c.BusyLoop
}

// check panics on a Config that makes no sense: a mistake of the caller that no
// test should survive.
func (c Config) check() {
	switch {
	case c.Mode > Follow:
		panic("fakeclock: unknown " + c.Mode.String() + ": want Manual, Auto or Follow")
	case c.Mode == Follow && c.Base == nil:
		panic("fakeclock: a Follow clock needs Config.Base, the clock to follow")
	case c.Mode != Follow && (c.Base != nil || c.Settle != nil):
		panic("fakeclock: Config.Base and Settle are for Follow clocks; a " + c.Mode.String() + " clock has its own time")
	case c.MaxTime < 0 || c.MaxEvents < 0:
		panic("fakeclock: negative limit: use zero for no limit")
	}
}

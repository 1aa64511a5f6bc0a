// Package fakeclock is virtual time: a clock for tests and simulations that moves
// when it should, fires its events one at a time in an order that never depends
// on the scheduler, remembers every wait, and says why when nothing moves.
//
// A [Clock] implements [clockwork.Clock]. Code that takes one, and uses
// [WithTimeout] where it would use context.WithTimeout, runs on it unchanged:
//
//	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, TB: t})
//	err := fetch(ctx, clk)                  // three attempts, ten minutes of backoff
//	require.Equal(t, 10*time.Minute, clk.Elapsed())
//
// # Which mode
//
// It depends on who waits.
//
//   - One goroutine waits, one wait after the other, as a retry loop does: [Auto].
//     Each Sleep, [SleepContext], After, or select on timer.Chan() and ctx.Done()
//     is over at once, at the right instant.
//   - Several goroutines wait on the clock and for each other: [Run]. They are
//     coroutines, of which one runs at a time, so a program of many goroutines has
//     one outcome; or one for each [Config.Seed], to search for the order that
//     breaks it. Nothing of package testing is needed.
//   - The code uses raw channels, locks or package time: package bubble, on top of
//     testing/synctest.
//   - The test itself wants to say when time moves: [Manual], with [Clock.Advance],
//     [Clock.AdvanceNext] and [Clock.Await].
//
// # Order
//
// Time starts at 2000-01-01T00:00:00Z. Events fire by deadline; those of one
// instant by owner (see [Clock.Named]), and those of one owner in the order they
// were armed. So a context deadline armed before a sleep that ends at the same
// instant comes first. What is armed for the present instant, as by Sleep(0),
// comes after all that was due already. With a Seed, the order of simultaneous
// events is drawn from it. Now is the deadline of the event that fires, always.
// Deadlines beyond the end of time, 292 years after the start, stay there.
//
// # Pitfalls cured
//
// PITFALLS.md lists fifteen ways to stumble over fake time. The worst: a context
// whose Err blocks, one that ends some time after its deadline or never, callbacks
// that see the wrong time, simultaneous timers in random order, stale values after
// Stop and Reset, and a test that hangs and does not say why. Timers behave here
// as in package time since Go 1.23, which a table of programs checks for every
// mode against the real clock.
//
// # When nothing moves
//
// A deadlock, a goroutine that blocks elsewhere, a loop that never waits, a limit
// exceeded, a wall-clock deadline on virtual time: each is a [*Report] that says
// who waits since when, until when, for what and where.
//
// # What Auto and Run see
//
// A select statement asks for the channels of its cases, one after the other, and
// then picks a case that is ready or blocks. Time must not move before it blocks;
// so the call of timer.Chan() moves it only where nothing but channels of timers
// would fire, which the next call on the clock can undo, and undoes unless the
// value has been received. Otherwise the clock looks at the stacks of the program,
// some 20 microseconds and more, until it sees the goroutine blocked.
//
// In Auto that makes every select right whose cases are timers of the clock, its
// contexts and standard children of those, in any order, made in place or before;
// so are a channel kept in a variable, a range over a ticker, and a channel or
// ctx.Done() received alone. Not seen is what tells the clock nothing: a case that
// is ready on a plain channel or on a context that has none of this package among
// its ancestors, and a default case. Beside a timer that would fire next, such a
// case loses or is picked at random. A statement that waits for standard contexts
// alone hangs. [SleepContext] has none of these limits.
// Auto is for one goroutine. If another waits on the same clock, nothing breaks,
// but each moves time for both, and a look may wait for the wrong one.
//
// In Run other goroutines go on while one waits, which nothing can undo. So a timer
// made within a select statement must come before its other timers, a context that
// is known to have ended before the timers, and the channel of After must be
// received where it is asked for: if time has moved in vain the next call panics
// and says so. For ctx.Done() alone there is SleepContext with [Forever]; a bare
// receive is a stall. A standard child handed from one goroutine to another and
// cancelled there by hand is not seen. A goroutine that was found blocked in its
// statement cannot be ended: it is named in the report.
// A goroutine of Run must not block on anything but the clock, a [Group], a
// [Cond] or SleepContext, and must not share the clock with a goroutine started by
// a go statement, which is noticed only while none of Run is running, or with
// [Sites] recorded.
//
// A context of package context that is cancelled by hand ends its descendants
// here, but outside Run and Auto by way of a goroutine, as package context does
// it.
package fakeclock

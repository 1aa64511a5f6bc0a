package explore

import (
	"github.com/retrykit/retrykit/fakeclock"
)

// Stage is where a scenario is played: a clock, and goroutines that wait on it.
type Stage struct {
	Clock *fakeclock.Clock
	// All runs f for each of n calls at once, each with its view of the clock,
	// and returns when all have returned.
	All func(n int, f func(i int, clock *fakeclock.Clock))
	// Settle returns when every other goroutine of the stage is blocked. nil: no
	// goroutine runs beside the one that plays.
	Settle func()
}

// Runner plays on a stage of its own until f has returned. The error is f's, or
// a [*fakeclock.Report] when the subject is deadlocked, stalled or spinning, or
// one of [Strayed] or [Left].
type Runner func(cfg fakeclock.Config, f func(Stage) error) error

// Coroutines is the Runner of [Check]: the calls of a scenario are coroutines on
// one clock, see [fakeclock.Run].
func Coroutines(cfg fakeclock.Config, f func(Stage) error) error {
	return fakeclock.Run(cfg, func(clock *fakeclock.Clock) error {
		return f(Stage{Clock: clock, All: func(n int, f func(int, *fakeclock.Clock)) {
			group := clock.NewGroup()
			for i := range n {
				group.Go("call", func(clock *fakeclock.Clock) error {
					f(i, clock)
					return nil
				})
			}
			group.Wait()
		}})
	})
}

package fakeclock

// TB is the part of a test that a clock needs. *testing.T, *testing.B,
// *testing.F and *rapid.T satisfy it.
type TB interface {
	Failed() bool
	Logf(format string, args ...any)
	Cleanup(func())
}

// attach has the seed, the trace and a dump logged when the test ends, if it
// failed, and ends the use of the clock.
func attach(tb TB, c *Clock) {
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("fakeclock: %s clock, Seed: %d\ntrace:\n%sdump:\n%s", c.e.mode, c.e.seed, c.Trace(), c.Dump())
		}
		c.Close()
	})
}

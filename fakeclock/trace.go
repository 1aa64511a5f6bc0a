package fakeclock

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Trace returns the recorded waits as text, one line each, in the order in which
// they ended; those still pending come last. The same program gives the same
// text, so it can be compared with a golden file. It is empty without
// [Config.Record].
func (c *Clock) Trace() string {
	e := c.e
	e.peek()
	defer e.mu.Unlock()
	order := make([]int, len(e.records))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		// Subtracting one sends zero, a pending wait, to the end.
		return cmp.Or(cmp.Compare(e.records[a].order-1, e.records[b].order-1), cmp.Compare(a, b))
	})
	var b strings.Builder
	for _, i := range order {
		b.WriteString(e.wait(i).String() + "\n")
	}
	return b.String()
}

// Digest returns a short hash of the trace: equal for equal traces.
func (c *Clock) Digest() string {
	sum := sha256.Sum256([]byte(c.Trace()))
	return hex.EncodeToString(sum[:8])
}

// Deterministic runs f twice, each time on a new clock, and returns an error that
// shows the first wait that differs, or nil if all are equal. A difference means
// that something other than the clock and the seed decides what f does: the order
// of a map, the wall clock, a random source without a seed.
//
// With Config.Mode set to Auto, f has the clock for itself; otherwise it is the
// first goroutine of a [Run]. If f returns an error both times, Deterministic
// returns the second.
func Deterministic(cfg Config, f func(*Clock) error) error {
	if f == nil {
		panic("fakeclock: Deterministic with a nil function: give it the program to run twice")
	}
	cfg.Record = max(cfg.Record, Waits)
	first, err1 := once(cfg, f)
	cfg.TB = nil
	second, err2 := once(cfg, f)
	a := append(strings.SplitAfter(first, "\n"), fmt.Sprintln("error:", text(err1)))
	b := append(strings.SplitAfter(second, "\n"), fmt.Sprintln("error:", text(err2)))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Errorf("fakeclock: not deterministic (Seed: %d): line %d of the trace differs\n  before: %s\n  first:  %s\n  second: %s",
				cfg.Seed, i+1, lineAt(a, i-1), lineAt(a, i), lineAt(b, i))
		}
	}
	return err2
}

func once(cfg Config, f func(*Clock) error) (trace string, err error) {
	var clk *Clock
	if cfg.Mode == Auto {
		clk = New(cfg)
		err = f(clk)
	} else {
		err = Run(cfg, func(c *Clock) error { clk = c; return f(c) })
	}
	return clk.Trace(), err
}

func text(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

func lineAt(lines []string, i int) string {
	switch {
	case i < 0:
		return "(start)"
	case lines[i] == "":
		return "(end)"
	}
	return strings.TrimSuffix(lines[i], "\n")
}

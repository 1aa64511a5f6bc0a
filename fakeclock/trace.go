package fakeclock

import (
	"cmp"
	"slices"
	"strings"
)

// Trace returns the recorded waits as text, one line each, in the order in which
// they ended; those still pending come last. The same program gives the same
// text, so it can be compared with a golden file. It is empty without
// [Config.Record].
func (c *Clock) Trace() string {
	e := c.e
	e.mu.Lock()
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

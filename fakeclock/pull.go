//go:build !race

package fakeclock

import (
	"iter"
	"strings"
)

// pull makes a coroutine.
func pull(seq iter.Seq[struct{}]) (next func() (struct{}, bool), stop func()) { return iter.Pull(seq) }

// isParked reports whether a goroutine is a coroutine that is parked, by its
// state and its stack.
func isParked(state, _ string) bool { return strings.HasPrefix(state, "coroutine") }

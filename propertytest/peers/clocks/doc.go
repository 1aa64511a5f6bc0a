// Package clocks measures the fake clocks of Go beside each other: fakeclock,
// clockwork, quartz and testing/synctest. It holds tests only; the figures are in
// BENCH.txt.
package clocks

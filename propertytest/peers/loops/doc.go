// Package loops measures retry loops of Go beside each other: what a retry
// costs when its delay is zero, so that nothing but the loop is left.
//
// Each call fails ten times and then succeeds; the figure is the cost of the
// whole call divided by its ten retries. All loops make a new call from a
// retrier that was set up before, where the library has such a thing. The script
// figures in this folder writes them to BENCH.txt.
package loops

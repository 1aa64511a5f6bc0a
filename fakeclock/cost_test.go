package fakeclock_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// Contexts under a parent of package context, which must be looked at after every
// event.
func BenchmarkRunStandardParent(b *testing.B) {
	for _, own := range []bool{false, true} {
		for _, n := range []int{1, 1000} {
			b.Run(fmt.Sprintf("goroutines=%d,own=%t", n, own), func(b *testing.B) {
				left := b.N
				shared := b.Context()
				require.NoError(b, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
					g := clk.NewGroup()
					for range n {
						g.Go("sleeper", func(clk *fakeclock.Clock) error {
							parent := shared
							if own {
								std, cancel := context.WithCancel(context.Background())
								defer cancel()
								parent = std
							}
							_, cancel := fakeclock.WithTimeout(parent, clk, fakeclock.Forever)
							defer cancel()
							for ; left > 0; left-- {
								clk.Sleep(time.Second)
							}
							return nil
						})
					}
					return g.Wait()
				}))
			})
		}
	}
}

// A loop of nothing but After, whose statements no other call tells apart.
func BenchmarkAfterLoop(b *testing.B) {
	loop := func(clk *fakeclock.Clock, n int) {
		for range n {
			<-clk.After(time.Second)
		}
	}
	b.Run("auto", func(b *testing.B) {
		loop(fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto}), b.N)
	})
	b.Run("run", func(b *testing.B) {
		require.NoError(b, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			g := clk.NewGroup()
			for range 2 {
				g.Go("after", func(clk *fakeclock.Clock) error { loop(clk, b.N/2); return nil })
			}
			return g.Wait()
		}))
	})
}

// Await looks at what is armed once, and then counts.
func BenchmarkAwait(b *testing.B) {
	clk := fakeclock.New(fakeclock.Config{})
	done := make(chan error)
	go func() { done <- clk.Await(context.Background(), b.N, fakeclock.Match{}) }()
	for i := range b.N {
		clk.NewTimer(time.Duration(i+1) * time.Second)
	}
	require.NoError(b, <-done)
}

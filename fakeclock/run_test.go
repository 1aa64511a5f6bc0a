package fakeclock_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

func BenchmarkRunSleep(b *testing.B) {
	for _, n := range []int{1, 2, 8, 64, 1000} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			left := b.N
			err := fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
				g := clk.NewGroup()
				for i := range n {
					g.Go(fmt.Sprint("g", i), func(clk *fakeclock.Clock) error {
						for ; left > 0; left-- {
							clk.Sleep(time.Duration(i%7+1) * time.Second)
						}
						return nil
					})
				}
				b.ResetTimer()
				return g.Wait()
			})
			require.NoError(b, err)
		})
	}
}

package bubble_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/fakeclock/bubble"
)

func TestSimultaneous(t *testing.T) {
	for range 100 {
		bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) {
			var order []int
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range 6 {
				own := clk.Named(string(rune('a' + i)))
				wg.Go(func() {
					for range 3 {
						own.Sleep(time.Second)
						mu.Lock()
						order = append(order, i)
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5}, order)
			assert.Equal(t, 3*time.Second, clk.Elapsed())
		})
	}
}

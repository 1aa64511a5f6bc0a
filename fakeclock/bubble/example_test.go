package bubble_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/fakeclock/bubble"
)

// An example needs a *testing.T, so it is a test: three workers take jobs from a
// raw channel, each an hour's work.
func TestExample(t *testing.T) {
	bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) {
		jobs := make(chan int)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range jobs {
					clk.Sleep(time.Hour)
				}
			})
		}
		for i := range 7 {
			jobs <- i
		}
		close(jobs)
		wg.Wait()
		assert.Equal(t, 3*time.Hour, clk.Elapsed())
	})
}

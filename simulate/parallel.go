package simulate

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls f with each number below n, on as many goroutines as there are
// processors. What f does with a number must not depend on the others.
func parallel(n int, f func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wait.Wait()
}

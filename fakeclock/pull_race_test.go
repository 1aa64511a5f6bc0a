//go:build race && linux

package fakeclock_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// resident returns the memory of this process in kilobytes, that of the race
// detector included.
func resident(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	found := regexp.MustCompile(`VmRSS:\s*(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, found)
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return n
}

// What the race detector knows of a goroutine is given up when it ends. With
// coroutines of package iter this grows by half a gigabyte.
func TestMemoryUnderRace(t *testing.T) {
	run := func(n int) {
		for range n {
			require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(c *fakeclock.Clock) error {
				g := c.NewGroup()
				for i := range 4 {
					g.Go(fmt.Sprint(i), func(c *fakeclock.Clock) error { c.Sleep(1); return nil })
				}
				return g.Wait()
			}))
		}
	}
	run(5_000)
	before := resident(t)
	run(20_000)
	assert.Less(t, resident(t)-before, 250_000, "kilobytes")
}

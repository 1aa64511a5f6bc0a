package propertytest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/propertytest/explore"
)

// A process that gives no sign of life for about a second is killed, and that is a
// verdict on the scenario that it began last. One that does is not.
func TestASilentProcessIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{lines: make(chan string)}
		go func() {
			time.Sleep(time.Minute) // to begin
			h.lines <- playsPrefix + "transient; ok\n"
			for range 50 {
				time.Sleep((lifeless-1)*between - 1)
				h.lines <- beatsPrefix + "\n"
				h.lines <- playsPrefix + "transient:50; ok\n"
			}
		}()
		began := time.Now()
		killed := h.listen(func() { close(h.lines) })
		assert.Equal(t, "the process gave no sign of life for 1.2s, and was killed", killed)
		assert.InDelta(t, time.Minute+50*(lifeless-1)*between+lifeless*between, time.Since(began), float64(between))
		assert.Equal(t, "transient:50; ok", h.plays)

		c := crashed("TestX", explore.Options{}, h.plays, "", errors.New("signal: killed"), killed)
		i := slices.IndexFunc(c.Rules, func(r told) bool { return r.Name == "conduct/stuck" })
		assert.True(t, c.Rules[i].Fail)
		assert.Contains(t, c.Rules[i].Text, killed)
		assert.Contains(t, c.Rules[i].Text, "transient:50")

		c = crashed("TestX", explore.Options{Known: map[string]string{"stuck": "it spins"}}, h.plays, "", nil, killed)
		assert.False(t, c.Rules[i].Fail, "it is known")
	})
}

func TestAProcessThatIsDoneIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{lines: make(chan string)}
		go h.read(strings.NewReader("noise\n" + playsPrefix + "ok\n" + donePrefix + `{"Summary":"all is well"}`))
		assert.Empty(t, h.listen(func() { t.Error("killed") }))
		assert.Equal(t, "all is well", h.done.Summary)
	})
}

// One that lives and begins no scenario has its watchdog to say where it hangs, and
// is killed when that has nothing to say for long; one that tries a function of
// delays begins none.
func TestAProcessThatLivesHasMoreTime(t *testing.T) {
	for _, plays := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := &heard{lines: make(chan string)}
			over := make(chan bool)
			if plays {
				go func() { h.lines <- playsPrefix + "ok\n" }()
			}
			go func() {
				defer close(h.lines)
				for range 30 * time.Second / between {
					h.lines <- beatsPrefix + "\n" // which is read until the end
					select {
					case <-time.After(between):
					case <-over:
						return
					}
				}
			}()
			began := time.Now()
			killed := h.listen(func() { close(over) })
			if !plays {
				assert.Empty(t, killed)
				return
			}
			assert.Equal(t, "no scenario ended for 10s, and the process was killed", killed)
			assert.InDelta(t, 10*time.Second, time.Since(began), float64(2*between))
		})
	}
}

// Where the machine is busy the looks come late, and do not count.
func TestALateLookDoesNotCount(t *testing.T) {
	v := vigil{last: time.Now()}
	v.hear(true)
	now := v.last
	for range 10 * idle {
		now = now.Add(2*between + 1)
		assert.Empty(t, v.look(now))
		now = now.Add(between/2 - 1) // the look that had to wait
		assert.Empty(t, v.look(now))
	}
	for range lifeless - 1 {
		now = now.Add(between)
		assert.Empty(t, v.look(now))
	}
	assert.NotEmpty(t, v.look(now.Add(between)))
}

// The process gives a sign of life for as long as it is alive, and none when it is
// stopped.
func TestBeating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats := 0
		stop := beating(func() { beats++ })
		time.Sleep(10*between - 1)
		synctest.Wait()
		assert.Equal(t, 10, beats)
		stop()
		time.Sleep(10 * between)
		assert.Equal(t, 10, beats)
	})
}

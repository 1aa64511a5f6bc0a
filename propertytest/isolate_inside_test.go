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

// A process that says nothing more is killed, when it has had its time since the
// last scenario that it began, and that is a verdict on this scenario.
func TestASilentProcessIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{lines: make(chan string)}
		go func() {
			h.lines <- playsPrefix + "transient; ok\n"
			time.Sleep(patience - 1)
			h.lines <- playsPrefix + "transient:50; ok\n"
		}()
		began := time.Now()
		assert.True(t, h.listen(func() { close(h.lines) }))
		assert.Equal(t, 2*patience-1, time.Since(began))
		assert.Equal(t, "transient:50; ok", h.plays)

		c := crashed("TestX", explore.Options{}, h.plays, "", errors.New("signal: killed"), true)
		i := slices.IndexFunc(c.Rules, func(r told) bool { return r.Name == "conduct/stuck" })
		assert.True(t, c.Rules[i].Fail)
		assert.Contains(t, c.Rules[i].Text, "no scenario ended for 10s, and the process was killed")
		assert.Contains(t, c.Rules[i].Text, "transient:50")

		c = crashed("TestX", explore.Options{Known: map[string]string{"stuck": "it spins"}}, h.plays, "", nil, true)
		assert.False(t, c.Rules[i].Fail, "it is known")
	})
}

func TestAProcessThatIsDoneIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{lines: make(chan string)}
		go h.read(strings.NewReader("noise\n" + playsPrefix + "ok\n" + donePrefix + `{"Summary":"all is well"}`))
		assert.False(t, h.listen(func() { t.Error("killed") }))
		assert.Equal(t, "all is well", h.done.Summary)
	})
}

package fakeclock_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
)

// model is a manual clock as a list: slow and plain.
type model struct {
	now   time.Duration
	round int
	seq   int
	armed []modelEvent
	fired []modelFiring
}

type modelEvent struct {
	timer int
	at    time.Duration
	round int // within the instant: what is armed for the present comes last
	owner int
	seq   int
}

type modelFiring struct {
	timer int
	at    time.Duration
}

func (m *model) arm(timer, owner int, d time.Duration) {
	m.seq++
	e := modelEvent{timer: timer, at: m.now + max(d, 0), owner: owner, seq: m.seq}
	if d <= 0 {
		e.round = m.round + 1
	}
	m.armed = append(m.armed, e)
}

func (m *model) stop(timer int) bool {
	n := len(m.armed)
	m.armed = slices.DeleteFunc(m.armed, func(e modelEvent) bool { return e.timer == timer })
	return len(m.armed) < n
}

// next returns the first event.
func (m *model) next() (modelEvent, bool) {
	if len(m.armed) == 0 {
		return modelEvent{}, false
	}
	return slices.MinFunc(m.armed, func(a, b modelEvent) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.round, b.round), cmp.Compare(a.owner, b.owner), cmp.Compare(a.seq, b.seq))
	}), true
}

func (m *model) moveTo(t time.Duration) {
	if t > m.now {
		m.now, m.round = t, 0
	}
}

func (m *model) advanceNext() bool {
	e, ok := m.next()
	if !ok {
		return false
	}
	m.stop(e.timer)
	m.moveTo(e.at)
	m.round = e.round
	m.fired = append(m.fired, modelFiring{e.timer, m.now})
	return true
}

func (m *model) advance(d time.Duration) {
	end := m.now + d
	for {
		if e, ok := m.next(); !ok || e.at > end {
			break
		}
		m.advanceNext()
	}
	m.moveTo(end)
}

func TestQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		clk := fakeclock.New(fakeclock.Config{TB: rt})
		owners := []*fakeclock.Clock{clk, clk.Named("a"), clk.Named("b")}
		var m model
		var timers []clockwork.Timer
		var ownerOf []int
		var fired []modelFiring
		// Few different durations, so that many events share an instant.
		durations := rapid.SampledFrom([]time.Duration{-1, 0, 1, 2, 3, 5, 5, 8, 13, 21, 34, 50, 55, 89})
		one := func(rt *rapid.T) int {
			if len(timers) == 0 {
				rt.Skip("no timer yet")
			}
			return rapid.IntRange(0, len(timers)-1).Draw(rt, "timer")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"arm": func(rt *rapid.T) {
				for range rapid.IntRange(1, 12).Draw(rt, "n") { // enough for a queue of some levels
					i, owner, d := len(timers), rapid.IntRange(0, 2).Draw(rt, "owner"), durations.Draw(rt, "d")
					timers = append(timers, owners[owner].AfterFunc(d, func() {
						fired = append(fired, modelFiring{i, clk.Elapsed()})
					}))
					ownerOf = append(ownerOf, owner)
					m.arm(i, owner, d)
				}
			},
			"stop": func(rt *rapid.T) {
				i := one(rt)
				require.Equal(rt, m.stop(i), timers[i].Stop())
			},
			"reset": func(rt *rapid.T) {
				i, d := one(rt), durations.Draw(rt, "d")
				require.Equal(rt, m.stop(i), timers[i].Reset(d))
				m.arm(i, ownerOf[i], d)
			},
			"advance": func(rt *rapid.T) {
				d := rapid.SampledFrom([]time.Duration{0, 1, 2, 4, 9}).Draw(rt, "d")
				clk.Advance(d)
				m.advance(d)
			},
			"advance next": func(rt *rapid.T) {
				_, ok := clk.AdvanceNext()
				require.Equal(rt, m.advanceNext(), ok)
			},
			"": func(rt *rapid.T) {
				require.Equal(rt, m.now, clk.Elapsed())
				require.Equal(rt, m.fired, fired)
				require.Len(rt, clk.Pending(), len(m.armed))
				e, ok := m.next()
				next, any := clk.Next()
				require.Equal(rt, ok, any)
				if ok {
					require.Equal(rt, e.at, next.Sub(clk.Now())+clk.Elapsed())
				}
			},
		})
	})
}

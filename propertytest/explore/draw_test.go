package explore_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// boundaries are the kinds of scenarios at the edge of something that the drawing
// must come to.
func boundaries() []string {
	names := []string{
		"hint of nothing", "hint of the base", "hint just above the base", "hint below the base", "hint beyond the cap",
		"longest hint", "hint just too long", "status with a hint", "hang under a timeout",
		"cancelled before the start", "cancelled in a wait", "cancelled just after a failure",
		"deadline at a start", "deadline just after a start", "deadline just before a start",
		"limit met", "limit just missed", "limit met with something left",
		"retried for ever", "stream that breaks", "stream cut off", "refused for good", "repeated turn",
	}
	for n := -1; n <= 6; n++ {
		names = append(names, fmt.Sprintf("%d attempts", n))
	}
	return names
}

// What is drawn is valid, comes to every boundary, and is the same for the same
// seed.
func TestDrawnScenarios(t *testing.T) {
	subject, seen, said := decorator(), make(map[string]int), make(map[string]int)
	note := func(name string, yes bool) {
		if yes {
			seen[name]++
		}
	}
	const draws = 600
	for n := range uint64(draws) {
		var run trace.Trace
		play := func(s *scripted.Script) trace.Trace { run = subject.Play(s, nil); return run }
		s, cut, edge := explore.Drawn(1, n, play)
		starts, ends := explore.Moments(run)
		for _, x := range []*scripted.Script{s, cut, edge} {
			require.NoError(t, x.Policy.Validate())
			text := scripted.Format(x)
			again, err := scripted.Parse("drawn", text)
			require.NoError(t, err, text)
			require.Equal(t, text, scripted.Format(again))
		}
		again, cutAgain, edgeAgain := explore.Drawn(1, n, play)
		require.Equal(t, scripted.Format(s), scripted.Format(again))
		require.Equal(t, scripted.Format(cut), scripted.Format(cutAgain))
		require.Equal(t, scripted.Format(edge), scripted.Format(edgeAgain))

		note(fmt.Sprintf("%d attempts", s.Policy.MaxAttempts), true)
		for _, turn := range s.Turns {
			noteTurn(note, *s.Policy, turn)
		}
		noteCut(note, cut, starts, ends)
		for _, at := range starts[min(1, len(starts)):] {
			note("limit met", edge.Policy.MaxElapsed == at)
			note("limit just missed", edge.Policy.MaxElapsed == at-1)
			note("limit met with something left", edge.Policy.MaxElapsed == at+1)
		}
		for _, name := range explore.FieldNames() {
			word, value, _ := strings.Cut(name, "=")
			if !strings.ContainsAny(value, "0123456789") || strings.HasPrefix(name, "jitter") {
				word = name // which is not drawn with a value of its own
			}
			word, _, _ = strings.Cut(word, ",")
			if strings.Contains(s.Policy.String(), word) {
				said[name]++
			}
		}
	}
	for _, name := range boundaries() {
		assert.Positive(t, seen[name], "never drawn: %s", name)
	}
	assert.ElementsMatch(t, explore.FieldNames(), slices.Collect(maps.Keys(said)), "what policies never say")
}

func TestAnotherSeedDrawsOthers(t *testing.T) {
	subject, different := decorator(), 0
	for n := range uint64(50) {
		play := func(s *scripted.Script) trace.Trace { return subject.Play(s, nil) }
		a, _, _ := explore.Drawn(1, n, play)
		b, _, _ := explore.Drawn(2, n, play)
		if scripted.Format(a) != scripted.Format(b) {
			different++
		}
	}
	assert.Greater(t, different, 45)
}

func noteTurn(note func(string, bool), p retry.Policy, turn scripted.Turn) {
	note("repeated turn", turn.Repeat > 1 && turn.Repeat != scripted.Forever)
	switch a := turn.Answer.(type) {
	case scripted.Transient:
		base, longest := p.BaseDelay.Truncate(time.Millisecond), p.MaxRetryAfter
		note("retried for ever", turn.Repeat == scripted.Forever)
		note("hint of nothing", a.Hinted && a.Wait == 0)
		note("hint of the base", a.Hinted && a.Wait > 0 && a.Wait == base)
		note("hint just above the base", a.Hinted && base > 0 && a.Wait == base+time.Millisecond)
		note("hint below the base", a.Hinted && a.Wait > 0 && a.Wait < base)
		note("hint beyond the cap", a.Hinted && p.MaxDelay > 0 && a.Wait > p.MaxDelay)
		note("longest hint", longest > 0 && a.Wait == longest)
		note("hint just too long", longest > 0 && a.Wait == longest+time.Millisecond)
	case scripted.Status:
		note("status with a hint", len(a.Header) > 0)
	case scripted.Hang:
		note("hang under a timeout", p.AttemptTimeout > 0)
	case scripted.Permanent:
		note("refused for good", true)
	case scripted.Stream:
		_, breaks := a.End.(scripted.Transient)
		_, cut := a.End.(scripted.Cut)
		note("stream that breaks", breaks)
		note("stream cut off", cut)
	}
}

func noteCut(note func(string, bool), cut *scripted.Script, starts, ends []time.Duration) {
	for i, end := range ends {
		if cut.Cancel != nil {
			note("cancelled before the start", *cut.Cancel == 0)
			note("cancelled just after a failure", i+1 < len(starts) && *cut.Cancel == end+1)
			note("cancelled in a wait", i+1 < len(starts) && *cut.Cancel > end+1 && *cut.Cancel < starts[i+1])
		}
		if d := cut.TotalTimeout; d > 0 && i+1 < len(starts) {
			note("deadline at a start", d == starts[i+1])
			note("deadline just after a start", d == starts[i+1]+1)
			note("deadline just before a start", d == starts[i+1]-1)
		}
	}
}

package explore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// faults are what a scenario may have to be for a fault to show: each is one that
// is easy to see, and that some scenarios have and others have not.
var faults = map[string]func(*scripted.Script) bool{
	"three requests": func(s *scripted.Script) bool {
		n := 0
		for _, t := range s.Turns {
			n += max(t.Repeat, 1)
		}
		return n >= 3
	},
	"a hint of more than a second": func(s *scripted.Script) bool {
		return slices.ContainsFunc(s.Turns, func(t scripted.Turn) bool {
			a, ok := t.Answer.(scripted.Transient)
			return ok && a.Hinted && a.Wait > time.Second
		})
	},
	"two failures and an end": func(s *scripted.Script) bool {
		failed := 0
		for _, t := range s.Turns {
			if _, ok := t.Answer.(scripted.Stream); !ok {
				failed++
			}
		}
		return failed >= 2 && s.Cancel != nil
	},
	"a slow answer under a cap": func(s *scripted.Script) bool {
		return s.Policy.MaxDelay > 0 && slices.ContainsFunc(s.Turns, func(t scripted.Turn) bool { return t.After > 0 })
	},
	"jitter and three attempts": func(s *scripted.Script) bool {
		return s.Policy.Jitter != retry.JitterNone && s.Policy.MaxAttempts >= 3 && s.Policy.MaxAttempts < retry.Unlimited
	},
}

// oneLess returns what has one thing less than a scenario: written down for this
// test, and by nothing that the search uses.
func oneLess(s *scripted.Script, policies bool) (out []*scripted.Script) {
	add := func(differs bool, change func(*scripted.Script)) {
		if !differs {
			return
		}
		c, p := *s, *s.Policy
		c.Turns, c.Policy = slices.Clone(s.Turns), &p
		change(&c)
		if c.Policy.Validate() == nil {
			out = append(out, &c)
		}
	}
	add(s.Cancel != nil, func(s *scripted.Script) { s.Cancel = nil })
	add(s.TotalTimeout != 0, func(s *scripted.Script) { s.TotalTimeout = 0 })
	add(s.Seed != nil, func(s *scripted.Script) { s.Seed = nil })
	for i, t := range s.Turns {
		add(len(s.Turns) > 1, func(s *scripted.Script) { s.Turns = append(s.Turns[:i:i], s.Turns[i+1:]...) })
		add(t.After > 0, func(s *scripted.Script) { s.Turns[i].After = 0 })
		add(t.Repeat > 1 && t.Repeat != scripted.Forever, func(s *scripted.Script) { s.Turns[i].Repeat = 1 })
		a, ok := t.Answer.(scripted.Transient)
		add(ok && a.Hinted, func(s *scripted.Script) { s.Turns[i].Answer = scripted.Transient{} })
	}
	p := s.Policy
	add(policies && p.MaxElapsed > 0, func(s *scripted.Script) { s.Policy.MaxElapsed = 0 })
	add(policies && p.AttemptTimeout > 0, func(s *scripted.Script) { s.Policy.AttemptTimeout = 0 })
	add(policies && p.MaxDelay > 0, func(s *scripted.Script) { s.Policy.MaxDelay = 0 })
	add(policies && p.Jitter != 0 && p.Cap == 0, func(s *scripted.Script) { s.Policy.Jitter = retry.JitterNone })
	add(policies && p.MaxAttempts > 1, func(s *scripted.Script) { s.Policy.MaxAttempts = min(p.MaxAttempts, 10) - 1 })
	return out
}

// What is left of a scenario still shows its fault, and nothing can be taken from
// it. The search for it comes to an end.
func TestMinimize(t *testing.T) {
	play := decorator()
	shown := make(map[string]int)
	for n := range uint64(150) {
		_, cut, _ := explore.Drawn(1, n, func(s *scripted.Script) trace.Trace { return play.Play(s, nil) })
		before := scripted.Format(cut)
		for name, shows := range faults {
			if !shows(cut) {
				continue
			}
			shown[name]++
			for _, policies := range []bool{true, false} {
				tried := 0
				least := explore.Minimize(cut, policies, func(s *scripted.Script) bool { tried++; return shows(s) })
				require.True(t, shows(least), "%s is lost:\n%s", name, scripted.Format(least))
				require.LessOrEqual(t, tried, 2000, name)
				require.NoError(t, least.Policy.Validate())
				for _, less := range oneLess(least, policies) {
					require.False(t, shows(less), "%s: one less than\n%sis\n%s", name, scripted.Format(least), scripted.Format(less))
				}
				if !policies {
					require.Equal(t, *cut.Policy, *least.Policy, "the policy is not to be changed")
				}
			}
		}
		require.Equal(t, before, scripted.Format(cut), "what is made smaller is a copy")
	}
	for name := range faults {
		assert.Greater(t, shown[name], 5, "%s: too few scenarios to say anything", name)
	}
}

// A fault that everything shows, and one that comes and goes, leave something too.
func TestMinimizeComesToAnEnd(t *testing.T) {
	_, cut, _ := explore.Drawn(1, 3, func(s *scripted.Script) trace.Trace { return decorator().Play(s, nil) })
	tried := 0
	least := explore.Minimize(cut, true, func(*scripted.Script) bool { tried++; return true })
	assert.Len(t, least.Turns, 1)
	assert.Empty(t, oneLess(least, true))
	assert.Less(t, tried, 200)
	tried = 0
	long := *cut
	long.Turns = slices.Repeat(cut.Turns[:1], 2100)
	explore.Minimize(&long, true, func(*scripted.Script) bool { tried++; return false })
	assert.Equal(t, 2000, tried, "that is as much as is tried")
	tried = 0
	assert.NotNil(t, explore.Minimize(cut, true, func(*scripted.Script) bool { tried++; return tried%3 == 0 }))
	assert.LessOrEqual(t, tried, 2000)
}

package propertytest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// obedient is retry code that obeys Env.Policy by the production decision, with
// seams for what a relation is to catch.
type obedient struct {
	calls    int // of one subject so far
	attempts int // likewise
	wait     func(o *obedient, e explore.Env, n int, class retry.Classification, d time.Duration) time.Duration
}

// subjects counts the subjects that were made: a fault that shows only the
// second time.
var subjects int

func (o obedient) do(e explore.Env) explore.Do {
	subjects++
	state := o
	return func(ctx context.Context, op func(context.Context) error) error {
		state.calls++
		src, began, previous := e.Source(), e.Clock.Now(), time.Duration(0)
		for n := 1; ; n++ {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			state.attempts++
			err := op(ctx)
			if err == nil || ctx.Err() != nil {
				return err
			}
			class := retry.Classify(err)
			d := e.Policy.Decide(retry.Failure{Attempt: n, Class: class, Elapsed: e.Clock.Since(began), Previous: previous}, src)
			if !d.Retry() {
				return err
			}
			previous = d.Wait
			if state.wait != nil {
				d.Wait = state.wait(&state, e, n, class, d.Wait)
			}
			if err := fakeclock.SleepContext(ctx, e.Clock, d.Wait); err != nil {
				return err
			}
		}
	}
}

// Each relation finds the fault that it is there for, and no relation finds one
// in code without.
func TestRelations(t *testing.T) {
	type seam = func(o *obedient, e explore.Env, n int, class retry.Classification, d time.Duration) time.Duration
	wait := func(f seam) obedient { return obedient{wait: f} }
	for _, tt := range []struct {
		relation string
		fault    obedient
		says     string
	}{
		{"again", wait(func(_ *obedient, _ explore.Env, _ int, _ retry.Classification, d time.Duration) time.Duration {
			return d + time.Duration(subjects)
		}), "is not"},
		{"earlier-call", wait(func(o *obedient, _ explore.Env, _ int, _ retry.Classification, d time.Duration) time.Duration {
			return d * time.Duration(o.calls)
		}), "is not"},
		{"calls-at-once", wait(func(o *obedient, _ explore.Env, _ int, _ retry.Classification, d time.Duration) time.Duration {
			return d + time.Duration(o.attempts)*time.Second
		}), "is not"},
		{"larger-hint", wait(func(_ *obedient, e explore.Env, n int, class retry.Classification, d time.Duration) time.Duration {
			if hint, ok := class.RetryAfter(); ok && hint > 1500*time.Millisecond {
				return 0
			}
			return d
		}), "in the other"},
		{"larger-cap", wait(func(_ *obedient, e explore.Env, n int, _ retry.Classification, d time.Duration) time.Duration {
			return d / (1 + e.Policy.MaxDelay/time.Second) // it takes the cap for something else
		}), "in the other"},
		{"jitter-adds", wait(func(_ *obedient, e explore.Env, n int, _ retry.Classification, d time.Duration) time.Duration {
			if e.Policy.Jitter != retry.JitterNone {
				return d - d/8
			}
			return d
		}), "in the other"},
		{"scale", wait(func(_ *obedient, _ explore.Env, _ int, _ retry.Classification, d time.Duration) time.Duration {
			return max(d, time.Second)
		}), "not at twice that"},
		{"one-more", wait(func(_ *obedient, e explore.Env, n int, _ retry.Classification, d time.Duration) time.Duration {
			return d / time.Duration(e.Policy.MaxAttempts)
		}), "in the other"},
		{"after-the-end", wait(func(_ *obedient, _ explore.Env, _ int, _ retry.Classification, d time.Duration) time.Duration {
			return d + time.Duration(subjects)
		}), "is not"},
		{"in-other-words", wait(func(_ *obedient, _ explore.Env, _ int, _ retry.Classification, d time.Duration) time.Duration {
			return d + time.Duration(subjects)
		}), "is not"},
	} {
		t.Run(tt.relation, func(t *testing.T) {
			i := slices.IndexFunc(relations, func(r relation) bool { return r.name == tt.relation })
			require.GreaterOrEqual(t, i, 0)
			ask := func(o obedient) told {
				return relations[i].ask(t, explore.Func(o.do), explore.Options{}, newBubbles(t, false, 1).run)
			}
			good := ask(obedient{})
			assert.False(t, good.Fail, good.Text)
			bad := ask(tt.fault)
			assert.True(t, bad.Fail, bad.Text)
			assert.Contains(t, bad.Text, "relation/"+tt.relation+": ")
			assert.Contains(t, strings.SplitN(bad.Text, "\n", 2)[0], tt.says)
			assert.Contains(t, bad.Text, "go test -run '^TestRelations$/^"+tt.relation+"$/^relation$/^"+tt.relation+"$'")
			assert.LessOrEqual(t, strings.Count(bad.Text, "transient"), 16, "it is shrunk: %s", bad.Text)
		})
	}
}

// A relation may be known not to hold, by its name and with a reason, and must not
// hold then.
func TestKnownRelations(t *testing.T) {
	scale := relations[slices.IndexFunc(relations, func(r relation) bool { return r.name == "scale" })]
	holds, broken := told{Name: "relation/scale", Text: "holds between 9 pairs"}, told{Name: "relation/scale", Fail: true, Text: "relation/scale: it does not"}
	known := func(names ...string) explore.Options {
		o := explore.Options{Known: map[string]string{}}
		for _, n := range names {
			o.Known[n] = "it counts in whole seconds"
		}
		return o
	}
	for _, tt := range []struct {
		options explore.Options
		was     told
		fails   bool
		says    string
	}{
		{known(), holds, false, "holds between 9 pairs"},
		{known(), broken, true, "relation/scale: it does not"},
		{known("relation/scale"), broken, false, "known: it counts in whole seconds\nrelation/scale: it does not"},
		{known("relation/scale"), holds, true, "stale: the relation holds; take it out of Known (known as: it counts in whole seconds)"},
		{known("relation/scale"), told{Text: "not applicable: the code has a policy of its own"}, false, "not applicable: the code has a policy of its own"},
		{known("early-retry"), broken, false, "it does not hold, which may be the doing of a fault that is known:\nrelation/scale: it does not"},
		{known("relation/again"), broken, true, "relation/scale: it does not"},
	} {
		got := scale.waive(tt.options, tt.was)
		assert.Equal(t, tt.fails, got.Fail, tt.says)
		assert.Equal(t, tt.says, got.Text)
	}
	assert.Equal(t, []string{`propertytest: Known: there is no relation/scael (did you mean "relation/scale"?)`}, strangers(known("relation/scael", "relation/again", "early-retry")))
	assert.NoError(t, known("relation/scale").Validate())
}

// The same relations as properties, for as many scenarios as rapid is told.
func TestRelationsOfOurLoop(t *testing.T) {
	for _, r := range relations {
		t.Run(r.name, func(t *testing.T) {
			drawn := r.drawn(ShortPolicies())
			rapid.Check(t, func(t *rapid.T) {
				s := drawn.Draw(t, "scenario")
				if said, _ := r.between(explore.Func(obedient{}.do), s, explore.Coroutines); said != "" {
					t.Fatalf("%s:\n%s", said, explore.OneLine(s))
				}
			})
		})
	}
}

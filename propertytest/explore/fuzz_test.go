package explore_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/scripted"
)

func fuzz(t *testing.T, text string, runs int) (*explore.Broken, explore.Progress) {
	t.Helper()
	s, err := scripted.Parse("goals", text)
	require.NoError(t, err)
	broken, progress, err := explore.Fuzz(explore.Fuzzing{Scenario: s, Runs: runs})
	require.NoError(t, err)
	return broken, progress
}

func TestFuzzFindsTheShortestScriptThatBreaksAGoal(t *testing.T) {
	broken, _ := fuzz(t, "policy exp:base=1s,cap=4s,jitter=none,attempts=4; ok; expect total <= 6s", 20_000)
	require.NotNil(t, broken)
	assert.Equal(t, "total <= 6s: got 7s", broken.What)
	assert.Equal(t, "transient forever", broken.Script.Turns[0].Answer.(fmt.Stringer).String()+" forever")

	broken, _ = fuzz(t, "policy exp:base=1s,cap=4s,jitter=none,attempts=4; ok; expect total <= 7s", 20_000)
	require.NotNil(t, broken, "a Retry-After is not capped")
	assert.Contains(t, scripted.Format(broken.Script), "transient:")
}

func TestFuzzFindsNothingWhereNothingIs(t *testing.T) {
	broken, progress := fuzz(t, "policy exp:base=1s,cap=4s,jitter=none,attempts=4,retry-after=ignore; ok; expect attempts <= 4; expect total <= 17s", 5_000)
	assert.Nil(t, broken)
	assert.Equal(t, 5_000, progress.Runs)
	for _, s := range progress.Reached {
		if s.Name != "cancelled" {
			assert.Positive(t, s.Count, s.Name)
		}
	}
}

func TestFuzzIsReproducible(t *testing.T) {
	goals := "policy exp:base=1s,cap=30s,jitter=full,attempts=5; ok; expect total >= 100ms"
	a, pa := fuzz(t, goals, 50_000)
	b, pb := fuzz(t, goals, 50_000)
	assert.Equal(t, a, b)
	assert.Equal(t, pa, pb)
}

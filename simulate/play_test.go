package simulate_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
)

func parse(t require.TestingT, text string) *scripted.Script {
	s, err := scripted.Parse("script", text)
	require.NoError(t, err)
	return s
}

func TestPlayOutcomes(t *testing.T) {
	tests := []struct {
		script   string
		outcome  scripted.Outcome
		reason   retry.Reason
		attempts int
		elapsed  time.Duration
		err      string
	}{
		{`ok "hi"`, scripted.Success, retry.Succeeded, 1, 0, ""},
		{`transient x2; ok`, scripted.Success, retry.Succeeded, 3, 3 * time.Second, ""},
		{`transient x3`, scripted.Exhausted, retry.LastAttempt, 3, 3 * time.Second, "transient"},
		{`transient; permanent: no`, scripted.Refused, retry.NotTransient, 2, time.Second, "permanent: no"},
		{`ok "hi" transient`, scripted.Broken, retry.Succeeded, 1, 0, "transient"},
		{`cancel at 0s; ok`, scripted.Cancelled, retry.Cancelled, 0, 0, "retry: cancelled before the first attempt: context canceled"},
		{`cancel at 1500ms; transient x9`, scripted.Cancelled, retry.Cancelled, 2, 1500 * time.Millisecond,
			"retry: cancelled in wait 2 after 1.5s: context canceled (last failure: transient)"},
		{`cancel at 1h; transient; ok`, scripted.Success, retry.Succeeded, 2, time.Second, ""},
	}
	for _, tt := range tests {
		t.Run(tt.script, func(t *testing.T) {
			run, err := simulate.Play(parse(t, "policy exp:base=1s,cap=30s,jitter=none\n"+tt.script), simulate.Options{})
			require.NoError(t, err)
			assert.Equal(t, tt.outcome, run.Outcome)
			assert.Equal(t, tt.reason, run.Reason)
			assert.Equal(t, tt.attempts, run.Attempts)
			assert.Equal(t, tt.elapsed, run.Elapsed)
			if tt.err == "" {
				assert.NoError(t, run.Err)
			} else {
				assert.EqualError(t, run.Err, tt.err)
			}
			assert.Nil(t, run.UsedUp())
		})
	}
}

func TestPlayTakesPolicyAndSeedFromTheScriptUnlessOverridden(t *testing.T) {
	s := parse(t, "policy exp:attempts=2; seed 7; transient x9")
	run, err := simulate.Play(s, simulate.Options{})
	require.NoError(t, err)
	assert.Equal(t, uint64(7), run.Seed)
	assert.Equal(t, 2, run.Attempts)

	policy, seed := retry.Policy{MaxAttempts: 4}, uint64(9)
	run, err = simulate.Play(s, simulate.Options{Policy: &policy, Seed: &seed})
	require.NoError(t, err)
	assert.Equal(t, policy, run.Policy)
	assert.Equal(t, seed, run.Seed)
	assert.Equal(t, 4, run.Attempts)

	run, err = simulate.Play(parse(t, "transient x9"), simulate.Options{})
	require.NoError(t, err)
	assert.Equal(t, retry.Default(), run.Policy)
	assert.Equal(t, uint64(simulate.DefaultSeed), run.Seed)

	_, err = simulate.Play(s, simulate.Options{Policy: &retry.Policy{BaseDelay: -1}})
	assert.ErrorContains(t, err, "BaseDelay")
}

func TestPlaySaysWhenTheScriptIsUsedUp(t *testing.T) {
	run, err := simulate.Play(parse(t, "transient x2"), simulate.Options{})
	require.NoError(t, err)
	assert.Equal(t, &scripted.UsedUpError{Call: 3, Turns: 2}, run.UsedUp())
	assert.EqualError(t, run.Err, "scripted: call 3 finds the script used up (it has 2 turns)")
}

func TestPlayChecksExpectations(t *testing.T) {
	run, err := simulate.Play(parse(t, `transient; ok
expect outcome == success; expect outcome != broken; expect outcome == broken
expect attempts == 2; expect attempts != 2; expect attempts < 2; expect attempts <= 2; expect attempts > 2; expect attempts >= 2`), simulate.Options{})
	require.NoError(t, err)
	var got []string
	for _, c := range run.Checks {
		got = append(got, fmt.Sprintf("%v: %s, %v", c.Expect, c.Got, c.OK))
	}
	assert.Equal(t, []string{
		"outcome == success: success, true", "outcome != broken: success, true", "outcome == broken: success, false",
		"attempts == 2: 2, true", "attempts != 2: 2, false", "attempts < 2: 2, false", "attempts <= 2: 2, true", "attempts > 2: 2, false", "attempts >= 2: 2, true",
	}, got)
	assert.Len(t, run.Failed(), 4)
}

// A thousand attempts with a cap of an hour: more than forty virtual days, and
// no wait of any length. The test would not end if one were real.
func TestPlayAThousandAttempts(t *testing.T) {
	run, err := simulate.Play(parse(t, "policy exp:base=1s,cap=1h,jitter=additive,attempts=1000\ntransient x999\nok"), simulate.Options{})
	require.NoError(t, err)
	assert.Equal(t, scripted.Success, run.Outcome)
	assert.Equal(t, 1000, run.Attempts)
	assert.Greater(t, run.Elapsed, 40*24*time.Hour)
}

func TestTheSeedIsThatOfTheJitter(t *testing.T) {
	s := parse(t, "policy exp:jitter=full,attempts=4; transient x3; ok")
	total := func(seed uint64) time.Duration {
		run, err := simulate.Play(s, simulate.Options{Seed: &seed})
		require.NoError(t, err)
		return run.Calls[0].Elapsed
	}
	assert.Equal(t, total(1), total(1))
	assert.NotEqual(t, total(1), total(2))
}

func TestPlayIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := parse(t, propertytest.Scripts(5).Draw(t, "script"))
		seed := rapid.Uint64().Draw(t, "seed")
		first, err := simulate.Play(s, simulate.Options{Seed: &seed})
		require.NoError(t, err)
		second, err := simulate.Play(s, simulate.Options{Seed: &seed})
		require.NoError(t, err)
		require.Equal(t, first.Trace.Digest(), second.Trace.Digest())
	})
}

// A dumb reading of the contract, without jitter: what a call of the script
// must come to. It shares no code with the decorator.
func oracle(turns []string, p retry.Policy) (outcome scripted.Outcome, attempts int, elapsed time.Duration) {
	for i, turn := range turns {
		attempts++
		switch {
		case turn == `ok "hi" transient`:
			return scripted.Broken, attempts, elapsed
		case strings.HasPrefix(turn, "ok"):
			return scripted.Success, attempts, elapsed
		case attempts >= p.MaxAttempts:
			return scripted.Exhausted, attempts, elapsed
		case strings.HasPrefix(turn, "permanent"):
			return scripted.Refused, attempts, elapsed
		}
		wait := p.BaseDelay
		for range i {
			wait = min(wait*2, p.MaxDelay)
		}
		wait = min(wait, p.MaxDelay)
		if _, ms, hinted := strings.Cut(turn, ":"); hinted {
			n, _ := strconv.Atoi(ms)
			wait = time.Duration(n) * time.Millisecond
		}
		elapsed += wait
	}
	panic("the script is used up")
}

func TestPlayAgainstTheOracle(t *testing.T) {
	seen := make(map[scripted.Outcome]bool)
	rapid.Check(t, func(t *rapid.T) {
		turns := append(propertytest.Turns(5).Draw(t, "turns"), "ok")
		p := retry.Policy{
			MaxAttempts: rapid.IntRange(-1, 7).Draw(t, "attempts"),
			BaseDelay:   time.Duration(rapid.IntRange(0, 3000).Draw(t, "base ms")) * time.Millisecond,
			MaxDelay:    time.Duration(rapid.IntRange(1, 9000).Draw(t, "cap ms")) * time.Millisecond,
		}
		run, err := simulate.Play(parse(t, strings.Join(turns, "; ")), simulate.Options{Policy: &p})
		require.NoError(t, err)
		outcome, attempts, elapsed := oracle(turns, p)
		require.Equal(t, outcome, run.Outcome)
		require.Equal(t, attempts, run.Attempts)
		require.Equal(t, elapsed, run.Elapsed)
		seen[outcome] = true
	})
	assert.Len(t, seen, 4, "every outcome came up")
}

func TestPlayRecordsTheCancel(t *testing.T) {
	run, err := simulate.Play(parse(t, "policy exp:jitter=none; cancel at 500ms; transient x9"), simulate.Options{})
	require.NoError(t, err)
	var kinds []trace.Kind
	for _, e := range run.Trace {
		kinds = append(kinds, e.Kind)
	}
	assert.Equal(t, []trace.Kind{trace.Attempt, trace.Failed, trace.Wait, trace.Cancel, trace.Interrupted, trace.End}, kinds)
	assert.ErrorIs(t, run.Err, context.Canceled)
}

func ExamplePlay() {
	script, err := scripted.Parse("example", `
		policy exp:base=1s,cap=30s,jitter=none,attempts=5
		transient x2
		transient:50
		ok "hi"
		expect attempts <= 3
	`)
	if err != nil {
		panic(err)
	}
	run, err := simulate.Play(script, simulate.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(run.Outcome, run.Attempts, run.Elapsed)
	for _, c := range run.Failed() {
		fmt.Printf("line %d: expect %v, got %s\n", c.Pos.Line, c.Expect, c.Got)
	}
	// Output:
	// success 4 3.05s
	// line 6: expect attempts <= 3, got 4
}

package simulate_test

import (
	"context"
	"fmt"
	"math"
	"slices"
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
			assert.Zero(t, run.Block, "there are none")
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
	if !testing.Short() { // few cases need not hold every outcome
		assert.Len(t, seen, 4, "every outcome came up")
	}
}

// plays is what a turn does, for the dumb reading of whole scenarios.
type plays struct {
	text    string
	latency time.Duration // hung: for ever
	hint    time.Duration // unhinted: none
	end     scripted.Outcome
	stream  time.Duration // from the opening to its end
}

const (
	hung     = time.Duration(math.MaxInt64)
	unhinted = time.Duration(-1)
	again    = scripted.Outcome("again") // a failure that may pass
)

var menu = []plays{
	{"transient", 0, unhinted, again, 0},
	{"transient:700", 0, 700 * time.Millisecond, again, 0},
	{"transient:0 after 300ms", 300 * time.Millisecond, 0, again, 0},
	{"503 after 1s", time.Second, unhinted, again, 0},
	{"429 retry-after=2s type=rate_limit_error", 0, 2 * time.Second, again, 0},
	{"429 type=insufficient_quota code=insufficient_quota", 0, unhinted, scripted.Refused, 0},
	{"reset after 50ms", 50 * time.Millisecond, unhinted, again, 0},
	{"permanent: no", 0, unhinted, scripted.Refused, 0},
	{"404 after 2s", 2 * time.Second, unhinted, scripted.Refused, 0},
	{"hang", hung, unhinted, again, 0},
	{"ok", 0, unhinted, scripted.Success, 0},
	{`ok "a" pause 800ms "b" after 400ms`, 400 * time.Millisecond, unhinted, scripted.Success, 800 * time.Millisecond},
	{`ok "a" pause 100ms cut`, 0, unhinted, scripted.Broken, 100 * time.Millisecond},
	{`ok pause 3s eof`, 0, unhinted, scripted.Truncated, 3 * time.Second},
	{`ok "a" 529 type=overloaded_error`, 0, unhinted, scripted.Broken, 0},
}

// limits are what bounds a call, 0 where nothing does; cancel is -1 then.
type limits struct{ attempt, total, cancel time.Duration }

// dumbCall plays turns one after another, as the contract has it: no code of
// the decorator, and time is a number.
func dumbCall(turns []plays, p retry.Policy, l limits) (outcome scripted.Outcome, starts []time.Duration, now time.Duration) {
	ends := hung // when the caller's context ends
	if l.cancel >= 0 {
		ends = l.cancel
	}
	if l.total > 0 {
		ends = min(ends, l.total)
	}
	if ends <= 0 {
		return scripted.Cancelled, nil, 0
	}
	for i, turn := range turns {
		starts = append(starts, now)
		took := turn.latency
		timedOut := l.attempt > 0 && took >= l.attempt
		if timedOut {
			took = l.attempt
		}
		if ends-now <= took {
			return scripted.Cancelled, starts, ends
		}
		now += took
		end := turn.end
		if timedOut {
			end, turn.hint = again, unhinted
		}
		switch end {
		case scripted.Success, scripted.Broken, scripted.Truncated:
			if ends-now <= turn.stream {
				return scripted.Cancelled, starts, ends
			}
			return end, starts, now + turn.stream
		}
		switch {
		case i+1 >= p.MaxAttempts:
			return scripted.Exhausted, starts, now
		case end == scripted.Refused:
			return scripted.Refused, starts, now
		}
		wait := turn.hint
		if wait == unhinted {
			wait = min(p.BaseDelay<<i, p.MaxDelay)
		}
		if l.total > 0 && l.total-now <= wait {
			return scripted.Cancelled, starts, now // no time is left, so nobody waits
		}
		if ends-now <= wait {
			return scripted.Cancelled, starts, ends
		}
		now += wait
	}
	panic("the script is used up")
}

// Whole scenarios, with latency, hangs, streams, timeouts and cancels, come to
// what a dumb reading of them says, to the nanosecond.
func TestScenariosAgainstADumbReading(t *testing.T) {
	seen := make(map[scripted.Outcome]int)
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			ms := func(name string, values ...int) time.Duration {
				return time.Duration(rapid.SampledFrom(values).Draw(t, name)) * time.Millisecond
			}
			p := retry.Policy{MaxAttempts: rapid.IntRange(1, 6).Draw(t, "attempts"), BaseDelay: ms("base", 1000, 0, 300), MaxDelay: ms("cap", 30_000, 1000, 2500)}
			l := limits{attempt: ms("attempt", 0, 500, 1000, 2000), total: ms("total", 0, 1000, 2000, 3700), cancel: ms("cancel", -1, 0, 300, 1000, 2300)}
			if l.cancel < 0 {
				l.cancel = -1
			}
			var turns []plays
			var script strings.Builder
			for range p.MaxAttempts {
				turn := rapid.SampledFrom(menu).Draw(t, "turn")
				if turn.latency == hung && l == (limits{cancel: -1}) {
					turn = menu[0] // nobody would end it
				}
				turns = append(turns, turn)
				fmt.Fprintln(&script, turn.text)
			}
			if l.attempt+l.total > 0 {
				fmt.Fprint(&script, "timeout")
				if l.attempt > 0 {
					fmt.Fprintf(&script, " attempt=%v", l.attempt)
				}
				if l.total > 0 {
					fmt.Fprintf(&script, " total=%v", l.total)
				}
				fmt.Fprintln(&script)
			}
			if l.cancel >= 0 {
				fmt.Fprintf(&script, "cancel at %v\n", l.cancel)
			}
			run, err := simulate.Play(parse(t, script.String()), simulate.Options{Policy: &p})
			require.NoError(t, err)
			outcome, starts, elapsed := dumbCall(turns, p, l)
			if run.Outcome != outcome || run.Elapsed != elapsed || !slices.Equal(run.Starts(), starts) {
				t.Fatalf("%v of\n%s%s at %v, attempts at %v; want %s at %v, attempts at %v", p, script.String(), run.Outcome, run.Elapsed, run.Starts(), outcome, elapsed, starts)
			}
			seen[outcome]++
		}
	})
	assert.Len(t, seen, 6, "every outcome came up: %v", seen)
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

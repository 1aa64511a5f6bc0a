package simulate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
)

func TestCheckSaysWhatCameInstead(t *testing.T) {
	const head = "policy exp:base=1s,jitter=none,attempts=5; transient x4; ok \"hello\" eof; "
	for expect, got := range map[string]string{
		"outcome == success":        "truncated",
		"outcome != truncated":      "truncated",
		"attempts in 1..4":          "5",
		"attempts > 5":              "5",
		"attempts == ?":             "5",
		"wait[1] == 2s":             "1s",
		"wait[5] == 2s":             "only 4",
		"wait[*] < 4s":              "4s (the 3rd of 4)",
		"wait[*] >= 2s":             "1s",
		"start[5] in 1s..2s":        "15s",
		"start[*] == 0s":            "1s (the 2nd of 5)",
		"start[*] == 7s":            "0s",
		"total != 15s":              "15s",
		"chunks == 0":               "1",
		`text != "hello"`:           `"hello"`,
		`text contains "x"`:         `"hello"`,
		`error == "transient"`:      `""`,
		`error contains "deadline"`: `""`,
	} {
		r := simulate.Check(parse(t, head+"expect "+expect))
		require.Len(t, r.Failed(), 1, expect)
		assert.Equal(t, got, r.Failed()[0].Got, expect)
		assert.False(t, r.OK())
	}
	for _, expect := range []string{"outcome == truncated", "wait[*] in 1s..8s", "start[2] == 1s", `text contains "ell"`, `error == ""`, "chunks == 1", "no gave-up-early"} {
		assert.True(t, simulate.Check(parse(t, head+"expect "+expect)).OK(), expect)
	}
	// A value that is yet to be filled in does not hold, whatever comes.
	for _, expect := range []string{"total == ?", "error == ?", "outcome == ?"} {
		assert.False(t, simulate.Check(parse(t, "ok; expect "+expect)).OK(), expect)
	}
	// A value that does not exist does nothing right.
	for _, expect := range []string{"wait[*] >= 0s", "wait[1] != 5s", "start[2] != 5s"} {
		r := simulate.Check(parse(t, "ok; expect "+expect))
		require.False(t, r.OK(), expect)
		assert.Contains(t, []string{"none", "only 1"}, r.Failed()[0].Got)
	}
}

func TestAnExpectationIsAboutTheCallsOfItsBlock(t *testing.T) {
	r := simulate.Check(parse(t, `policy exp:base=1s,jitter=none
lane "a" when model=x {
	call { ok; expect attempts == 1 }
	call { transient; ok; expect attempts == 1 }
	expect attempts <= 1
}
lane "b" when model=y { call { permanent: no; expect outcome == permanent } }
expect outcome == success
`))
	require.Empty(t, r.Problems)
	var got []string
	for _, e := range r.Checks {
		got = append(got, fmt.Sprintf("%d: %s: %s, %v", e.Pos.Line, e.Expect, e.Got, e.OK))
	}
	assert.Equal(t, []string{
		"3: attempts == 1: 1, true",
		"4: attempts == 1: 2 (call 2), false",
		"5: attempts <= 1: 2 (call 2), false",
		"7: outcome == permanent: permanent, true",
		"8: outcome == success: permanent (call 3), false",
	}, got)
	require.Len(t, r.Calls, 3)
	assert.Equal(t, "a", r.Calls[1].Lane)
	assert.Equal(t, 2, r.Calls[1].Block)
	assert.Equal(t, []time.Duration{0, time.Second}, r.Calls[1].Starts())
	assert.Equal(t, []time.Duration{time.Second}, r.Calls[1].Waits())
}

func TestProblems(t *testing.T) {
	tests := map[string]string{
		"transient":                   "scripted: call 2 finds the script used up (it has 1 turn)",
		"calls 2; ok":                 "call 2: scripted: call 2 finds the script used up (it has 1 turn)",
		`lane "a" { call { reset } }`: `scripted: request 2 is past its call block of line 1 in lane "a" (it has 1 turn)`,
		"hang":                        "scripted: nothing ended the hang in 365 days (a timeout or a cancel would)",
		`ok "a" stall`:                "scripted: nothing ended the stall in 365 days (a timeout or a cancel would)",
		`lane "a" when model=m { ok }; lane "b" when model=m-1 { ok }; lane "c" when model=m* { ok }`: `simulate: found no request that comes to lane "c": the lanes before take what was tried (say more exactly when they do)`,
		`lane "a" when x-a="" { ok }; lane "b" when x-a=other { ok }; ok`:                             `simulate: found no request that comes to the turns outside lanes: the lanes before take what was tried (say more exactly when they do)`,
		"policy exp:attempts=unlimited,base=0s; 503 forever":                                          "simulate: script does not end: fakeclock: busy loop: 100300 calls on the clock while it stands at +0s: a loop that waits for no time, or for time that only a wait would move",
	}
	for script, want := range tests {
		r := simulate.Check(parse(t, script+"; expect attempts == 1"))
		require.Len(t, r.Problems, 1, script)
		assert.EqualError(t, r.Problems[0], want)
		assert.False(t, r.OK())
	}
	s := parse(t, "ok")
	s.Policy = &retry.Policy{BaseDelay: -1}
	r := simulate.Check(s)
	require.Len(t, r.Problems, 1)
	assert.ErrorContains(t, r.Problems[0], "BaseDelay")
	assert.Nil(t, r.Run)
	assert.Empty(t, r.Failed())
	assert.False(t, r.OK())
	assert.True(t, simulate.Check(parse(t, "ok")).OK(), "what expects nothing is not disappointed")
}

// The callers of a lane come to that lane, whatever the others take.
func TestEveryLaneGetsItsCalls(t *testing.T) {
	for _, script := range []string{
		`lane "a" when model=gpt { ok "a" }; lane "b" when model=gpt* { ok "b" }`,
		`lane "a" when x-a="" { ok "a" }; ok "outside"`,
		`lane "a" when model=scripted { ok "a" }; ok "outside"`,
		`lane "a" when model=scripted path="" { ok "a" }; lane "b" when path=/v1* { ok "b" }; lane "c" when x-k=v { ok "c" }; ok "outside"`,
		`lane "c" when x-k=v* { ok "c" }; lane "a" when model=m { ok "a" }; lane "b" { ok "b" }`,
	} {
		r := simulate.Check(parse(t, script))
		require.Empty(t, r.Problems, script)
		lanes := strings.Count(script, "lane ")
		if strings.Contains(script, "outside") {
			lanes++
		}
		require.Len(t, r.Calls, lanes, script)
		for _, c := range r.Calls {
			want := c.Lane
			if want == "" {
				want = "outside"
			}
			assert.Equal(t, want, c.Text(), script)
		}
	}
}

// However many calls there are, they end.
func TestAsManyCallsAsThereMayBe(t *testing.T) {
	run, err := simulate.Play(parse(t, fmt.Sprintf("calls %d at once; 503 x%[1]d; ok forever", scripted.MaxCalls)), simulate.Options{})
	require.NoError(t, err)
	require.Len(t, run.Calls, scripted.MaxCalls)
	assert.Equal(t, scripted.Success, run.Calls[scripted.MaxCalls-1].Outcome)
	assert.Equal(t, 2, run.Calls[scripted.MaxCalls-1].Attempts)
}

// The calls of a run at once meet each other in the order of their numbers,
// every time.
func TestCallsAtOnce(t *testing.T) {
	const script = "policy exp:base=1s,jitter=full,attempts=4; calls 20 at once; 503 after 10ms x40; ok \"a\" pause 1s x99"
	first, err := simulate.Play(parse(t, script), simulate.Options{})
	require.NoError(t, err)
	for range 5 {
		again, err := simulate.Play(parse(t, script), simulate.Options{})
		require.NoError(t, err)
		require.Equal(t, first.Trace.Digest(), again.Trace.Digest())
	}
	require.Len(t, first.Calls, 20)
	for i, c := range first.Calls {
		assert.Equal(t, uint64(i+1), c.Number)
		assert.Equal(t, scripted.Success, c.Outcome)
		assert.Equal(t, time.Duration(0), c.Starts()[0])
		assert.NotEmpty(t, c.Events)
	}
	// One after another the same calls begin where the last one ended.
	s := parse(t, script)
	s.AtOnce = false
	run, err := simulate.Play(s, simulate.Options{})
	require.NoError(t, err)
	assert.Equal(t, 4, run.Calls[0].Attempts)
	assert.Equal(t, scripted.Exhausted, run.Outcome, "the first call takes four of the refusals")
}

func TestTimeouts(t *testing.T) {
	run, err := simulate.Play(parse(t, "timeout attempt=2s total=30s; policy exp:base=1s,jitter=none,attempts=9; hang x9"), simulate.Options{})
	require.NoError(t, err)
	assert.Equal(t, 2*time.Second, run.Policy.AttemptTimeout)
	assert.Equal(t, []time.Duration{0, 3 * time.Second, 7 * time.Second, 13 * time.Second, 23 * time.Second}, run.Starts())
	assert.Equal(t, scripted.Cancelled, run.Outcome)
	assert.Equal(t, 25*time.Second, run.Elapsed, "sixteen more would not fit")

	override := retry.Policy{MaxAttempts: 1, AttemptTimeout: 5 * time.Second}
	run, err = simulate.Play(parse(t, "timeout attempt=2s; hang"), simulate.Options{Policy: &override})
	require.NoError(t, err)
	assert.Equal(t, 5*time.Second, run.Elapsed, "the override's own timeout stands")
}

// Of many values the one that does not do is counted in words.
func TestWhichOfMany(t *testing.T) {
	for n, want := range map[int]string{2: "2nd", 3: "3rd", 4: "4th", 10: "10th", 11: "11th", 12: "12th", 13: "13th", 14: "14th", 21: "21st", 22: "22nd", 23: "23rd", 111: "111th", 112: "112th", 113: "113th", 121: "121st"} {
		r := simulate.Check(parse(t, fmt.Sprintf("policy exp:jitter=none,attempts=300; transient:0 x%d; transient:1000; transient:0 x90; ok; expect wait[*] == 0s", n-1)))
		assert.Equal(t, fmt.Sprintf("1s (the %s of %d)", want, n+90), r.Failed()[0].Got)
	}
}

// The record says once that a call was cancelled, and of no other.
func TestTheCancelIsRecordedOnce(t *testing.T) {
	for script, want := range map[string]int{
		"cancel at 1s; timeout total=1s; hang":                         1,
		"cancel at 1s; timeout total=2s; hang":                         1,
		"timeout total=1s; calls 2; ok; ok \"a\" pause 900ms":          0,
		"timeout total=1s; calls 3; ok after 500ms x2; ok after 999ms": 0,
		"timeout total=1s; hang":                                       1,
		"cancel at 0s; ok":                                             1,
	} {
		run, err := simulate.Play(parse(t, script), simulate.Options{})
		require.NoError(t, err)
		got := 0
		for _, e := range run.Trace {
			if e.Kind == trace.Cancel {
				got++
			}
		}
		assert.Equal(t, want, got, script)
	}
}

// An update writes what came where one value came.
func TestEdit(t *testing.T) {
	tests := map[string]string{ // "" where there is nothing to write
		"expect attempts == 9":           "3",
		"expect attempts == ?":           "3",
		"expect attempts == 3":           "",
		"expect attempts <= 1":           "",
		"expect attempts != 3":           "",
		"expect attempts in 8..9":        "",
		"expect wait[1] == 9s":           "1s",
		"expect wait[3] == 9s":           "",
		"expect wait[*] == 9s":           "",
		`expect text == "x"`:             `say "hi"`,
		`expect text contains "x"`:       "",
		"expect outcome == broken":       "success",
		"calls 2; expect attempts == 9":  "",
		"calls 2; expect attempts == 3":  "",
		"calls 2; expect attempts == 1":  "",
		"calls 2; expect start[1] == 9s": "0s",
		"calls 2; expect total == ?":     "",
		"expect no early-retry":          "",
		"expect chunks == 4":             "2",
	}
	for text, want := range tests {
		r := simulate.Check(parse(t, "policy exp:base=1s,jitter=none; transient x2; ok `say \"hi\"` x2; "+text))
		require.Empty(t, r.Problems, text)
		edit, ok := r.Checks[0].Edit()
		assert.Equal(t, want != "", ok, text)
		if ok {
			assert.Equal(t, want, edit.Value, text)
		}
	}
	r := simulate.Check(parse(t, "policy exp:base=1s,jitter=none; transient x2; ok x2; calls 2; expect attempts == ?; expect wait[*] == ?; expect wait[9] == ?"))
	var got []string
	for _, c := range r.Failed() {
		got = append(got, c.Got)
	}
	assert.Equal(t, []string{
		"3 (call 1), and elsewhere something else: there is no one value to fill in",
		"1s (call 1), and elsewhere something else: there is no one value to fill in",
		"only 2 (call 1)",
	}, got)
	edit, ok := simulate.Check(parse(t, "policy const:base=2s,jitter=none,attempts=4; transient x4; expect wait[*] == ?")).Checks[0].Edit()
	assert.True(t, ok, "the same everywhere")
	assert.Equal(t, "2s", edit.Value)
	edit, ok = simulate.Check(parse(t, `ok; expect error == "x"`)).Checks[0].Edit()
	assert.True(t, ok, "no error is a text, the empty one")
	assert.Empty(t, edit.Value)
}

// The script's cancel is a moment of the run, not of each call.
func TestCancelIsAMomentOfTheRun(t *testing.T) {
	run, err := simulate.Play(parse(t, "policy exp:base=1s,jitter=none; calls 3; cancel at 1500ms; transient; ok; transient; ok x9"), simulate.Options{})
	require.NoError(t, err)
	var got []string
	for _, c := range run.Calls {
		got = append(got, fmt.Sprintf("%s %d %v", c.Outcome, c.Attempts, c.Elapsed))
	}
	assert.Equal(t, []string{"success 2 1s", "cancelled 1 500ms", "cancelled 0 0s"}, got)
}

func ExamplePlay_calls() {
	s, err := scripted.Parse("example", `503; calls 2; ok "one"; ok "two"`)
	if err != nil {
		panic(err)
	}
	policy := retry.Policy{MaxAttempts: 2, BaseDelay: time.Second}
	run, err := simulate.Play(s, simulate.Options{Policy: &policy})
	if err != nil {
		panic(err)
	}
	for _, c := range run.Calls {
		fmt.Println(c.Number, c.Outcome, c.Attempts, c.Elapsed, c.Waits(), c.Text())
	}
	// Output:
	// 1 success 2 1s [1s] one
	// 2 success 1 0s [] two
}

func ExampleResult_Edit() {
	const text = "503;  ok\nexpect attempts == ?\n"
	s, err := scripted.Parse("example", text)
	if err != nil {
		panic(err)
	}
	for _, r := range simulate.Check(s).Failed() {
		if edit, ok := r.Edit(); ok {
			fmt.Print(scripted.Rewrite(text, []scripted.Edit{edit}))
		}
	}
	// Output:
	// 503;  ok
	// expect attempts == 2
}

func ExampleReport() {
	s, err := scripted.Parse("example", "hang; expect attempts == 1")
	if err != nil {
		panic(err)
	}
	report := simulate.Check(s)
	fmt.Println(report.OK(), report.Problems)
	// Output: false [scripted: nothing ended the hang in 365 days (a timeout or a cancel would)]
}

func ExampleEndlessError() {
	s, err := scripted.Parse("example", "policy exp:base=0s,attempts=unlimited; reset forever")
	if err != nil {
		panic(err)
	}
	_, err = simulate.Play(s, simulate.Options{})
	fmt.Println(errors.As(err, new(*simulate.EndlessError)))
	// Output: true
}

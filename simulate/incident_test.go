package simulate_test

import (
	"fmt"
	"math"
	"slices"
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

// What a scenario's trace is made into plays as the scenario did.
func TestATraceBecomesAScenario(t *testing.T) {
	tests := []struct{ script, want string }{
		{"transient after 40ms; transient:50; ok \"Hel\" pause 200ms \"lo\"",
			"\ntransient after 40ms\ntransient:50\nok \"xxx\" pause 200ms \"xx\"\n\nexpect outcome == success\nexpect attempts == 3\n"},
		{"transient x3", "\ntransient x3\n\nexpect outcome == exhausted\nexpect attempts == 3\n"},
		{"permanent: \"bad; key\"", "\npermanent: \"bad; key\"\n\nexpect outcome == permanent\nexpect attempts == 1\n"},
		{"ok \"Hel\" cut", "\nok \"xxx\" cut\n\nexpect outcome == broken\nexpect attempts == 1\n"},
		{"ok \"Hel\" eof", "\nok \"xxx\" eof\n\nexpect outcome == truncated\nexpect attempts == 1\n"},
		{"cancel at 1500ms; transient x3", "cancel at 1.5s\n\ntransient x2\n\nexpect outcome == cancelled\nexpect attempts == 2\n"},
		{"calls 2; transient; ok; transient x3",
			"\ncall {\n\ttransient\n\tok\n\n\texpect outcome == success\n\texpect attempts == 2\n}\n\ncall {\n\ttransient x3\n\n\texpect outcome == exhausted\n\texpect attempts == 3\n}\n"},
	}
	const head = "policy exp:base=1s,cap=30s,jitter=none,attempts=3\n"
	for _, tt := range tests {
		t.Run(tt.script, func(t *testing.T) {
			first, err := simulate.Play(parse(t, head+tt.script), simulate.Options{})
			require.NoError(t, err)
			made, err := simulate.FromTrace(first.Trace, first.Policy)
			require.NoError(t, err)
			text := scripted.Format(made)
			assert.Equal(t, head+tt.want, text)
			again, err := simulate.Play(parse(t, text), simulate.Options{})
			require.NoError(t, err)
			assert.Empty(t, again.Failed(), "the scenario holds")
			assert.Equal(t, len(first.Calls), len(again.Calls))
			for i := range first.Calls {
				assert.Equal(t, first.Calls[i].Starts(), again.Calls[i].Starts(), "the same schedule")
			}
		})
	}
}

// A recorder in production does not see the context end, only what comes of
// it.
func TestATraceOfACancelledCall(t *testing.T) {
	for _, script := range []string{"cancel at 1500ms; transient x3", "timeout total=2s; transient x3"} {
		first, err := simulate.Play(parse(t, "policy exp:base=1s,jitter=none,attempts=3\n"+script), simulate.Options{})
		require.NoError(t, err)
		recorded := slices.DeleteFunc(first.Trace, func(e trace.Event) bool { return e.Kind == trace.Cancel })
		made, err := simulate.FromTrace(recorded, first.Policy)
		require.NoError(t, err)
		again, err := simulate.Play(parse(t, scripted.Format(made)), simulate.Options{})
		require.NoError(t, err)
		assert.Empty(t, again.Failed(), scripted.Format(made))
		assert.Equal(t, scripted.Cancelled, again.Calls[0].Outcome)
	}
}

func TestATraceWithAbsurdSizes(t *testing.T) {
	for size, want := range map[int]int{-1: 0, 5: 5, math.MaxInt: 1000} {
		made, err := simulate.FromTrace(trace.Trace{
			{Kind: trace.Attempt}, {Kind: trace.Opened}, {Kind: trace.Chunk, Chunk: "text", Size: size},
		}, retry.Default())
		require.NoError(t, err)
		assert.Len(t, made.Turns[0].Answer.(scripted.Stream).Items[0], want)
	}
}

// A trace may begin before its call does.
func TestATraceThatBeginsEarlier(t *testing.T) {
	began := 3 * time.Hour
	made, err := simulate.FromTrace(trace.Trace{
		{Kind: trace.Attempt, At: began}, {Kind: trace.Failed, At: began + time.Second}, {Kind: trace.Cancel, At: began + 2*time.Second},
	}, retry.Default())
	require.NoError(t, err)
	require.NotNil(t, made.Cancel)
	assert.Equal(t, 2*time.Second, *made.Cancel)
	assert.Equal(t, time.Second, made.Turns[0].After)
}

// Whatever a trace says, what is made of it can be read, and lasts as long.
func TestATraceOfALongAnswer(t *testing.T) {
	events := trace.Trace{{Kind: trace.Attempt}, {Kind: trace.Opened}}
	for i := range 9_999 {
		events = append(events, trace.Event{Kind: trace.Chunk, Chunk: "text", Size: 7, At: time.Duration(i+1) * 20 * time.Millisecond})
	}
	events = append(events, trace.Event{Kind: trace.Chunk, Chunk: "finished", At: 201 * time.Second}, trace.Event{Kind: trace.EOF, At: 201 * time.Second})
	made, err := simulate.FromTrace(events, retry.Default())
	require.NoError(t, err)
	text := scripted.Format(made)
	run, err := simulate.Play(parse(t, text), simulate.Options{})
	require.NoError(t, err)
	assert.Empty(t, run.Failed())
	assert.Equal(t, 201*time.Second, run.Elapsed)
	assert.Equal(t, 9_999, len(run.Text()))
	assert.Len(t, run.Chunks, 2500+1)
}

func TestATraceThatIsAbsurd(t *testing.T) {
	long := time.Duration(math.MaxInt64)
	back := -time.Second
	finished := trace.Trace{{Kind: trace.Attempt}, {Kind: trace.Opened}}
	for i := range 20_000 {
		finished = append(finished, trace.Event{Kind: trace.Chunk, Chunk: "finished", At: time.Duration(i)})
	}
	for name, events := range map[string]trace.Trace{
		"always at its end":   finished,
		"time runs backwards": {{Kind: trace.Attempt, At: time.Hour}, {Kind: trace.Failed, At: time.Second}, {Kind: trace.Wait, RetryAfter: &back}},
		"a hint for ever":     {{Kind: trace.Attempt}, {Kind: trace.Failed, RetryAfter: &long}},
		"a book for a reason": {{Kind: trace.Attempt}, {Kind: trace.Failed}, {Kind: trace.End, Reason: retry.NotTransient.String(), Error: strings.Repeat("\u2028\xff", 100_000)}},
		"pauses for ever":     {{Kind: trace.Attempt}, {Kind: trace.Opened}, {Kind: trace.Chunk, At: long - 1}, {Kind: trace.EOF, At: long}},
	} {
		made, err := simulate.FromTrace(events, retry.Default())
		require.NoError(t, err, name)
		parse(t, scripted.Format(made))
	}
}

// A server sees neither waits nor the end of a call, but knows what it sent.
func TestATraceOfAServer(t *testing.T) {
	hint := 2 * time.Second
	for _, tt := range []struct {
		events trace.Trace
		want   string
	}{
		{trace.Trace{{Kind: trace.Attempt}, {Kind: trace.Failed, Class: "transient", RetryAfter: &hint, Status: 429},
			{Kind: trace.Attempt, At: hint}, {Kind: trace.Opened, At: hint, Status: 200}, {Kind: trace.Chunk, Chunk: "finished", At: hint}, {Kind: trace.EOF, At: hint}},
			"transient:2000\nok\n\nexpect outcome == success\nexpect attempts == 2\n"},
		{trace.Trace{{Kind: trace.Begin}, {Kind: trace.Attempt}, {Kind: trace.Failed, Class: "permanent", Error: "400"}, {Kind: trace.End}},
			"permanent: 400\n\nexpect outcome == permanent\nexpect attempts == 1\n"},
	} {
		made, err := simulate.FromTrace(tt.events, retry.Policy{MaxAttempts: 2})
		require.NoError(t, err)
		_, text, _ := strings.Cut(scripted.Format(made), "\n\n")
		assert.Equal(t, tt.want, text)
		run, err := simulate.Play(parse(t, scripted.Format(made)), simulate.Options{})
		require.NoError(t, err)
		assert.Empty(t, run.Failed())
	}
}

func TestATraceThatIsNoCall(t *testing.T) {
	_, err := simulate.FromTrace(nil, retry.Default())
	assert.EqualError(t, err, "simulate: the trace has no attempt to make a turn of")
	_, err = simulate.FromTrace(trace.Trace{{Kind: trace.Attempt}}, retry.Policy{BaseDelay: -1})
	assert.ErrorContains(t, err, "BaseDelay")
	made, err := simulate.FromTrace(trace.Trace{{Kind: trace.Resumed, Call: 7}, {Kind: trace.Attempt, Call: 1}}, retry.Default())
	require.NoError(t, err)
	assert.Equal(t, []scripted.Turn{{Answer: scripted.Hang{}}}, made.Turns, "an attempt whose end is not recorded never ended")
	hint := 1500 * time.Microsecond
	made, err = simulate.FromTrace(trace.Trace{{Kind: trace.Attempt}, {Kind: trace.Failed}, {Kind: trace.Wait, RetryAfter: &hint}}, retry.Default())
	require.NoError(t, err)
	assert.Equal(t, scripted.Transient{Hinted: true, Wait: 2 * time.Millisecond}, made.Turns[0].Answer, "a hint is rounded up")
}

func ExampleFromTrace() {
	after := 20 * time.Second
	recorded := trace.Trace{
		{Call: 9, Attempt: 1, Kind: trace.Attempt},
		{Call: 9, Attempt: 1, Kind: trace.Failed, At: 300 * time.Millisecond},
		{Call: 9, Attempt: 1, Kind: trace.Wait, At: 300 * time.Millisecond, Class: "transient", RetryAfter: &after},
		{Call: 9, Attempt: 2, Kind: trace.Attempt, At: 20300 * time.Millisecond},
		{Call: 9, Attempt: 2, Kind: trace.Opened, At: 21 * time.Second},
		{Call: 9, Attempt: 2, Kind: trace.End, At: 21 * time.Second, Reason: "succeeded"},
	}
	script, err := simulate.FromTrace(recorded, retry.Policy{MaxAttempts: 3, BaseDelay: time.Second})
	if err != nil {
		panic(err)
	}
	fmt.Print(scripted.Format(script))
	// Output:
	// policy exp:base=1s,cap=none,jitter=none,attempts=3
	//
	// transient:20000 after 300ms
	// ok after 700ms
	//
	// expect outcome == success
	// expect attempts == 2
}

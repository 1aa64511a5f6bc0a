package verdict_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

var policy = retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 2 * time.Second, AttemptTimeout: 5 * time.Second, MaxElapsed: 10 * time.Second}

const head = `{"schema":"retrykit.trace/v1"}` + "\n"

// event writes an event of call 1: at and attempt, then the rest as JSON.
func event(at string, attempt int, kind, rest string) string {
	d, err := time.ParseDuration(at)
	if err != nil {
		panic(err)
	}
	if rest != "" {
		rest = "," + rest
	}
	return fmt.Sprintf(`{"at_ns":%d,"call":1,"attempt":%d,"event":%q%s}`+"\n", d, attempt, kind, rest)
}

const (
	e503      = `"error":"503"`
	wait1s    = `"class":"transient","reason":"backoff","wait_ns":1000000000`
	asked5s   = `"class":"transient","reason":"retry-after","retry_after_ns":5000000000,"wait_ns":5000000000`
	forGood   = `"class":"permanent","reason":"backoff","wait_ns":1000000000`
	last503   = `"reason":"last attempt","elapsed_ns":0,"error":"503"`
	cancelled = `"reason":"cancelled","elapsed_ns":0,"error":"context canceled"`
)

var opened = event("0s", 1, "attempt", "") + event("0s", 1, "opened", "")

func sent(kind, body string) string {
	return event("0s", 1, "sent", fmt.Sprintf(`"chunk":%q,"body_sha256":%q`, kind, body))
}

func chunk(kind, body string) string {
	return event("0s", 1, "chunk", fmt.Sprintf(`"chunk":%q,"body_sha256":%q`, kind, body))
}

// One trace for each rule, with the one fault in it.
func TestEveryRuleFindsItsFaultAndNoOtherDoes(t *testing.T) {
	tests := map[string]struct {
		trace, says string
	}{
		"early-retry": {
			event("0s", 1, "attempt", "") + event("0s", 1, "failed", e503) + event("0s", 1, "wait", asked5s) + event("2s", 1, "resumed", "") +
				event("2s", 2, "attempt", "") + event("2s", 2, "opened", ""),
			"attempt 2 came after 2s, and not after 5s at least",
		},
		"over-wait": {
			event("0s", 1, "attempt", "") + event("0s", 1, "failed", e503) + event("0s", 1, "wait", wait1s) + event("1s", 1, "resumed", "") +
				event("1001ms", 2, "attempt", "") + event("2s", 2, "opened", ""),
			"attempt 2 came after 1.001s, and not after 1s at most",
		},
		"extra-attempt": {
			event("0s", 3, "attempt", "") + event("0s", 3, "failed", e503) + event("0s", 4, "attempt", "") + event("0s", 4, "opened", ""),
			"attempt 4, and the policy allows 3",
		},
		"retried-permanent": {
			event("0s", 1, "attempt", "") + event("0s", 1, "failed", `"error":"401"`) + event("0s", 1, "wait", forGood) + event("1s", 1, "resumed", "") +
				event("1s", 2, "attempt", "") + event("1s", 2, "opened", ""),
			`attempt 2 after the permanent error "401"`,
		},
		"retried-after-content": {
			event("0s", 1, "attempt", "") + event("0s", 1, "opened", "") + event("0s", 1, "chunk", `"chunk":"text","size":2`) + event("0s", 2, "attempt", ""),
			"attempt 2, and attempt 1 had delivered 1 of its answer's chunks",
		},
		"slept-after-last": {
			event("0s", 3, "attempt", "") + event("0s", 3, "failed", e503) + event("4s", 3, "end", last503),
			"attempt 3 was the last, and its error returned 4s later",
		},
		"started-after-cancel": {
			event("1s", 0, "cancel", "") + event("1s", 1, "attempt", "") + event("1s", 1, "opened", ""),
			"attempt 1 began at 1s, and the context had ended at 1s",
		},
		"ignored-cancel": {
			event("0s", 1, "attempt", "") + event("0s", 1, "failed", e503) + event("0s", 1, "wait", wait1s) + event("500ms", 0, "cancel", "") +
				event("1s", 1, "resumed", "") + event("1s", 1, "end", cancelled),
			"the wait after attempt 1 went on until 1s, and the context had ended at 500ms",
		},
		"gave-up-early": {
			event("0s", 2, "attempt", "") + event("0s", 2, "failed", e503) + event("0s", 2, "end", last503),
			"attempt 2 was made out to be the last, and the policy allows 3",
		},
		"lost-error": {
			event("0s", 3, "attempt", "") + event("0s", 3, "failed", `"error":"504"`) + event("0s", 3, "end", last503),
			`attempt 3 failed with "504", the caller got "503"`,
		},
		"hammer": {
			event("0s", 1, "attempt", "") + event("0s", 1, "failed", `"class":"transient","error":"503"`) + event("0s", 2, "attempt", "") + event("0s", 2, "opened", ""),
			"attempt 2 came at once, and the policy asks for 1s",
		},
		"overran-limit": {
			event("0s", 1, "attempt", "") + event("4s", 1, "failed", e503) + event("11s", 2, "attempt", "") + event("11s", 2, "opened", ""),
			"attempt 2 began 11s after the first, and the policy allows 10s",
		},
		"ignored-timeout": {
			event("0s", 1, "attempt", "") + event("5001ms", 1, "opened", ""),
			"attempt 1 took 5.001s, and the policy allows 5s",
		},
		"nested-retry": {
			event("0s", 1, "attempt", "") + event("0s", 1, "failed", "") + event("0s", 2, "attempt", "") + event("0s", 2, "opened", "") + event("0s", 1, "end", ""),
			"2 attempts were seen, and the caller's loop made 1",
		},
		"wrong-clock": {
			event("0s", 1, "attempt", "") + event("0s", 1, "strayed", `"error":"1s of real time passed"`),
			"1s of real time passed",
		},
		"leaked": {
			event("0s", 1, "leaked", `"error":"a timer until 5s"`),
			"a timer until 5s",
		},
		"panicked": {
			event("0s", 1, "panicked", `"error":"index out of range"`),
			"index out of range",
		},
		"wrong-notice": {
			event("0s", 1, "attempt", "") + event("0s", 1, "failed", `"class":"permanent","error":"401"`) + event("0s", 1, "notice", `"wait_ns":1000000000,"error":"401"`) +
				event("0s", 0, "end", `"error":"401","is":["same"]`),
			"a retry after attempt 1 was announced, and none followed",
		},
		"stuck": {
			event("0s", 1, "stuck", `"error":"blocked on a channel"`),
			"blocked on a channel",
		},
		"slept-to-deadline": {
			event("0s", 0, "begin", `"deadline_ns":500000000`) + event("0s", 1, "attempt", "") + event("0s", 1, "failed", `"class":"transient","error":"503"`) +
				event("500ms", 0, "cancel", "") + event("500ms", 0, "end", `"error":"context deadline exceeded","is":["last","context","cause"]`),
			"the call went on for 500ms after attempt 1, with a deadline at 500ms and a wait of 1s to come",
		},
		"lost-cancel": {
			event("0s", 1, "attempt", "") + event("0s", 1, "failed", `"class":"transient","error":"503"`) + event("100ms", 0, "cancel", "") +
				event("100ms", 0, "end", `"error":"503","is":["same","last"]`),
			`the context ended the call, and its error "503" does not say so`,
		},
		"invented-success": {
			event("0s", 3, "attempt", "") + event("0s", 3, "failed", `"class":"transient","error":"503"`) + event("0s", 0, "end", ""),
			`attempt 3 failed with "503", and the call returned no error`,
		},
		"lost-result": {
			event("0s", 1, "attempt", "") + event("0s", 1, "opened", "") + event("0s", 0, "end", `"error":"503","is":["other"]`),
			`attempt 1 succeeded, and the call returned "503"`,
		},
		"body-mutated": {
			event("0s", 1, "attempt", `"body_sha256":"a"`) + event("0s", 1, "failed", e503) + event("1s", 2, "attempt", `"body_sha256":"b"`) + event("1s", 2, "opened", ""),
			"attempt 2 got another request than the one before",
		},
		"lost-context": {
			event("0s", 1, "attempt", `"detached":true`) + event("0s", 1, "opened", ""),
			"attempt 1 runs under a context that is not the caller's",
		},
		"duplicate-chunk": {
			opened + sent("text", "a") + chunk("text", "a") + chunk("text", "a"),
			"the caller received a chunk (text) again",
		},
		"lost-chunk": {
			opened + sent("text", "a") + sent("text", "b") + chunk("text", "b"),
			"the caller received a chunk (text) that was not the next one sent",
		},
		"accepted-truncation": {
			opened + sent("text", "a") + chunk("text", "a") + sent("broken", "") + event("0s", 1, "eof", ""),
			"the stream broke, and ended for the caller as if it were whole",
		},
	}
	tests["late-chunk"] = struct{ trace, says string }{
		opened + sent("text", "a") + event("1s", 1, "chunk", `"chunk":"text","body_sha256":"a"`),
		"the caller received a chunk (text) 1s after it was sent",
	}
	for _, rule := range verdict.Rules() {
		if !rule.Decidable() {
			continue
		}
		t.Run(rule.Name, func(t *testing.T) {
			tt, ok := tests[rule.Name]
			require.True(t, ok, "no trace shows it")
			events, err := trace.Read(strings.NewReader(head + tt.trace))
			require.NoError(t, err)
			found := verdict.Check(events, verdict.Spec{Policy: policy})
			if rule.Name == "hammer" { // a retry at once is an early one too
				require.Equal(t, "early-retry", found[0].Rule.Name)
				found = found[1:]
			}
			require.Len(t, found, 1, "%v", found)
			assert.Equal(t, rule.Name+": "+tt.says, found[0].String())
			assert.Equal(t, uint64(1), found[0].Call)
			assert.Equal(t, verdict.Violation, found[0].Level)
			assert.EqualError(t, found.Err(), found[0].String())
		})
	}
}

// What the trace does not tell is not held against it.
func TestNothingIsFoundWhereNothingIsKnown(t *testing.T) {
	for _, text := range []string{
		"",
		event("0s", 1, "failed", e503), // before any attempt
		event("0s", 1, "attempt", ""),
		event("0s", 1, "attempt", "") + event("9s", 2, "attempt", ""), // failed with what?
		event("0s", 0, "cancel", "") + event("0s", 0, "end", cancelled),
		event("0s", 1, "attempt", "") + event("0s", 1, "failed", e503) + event("0s", 1, "end", cancelled),
		// and what is right to the nanosecond is right
		event("0s", 1, "attempt", "") + event("2s", 1, "failed", e503) + event("2s", 1, "wait", wait1s) + event("3s", 1, "resumed", "") +
			event("3s", 2, "attempt", "") + event("3s", 2, "failed", e503) + event("3s", 2, "wait", asked5s) + event("8s", 2, "resumed", "") +
			event("8s", 3, "attempt", "") + event("8s", 3, "failed", e503) + event("8s", 3, "end", last503),
	} {
		events, err := trace.Read(strings.NewReader(head + text))
		require.NoError(t, err)
		assert.Empty(t, verdict.Check(events, verdict.Spec{Policy: policy}), text)
	}
}

// The words of the language are the names of the rules.
func TestTheLanguageKnowsEveryRule(t *testing.T) {
	var names []string
	seen := make(map[string]bool)
	for _, r := range verdict.Rules() {
		if r.Decidable() {
			names = append(names, r.Name)
		}
		again, ok := verdict.Named(r.Name)
		assert.True(t, ok && again.ID == r.ID, r.Name)
		assert.False(t, seen[r.ID], "%s twice", r.ID)
		seen[r.ID] = true
		assert.NotEmpty(t, r.Area, r.Name)
		assert.Equal(t, 1, r.Since, r.Name)
		assert.NotEmpty(t, r.Says, r.Name)
		assert.NotEmpty(t, r.Harm, r.Name)
		assert.NotEmpty(t, r.Guard, r.Name)
	}
	assert.Equal(t, scripted.Verdicts, names)
}

func Example() {
	events := trace.Trace{
		{At: 0, Call: 1, Attempt: 1, Kind: trace.Attempt},
		{At: 0, Call: 1, Attempt: 1, Kind: trace.Failed, Error: "503"},
		{At: 0, Call: 1, Attempt: 2, Kind: trace.Attempt},
	}
	for _, f := range verdict.Check(events, verdict.Spec{Policy: retry.Policy{MaxAttempts: 1}}) {
		fmt.Println(f)
		fmt.Println(f.Rule.Harm)
	}
	// Output:
	// extra-attempt: attempt 2, and the policy allows 1
	// every client sends more than was agreed, all at once, in an outage
}

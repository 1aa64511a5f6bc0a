package verdict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

// What a harness notes.
const (
	fails    = `"class":"transient","error":"503"`
	fails2   = `"class":"transient","error":"502"`
	asks5s   = `"class":"transient","retry_after_ns":5000000000,"error":"503"`
	asks0    = `"class":"transient","retry_after_ns":0,"error":"503"`
	throttle = `"class":"throttled","error":"429"`
	never    = `"class":"permanent","error":"401"`
	same     = `"error":"503","is":["same","last"]`
)

// attempt writes the beginning of an attempt and what it ended with.
func attempt(n int, at, kind, rest string) string {
	return event(at, n, "attempt", "") + event(at, n, kind, rest)
}

func begun(rest string) string { return event("0s", 0, "begin", rest) }

// What each rule says of traces that show its fault in another way, and of those
// beside them that do not.
func TestWhatTheRulesSay(t *testing.T) {
	long := policy
	long.MaxRetryAfter, long.LongRetryAfter = time.Second, retry.HintGivesUp
	clamped := policy
	clamped.MaxRetryAfter = 2 * time.Second
	endless := retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: time.Second}
	slow := retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, ThrottleDelay: 4 * time.Second, Multiplier: 1.5}
	limited := retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}
	strict := func(p retry.Policy) verdict.Spec { return verdict.Spec{Policy: p} }
	for _, tt := range []struct {
		name  string
		spec  verdict.Spec
		trace string
		says  string // all findings, "deviation " before those; "" for none
	}{
		{"announced when the wait is over", strict(limited), attempt(1, "0s", "failed", fails) + event("1s", 1, "notice", `"wait_ns":1000000000,"error":"503"`) + attempt(2, "1s", "opened", ""),
			"wrong-notice: the retry after attempt 1 was announced 1s after the failure, and not before the wait"},
		{"announced before the wait", strict(limited), attempt(1, "0s", "failed", fails) + event("0s", 1, "notice", `"wait_ns":1000000000,"error":"503"`) + attempt(2, "1s", "opened", ""), ""},
		{"does not know of a failure that came with the end of the context", strict(limited), event("0s", 1, "attempt", "") + event("1s", 0, "cancel", "") +
			event("1s", 1, "failed", fails) + event("1s", 0, "end", `"error":"canceled","is":["context","cause"]`), ""},
		{"does not know of an end of the context that came with the failure", strict(limited), event("0s", 1, "attempt", "") + event("1s", 1, "failed", fails) +
			event("1s", 0, "cancel", "") + event("1s", 0, "end", same), ""},
		{"goes on where the context ended with the failure", strict(limited), event("0s", 1, "attempt", "") + event("1s", 1, "failed", asks0) +
			event("1s", 0, "cancel", "") + attempt(2, "1s", "failed", fails) + event("1s", 0, "end", same),
			"deviation hammer: attempt 2 came at once, because the server said 0\nstarted-after-cancel: attempt 2 began at 1s, and the context had ended at 1s"},
		{"loses a failure that came before the end of the context", strict(limited), attempt(1, "0s", "failed", fails) + event("500ms", 0, "cancel", "") +
			event("500ms", 0, "end", `"error":"canceled","is":["context","cause"]`), `lost-error: attempt 1 failed with "503", the caller got "canceled"`},
		{"a long hint is to end the call", strict(long), attempt(1, "0s", "failed", asks5s) + attempt(2, "5s", "opened", ""),
			"extra-attempt: attempt 2, and the policy gives up when a server asks for 5s"},
		{"no attempt at all", strict(policy), begun("") + event("0s", 0, "end", same), "gave-up-early: the call ended without an attempt"},
		{"no attempt, for there is no time", strict(policy), begun(`"deadline_ns":0`) + event("0s", 0, "end", same), ""},
		{"no attempt, and no error for a context that had ended", strict(policy), event("0s", 0, "cancel", "") + begun("") + event("0s", 0, "end", ""),
			"invented-success: the context had ended, no attempt was made, and the call returned no error"},
		{"ends with attempts left", strict(policy), attempt(1, "0s", "failed", fails) + event("0s", 0, "end", same),
			"gave-up-early: the call ended after attempt 1 of 3, whose failure was transient"},
		{"ends with any number left", strict(endless), attempt(1, "0s", "failed", fails) + event("0s", 0, "end", same),
			"gave-up-early: the call ended after attempt 1 of any number, whose failure was transient"},
		{"ends at the limit on the time", strict(policy), event("0s", 1, "attempt", "") + event("4s", 1, "failed", fails) + event("4s", 2, "attempt", "") +
			event("4s", 2, "failed", `"class":"transient","retry_after_ns":7000000000,"error":"503"`) + event("4s", 0, "end", same),
			"early-retry: attempt 2 came after 0s, and not after 1s at least\nhammer: attempt 2 came at once, and the policy asks for 1s"},
		{"a deadline leaves no time", strict(limited), begun(`"deadline_ns":1000000000`) + attempt(1, "0s", "failed", fails) +
			event("0s", 0, "end", `"error":"503","is":["last","context","cause"]`), ""},
		{"a deadline leaves a nanosecond", strict(limited), begun(`"deadline_ns":1000000001`) + attempt(1, "0s", "failed", fails) +
			event("0s", 0, "end", `"error":"503","is":["same","last"]`), "gave-up-early: the call ended after attempt 1 of 3, whose failure was transient"},

		{"an SDK that retries too", strict(limited), event("0s", 1, "attempt", `"header":{"x-stainless-retry-count":"0"}`) + event("0s", 1, "failed", fails) +
			event("1s", 2, "attempt", `"header":{"x-stainless-retry-count":"1"}`) + event("1s", 2, "opened", "") + event("1s", 1, "end", ""),
			"nested-retry: 2 attempts were seen, and the caller's loop made 1 (the SDK's own are turned off by option.WithMaxRetries(0), max_retries=0 or maxRetries: 0)"},
		{"that of AWS", strict(limited), event("0s", 1, "attempt", `"header":{"amz-sdk-request":"attempt=1; max=3"}`) + event("0s", 1, "failed", fails) +
			event("1s", 2, "attempt", `"header":{"amz-sdk-request":"attempt=2; max=3"}`) + event("1s", 2, "opened", "") + event("1s", 1, "end", ""),
			"nested-retry: 2 attempts were seen, and the caller's loop made 1 (the SDK's own are turned off by config.WithRetryMaxAttempts(1))"},

		{"throttled: the longer base", strict(slow), attempt(1, "0s", "failed", throttle) + attempt(2, "1s", "opened", ""),
			"early-retry: attempt 2 came after 1s, and not after 4s at least"},
		{"throttled, and waited for", strict(slow), attempt(1, "0s", "failed", throttle) + attempt(2, "4s", "opened", ""), ""},
		{"a fraction rounded in every step", strict(slow), attempt(1, "0s", "failed", fails) + attempt(2, "1s", "failed", fails) + attempt(3, "2.499999999s", "opened", ""), ""},
		{"a fraction not heeded", strict(slow), attempt(1, "0s", "failed", fails) + attempt(2, "1s", "failed", fails) + attempt(3, "2s", "opened", ""),
			"early-retry: attempt 3 came after 1s, and not after 1.499999996s at least"},
		{"a hint that the policy shortens", strict(clamped), attempt(1, "0s", "failed", asks5s) + attempt(2, "2s", "opened", ""),
			"deviation early-retry: attempt 2 came after 2s, where the server asked for 5s and the policy for no more than 2s"},
		{"the first attempt is late", strict(limited), begun("") + attempt(1, "1s", "opened", "") + event("1s", 0, "end", ""),
			"over-wait: attempt 1 came 1s after the call, and not at once"},
		{"a wait beyond the end of the trace", strict(limited), attempt(1, "0s", "failed", fails) + event("0s", 1, "wait", `"wait_ns":9000000000`),
			"over-wait: the wait after attempt 1 is 9s at least, and not 1s at most"},
		{"a wait at the end of the trace", strict(limited), attempt(1, "0s", "failed", fails) + event("0s", 1, "wait", `"wait_ns":1000000000`), ""},
		{"a wait after the last, beyond the end of the trace", strict(retry.Policy{MaxAttempts: 1}), attempt(1, "0s", "failed", fails) + event("0s", 1, "wait", `"wait_ns":9000000000`),
			"slept-after-last: attempt 1 was the last, and a wait of 9s at least follows it"},
		{"at once, as the server said", strict(limited), attempt(1, "0s", "failed", asks0) + attempt(2, "0s", "opened", ""),
			"deviation hammer: attempt 2 came at once, because the server said 0"},
		{"at once, as the policy says", strict(retry.Policy{MaxAttempts: 3}), attempt(1, "0s", "failed", fails) + attempt(2, "0s", "opened", ""),
			"deviation hammer: attempt 2 came at once, as the policy says"},
		{"at once, of which nothing is known", verdict.LooseSpec(), attempt(1, "0s", "failed", fails) + attempt(2, "0s", "opened", ""),
			"deviation hammer: attempt 2 came at once, and the server named no time"},
		{"a wait in vain, whatever the policy", verdict.LooseSpec(), attempt(1, "0s", "failed", fails) + event("9s", 0, "end", `"error":"503","is":["same"]`),
			"slept-after-last: attempt 1 was the last, and its error returned 9s later"},
		{"a wait that the caller ended", verdict.LooseSpec(), attempt(1, "0s", "failed", fails) + event("9s", 0, "cancel", "") + event("9s", 0, "end", `"error":"context canceled","is":["context","cause","last"]`), ""},
		{"cancelled as it failed: which was first is chance", strict(limited), begun("") + attempt(1, "0s", "failed", fails) + event("0s", 0, "cancel", "") + event("0s", 0, "end", `"error":"enough","is":["cause"]`), ""},
		{"another path", verdict.LooseSpec(), attempt(1, "0s", "failed", fails) + event("9s", 2, "attempt", `"differs":["accept","path"]`) + event("9s", 2, "opened", ""),
			"body-mutated: attempt 2 got another request than the one before: it differs in accept, path"},
		{"longer than any policy, of which nothing is known", verdict.LooseSpec(), attempt(1, "0s", "failed", fails) + attempt(2, "9s", "failed", never) + event("9s", 0, "end", `"error":"401","is":["same"]`), ""},

		{"the wait after a result", strict(limited), begun("") + attempt(1, "0s", "opened", "") + event("2s", 0, "end", ""),
			"slept-after-last: attempt 1 succeeded, and its result returned 2s later"},
		{"a result whose stream was read first", strict(limited), begun("") + attempt(1, "0s", "opened", "") + event("2s", 1, "sent", `"chunk":"text","body_sha256":"a"`) + event("2s", 0, "end", ""), ""},

		{"deaf in a wait that never ends", strict(limited), begun("") + attempt(1, "0s", "failed", fails) + event("1ms", 0, "cancel", "") + event("1ms", 1, "stuck", `"error":"blocked"`),
			"ignored-cancel: the wait after attempt 1 went on, and the context had ended at 1ms"},
		{"returns late", strict(limited), begun("") + event("0s", 1, "attempt", "") + event("2s", 1, "failed", fails) + event("1s", 0, "cancel", "") +
			event("3s", 0, "end", `"error":"503","is":["last","context","cause"]`), "ignored-cancel: the call returned at 3s, and the context had ended at 1s"},
		{"an attempt at the deadline", strict(limited), begun(`"deadline_ns":1000000000`) + attempt(1, "0s", "failed", fails) + attempt(2, "1s", "opened", ""),
			"slept-to-deadline: attempt 2 came at 1s, and the deadline was at 1s"},
		{"an answer, and then the context ends", strict(limited), begun("") + attempt(1, "0s", "opened", "") + event("0s", 0, "cancel", "") +
			event("0s", 0, "end", `"error":"canceled","is":["context","cause"]`), `lost-result: attempt 1 succeeded, and the call returned "canceled"`},
		{"the context ends, and then an answer comes", strict(limited), begun("") + event("0s", 1, "attempt", "") + event("1s", 0, "cancel", "") + event("1s", 1, "opened", "") +
			event("1s", 0, "end", `"error":"canceled","is":["context","cause"]`), ""},
		{"a stream opens, and then the context ends", strict(limited), begun(`"body_sha256":"a"`) + event("0s", 1, "attempt", `"body_sha256":"a"`) + event("0s", 1, "opened", "") +
			event("0s", 0, "cancel", "") + event("0s", 0, "end", `"error":"canceled","is":["context","cause"],"body_sha256":"a"`), ""},
		{"a response comes, and then the context ends", strict(limited), begun("") + attempt(1, "0s", "opened", `"status":200`) + event("0s", 0, "cancel", "") +
			event("0s", 0, "end", `"error":"canceled","is":["context","cause"]`), ""},
		{"no cause", strict(limited), begun("") + attempt(1, "0s", "failed", fails) + event("1ms", 0, "cancel", "") + event("1ms", 0, "end", `"error":"503","is":["last","context"]`),
			"lost-cancel: the context ended the call, and its error does not tell the cause"},
		{"no cause, which is known", verdict.Spec{Policy: limited, Lacks: []verdict.Feature{verdict.Cause}},
			begun("") + attempt(1, "0s", "failed", fails) + event("1ms", 0, "cancel", "") + event("1ms", 0, "end", `"error":"503","is":["last","context"]`),
			"deviation lost-cancel: the context ended the call, and its error does not tell the cause"},

		{"announced twice, with another wait", strict(limited), attempt(1, "0s", "failed", fails) + event("0s", 1, "notice", `"wait_ns":1000000000,"error":"503"`) +
			event("0s", 1, "notice", `"wait_ns":2000000000,"error":"503"`) + attempt(2, "1s", "opened", ""),
			"wrong-notice: the retry after attempt 1 was announced twice\nwrong-notice: a wait of 2s after attempt 1 was announced, and it was 1s"},
		{"announced, and then stuck", strict(limited), attempt(1, "0s", "failed", fails) + event("0s", 1, "notice", `"wait_ns":1000000000,"error":"503"`) +
			event("0s", 1, "stuck", `"error":"blocked"`), "stuck: blocked"},
		{"one of two announced", strict(limited), attempt(1, "0s", "failed", fails) + event("0s", 1, "notice", `"wait_ns":1000000000,"error":"503"`) + attempt(2, "1s", "failed", fails) + attempt(3, "3s", "opened", ""),
			"wrong-notice: the retry after attempt 2 was not announced, and others were"},
		{"announced with another failure", strict(limited), attempt(1, "0s", "failed", fails) + event("0s", 1, "notice", `"wait_ns":1000000000,"error":"502"`) + attempt(2, "1s", "opened", ""),
			`wrong-notice: the retry after attempt 1 was announced with "502", and the attempt failed with "503"`},
		{"announced after an attempt that there was not", strict(limited), attempt(1, "0s", "opened", "") + event("0s", 7, "notice", `"wait_ns":1000000000,"error":"503"`),
			"wrong-notice: a retry after attempt 7 was announced, and there was no such attempt"},

		{"wrapped", strict(retry.Policy{MaxAttempts: 1}), attempt(1, "0s", "failed", fails) + event("0s", 0, "end", `"error":"call: 503","is":["last"]`),
			`lost-error: attempt 1 failed with "503", the caller got "call: 503", which wraps it`},
		{"another error in the middle of an answer", strict(limited), opened + sent("text", "a") + chunk("text", "a") +
			event("0s", 1, "sent", `"chunk":"broken","error":"reset"`) + event("0s", 1, "broken", `"error":"oops"`),
			`lost-error: the stream broke with "reset", for the caller with "oops"`},
		{"another text", strict(retry.Policy{MaxAttempts: 1}), attempt(1, "0s", "failed", fails) + event("0s", 1, "end", `"reason":"last attempt","elapsed_ns":0,"error":"oops"`),
			`lost-error: attempt 1 failed with "503", the caller got "oops"`},

		{"not what the caller asked", strict(limited), begun(`"body_sha256":"a"`) + event("0s", 1, "attempt", `"body_sha256":"b"`), "body-mutated: attempt 1 got another request than the caller made"},
		{"the caller's own is another one after the call", strict(limited), begun(`"body_sha256":"a"`) + event("0s", 1, "attempt", `"body_sha256":"a"`) + event("0s", 1, "opened", "") +
			event("0s", 0, "end", `"body_sha256":"b"`), "body-mutated: the caller's request is another one after the call"},
		{"an end that nobody ordered", strict(limited), event("0s", 1, "attempt", "") + event("2s", 1, "failed", `"detached":true,"error":"canceled"`),
			"lost-context: the context of attempt 1 ended after 2s, and the caller's did not"},
		{"an end before the timeout", strict(policy), event("0s", 1, "attempt", "") + event("4.999s", 1, "failed", `"detached":true,"error":"canceled"`),
			"lost-context: the context of attempt 1 ended after 4.999s, and the policy allows 5s"},
		{"an end with the timeout", strict(policy), event("0s", 1, "attempt", "") + event("5s", 1, "failed", `"detached":true,"class":"transient","error":"canceled"`), ""},

		{"not all chunks", strict(limited), opened + sent("text", "a") + sent("text", "b") + chunk("text", "a") + event("0s", 1, "broken", `"error":"x"`),
			"lost-chunk: the caller received 1 of 2 chunks"},
		{"an end before the end", strict(limited), opened + sent("text", "a") + chunk("text", "a") + event("0s", 1, "eof", ""),
			"lost-chunk: the stream ended for the caller before it was at its end"},
		{"broken, and was not", strict(limited), opened + sent("text", "a") + chunk("text", "a") + event("0s", 1, "broken", `"error":"x"`),
			"lost-chunk: the stream was not at its end, and broke for the caller with the error x"},
		{"broken where it ended", strict(limited), opened + sent("finished", "a") + chunk("finished", "a") + sent("eof", "") + event("0s", 1, "broken", `"error":"x"`),
			"lost-chunk: the stream ended as it should, and for the caller with the error x"},
		{"abandoned", strict(limited), opened + sent("text", "a") + chunk("text", "a") + sent("abandoned", "") + event("0s", 0, "cancel", "") + event("0s", 1, "broken", `"error":"x"`), ""},
		{"half an answer, which nobody watched", strict(limited), opened + event("0s", 1, "chunk", `"chunk":"text"`) + event("0s", 1, "broken", `"error":"reset"`) + event("1s", 0, "end", ""),
			"accepted-truncation: the stream of attempt 1 did not reach its end, and the call returned no error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events, err := trace.Read(strings.NewReader(head + tt.trace))
			require.NoError(t, err)
			var said []string
			for _, f := range verdict.Check(events, tt.spec) {
				line := f.String()
				if f.Level == verdict.Deviation {
					line = f.Level.String() + " " + line
				}
				said = append(said, line)
			}
			assert.Equal(t, tt.says, strings.Join(said, "\n"))
		})
	}
}

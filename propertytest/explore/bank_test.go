package explore_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
)

var long = flag.Bool("long", false, "try every mutant, on five seeds, and let correct code pass 50,000 checks")

// mutant is the house with one bug.
type mutant struct {
	name string // area/bug
	want string // the verdicts that must be found, separated by blanks
	says string // what is wrong
}

// subject returns the mutant in the form in which its bug shows.
func (m mutant) subject() explore.Subject {
	area, name, _ := strings.Cut(m.name, "/")
	if s, ok := hunted[m.name]; ok {
		return s
	}
	switch {
	case area == "delay":
		return houseDelay(m.name)
	case area == "request", area == "stream", area == "shipped" && strings.Contains("tools params system empty only usage second", strings.Split(name, "-")[0]), slices.Contains(inModels, m.name):
		return houseModel(m.name)
	}
	return houseFunc(m.name)
}

// inModels are mutants of other areas whose bug shows in a stream.
var inModels = []string{
	"error/success-zeroed", "limit/timeout-covers-the-stream", "limit/context-ended-with-the-opening",
	"limit/context-left-with-the-stream",
}

// kill looks for each of the verdicts that are expected, on each of the seeds.
// A search ends with the first scenario that shows it, which is not shrunk.
func (m mutant) kill(t *testing.T, seeds ...uint64) {
	for name := range strings.FieldsSeq(m.want) {
		_, ok := verdict.Named(name)
		require.True(t, ok, "no rule is called %s", name)
		for i, found := range explore.Kills(m.subject(), explore.Options{Checks: 300}, name, seeds...) {
			assert.NotNil(t, found, "%s, seed %d: it %s", name, seeds[i], m.says)
		}
	}
}

// Every mutant is killed by the verdict that its bug deserves.
func TestBank(t *testing.T) {
	tried, seeds := bank, []uint64{1, 2, 3, 4, 5}
	if !*long {
		tried, seeds = sample(), seeds[:1]
		t.Logf("%d of %d mutants, one for each verdict, on one seed; -long tries all on five", len(tried), len(bank))
	}
	for _, m := range tried {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.kill(t, seeds...)
		})
	}
}

// sample returns the first mutant of each verdict.
func sample() (out []mutant) {
	seen := make(map[string]bool)
	for _, m := range bank {
		if !seen[m.want] {
			out = append(out, m)
		}
		seen[m.want] = true
	}
	return out
}

// idle are the rules for which the bank has no mutant, with the reason.
var idle = map[string]string{
	"nested-retry": "it takes a client below the subject that retries too: the harness is what is below",
	"wrong-clock":  "it takes real time to see, or a bubble: the tests of package propertytest show it",
}

// A rule that kills no mutant is dead weight.
func TestEveryRuleKills(t *testing.T) {
	kills := make(map[string]int)
	for _, m := range bank {
		for name := range strings.FieldsSeq(m.want) {
			kills[name]++
		}
	}
	for _, r := range verdict.Rules() {
		t.Logf("%-22s %3d %s", r.Name, kills[r.Name], idle[r.Name])
		assert.Equal(t, idle[r.Name] != "", kills[r.Name] == 0, r.Name)
	}
}

// fired returns the rules that a quick search finds violated, and those that are
// expected and take a longer one.
func (m mutant) fired() (names []string) {
	o := explore.Options{Checks: 300, Clients: -1}
	chance := func(r verdict.Rule) bool {
		return r.Area == "jitter" && slices.Contains(strings.Fields(m.want), r.Name)
	}
	if m.subject().IsDelay() || slices.ContainsFunc(verdict.Rules(), chance) {
		o.Clients = 0 // as many as by default
	}
	found := explore.Fired(m.subject(), o)
	for _, r := range verdict.Rules() {
		named := slices.Contains(strings.Fields(m.want), r.Name)
		if slices.Contains(found, r.Name) || named && explore.Kills(m.subject(), o, r.Name, 1)[0] != nil {
			names = append(names, r.Name)
		}
	}
	return names
}

// What kills what is in testdata/kills.txt, one mutant a line with every rule
// that it violates, where a change of the rules or of the search shows.
func TestKills(t *testing.T) {
	const file = "testdata/kills.txt"
	text, err := os.ReadFile(file)
	require.True(t, *update || err == nil, err)
	golden := strings.SplitAfter(string(text), "\n")
	every := 1
	if !*long {
		every = 80
		t.Logf("every %dth of %d mutants; make kills tries all, and with ARGS=-update writes %s", every, len(bank), file)
	}
	lines := make([]string, len(bank))
	for i, m := range bank {
		if i%every > 0 {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			lines[i] = fmt.Sprintf("%-42s %s\n", m.name, strings.Join(m.fired(), " "))
			assert.True(t, *update || slices.Contains(golden, lines[i]), "not in %s, which make kills ARGS=-update writes: %s", file, lines[i])
		})
	}
	t.Cleanup(func() {
		if *long && *update && !slices.Contains(lines, "") {
			require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "")), 0o666))
		}
	})
}

func TestTheBankIsOrderly(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range bank {
		assert.False(t, seen[m.name], m.name)
		seen[m.name] = true
		assert.NotEmpty(t, m.want, m.name)
		assert.NotEmpty(t, m.says, m.name)
	}
	assert.GreaterOrEqual(t, len(bank), 120)
}

// bank is every mutant, by area. Those of the areas request and stream, and
// those that need a stream, are decorators of a model; the others are functions.
var bank = []mutant{
	{"count/retries-and-not-attempts", "extra-attempt", "makes MaxAttempts retries after the first attempt"},
	{"count/one-less", "gave-up-early", "makes one attempt less than it may"},
	{"count/zero-is-infinite", "extra-attempt", "goes on for ever where MaxAttempts is 0"},
	{"count/negative-is-infinite", "extra-attempt", "goes on for ever where MaxAttempts is negative"},
	{"count/one-means-default", "extra-attempt", "takes 1 for not set, and makes 3 attempts"},
	{"count/at-most-ten", "gave-up-early", "never makes more than 10 attempts"},
	{"count/at-least-two", "extra-attempt", "retries once whatever the policy says"},
	{"count/byte", "gave-up-early", "keeps MaxAttempts in 8 bits"},
	{"count/unlimited-overflows", "gave-up-early", "adds 1 to MaxAttempts, which overflows: no attempt at all"},
	{"count/hinted-not-counted", "extra-attempt", "does not count attempts that were refused with a Retry-After"},
	{"count/timeouts-not-counted", "extra-attempt", "does not count attempts that its own timeout ended"},

	{"class/permanent-retried", "retried-permanent", "retries every error that has a class"},
	{"class/permanent-retried-once", "retried-permanent", "gives a permanent error a second chance"},
	{"class/permanent-after-transient-retried", "retried-permanent", "looks at the class of the first error only to stop"},
	{"class/of-the-first-error", "retried-permanent", "keeps the class of the first error"},
	{"class/unknown-retried", "retried-permanent", "retries errors that nothing classifies"},
	{"class/context-error-retried", "retried-permanent", "retries context errors that are the server's own"},
	{"class/wrapped-unknown", "gave-up-early", "asserts the type of the error and does not unwrap it"},
	{"class/joined-unknown", "gave-up-early", "unwraps single errors and no joined ones"},
	{"class/only-with-a-hint", "gave-up-early", "retries only what has a Retry-After"},
	{"class/only-without-a-hint", "gave-up-early", "takes a Retry-After for a refusal"},
	{"class/long-hint-is-permanent", "gave-up-early", "gives up where the Retry-After is longer than the cap"},
	{"class/zero-hint-is-permanent", "gave-up-early", "gives up where the Retry-After is 0"},
	{"class/only-throttled", "gave-up-early", "retries only a status 429"},
	{"class/throttled-is-permanent", "gave-up-early", "does not retry a status 429"},
	{"class/by-text", "gave-up-early", "looks for a word in the error's text"},
	{"class/reset-is-permanent", "gave-up-early", "does not retry a connection that was reset"},
	{"class/same-error-twice-is-permanent", "gave-up-early", "gives up when the same error comes twice"},
	{"class/endless-on-permanent", "retried-permanent", "goes on without a wait on a permanent error"},

	{"hint/ignored", "early-retry", "ignores the Retry-After"},
	{"hint/capped", "early-retry", "cuts the Retry-After at MaxDelay"},
	{"hint/is-a-cap", "early-retry", "waits the shorter one of backoff and Retry-After"},
	{"hint/larger-wins", "over-wait", "waits the longer one of backoff and Retry-After, which the policy does not ask for"},
	{"hint/added", "over-wait", "adds the Retry-After to the backoff"},
	{"hint/milliseconds-as-seconds", "over-wait", "takes milliseconds for seconds"},
	{"hint/seconds-as-milliseconds", "early-retry", "takes seconds for milliseconds"},
	{"hint/whole-seconds", "early-retry", "drops what is below a second"},
	{"hint/rounded-up", "over-wait", "rounds up to a second"},
	{"hint/int32", "early-retry", "keeps milliseconds in 32 bits"},
	{"hint/zero-is-none", "over-wait", "takes a Retry-After of 0 for none"},
	{"hint/over-a-minute-ignored", "early-retry", "ignores a Retry-After of more than a minute"},
	{"hint/above-the-cap-ignored", "early-retry", "ignores a Retry-After longer than the cap"},
	{"hint/below-the-backoff-ignored", "over-wait", "ignores a Retry-After shorter than the backoff"},
	{"hint/survives", "over-wait", "applies the last Retry-After to later failures without one"},
	{"hint/of-the-first", "early-retry", "applies the first failure's Retry-After to all"},
	{"hint/first-only", "early-retry", "looks at the Retry-After of the first failure only"},
	{"hint/one-attempt-late", "early-retry", "applies the Retry-After to the wait after the next"},
	{"hint/skips-the-exponent", "early-retry", "does not count a wait that was asked for in the backoff"},
	{"hint/resets-the-exponent", "early-retry", "begins the backoff anew after a Retry-After"},
	{"hint/since-the-attempt-began", "early-retry", "counts the Retry-After from the start of the attempt"},
	{"hint/doubled-each-time", "over-wait", "lets the Retry-After grow with the attempts"},
	{"hint/at-least-a-second", "over-wait", "waits a second at least"},
	{"hint/without-jitter", "no-jitter", "adds no jitter to a Retry-After"},
	{"hint/jitter-subtracted", "early-retry", "takes the jitter away from a Retry-After"},

	{"backoff/shifted", "over-wait", "begins with twice the base"},
	{"backoff/constant", "early-retry", "does not grow"},
	{"backoff/first-at-once", "hammer", "retries the first time at once"},
	{"backoff/linear", "early-retry", "grows by addition"},
	{"backoff/fibonacci", "early-retry", "grows by Fibonacci's numbers"},
	{"backoff/power-of-three", "over-wait", "grows threefold"},
	{"backoff/overflow", "hammer", "shifts the base beyond 63 bits"},
	{"backoff/shift-masked", "early-retry", "shifts by 5 bits of the attempt's number"},
	{"backoff/int32-milliseconds", "early-retry", "keeps milliseconds in 32 bits"},
	{"backoff/float32", "early-retry", "multiplies in 24 bits of precision"},
	{"backoff/cap-before-multiplying", "over-wait", "caps and then doubles"},
	{"backoff/cap-is-a-floor", "over-wait", "takes the larger one of backoff and cap"},
	{"backoff/no-cap", "over-wait", "ignores the cap"},
	{"backoff/base-uncapped", "over-wait", "does not cap the first wait"},
	{"backoff/cap-zero-is-zero", "hammer", "takes a cap of 0 for one"},
	{"backoff/stops-growing-early", "early-retry", "stops growing after 8 times the base"},
	{"backoff/exponent-at-most-20", "early-retry", "stops growing after 2^20 times the base"},
	{"backoff/whole-seconds", "hammer", "drops what is below a second"},
	{"backoff/whole-milliseconds", "early-retry", "drops what is below a millisecond"},
	{"backoff/base-added", "over-wait", "adds the base once more"},
	{"backoff/minus-base", "early-retry", "takes half the base away"},
	{"backoff/cap-reached-resets", "early-retry", "begins anew when it has reached the cap"},

	{"jitter/none", "no-jitter", "adds none"},
	{"jitter/subtracted", "early-retry", "takes it away"},
	{"jitter/both-sides", "early-retry", "adds it or takes it away"},
	{"jitter/of-the-base", "biased-jitter", "takes a tenth of the base and not of the delay"},
	{"jitter/before-the-cap", "no-jitter", "caps after the jitter, so that there is none at the cap"},
	{"jitter/first-wait-only", "no-jitter", "adds it to the first wait only"},
	{"jitter/not-on-the-first", "no-jitter", "adds none to the first wait"},
	{"jitter/up-to-a-second", "over-wait", "adds up to a second to any delay"},
	{"jitter/compounds", "over-wait", "doubles the last wait with its jitter"},
	{"jitter/always-a-tenth", "no-jitter", "adds a tenth"},
	{"jitter/half-the-window", "biased-jitter", "adds up to a twentieth"},
	{"jitter/nine-tenths-of-the-window", "biased-jitter", "adds up to 9 %"},
	{"jitter/eleven-percent", "over-wait", "adds up to a ninth"},
	{"jitter/coin", "biased-jitter", "adds nothing or a tenth"},
	{"jitter/steps-of-one-percent", "biased-jitter", "rounds to a hundredth of the window"},
	{"jitter/whole-milliseconds", "biased-jitter", "rounds to milliseconds"},
	{"jitter/squared", "biased-jitter", "squares what it draws"},
	{"jitter/smaller-of-two", "biased-jitter", "draws twice and takes the smaller one"},
	{"jitter/sum-of-two", "biased-jitter", "adds two draws"},
	{"jitter/clustered", "biased-jitter", "draws close to four places"},
	{"jitter/often-zero", "biased-jitter", "adds nothing every twentieth time"},
	{"jitter/remainder", "biased-jitter", "takes the remainder of 27 random bits"},
	{"jitter/drawn-once", "repeated-jitter", "draws once for a call"},
	{"jitter/second-mirrors-first", "repeated-jitter", "draws once for a call and mirrors it"},
	{"jitter/one-seed-for-all", "herd", "gives all clients the same seed"},
	{"jitter/fixed-seed", "herd", "has a seed in its code"},
	{"jitter/from-the-time", "herd", "seeds with the time of the call"},
	{"jitter/two-clients-a-seed", "herd", "gives two clients the same seed"},
	{"jitter/unseeded", "nondeterministic", "draws from the process's generator"},

	{"sleep/after-the-last", "slept-after-last", "waits before it gives up"},
	{"sleep/after-the-last-the-hint", "slept-after-last", "waits for a Retry-After before it gives up"},
	{"sleep/after-permanent", "slept-after-last", "waits before it returns a permanent error"},
	{"sleep/after-success", "slept-after-last", "waits before it returns a result"},
	{"sleep/before-the-first", "over-wait", "waits before the first attempt"},
	{"sleep/twice", "over-wait", "waits twice"},
	{"sleep/uninterrupted", "ignored-cancel", "waits without looking at the context"},
	{"sleep/on-background", "ignored-cancel", "waits on a context that never ends"},
	{"sleep/in-slices", "ignored-cancel", "looks at the context every 100 ms"},
	{"sleep/other-clock", "hammer", "waits on another clock"},
	{"sleep/whole-seconds", "over-wait", "rounds up to a second"},
	{"sleep/at-least-a-tick", "over-wait", "waits a millisecond where there is nothing to wait for"},
	{"sleep/capped-at-an-hour", "early-retry", "never waits for more than an hour"},

	{"cancel/first-attempt-unchecked", "started-after-cancel", "makes the first attempt whatever the context says"},
	{"cancel/wait-error-dropped", "started-after-cancel", "goes on after a wait that the context ended"},
	{"cancel/one-more-attempt", "started-after-cancel", "makes a last attempt when the context ends a wait"},
	{"cancel/attempt-error-retried", "started-after-cancel", "retries what the caller's own cancelling did to an attempt"},
	{"cancel/taken-for-a-timeout", "started-after-cancel", "takes the caller's cancelling for the attempt's timeout"},
	{"cancel/context-error-only", "lost-error", "returns the context's error alone"},
	{"cancel/last-error-only", "lost-cancel", "returns the last failure alone"},
	{"cancel/cause-lost", "lost-cancel", "returns no cause"},
	{"cancel/cause-only", "lost-cancel", "returns the cause and not the context's error"},
	{"cancel/text-only", "lost-error lost-cancel", "returns an error that matches nothing"},
	{"cancel/first-failure", "lost-error", "returns the first failure with the context's error"},
	{"cancel/nil-error", "invented-success", "returns no error"},
	{"cancel/deadline-said-canceled", "lost-cancel", "calls a deadline a cancelling"},
	{"cancel/deadline-ignored", "slept-to-deadline", "begins waits that the deadline will cut"},
	{"cancel/deadline-met-exactly", "slept-to-deadline", "begins a wait that ends with the deadline"},
	{"cancel/deadline-passed-only", "slept-to-deadline", "looks whether the deadline has passed"},
	{"cancel/deadline-of-the-next-backoff", "gave-up-early", "gives up where twice the wait does not fit"},
	{"cancel/timer-left", "leaked", "does not stop the timer"},
	{"cancel/watcher-left", "leaked", "leaves a function that the clock will call"},
	{"cancel/attempt-context-left", "leaked", "never cancels the contexts it makes for attempts"},

	{"error/first", "lost-error", "returns the first error"},
	{"error/last-but-one", "lost-error", "returns the last error but one"},
	{"error/joined", "lost-error", "joins all errors"},
	{"error/text-only", "lost-error", "puts the error's text into another"},
	{"error/wrapped", "lost-error", "wraps the error"},
	{"error/wrapped-when-exhausted", "lost-error", "wraps the error of the last attempt"},
	{"error/permanent-unwrapped", "lost-error", "returns what a permanent error wraps"},
	{"error/replaced", "lost-error", "returns an error of its own"},
	{"error/nil-when-exhausted", "invented-success", "returns nil when no attempts are left"},
	{"error/shadowed", "invented-success", "returns the outer variable, which is nil"},
	{"error/typed-nil", "lost-result", "returns a nil pointer as an error"},
	{"error/first-failure-after-success", "lost-result", "returns the first failure although a retry succeeded"},
	{"error/success-zeroed", "lost-result", "returns no stream"},

	{"request/uncloned", "body-mutated", "gives every attempt the caller's request"},
	{"request/cloned-once", "body-mutated", "gives all attempts one copy"},
	{"request/pointer-shared", "body-mutated", "copies all but what a pointer points to"},
	{"request/messages-shared", "body-mutated", "copies all but the messages"},
	{"request/list-shared", "body-mutated", "copies all but a list"},
	{"request/tagged", "body-mutated", "tells the server that it is a retry"},
	{"request/message-appended", "body-mutated", "adds a message to each retry"},
	{"request/consumed", "body-mutated", "has sent the messages with the first attempt"},
	{"request/cooled", "body-mutated", "lowers the temperature of retries"},
	{"request/tokens-lowered", "body-mutated", "lowers the limit on tokens from the third attempt on"},
	{"request/changed-on-the-first", "body-mutated", "sends other requests than it was asked"},
	{"request/caller-changed", "body-mutated", "writes into the caller's request"},
	{"request/background", "lost-context", "calls the model with a context of its own"},
	{"request/background-on-retry", "lost-context", "retries with a context of its own"},
	{"request/values-lost", "lost-context", "passes on the end of the context and not its values"},
	{"request/without-cancel", "lost-context", "passes on the values of the context and not its end"},

	{"stream/retried-after-content", "retried-after-content", "opens the stream anew in the middle of an answer"},
	{"stream/resumed", "retried-after-content", "opens it anew and skips what was delivered"},
	{"stream/early-end-retried", "retried-after-content", "opens it anew where it ended early"},
	{"stream/retried-left-open", "leaked", "does not close the stream that broke"},
	{"stream/empty-answer-retried", "off-contract", "takes an empty answer for a failure"},
	{"stream/buffered", "late-chunk", "reads the whole answer before it hands over any of it"},
	{"stream/first-chunk-awaited-and-lost", "lost-chunk", "reads the first chunk to see whether there is one"},
	{"stream/read-ahead-and-refused", "leaked", "does not close the stream whose first chunk is an error"},
	{"stream/read-ahead-and-lost", "lost-chunk", "reads one chunk ahead, and loses one when the stream breaks"},
	{"stream/first-chunk-dropped", "lost-chunk", "drops the first chunk"},
	{"stream/last-chunk-dropped", "lost-chunk", "drops the last chunk"},
	{"stream/first-chunk-doubled", "duplicate-chunk", "hands over the first chunk twice"},
	{"stream/repeats-equal-chunks-not", "lost-chunk", "takes an equal chunk for the same one"},
	{"stream/swapped", "lost-chunk", "swaps the first two chunks"},
	{"stream/merged", "lost-chunk", "makes one chunk of two"},
	{"stream/trimmed", "lost-chunk", "drops the last byte of a text"},
	{"stream/usage-zeroed", "lost-chunk", "changes the terminal chunk"},
	{"stream/closed-with-the-last-chunk", "lost-chunk", "closes the stream before its end was read"},
	{"stream/error-swallowed", "accepted-truncation", "ends a stream that broke as if it were whole"},
	{"stream/transient-error-swallowed", "accepted-truncation", "ends a stream that broke off with a transient error as if it were whole"},
	{"stream/error-replaced", "lost-error", "returns an error of its own for one in the middle of an answer"},
	{"stream/finished-made-up", "lost-chunk", "makes up the terminal chunk of an answer that has none"},
	{"stream/eof-turned-into-an-error", "lost-chunk", "makes an error of an end that is none"},
	{"stream/close-not-forwarded", "leaked", "does not close the stream"},
	{"stream/close-only-when-whole", "leaked", "does not close a stream that broke"},

	{"share/attempts-counted-for-ever", "shared-state", "counts the attempts of all calls together"},
	{"share/exponent-kept", "shared-state", "lets the backoff grow over all calls"},
	{"share/hint-kept", "shared-state", "applies one call's Retry-After to another"},
	{"share/last-error", "shared-state", "keeps the last error of all calls in one place"},
	{"share/first-error-kept", "shared-state", "returns the first error of all calls"},
	{"share/stopped-by-permanent", "shared-state", "makes no attempt after a call that failed for good"},
	{"share/result-cached", "shared-state", "makes no attempt after a call that succeeded"},
	{"share/start-of-the-first-call", "shared-state", "measures all calls from when it was made"},
	{"share/context-kept", "lost-context", "calls the model with the first caller's context"},
	{"share/lock-held", "stuck", "holds a lock in its waits"},

	{"limit/elapsed-ignored", "overran-limit", "has no limit on the time for all attempts"},
	{"limit/without-the-coming-wait", "overran-limit", "looks at the time that has passed and not at the wait to come"},
	{"limit/from-the-last-attempt", "overran-limit", "measures from the last attempt"},
	{"limit/from-the-first-failure", "overran-limit", "measures from the first failure"},
	{"limit/without-the-attempts", "overran-limit", "adds up the waits only"},
	{"limit/hints-exempt", "overran-limit", "lets a Retry-After go beyond the limit"},
	{"limit/equality-refused", "gave-up-early", "refuses an attempt that begins exactly at the limit"},
	{"limit/leaves-time-for-an-attempt", "gave-up-early", "takes the last attempt's duration off the limit"},
	{"limit/squeezed", "early-retry", "shortens the last wait so that it fits"},
	{"limit/slept-and-then-refused", "slept-after-last", "waits and then finds that no time is left"},
	{"limit/deadline-error", "lost-error", "returns a deadline's error when no time is left"},
	{"limit/nil-error", "invented-success", "returns no error when no time is left"},
	{"limit/timeout-ignored", "ignored-timeout", "does not end attempts"},
	{"limit/timeout-on-the-first-only", "ignored-timeout", "ends the first attempt only"},
	{"limit/timeout-grows", "ignored-timeout", "gives later attempts more time"},
	{"limit/timeout-across-attempts", "lost-context", "has one timeout for all attempts"},
	{"limit/timeout-permanent", "gave-up-early", "gives up when an attempt took too long"},
	{"limit/timeout-covers-the-stream", "lost-chunk", "ends an opened stream with the attempt's timeout"},
	{"limit/context-ended-with-the-opening", "lost-chunk", "ends the attempt's context when the stream is open"},
	{"limit/context-left-with-the-stream", "leaked", "never ends the context of an attempt that opened"},
	{"limit/context-left-after-failure", "leaked", "never ends the context of an attempt that failed"},
	{"limit/timer-left", "leaked", "does not stop the attempt's timer"},
	{"limit/hidden-timeout", "lost-context", "ends attempts after 5 ms, which no policy says"},

	{"conduct/room-for-all-attempts", "panicked", "makes room for MaxAttempts errors"},
	{"conduct/busy-loop", "stuck", "asks the clock again and again"},

	{"notice/after-the-last", "wrong-notice", "announces a retry that does not come"},
	{"notice/missing-first", "wrong-notice", "does not announce the first retry"},
	{"notice/twice", "wrong-notice", "announces each retry twice"},
	{"notice/of-the-backoff", "wrong-notice", "announces another wait than it waits"},
	{"notice/counts-from-zero", "wrong-notice", "counts from 0"},
	{"notice/previous-error", "wrong-notice", "announces a retry with another failure"},

	{"delay/constant", "early-retry", "does not grow"},
	{"delay/shifted", "over-wait", "begins with twice the base"},
	{"delay/from-zero", "early-retry", "counts attempts from 0"},
	{"delay/overflow", "hammer", "shifts the base beyond 63 bits"},
	{"delay/shift-masked", "early-retry", "shifts by 5 bits of the attempt's number"},
	{"delay/float64", "early-retry", "multiplies in 53 bits of precision"},
	{"delay/power-overflows", "hammer", "converts a float that is too large"},
	{"delay/no-cap", "over-wait", "ignores the cap"},
	{"delay/cap-before-multiplying", "over-wait", "caps and then doubles"},
	{"delay/whole-seconds", "hammer", "drops what is below a second"},
	{"delay/counts-its-calls", "early-retry", "forgets that it began after two calls"},
	{"delay/jitter-none", "no-jitter", "adds none"},
	{"delay/jitter-subtracted", "early-retry", "takes it away"},
	{"delay/jitter-both-sides", "early-retry", "adds it or takes it away"},
	{"delay/jitter-before-the-cap", "no-jitter", "caps after the jitter"},
	{"delay/jitter-fixed-seed", "herd", "has a seed in its code"},
	{"delay/jitter-drawn-once", "repeated-jitter", "draws once for a call"},
	{"delay/jitter-coin", "biased-jitter", "adds nothing or a tenth"},
	{"delay/jitter-squared", "biased-jitter", "squares what it draws"},
	{"delay/jitter-overflows", "hammer", "adds jitter to the largest delay there is"},
	{"delay/panics-late", "panicked", "has a table of 64 delays"},

	// Bugs that libraries have shipped, from their trackers, and some that were
	// thought of when the suite was done: how many it catches untuned is what it is
	// worth.
	{"shipped/limit-joined", "lost-error", "joins a deadline's error when no time is left"},
	{"shipped/jitter-of-nothing", "panicked", "draws from an empty range where the delay is small"},
	{"shipped/exponent-reset-by-success-only", "shared-state", "goes on with the backoff of the last call that failed"},
	{"shipped/float-conversion", "hammer", "converts a float that is too large, and caps the result"},
	{"shipped/counter-reset-by-throttling", "extra-attempt", "counts anew after a status 429"},
	{"shipped/timeout-split", "lost-context", "divides the attempt timeout by the number of attempts"},
	{"shipped/cause-alone", "lost-error", "returns the cause of the cancelling alone"},
	{"shipped/retry-tokens-undeclared", "shared-state", "has five retries for all calls"},
	{"shipped/breaker-undeclared", "gave-up-early", "gives up after five failures"},
	{"shipped/spacing", "shared-state", "keeps a second between the attempts of all calls"},
	{"shipped/class-cached-by-type", "shared-state", "remembers the class of a type of error"},
	{"shipped/largest-hint-kept", "over-wait", "applies the largest Retry-After to all failures"},
	{"shipped/hint-squeezed-into-the-limit", "early-retry", "shortens a Retry-After so that it fits"},
	{"shipped/hint-of-statuses-only", "early-retry", "looks for a Retry-After only where there is a status"},
	{"shipped/hint-and-then-backoff", "over-wait", "waits for the Retry-After and then for the backoff"},
	{"shipped/unexpected-eof-is-success", "invented-success", "takes a connection that broke for the end of the answer"},
	{"shipped/tools-shared", "body-mutated", "copies all but the tools"},
	{"shipped/params-shared", "body-mutated", "copies all but the raw parameters"},
	{"shipped/system-shared", "body-mutated", "copies all but the system prompt"},
	{"shipped/empty-delta-dropped", "lost-chunk", "drops empty deltas"},
	{"shipped/only-text-passes", "lost-chunk", "drops what is no text"},
	{"shipped/usage-dropped", "lost-chunk", "drops the usage"},
	{"shipped/second-close-panics", "panicked", "panics when a stream is closed twice"},
	{"shipped/squeezed-into-the-deadline", "early-retry", "shortens the last wait so that it fits the deadline"},
	{"shipped/schedule-prechecked", "gave-up-early", "makes no attempt where the longest wait would not fit the deadline"},
	{"shipped/whole-second-limit", "overran-limit", "measures the time in whole seconds"},
	{"shipped/timeout-as-limit", "gave-up-early", "takes the attempt timeout for the limit on all attempts"},
	{"shipped/deadline-required", "gave-up-early", "retries only where there is a deadline"},
	{"shipped/unlimited-is-one", "gave-up-early", "takes Unlimited for an overflow, and makes one attempt"},
	{"shipped/same-value-twice", "gave-up-early", "gives up when the same error value comes twice"},
	{"shipped/fixed-rate", "early-retry", "takes the attempt's duration off the wait"},
}

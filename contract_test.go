package retrykit_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var breakContract = flag.Bool("contract", false, "break each rule of the contract and see a test of package retry name it; minutes")

// A breach is a change of package retry that breaks one rule of its contract.
type breach struct {
	rule     string
	what     string // what the changed code does
	file     string
	old, new string // the old text is in the file exactly once
	only     string // the tests to run; all without it
}

var breaches = []breach{
	{rule: "C1", what: "the first call is not counted", file: "policy.go",
		old: "return attempt >= p.MaxAttempts }", new: "return attempt > p.MaxAttempts }"},
	{rule: "C1", what: "no attempts mean any number", file: "policy.go",
		old: "return attempt >= p.MaxAttempts }", new: "return attempt >= p.MaxAttempts && p.MaxAttempts != 0 }"},
	{rule: "C2", what: "it waits behind the last attempt", file: "retrier.go",
		old: "	if d.Reason == LastAttempt || d.Reason == NotTransient {\n",
		new: "	if d.Reason == LastAttempt {\n		_ = wait(ctx, c.config.Clock, c.policy.Backoff(c.attempt))\n	}\n	if d.Reason == LastAttempt || d.Reason == NotTransient {\n"},
	{rule: "C2", what: "the last error is classified, too", file: "retrier.go",
		old: "if c.policy.IsLast(c.attempt) && c.config.Limit == nil {", new: "if false {"},
	{rule: "C2", what: "the last error's class counts", file: "decide.go",
		old: "	if p.IsLast(f.Attempt) {\n", new: "	if p.IsLast(f.Attempt) && f.Class.IsTransient() {\n"},
	{rule: "C3", what: "permanent errors are retried", file: "decide.go",
		old: "if !f.Class.IsTransient() || f.Class.final {", new: "if f.Class.final {"},
	{rule: "C3", what: "what nobody classifies is transient", file: "classify.go",
		old: "		return r.RetryClassification()\n	}\n	return Permanent()\n", new: "		return r.RetryClassification()\n	}\n	return Transient()\n"},
	{rule: "C4", what: "the last error returns in a wrapping", file: "retrier.go",
		old: "if err, again := c.next(ctx, err, timedOut); !again {\n", new: "if err, again := c.next(ctx, err, timedOut); !again {\n			err = &CancelledError{Err: err}\n"},
	{rule: "C4", what: "the final event does not say how long it took", file: "retrier.go",
		old: "CallEnded{c.moment(), c.elapsed(), reason, err}", new: "CallEnded{c.moment(), 0, reason, err}"},
	{rule: "C5", what: "the cap cuts a Retry-After", file: "hint.go",
		old: "		return hint, true, false\n", new: "		return min(hint, p.MaxDelay), true, false\n"},
	{rule: "C5", what: "a Retry-After of zero means the backoff", file: "decide.go",
		old: "	if !hinted {\n", new: "	if !hinted || hint == 0 {\n"},
	{rule: "C5", what: "a Retry-After is ignored", file: "decide.go",
		old: "	if !hinted {\n", new: "	if true {\n"},
	{rule: "C6", what: "the backoff doubles once too often", file: "schedule.go",
		old: "uint64(max(attempt, 1) - 1)", new: "uint64(max(attempt, 1))"},
	{rule: "C6", what: "the backoff overflows", file: "schedule.go",
		old: "if d > math.MaxInt64>>n {", new: "if n > 63 {"},
	{rule: "C6", what: "nothing caps the backoff", file: "schedule.go",
		old: "if p.MaxDelay > 0 && p.Cap != CapAfterJitter && delay > p.MaxDelay {", new: "if false {"},
	{rule: "C7", what: "jitter subtracts", file: "jitter.go",
		old: "return addSaturating(delay-down, uniform(uint64(down)+uint64(up), word))", new: "return addSaturating(delay-down-up, uniform(uint64(down)+uint64(up), word))"},
	{rule: "C7", what: "jitter is cut by the cap", file: "decide.go",
		old: "	if p.Cap == CapAfterJitter {\n", new: "	if p.MaxDelay > 0 {\n"},
	{rule: "C7", what: "there is no jitter on a Retry-After", file: "decide.go",
		old: "if p.Jitter == JitterAdditive {", new: "if false {"},
	{rule: "C8", what: "attempts share the caller's request", file: "decorator.go",
		old: "req.Clone()", new: "req"},
	{rule: "C8", what: "the copy shares the messages", file: "request.go",
		old: "	r.Messages = cloneEach(r.Messages, Message.clone)\n", new: ""},
	{rule: "C9", what: "a stream is read before it is handed over", file: "decorator.go",
		old: "		return m.inner.ChatStream(ctx, req.Clone())\n",
		new: "		s, err := m.inner.ChatStream(ctx, req.Clone())\n		if err == nil {\n			_, err = s.Recv()\n		}\n		return s, err\n"},
	{rule: "C9", what: "the attempt timeout goes on when the stream is open", file: "retrier.go",
		old: "		c.running.disarm()\n", new: ""},
	{rule: "C10", what: "a cancelled context starts an attempt", file: "retrier.go",
		old: "	if ctx.Err() != nil {\n		return zero,", new: "	if false {\n		return zero,"},
	{rule: "C10", what: "a wait goes on when the context ends", file: "retrier.go",
		old: "	case <-ctx.Done():\n", new: ""},
	{rule: "C10", what: "it waits until the deadline", file: "cancelled.go",
		old: "return !ok || d < clock.Until(deadline)", new: "return true || !ok || d < clock.Until(deadline)"},
	{rule: "C10", what: "an attempt may start at the deadline", file: "cancelled.go",
		old: "return !ok || d < clock.Until(deadline)", new: "return !ok || d <= clock.Until(deadline)"},
	{rule: "C10", what: "the last failure is lost", file: "cancelled.go",
		old: "errs = append(errs, e.Last)", new: "_ = e.Last"},
	{rule: "C10", what: "the cause is lost", file: "cancelled.go",
		old: "errs = append(errs, e.Cause)", new: "_ = e.Cause"},
	{rule: "C11", what: "all calls draw the same words", file: "retrier.go",
		old: "c.words = c.config.Source(c.number)", new: "c.words = c.config.Source(1)"},
	{rule: "C11", what: "the clients of a seed draw the same words", file: "source.go",
		old: "mix(mix(seed) + client)", new: "mix(mix(seed) + 0*client)"},
	{rule: "C12", what: "it waits on the real clock", file: "retrier.go",
		old: "timer := clock.NewTimer(d)", new: "timer := clockwork.NewRealClock().NewTimer(d)",
		only: "TestDoOnClockworksClocks"}, // the others would wait for real
	{rule: "C12", what: "there is a second place that waits", file: "retrier.go",
		old: "	if d <= 0 {\n		return ctx.Err()\n", new: "	if d <= 0 {\n		clock.Sleep(0)\n		return ctx.Err()\n"},
	{rule: "C13", what: "a start at the limit is refused", file: "decide.go",
		old: "d.Wait > p.MaxElapsed-f.Elapsed", new: "d.Wait >= p.MaxElapsed-f.Elapsed"},
	{rule: "C13", what: "the elapsed limit leaves out the wait", file: "decide.go",
		old: "d.Wait > p.MaxElapsed-f.Elapsed", new: "0 > p.MaxElapsed-f.Elapsed"},
	{rule: "C13", what: "the limit's no is not heard", file: "retrier.go",
		old: "if d.Retry() && !c.allowed() {", new: "if d.Retry() && !c.allowed() && false {"},
	{rule: "C13", what: "the elapsed limit comes before the context", file: "retrier.go",
		old: "	if d.Reason == LastAttempt || d.Reason == NotTransient {\n", new: "	if d.Reason == LastAttempt || d.Reason == NotTransient || d.Reason == ElapsedLimit {\n"},
}

// TestEveryRuleIsHeldByATest breaks each rule of the contract and requires that
// a test of package retry fails and names the rule. The changed files exist for
// the compiler only. Without the flag it requires that the changes still fit
// the code.
func TestEveryRuleIsHeldByATest(t *testing.T) {
	comment, err := os.ReadFile("retry/doc.go")
	require.NoError(t, err)
	broken := make(map[string]bool)
	for _, b := range breaches {
		broken[b.rule] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^//   - (C\d+):`).FindAllStringSubmatch(string(comment), -1) {
		assert.True(t, broken[m[1]], "no change breaks %s", m[1])
		delete(broken, m[1])
	}
	assert.Empty(t, broken, "rules that the package comment does not have")

	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, b := range breaches {
		t.Run(b.rule+" "+b.what, func(t *testing.T) {
			changed := b.apply(t)
			if !*breakContract {
				return
			}
			t.Parallel()
			room <- struct{}{}
			defer func() { <-room }()
			out := b.test(t, changed)
			assert.Regexp(t, `\b`+b.rule+`\b`, out, "no failing test names the rule")
		})
	}
}

// apply returns the file with the change in it.
func (b breach) apply(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("retry", b.file))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), b.old), "%q is not once in %s: fit the change to the code", b.old, b.file)
	return strings.Replace(string(text), b.old, b.new, 1)
}

// test runs the tests of package retry on the changed code and returns what
// those that failed have to say.
func (b breach) test(t *testing.T, changed string) string {
	t.Helper()
	out, err := testWith(t, "retry/"+b.file, changed, false, b.only)
	require.Error(t, err, "no test fails")
	require.NotContains(t, out, "[build failed]")
	require.NotContains(t, out, "panic: test timed out")
	return out
}

// testWith runs the tests of a file's package with another text of that file,
// which the compiler alone sees. Without properties it leaves out the file of
// those, for whose generators half of the module would be compiled again.
func testWith(t *testing.T, name, text string, properties bool, only string) (output string, err error) {
	t.Helper()
	dir := t.TempDir()
	changed := filepath.Join(dir, "changed.go")
	require.NoError(t, os.WriteFile(changed, []byte(text), 0o666))
	real, err := filepath.Abs(name)
	require.NoError(t, err)
	replace := map[string]string{real: changed}
	if !properties {
		replace[filepath.Join(filepath.Dir(real), "property_test.go")] = ""
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, overlay, 0o666))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "go", "test", "-count=1", "-vet=off", "-timeout=60s", "-overlay="+file, "-run="+only, "./"+path.Dir(name))
	out, err := c.CombinedOutput()
	return string(out), err
}

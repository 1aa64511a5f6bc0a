package explore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// house is retry code written for this test alone, from the contract and not
// from package retry's code: it takes the policy's fields and no decision of
// ours. Without a bug it keeps every promise; with one, named as in the table
// of mutants, it has that fault and no other.
type house struct {
	explore.Env
	bug string

	// What only bugs keep between calls.
	mu       sync.Mutex
	calls    int
	attempts int
	exponent int
	lastErr  error
	firstErr error
	hint     *time.Duration
	start    time.Time
	stopped  error
	done     bool
	ctx      context.Context
	other    *fakeclock.Clock
	dropped  context.CancelFunc
	tokens   int
	lastTry  time.Time
	classes  map[string]bool
}

func newHouse(bug string, e explore.Env) *house {
	return &house{
		Env: e, bug: bug, start: e.Clock.Now(),
		other: fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto}),
	}
}

// is reports whether the bug is one of these.
func (h *house) is(bugs ...string) bool { return slices.Contains(bugs, h.bug) }

// opener makes one attempt: the stream is nil where an operation has none.
type opener func(context.Context) (retry.Stream, error)

// houseCall is one call.
type houseCall struct {
	*house
	ctx      context.Context
	open     opener
	start    time.Time
	words    *rand.Rand
	failures []error
	hints    []*time.Duration // of each failure
	slept    time.Duration
	previous time.Duration // the last wait
	failedAt time.Time     // the last attempt
	spent    time.Duration // in the last attempt
	uncount  int           // attempts that a bug does not count
	drawn    *float64
	bounded  context.Context
}

func (h *house) begin(ctx context.Context, open opener) *houseCall {
	c := &houseCall{house: h, ctx: ctx, open: open, start: h.Clock.Now(), words: rand.New(h.source())}
	h.calls++
	if h.is("share/context-kept") {
		if h.ctx == nil {
			h.ctx = ctx
		}
		c.ctx = h.ctx
	}
	if h.is("share/start-of-the-first-call") {
		c.start = h.start
	}
	return c
}

// call makes one call.
func (h *house) call(ctx context.Context, open opener) (retry.Stream, error) {
	c := h.begin(ctx, open)
	if h.is("share/lock-held") {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	if h.is("share/result-cached") && h.done {
		return nil, nil
	}
	if h.stopped != nil {
		return nil, h.stopped
	}
	if h.is("shipped/spacing") && !h.lastTry.IsZero() {
		c.sleep(h.lastTry.Add(time.Second).Sub(h.Clock.Now()))
	}
	if deadline, ok := ctx.Deadline(); h.is("shipped/schedule-prechecked") && ok && h.grown(max(min(c.most(), 40)-1, 1)) > h.Clock.Until(deadline) {
		return nil, context.DeadlineExceeded
	}
	if ctx.Err() != nil && !h.is("cancel/first-attempt-unchecked") {
		return nil, c.cancelled(nil)
	}
	if h.is("sleep/before-the-first") {
		c.sleep(h.Policy.BaseDelay)
	}
	if h.is("conduct/room-for-all-attempts") {
		_ = make([]error, 0, max(h.Policy.MaxAttempts, 0))
	}
	if h.is("count/unlimited-overflows") && c.most() > math.MaxInt-1 {
		return nil, nil
	}
	for n := 1; ; n++ {
		s, timedOut, err := c.attempt(n)
		if h.is("shipped/unexpected-eof-is-success") && errors.Is(err, io.ErrUnexpectedEOF) {
			return s, nil
		}
		if err == nil {
			return c.succeed(s)
		}
		wait, again, end := c.after(n-c.uncount, err, timedOut)
		if !again {
			return nil, end
		}
		if end, again := c.pause(n, wait, err); !again {
			return nil, end
		}
	}
}

func (c *houseCall) succeed(s retry.Stream) (retry.Stream, error) {
	c.exponent = 0
	switch {
	case c.is("sleep/after-success"):
		c.sleep(c.Policy.BaseDelay)
	case c.is("error/typed-nil"):
		var none *houseError
		return s, none
	case c.is("error/first-failure-after-success") && len(c.failures) > 0:
		return nil, c.failures[0]
	case c.is("error/success-zeroed"):
		s = nil
	case c.is("share/result-cached"):
		c.done = true
	}
	return s, nil
}

// houseError is an error of the house's own; nil is one too.
type houseError struct{}

func (*houseError) Error() string { return "none" }

// attempt makes the n-th attempt, bounded if the policy says so.
func (c *houseCall) attempt(n int) (s retry.Stream, timedOut bool, err error) {
	ctx, began := c.ctx, c.Clock.Now()
	defer func() {
		c.failedAt = c.Clock.Now()
		c.spent = c.failedAt.Sub(began)
		if err != nil {
			c.failures = append(c.failures, err)
			c.lastErr = err
		}
	}()
	c.attempts++
	c.lastTry = began
	switch {
	case c.is("request/background"):
		ctx = context.Background()
	case c.is("request/without-cancel"):
		ctx = context.WithoutCancel(ctx)
	case c.is("request/values-lost"):
		bare, cancel := context.WithCancelCause(context.Background())
		defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
		defer cancel(nil)
		ctx = bare
	case c.is("request/background-on-retry") && n > 1:
		ctx = context.Background()
	case c.is("cancel/attempt-context-left"):
		ctx, c.dropped = context.WithCancel(ctx)
	case c.is("limit/hidden-timeout"):
		var cancel context.CancelFunc
		ctx, cancel = fakeclock.WithTimeout(ctx, c.Clock, 5*time.Millisecond)
		defer cancel()
	}
	limit := c.Policy.AttemptTimeout
	if limit == 0 || c.is("limit/timeout-ignored") || c.is("limit/timeout-on-the-first-only") && n > 1 {
		s, err = c.open(ctx)
		return s, false, err
	}
	return c.bound(ctx, n, limit)
}

// bound makes an attempt under the attempt timeout.
func (c *houseCall) bound(ctx context.Context, n int, limit time.Duration) (s retry.Stream, timedOut bool, err error) {
	if c.is("shipped/timeout-split") {
		limit /= time.Duration(c.most())
	}
	if c.is("limit/timeout-grows") {
		limit *= time.Duration(n)
	}
	if c.is("limit/timeout-across-attempts") && c.bounded != nil {
		s, err = c.open(c.bounded)
		return s, c.bounded.Err() != nil && c.ctx.Err() == nil, err
	}
	attempt, cancel := context.WithCancelCause(ctx)
	timer := c.Clock.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	if c.is("limit/timeout-across-attempts") {
		c.bounded = attempt
	}
	s, err = c.open(attempt)
	if !c.is("limit/timeout-across-attempts", "limit/timeout-covers-the-stream", "limit/timer-left") {
		timer.Stop()
	}
	if err == nil && s != nil {
		if c.is("limit/context-ended-with-the-opening") {
			cancel(nil)
		}
		if c.is("limit/context-left-with-the-stream") {
			return s, false, nil
		}
		return &houseBound{Stream: s, release: func() { timer.Stop(); cancel(nil) }}, false, nil
	}
	timedOut = context.Cause(attempt) == context.DeadlineExceeded && c.ctx.Err() == nil
	if c.is("cancel/taken-for-a-timeout") {
		timedOut = attempt.Err() != nil
	}
	if !c.is("limit/timeout-across-attempts", "limit/context-left-after-failure") {
		cancel(nil)
	}
	return nil, timedOut, err
}

// houseBound releases an attempt's context when its stream is over.
type houseBound struct {
	retry.Stream
	release func()
}

func (s *houseBound) Recv() (retry.StreamChunk, error) {
	chunk, err := s.Stream.Recv()
	if err != nil {
		s.release()
	}
	return chunk, err
}

func (s *houseBound) Close() error {
	defer s.release()
	return s.Stream.Close()
}

// most returns how many attempts the call may make.
func (c *houseCall) most() int {
	n := c.Policy.MaxAttempts
	switch {
	case c.is("count/retries-and-not-attempts") && n > 0 && n < math.MaxInt:
		n++
	case c.is("count/one-less") && n < math.MaxInt:
		n--
	case c.is("count/zero-is-infinite") && n == 0, c.is("count/negative-is-infinite") && n < 0:
		n = math.MaxInt
	case c.is("count/one-means-default") && n <= 1:
		n = 3
	case c.is("shipped/unlimited-is-one") && n == math.MaxInt:
		n = 1
	case c.is("count/at-most-ten"):
		n = min(n, 10)
	case c.is("count/at-least-two"):
		n = max(n, 2)
	case c.is("count/byte") && n > 0 && n < math.MaxInt:
		n = int(uint8(n))
	}
	return max(n, 1)
}

// after says what follows the failure of the n-th attempt: a wait, or the error
// that the call ends with.
func (c *houseCall) after(n int, err error, timedOut bool) (wait time.Duration, again bool, end error) {
	transient, hint := c.classify(n, err, timedOut)
	c.hints = append(c.hints, hint)
	counted := n
	switch {
	case c.is("share/attempts-counted-for-ever"):
		counted = c.attempts
	case c.is("count/hinted-not-counted") && hint != nil, c.is("count/timeouts-not-counted") && timedOut:
		c.uncount++
		counted--
	}
	if c.is("shipped/counter-reset-by-throttling") && strings.Contains(err.Error(), "429") {
		c.uncount = len(c.failures)
		counted = 1
	}
	if c.is("shipped/breaker-undeclared") && len(c.failures) == 5 {
		return 0, false, err
	}
	if c.is("shipped/retry-tokens-undeclared") {
		if c.tokens++; c.tokens > 5 {
			return 0, false, err
		}
	}
	if _, ok := c.ctx.Deadline(); c.is("shipped/deadline-required") && !ok {
		return 0, false, err
	}
	if !transient && c.is("class/endless-on-permanent") {
		return 0, true, nil
	}
	if c.is("sleep/after-the-last") && counted >= c.most() || c.is("sleep/after-permanent") && !transient {
		c.sleep(c.delay(n, hint))
	}
	if c.is("sleep/after-the-last-the-hint") && hint != nil && counted >= c.most() {
		c.sleep(*hint)
	}
	if counted >= c.most() {
		if c.is("notice/after-the-last") {
			c.Notify(n, err, 0)
		}
		return 0, false, c.final(err, "exhausted")
	}
	if !transient {
		if c.is("share/stopped-by-permanent") {
			c.stopped = err
		}
		return 0, false, c.final(err, "permanent")
	}
	if c.ctx.Err() != nil && !c.is("cancel/attempt-error-retried", "cancel/taken-for-a-timeout") {
		return 0, false, c.cancelled(err)
	}
	wait = c.delay(n, hint)
	if deadline, ok := c.ctx.Deadline(); ok && c.is("shipped/squeezed-into-the-deadline") {
		wait = max(min(wait, c.Clock.Until(deadline)-time.Millisecond), 0)
	}
	if hint != nil && c.is("shipped/hint-squeezed-into-the-limit") && c.Policy.MaxElapsed > 0 {
		wait = max(min(wait, c.Policy.MaxElapsed-c.Clock.Since(c.start)), 0)
	}
	if !c.inTime(wait) {
		return 0, false, c.cancelled(err)
	}
	if c.tooLate(wait, hint) {
		if !c.is("limit/squeezed") {
			return 0, false, c.final(err, "limit")
		}
		wait = max(c.Policy.MaxElapsed-c.Clock.Since(c.start), 0)
	}
	return wait, true, nil
}

// inTime reports whether the caller's deadline leaves time for a wait.
func (c *houseCall) inTime(wait time.Duration) bool {
	deadline, ok := c.ctx.Deadline()
	left := c.Clock.Until(deadline)
	switch {
	case !ok, c.is("cancel/deadline-ignored"):
		return true
	case c.is("cancel/deadline-met-exactly"):
		return wait <= left
	case c.is("cancel/deadline-passed-only"):
		return left > 0
	case c.is("cancel/deadline-of-the-next-backoff"):
		return wait <= left/2
	}
	return wait < left
}

// tooLate reports whether the limit on the time for all attempts forbids the
// next one.
func (c *houseCall) tooLate(wait time.Duration, hint *time.Duration) bool {
	limit, elapsed := c.Policy.MaxElapsed, c.Clock.Since(c.start)
	if c.is("shipped/timeout-as-limit") && c.Policy.AttemptTimeout > 0 {
		limit = c.Policy.AttemptTimeout
	}
	switch {
	case limit == 0, c.is("limit/elapsed-ignored"):
		return false
	case c.is("shipped/whole-second-limit"):
		return wait > limit-elapsed.Truncate(time.Second)
	case c.is("limit/without-the-coming-wait"):
		return elapsed > limit
	case c.is("limit/from-the-last-attempt"):
		return wait > limit
	case c.is("limit/without-the-attempts"):
		return wait > limit-c.slept
	case c.is("limit/from-the-first-failure"):
		if len(c.failures) == 1 {
			c.start = c.Clock.Now()
		}
		return wait > limit-c.Clock.Since(c.start)
	case c.is("limit/equality-refused"):
		return wait >= limit-elapsed
	case c.is("limit/hints-exempt") && hint != nil:
		return false
	case c.is("limit/slept-and-then-refused"):
		if wait > limit-elapsed {
			c.sleep(wait)
			return true
		}
	case c.is("limit/leaves-time-for-an-attempt"):
		return wait > limit-elapsed-c.spent
	}
	return wait > limit-elapsed
}

// classify says whether an error may pass, and what the server asked for.
func (c *houseCall) classify(n int, err error, timedOut bool) (transient bool, hint *time.Duration) {
	if timedOut {
		return !c.is("limit/timeout-permanent"), nil
	}
	var r retry.Retryable
	known := errors.As(err, &r)
	switch {
	case c.is("class/wrapped-unknown"):
		r, known = err.(retry.Retryable)
	case c.is("class/joined-unknown"):
		known = false
		for e := err; e != nil && !known; e = errors.Unwrap(e) {
			r, known = e.(retry.Retryable)
		}
	case c.is("class/of-the-first-error"):
		known = errors.As(c.failures[0], &r)
	}
	if !known {
		switch {
		case c.is("class/unknown-retried"):
			return true, nil
		case c.is("class/context-error-retried"):
			return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded), nil
		case c.is("cancel/attempt-error-retried"):
			return c.ctx.Err() != nil, nil
		}
		return false, nil
	}
	class := r.RetryClassification()
	if c.is("shipped/class-cached-by-type") {
		if c.classes == nil {
			c.classes = make(map[string]bool)
		}
		kind := fmt.Sprintf("%T", r)
		if permanent, ok := c.classes[kind]; ok && permanent {
			return false, nil
		}
		c.classes[kind] = !class.IsTransient()
	}
	if k := len(c.failures); c.is("shipped/same-value-twice") && k > 1 && errors.Is(c.failures[k-1], c.failures[k-2]) {
		return false, nil
	}
	if d, ok := class.RetryAfter(); ok {
		hint = &d
	}
	transient = class.IsTransient()
	text := err.Error()
	switch {
	case c.is("class/permanent-retried"):
		transient = true
	case c.is("class/permanent-retried-once") && n == 1:
		transient = true
	case c.is("class/permanent-after-transient-retried") && n > 1:
		transient = true
	case c.is("class/only-with-a-hint"):
		transient = transient && hint != nil
	case c.is("class/only-without-a-hint"):
		transient = transient && hint == nil
	case c.is("class/long-hint-is-permanent"):
		transient = transient && (hint == nil || *hint <= c.Policy.MaxDelay)
	case c.is("class/zero-hint-is-permanent"):
		transient = transient && (hint == nil || *hint > 0)
	case c.is("class/only-throttled"):
		transient = class.IsThrottled()
	case c.is("class/throttled-is-permanent"):
		transient = transient && !class.IsThrottled()
	case c.is("class/by-text"):
		transient = strings.Contains(text, "transient")
	case c.is("class/reset-is-permanent"):
		transient = transient && !strings.Contains(text, "reset")
	case c.is("class/same-error-twice-is-permanent"):
		if k := len(c.failures); k > 1 && strings.HasSuffix(c.failures[k-1].Error(), c.failures[k-2].Error()) {
			transient = false
		}
	}
	return transient, hint
}

// final returns the error of a call that its last failure ended.
func (c *houseCall) final(err error, why string) error {
	switch {
	case c.is("error/first"):
		return c.failures[0]
	case c.is("error/last-but-one") && len(c.failures) > 1:
		return c.failures[len(c.failures)-2]
	case c.is("error/joined"):
		return errors.Join(c.failures...)
	case c.is("error/text-only"):
		return fmt.Errorf("gave up: %v", err)
	case c.is("error/wrapped"):
		return fmt.Errorf("gave up: %w", err)
	case c.is("error/wrapped-when-exhausted") && why == "exhausted":
		return fmt.Errorf("%d attempts: %w", len(c.failures), err)
	case c.is("error/permanent-unwrapped") && why == "permanent":
		if inner := errors.Unwrap(err); inner != nil {
			return inner
		}
	case c.is("error/nil-when-exhausted") && why == "exhausted":
		return nil
	case c.is("error/shadowed") && len(c.failures) > 1:
		return nil
	case c.is("error/replaced"):
		return errors.New("retries exhausted")
	case c.is("shipped/limit-joined") && why == "limit":
		return errors.Join(context.DeadlineExceeded, err)
	case c.is("limit/deadline-error") && why == "limit":
		return context.DeadlineExceeded
	case c.is("limit/nil-error") && why == "limit":
		return nil
	case c.is("share/first-error-kept"):
		if c.firstErr == nil {
			c.firstErr = err
		}
		return c.firstErr
	}
	return err
}

// houseEnd is the error of a call that its context ended.
type houseEnd struct {
	text string
	errs []error
}

func (e *houseEnd) Error() string   { return e.text }
func (e *houseEnd) Unwrap() []error { return e.errs }

// cancelled returns it.
func (c *houseCall) cancelled(last error) error {
	ended, cause := c.ctx.Err(), context.Cause(c.ctx)
	if ended == nil {
		ended, cause = context.DeadlineExceeded, context.DeadlineExceeded
	}
	e := &houseEnd{text: "house: the context ended the call"}
	if c.is("share/last-error") {
		last = c.lastErr
	}
	switch {
	case c.is("cancel/context-error-only"):
		return ended
	case c.is("cancel/last-error-only") && last != nil:
		return last
	case c.is("shipped/cause-alone"):
		return cause
	case c.is("cancel/cause-lost"):
		e.errs = []error{ended}
	case c.is("cancel/cause-only"):
		e.errs = []error{cause}
	case c.is("cancel/text-only"):
		return fmt.Errorf("cancelled: %v: %v", ended, last)
	case c.is("cancel/first-failure"):
		e.errs = []error{ended, cause}
		if last != nil {
			last = c.failures[0]
		}
	case c.is("cancel/nil-error"):
		return nil
	case c.is("cancel/deadline-said-canceled") && ended == context.DeadlineExceeded:
		e.errs = []error{context.Canceled}
	default:
		e.errs = []error{ended, cause}
	}
	if last != nil {
		e.errs = append(e.errs, last)
	}
	return e
}

// pause announces the retry and waits for it; ok is false if the context ended
// the call, with the error that says so.
func (c *houseCall) pause(n int, wait time.Duration, failed error) (end error, ok bool) {
	c.announce(n, failed, wait)
	c.previous = wait
	err := c.sleep(wait)
	c.slept += wait
	switch {
	case c.is("sleep/twice"):
		c.sleep(wait)
	case c.is("cancel/wait-error-dropped", "cancel/attempt-error-retried", "cancel/taken-for-a-timeout"):
		return nil, true
	case c.is("cancel/one-more-attempt") && err != nil:
		c.open(c.ctx)
	}
	if c.ctx.Err() != nil {
		return c.cancelled(failed), false
	}
	return nil, true
}

func (c *houseCall) announce(n int, failed error, wait time.Duration) {
	switch {
	case c.is("notice/missing-first") && n == 1:
	case c.is("notice/twice"):
		c.Notify(n, failed, wait)
		c.Notify(n, failed, wait)
	case c.is("notice/of-the-backoff"):
		c.Notify(n, failed, c.backoff(n))
	case c.is("notice/counts-from-zero"):
		c.Notify(n-1, failed, wait)
	case c.is("notice/previous-error"):
		c.Notify(n, c.failures[0], wait)
	default:
		c.Notify(n, failed, wait)
	}
}

// sleep waits for d or for the end of the context, whose error it returns.
func (c *houseCall) sleep(d time.Duration) error {
	switch {
	case c.is("sleep/uninterrupted"):
		c.Clock.Sleep(d)
		return c.ctx.Err()
	case c.is("sleep/other-clock"):
		c.other.Sleep(d)
		return c.ctx.Err()
	case c.is("sleep/on-background"):
		return c.wait(context.Background(), d)
	case c.is("sleep/in-slices"):
		for ; d > 0 && c.ctx.Err() == nil; d -= 100 * time.Millisecond {
			c.Clock.Sleep(min(d, 100*time.Millisecond))
		}
		return c.ctx.Err()
	case c.is("sleep/whole-seconds"):
		d = (d + time.Second - 1).Truncate(time.Second)
	case c.is("sleep/at-least-a-tick") && d <= 0:
		d = time.Millisecond
	case c.is("conduct/busy-loop"):
		for until := c.Clock.Now().Add(d); c.Clock.Now().Before(until) && c.ctx.Err() == nil; {
		}
		return c.ctx.Err()
	case c.is("sleep/capped-at-an-hour"):
		d = min(d, time.Hour)
	}
	return c.wait(c.ctx, d)
}

// wait waits for d on the clock's own SleepContext: it is the quickest of the
// ways to wait, of which the correct implementations have the others.
func (c *houseCall) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return c.ctx.Err()
	}
	if c.is("cancel/watcher-left") {
		c.Clock.AfterFunc(d+time.Hour, func() {})
	}
	if c.is("cancel/timer-left") {
		c.Clock.NewTimer(d) // which stays when the context ends the wait
	}
	fakeclock.SleepContext(ctx, c.Clock, min(d, fakeclock.Forever-1))
	return c.ctx.Err()
}

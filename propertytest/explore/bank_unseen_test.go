package explore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Mutants of a second loop, which knows the plain fields of a policy: written
// when the suite was done, by what people get wrong in a loop of twenty lines.

// seams are the places of the loop where a mutant does something else. nil: as it
// should be.
type seams struct {
	most     func(s *seen) int
	class    func(s *seen, class retry.Classification) retry.Classification
	hint     func(s *seen, d time.Duration) time.Duration    // what the server asked for
	backoff  func(s *seen, n int) time.Duration              // before jitter, capped
	jitter   func(s *seen, d time.Duration) time.Duration    // with it
	wait     func(s *seen, d time.Duration) time.Duration    // last of all
	context  func(s *seen) (context.Context, func())         // of an attempt
	before   func(s *seen)                                   // the first attempt
	deadline func(s *seen, wait time.Duration) time.Duration // what must fit into the time that is left
	tooLate  func(s *seen, wait time.Duration) bool
	notify   func(s *seen, wait time.Duration)
	sleep    func(s *seen, d time.Duration)
	alive    func(s *seen) bool // it goes on after a wait
	blind    func(s *seen) bool // it goes on after a failure, whose context has ended
	end      func(s *seen, err error) error
	success  func(s *seen) (again bool)
}

// seen is what the loop knows of a call.
type seen struct {
	explore.Env
	ctx      context.Context
	words    *rand.Rand
	n        int // attempts
	counted  int // of them against the policy
	failures []error
	hints    []time.Duration // -1: none
	waits    []time.Duration
	began    time.Time
	started  time.Time // the last attempt
	kept     map[string]any

	timedOut, refused, throttled bool
}

func (s *seen) last() error { return s.failures[len(s.failures)-1] }
func (s *seen) hinted() (d time.Duration, ok bool) {
	d = s.hints[len(s.hints)-1]
	return d, d >= 0
}

// plainBackoff is the n-th delay, capped.
func (s *seen) plainBackoff(n int) time.Duration {
	d := s.Policy.BaseDelay
	for range min(n-1, 64) {
		d = add(d, d)
	}
	if s.Policy.MaxDelay > 0 {
		d = min(d, s.Policy.MaxDelay)
	}
	return d
}

func (s *seen) upTo(n time.Duration) time.Duration {
	if n <= 0 {
		return 0
	}
	return time.Duration(s.words.Int64N(int64(n)))
}

func (s *seen) spread(d time.Duration) time.Duration { return add(d, s.upTo(d/10)) }

// cut is the error of a call that its context ended.
func (s *seen) cut(last error) error {
	if s.ctx.Err() == nil {
		return errors.Join(context.DeadlineExceeded, last)
	}
	return errors.Join(s.ctx.Err(), context.Cause(s.ctx), last)
}

func (m seams) do(e explore.Env) explore.Do {
	kept := make(map[string]any)
	return func(ctx context.Context, op func(context.Context) error) error {
		s := &seen{Env: e, ctx: ctx, words: rand.New(e.Source()), began: e.Clock.Now(), kept: kept}
		if ctx.Err() != nil {
			return s.cut(nil)
		}
		if m.before != nil {
			m.before(s)
		}
		for {
			s.n++
			s.counted++
			err, timedOut := m.attempt(s, op)
			if err == nil {
				if m.success == nil || !m.success(s) {
					return nil
				}
				continue
			}
			s.failures = append(s.failures, err)
			wait, end := m.decide(s, err, timedOut)
			if end == nil {
				end = m.pause(s, wait)
			}
			if end == errGoOn {
				continue
			}
			if m.end != nil {
				return m.end(s, end)
			}
			return end
		}
	}
}

// errGoOn says that a wait is over.
var errGoOn = errors.New("go on")

func (m seams) attempt(s *seen, op func(context.Context) error) (err error, timedOut bool) {
	ctx, release := s.ctx, func() {}
	s.started = s.Clock.Now()
	switch {
	case m.context != nil:
		ctx, release = m.context(s)
	case s.Policy.AttemptTimeout > 0:
		ctx, release = fakeclock.WithTimeout(s.ctx, s.Clock, s.Policy.AttemptTimeout)
	}
	err = op(ctx)
	timedOut = s.Policy.AttemptTimeout > 0 && ctx.Err() != nil && s.ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded)
	release()
	return err, timedOut
}

func (m seams) decide(s *seen, err error, timedOut bool) (wait time.Duration, end error) {
	class := retry.Classify(err)
	if timedOut {
		class = retry.Transient()
	}
	if m.class != nil {
		class = m.class(s, class)
	}
	asked, hinted := class.RetryAfter()
	if !hinted {
		asked = -1
	}
	s.hints, s.timedOut = append(s.hints, asked), timedOut
	most := max(s.Policy.MaxAttempts, 1)
	if m.most != nil {
		most = m.most(s)
	}
	if s.counted >= most || !class.IsTransient() {
		return 0, err
	}
	if s.ctx.Err() != nil && (m.blind == nil || !m.blind(s)) {
		return 0, s.cut(err)
	}
	if wait = m.delay(s, asked, hinted); s.refused {
		return 0, err
	}
	if at, ok := s.ctx.Deadline(); ok {
		needed := wait
		if m.deadline != nil {
			needed = m.deadline(s, wait)
		}
		if needed >= s.Clock.Until(at) {
			return 0, s.cut(err)
		}
	}
	late := s.Policy.MaxElapsed > 0 && wait > s.Policy.MaxElapsed-s.Clock.Since(s.began)
	if m.tooLate != nil && s.Policy.MaxElapsed > 0 {
		late = m.tooLate(s, wait)
	}
	if late {
		return 0, err
	}
	return wait, nil
}

func (m seams) delay(s *seen, asked time.Duration, hinted bool) time.Duration {
	backoff := (*seen).plainBackoff
	if m.backoff != nil {
		backoff = m.backoff
	}
	wait := backoff(s, s.n)
	if m.hint != nil {
		asked = m.hint(s, asked)
		hinted = asked >= 0
	}
	if hinted {
		wait = asked
	}
	switch {
	case s.Policy.Jitter != retry.JitterAdditive:
	case m.jitter != nil:
		wait = m.jitter(s, wait)
	default:
		wait = s.spread(wait)
	}
	if m.wait != nil {
		wait = m.wait(s, wait)
	}
	return wait
}

func (m seams) pause(s *seen, wait time.Duration) (end error) {
	if m.notify != nil {
		m.notify(s, wait)
	} else {
		s.Notify(s.n, s.last(), wait)
	}
	s.waits = append(s.waits, wait)
	if m.sleep != nil {
		m.sleep(s, wait)
	} else {
		fakeclock.SleepContext(s.ctx, s.Clock, wait)
	}
	if alive := s.ctx.Err() == nil; !alive && (m.alive == nil || !m.alive(s)) {
		return s.cut(s.last())
	}
	return errGoOn
}

// unseenLoop adds a mutant of the loop.
func unseenLoop(name, want, says string, m seams) { hunt(name, want, says, explore.Func(m.do)) }

// What is counted, and what is retried.
func init() {
	unseenLoop("count/anew-after-a-minute", "extra-attempt", "counts anew after a wait of a minute", seams{most: func(s *seen) int {
		for _, d := range s.waits {
			if d >= time.Minute {
				return math.MaxInt
			}
		}
		return max(s.Policy.MaxAttempts, 1)
	}})
	unseenLoop("count/one-more-for-a-hint", "extra-attempt", "makes an attempt more where the last failure had a Retry-After", seams{most: func(s *seen) int {
		if _, ok := s.hinted(); ok && s.Policy.MaxAttempts > 1 {
			return add1(s.Policy.MaxAttempts)
		}
		return max(s.Policy.MaxAttempts, 1)
	}})
	unseenLoop("count/one-more-for-a-timeout", "extra-attempt", "makes an attempt more where the last one took too long", seams{most: func(s *seen) int {
		if errors.Is(s.last(), context.DeadlineExceeded) && s.Policy.MaxAttempts > 1 {
			return add1(s.Policy.MaxAttempts)
		}
		return max(s.Policy.MaxAttempts, 1)
	}})
	unseenLoop("count/two-is-one", "gave-up-early", "compares with > where there are two attempts", seams{most: func(s *seen) int {
		if s.Policy.MaxAttempts == 2 {
			return 1
		}
		return max(s.Policy.MaxAttempts, 1)
	}})
	unseenLoop("class/nil-is-a-failure", "off-contract", "tries again after a success that came at once", seams{success: func(s *seen) bool {
		return s.n == 1 && s.Policy.MaxAttempts > 1
	}})
	unseenLoop("class/first-of-joined", "gave-up-early", "looks at the first of joined errors alone", seams{class: func(s *seen, c retry.Classification) retry.Classification {
		for err := s.last(); err != nil; err = errors.Unwrap(err) {
			if many, ok := err.(interface{ Unwrap() []error }); ok {
				return retry.Classify(many.Unwrap()[0])
			}
		}
		return c
	}})
	unseenLoop("class/broken-answer-is-permanent", "gave-up-early", "does not retry an answer that broke off", seams{class: func(s *seen, c retry.Classification) retry.Classification {
		if errors.Is(s.last(), io.ErrUnexpectedEOF) {
			return retry.Permanent()
		}
		return c
	}})
	unseenLoop("class/permanent-once-throttled", "retried-permanent", "takes a permanent failure for the throttling that went before", seams{class: func(s *seen, c retry.Classification) retry.Classification {
		if len(s.hints) > 0 && s.hints[len(s.hints)-1] > 0 {
			return retry.Transient()
		}
		return c
	}})
	unseenLoop("class/timeout-with-the-last-hint", "over-wait", "gives an attempt that took too long the Retry-After of the one before", seams{hint: func(s *seen, d time.Duration) time.Duration {
		if n := len(s.hints); n > 1 && errors.Is(s.last(), context.DeadlineExceeded) {
			return s.hints[n-2]
		}
		return d
	}})
}

func add1(n int) int { return min(n, math.MaxInt-1) + 1 }

// What a server asks for.
func init() {
	unseenLoop("hint/not-of-the-first", "over-wait", "does not listen to the first failure's Retry-After", seams{hint: func(s *seen, d time.Duration) time.Duration {
		if s.n == 1 {
			return -1
		}
		return d
	}})
	unseenLoop("hint/honoured-twice", "over-wait", "waits for a Retry-After after the next failure too", seams{hint: func(s *seen, d time.Duration) time.Duration {
		if n := len(s.hints); d < 0 && n > 1 {
			return s.hints[n-2]
		}
		return d
	}})
	unseenLoop("hint/at-least-the-base", "over-wait", "waits for the base at least", seams{hint: func(s *seen, d time.Duration) time.Duration {
		if d >= 0 {
			return max(d, s.Policy.BaseDelay)
		}
		return d
	}})
	unseenLoop("hint/after-a-reset", "over-wait", "applies the last Retry-After when the connection is reset", seams{hint: func(s *seen, d time.Duration) time.Duration {
		if n := len(s.hints); n > 1 && strings.Contains(s.last().Error(), "reset") {
			return s.hints[n-2]
		}
		return d
	}})
	unseenLoop("hint/jitter-of-the-backoff", "over-wait", "adds the backoff's jitter to a Retry-After", seams{jitter: func(s *seen, d time.Duration) time.Duration {
		return add(d, s.upTo(s.plainBackoff(s.n)/10))
	}})
	unseenLoop("hint/raises-the-exponent", "over-wait", "counts a wait that was asked for twice", seams{backoff: func(s *seen, n int) time.Duration {
		for _, h := range s.hints {
			if h >= 0 {
				n++
			}
		}
		return s.plainBackoff(n)
	}})
	unseenLoop("hint/backoff-on-the-last-retry", "early-retry", "goes by the schedule before the last attempt", seams{hint: func(s *seen, d time.Duration) time.Duration {
		if s.n == s.Policy.MaxAttempts-1 {
			return -1
		}
		return d
	}})
	unseenLoop("hint/a-nanosecond-short", "early-retry", "wakes a nanosecond before a Retry-After is over", seams{hint: func(s *seen, d time.Duration) time.Duration {
		if d > 0 {
			return d - 1
		}
		return d
	}})
}

// How waits grow.
func init() {
	unseenLoop("backoff/below-the-cap", "early-retry", "stays a nanosecond below the cap", seams{backoff: func(s *seen, n int) time.Duration {
		if d := s.plainBackoff(n); d == s.Policy.MaxDelay && d > 0 {
			return d - 1
		}
		return s.plainBackoff(n)
	}})
	unseenLoop("backoff/capped-from-twice", "over-wait", "caps what is more than twice the cap", seams{backoff: func(s *seen, n int) time.Duration {
		p := s.Policy
		s.Policy.MaxDelay = 0
		d := s.plainBackoff(n)
		if s.Policy = p; p.MaxDelay > 0 && d/2 > p.MaxDelay {
			return p.MaxDelay
		}
		return d
	}})
	unseenLoop("backoff/sum-of-the-waits", "early-retry", "waits as long as all waits before", seams{backoff: func(s *seen, n int) time.Duration {
		sum := time.Duration(0)
		for k := 1; k < n && k < 60; k++ {
			sum = add(sum, s.plainBackoff(k))
		}
		if n == 1 {
			return s.plainBackoff(1)
		}
		return min(sum, s.plainBackoff(n))
	}})
	unseenLoop("backoff/of-failures-alike", "early-retry", "begins anew where the failure is of another kind", seams{backoff: func(s *seen, n int) time.Duration {
		k := 1
		reset := func(err error) bool { return strings.Contains(err.Error(), "reset") }
		for i := n - 2; i >= 0 && reset(s.failures[i]) == reset(s.failures[n-1]); i-- {
			k++
		}
		return s.plainBackoff(k)
	}})
	unseenLoop("backoff/first-twice", "early-retry", "grows from the third wait on", seams{backoff: func(s *seen, n int) time.Duration {
		return s.plainBackoff(max(n-1, 1))
	}})
	unseenLoop("backoff/from-the-wait-before", "over-wait", "doubles the wait before, a Retry-After too", seams{backoff: func(s *seen, n int) time.Duration {
		if n == 1 {
			return s.plainBackoff(1)
		}
		d := add(s.waits[n-2], s.waits[n-2])
		if s.Policy.MaxDelay > 0 {
			d = min(d, s.Policy.MaxDelay)
		}
		return d
	}, jitter: func(_ *seen, d time.Duration) time.Duration { return d }})
}

// What chance does.
func init() {
	jitters := func(name, want, says string, f func(s *seen, d time.Duration) time.Duration) {
		unseenLoop("jitter/"+name, want, says, seams{jitter: f})
	}
	jitters("low-more-often", "biased-jitter", "draws the lower half in six cases of ten", func(s *seen, d time.Duration) time.Duration {
		if s.words.IntN(10) < 2 {
			return add(d, s.upTo(d/20))
		}
		return s.spread(d)
	})
	jitters("upper-half", "biased-jitter", "adds half of it always", func(s *seen, d time.Duration) time.Duration { return add(d, d/20+s.upTo(d/20)) })
	jitters("of-the-wait-before", "biased-jitter", "takes a tenth of the delay before", func(s *seen, d time.Duration) time.Duration {
		return add(d, s.upTo(s.plainBackoff(max(s.n-1, 1))/10))
	})
	jitters("anew-for-each-wait", "repeated-jitter", "seeds its source anew for each wait", func(s *seen, d time.Duration) time.Duration {
		s.words = rand.New(rand.NewPCG(s.Seed, s.Client))
		return s.spread(d)
	})
	jitters("client-in-eight-bits", "biased-jitter", "keeps the number of the client in 8 bits", func(s *seen, d time.Duration) time.Duration {
		s.words = rand.New(rand.NewPCG(s.Seed+uint64(s.n), uint64(uint8(s.Client))))
		return s.spread(d)
	})
	jitters("of-the-attempt-alone", "herd", "seeds with the number of the attempt", func(s *seen, d time.Duration) time.Duration {
		s.words = rand.New(rand.NewPCG(s.Seed, uint64(s.n)))
		return s.spread(d)
	})
	jitters("subtracted-from-every-other", "early-retry", "takes it away from every second wait", func(s *seen, d time.Duration) time.Duration {
		if s.n%2 == 0 {
			return d - s.upTo(d/10)
		}
		return s.spread(d)
	})
	jitters("none-below-a-second", "no-jitter", "adds none to a wait of a second or less", func(s *seen, d time.Duration) time.Duration {
		if d <= time.Second {
			return d
		}
		return s.spread(d)
	})
	jitters("window-in-32-bits", "biased-jitter", "keeps the window in 27 bits of nanoseconds", func(s *seen, d time.Duration) time.Duration {
		return add(d, s.upTo(d/10&(1<<27-1)))
	})
}

// How it waits, and what ends a wait.
func init() {
	unseenLoop("sleep/jitter-before-the-first", "over-wait", "spreads the first attempts of its clients", seams{before: func(s *seen) {
		fakeclock.SleepContext(s.ctx, s.Clock, s.upTo(s.Policy.BaseDelay))
	}})
	unseenLoop("sleep/first-half-deaf", "ignored-cancel", "hears the context in the second half of a wait", seams{sleep: func(s *seen, d time.Duration) {
		s.Clock.Sleep(d / 2)
		fakeclock.SleepContext(s.ctx, s.Clock, d-d/2)
	}})
	unseenLoop("sleep/short-waits-deaf", "ignored-cancel", "does not look at the context in waits of a second or less", seams{sleep: func(s *seen, d time.Duration) {
		if d <= time.Second {
			s.Clock.Sleep(d)
			return
		}
		fakeclock.SleepContext(s.ctx, s.Clock, d)
	}})
	unseenLoop("sleep/a-millisecond-short", "early-retry", "leaves a millisecond to the scheduler", seams{wait: func(_ *seen, d time.Duration) time.Duration { return max(d-time.Millisecond, 0) }})
	unseenLoop("sleep/deaf-with-a-deadline", "ignored-cancel", "waits without the context where it has a deadline, which was looked at", seams{sleep: func(s *seen, d time.Duration) {
		if _, ok := s.ctx.Deadline(); ok {
			s.Clock.Sleep(d)
			return
		}
		fakeclock.SleepContext(s.ctx, s.Clock, d)
	}})
	unseenLoop("cancel/unheard-before-the-last", "started-after-cancel", "does not look at the context before the last attempt", seams{alive: func(s *seen) bool { return s.n == s.Policy.MaxAttempts-1 }})
	unseenLoop("cancel/timer-left-in-later-waits", "leaked", "stops the timer of the first wait only", seams{sleep: func(s *seen, d time.Duration) {
		if s.n > 1 {
			s.Clock.NewTimer(d)
		}
		fakeclock.SleepContext(s.ctx, s.Clock, d)
	}})
	unseenLoop("cancel/timer-left-for-a-hint", "leaked", "does not stop the timer of a Retry-After", seams{sleep: func(s *seen, d time.Duration) {
		if _, ok := s.hinted(); ok {
			s.Clock.NewTimer(d)
		}
		fakeclock.SleepContext(s.ctx, s.Clock, d)
	}})
	unseenLoop("cancel/deadline-of-the-backoff", "slept-to-deadline", "compares the deadline with the backoff where a Retry-After is longer", seams{deadline: func(s *seen, _ time.Duration) time.Duration { return s.plainBackoff(s.n) }})
	unseenLoop("cancel/deadline-with-a-timeout", "gave-up-early", "gives up where a whole attempt would not fit", seams{deadline: func(s *seen, d time.Duration) time.Duration { return add(d, s.Policy.AttemptTimeout) }})
	unseenLoop("cancel/deadline-in-milliseconds", "slept-to-deadline", "compares whole milliseconds with the deadline", seams{deadline: func(_ *seen, d time.Duration) time.Duration { return d.Truncate(time.Millisecond) - time.Millisecond }})
	unseenLoop("cancel/last-failure-of-the-wait-before", "lost-error", "joins the last failure but one to the context's error", seams{end: func(s *seen, err error) error {
		if n := len(s.failures); s.ctx.Err() != nil && n > 1 && err != s.last() {
			return s.cut(s.failures[n-2])
		}
		return err
	}})
}

// The errors and limits of a call.
func init() {
	unseenLoop("error/first-at-the-limit", "lost-error", "returns the first error when no time is left", seams{end: func(s *seen, err error) error {
		if err == s.last() && s.n < s.Policy.MaxAttempts && retry.Classify(err).IsTransient() && s.ctx.Err() == nil {
			return s.failures[0]
		}
		return err
	}})
	unseenLoop("error/nil-after-a-retry", "invented-success", "returns no error where a retry fails for good", seams{end: func(s *seen, err error) error {
		if err == s.last() && s.n > 1 && !retry.Classify(err).IsTransient() {
			return nil
		}
		return err
	}})
	unseenLoop("error/permanent-wrapped-after-a-retry", "lost-error", "wraps the permanent error of a retry", seams{end: func(s *seen, err error) error {
		if err == s.last() && s.n > 1 && !retry.Classify(err).IsTransient() {
			return fmt.Errorf("attempt %d: %w", s.n, err)
		}
		return err
	}})
	unseenLoop("error/longest", "lost-error", "returns the error that says most", seams{end: func(s *seen, err error) error {
		if err != s.last() {
			return err
		}
		for _, f := range s.failures {
			if len(f.Error()) > len(err.Error()) {
				err = f
			}
		}
		return err
	}})
	unseenLoop("limit/anew-with-a-hint", "overran-limit", "begins to measure anew after a Retry-After", seams{tooLate: func(s *seen, d time.Duration) bool {
		if len(s.hints) > 1 && s.hints[len(s.hints)-2] >= 0 {
			return d > s.Policy.MaxElapsed
		}
		return d > s.Policy.MaxElapsed-s.Clock.Since(s.began)
	}})
	unseenLoop("limit/in-milliseconds", "overran-limit", "compares whole milliseconds", seams{tooLate: func(s *seen, d time.Duration) bool {
		return d.Milliseconds()+s.Clock.Since(s.began).Milliseconds() > (s.Policy.MaxElapsed + time.Millisecond - 1).Milliseconds()
	}})
	unseenLoop("limit/of-the-backoff", "overran-limit", "compares the backoff with the limit where a Retry-After is longer", seams{tooLate: func(s *seen, _ time.Duration) bool {
		return s.plainBackoff(s.n) > s.Policy.MaxElapsed-s.Clock.Since(s.began)
	}})
	unseenLoop("limit/to-the-start-of-the-attempt", "overran-limit", "measures up to the start of the last attempt", seams{tooLate: func(s *seen, d time.Duration) bool {
		return d > s.Policy.MaxElapsed-s.started.Sub(s.began)
	}})
	bounded := func(s *seen, d time.Duration) (context.Context, func()) {
		if d <= 0 {
			return s.ctx, func() {}
		}
		ctx, cancel := fakeclock.WithTimeout(s.ctx, s.Clock, d)
		return ctx, cancel
	}
	unseenLoop("limit/timeout-in-seconds", "ignored-timeout", "keeps the attempt timeout in whole seconds", seams{context: func(s *seen) (context.Context, func()) {
		return bounded(s, s.Policy.AttemptTimeout.Truncate(time.Second))
	}})
	unseenLoop("limit/timeout-of-retries-halved", "lost-context", "gives retries half of the time", seams{context: func(s *seen) (context.Context, func()) {
		if s.n > 1 {
			return bounded(s, s.Policy.AttemptTimeout/2)
		}
		return bounded(s, s.Policy.AttemptTimeout)
	}})
	unseenLoop("limit/timeout-not-after-a-hint", "ignored-timeout", "does not bound the attempt after a Retry-After", seams{context: func(s *seen) (context.Context, func()) {
		if n := len(s.hints); n > 0 && s.hints[n-1] >= 0 {
			return s.ctx, func() {}
		}
		return bounded(s, s.Policy.AttemptTimeout)
	}})
	unseenLoop("limit/context-of-the-first-attempt", "lost-context", "makes all attempts under the context of the first, which is over", seams{context: func(s *seen) (context.Context, func()) {
		if s.n == 1 {
			ctx, cancel := context.WithCancel(s.ctx)
			s.kept["context"] = ctx
			return ctx, cancel
		}
		return s.kept["context"].(context.Context), func() {}
	}})
	unseenLoop("limit/context-left-when-refused-for-good", "leaked", "does not release the context of an attempt that failed for good", seams{context: func(s *seen) (context.Context, func()) {
		ctx, cancel := context.WithCancel(s.ctx)
		s.kept["cancel"] = cancel
		return ctx, func() {}
	}, end: func(s *seen, err error) error {
		if retry.Classify(err).IsTransient() {
			s.kept["cancel"].(context.CancelFunc)()
		}
		return err
	}, sleep: func(s *seen, d time.Duration) {
		s.kept["cancel"].(context.CancelFunc)()
		fakeclock.SleepContext(s.ctx, s.Clock, d)
	}, success: func(s *seen) bool { s.kept["cancel"].(context.CancelFunc)(); return false }})
}

// retriesOfTheProcess are what a process may make.
var retriesOfTheProcess atomic.Int64

// What calls share, and what is announced.
func init() {
	unseenLoop("share/retries-of-the-process", "gave-up-early", "has ten retries for all of the process", seams{most: func(s *seen) int {
		if retriesOfTheProcess.Add(1) > 10 {
			return 1
		}
		return max(s.Policy.MaxAttempts, 1)
	}})
	count := func(s *seen) int {
		n, _ := s.kept["calls"].(int)
		if s.n == 1 {
			n++
			s.kept["calls"] = n
		}
		return n
	}
	unseenLoop("share/every-third-call-once", "shared-state", "makes one attempt in every third call", seams{most: func(s *seen) int {
		if count(s)%3 == 0 {
			return 1
		}
		return max(s.Policy.MaxAttempts, 1)
	}})
	unseenLoop("share/cools-down", "shared-state", "waits before the first attempt of a call after one that failed", seams{before: func(s *seen) {
		if s.kept["failed"] != nil {
			fakeclock.SleepContext(s.ctx, s.Clock, s.Policy.BaseDelay)
		}
	}, end: func(s *seen, err error) error { s.kept["failed"] = err; return err }})
	unseenLoop("share/longest-wait-kept", "shared-state", "begins with the longest wait of the calls before", seams{backoff: func(s *seen, n int) time.Duration {
		most, _ := s.kept["longest"].(time.Duration)
		if s.n == 1 && most > 0 {
			return most
		}
		s.kept["longest"] = max(most, s.plainBackoff(n))
		return s.plainBackoff(n)
	}})
	unseenLoop("notice/of-a-wait-without-jitter", "wrong-notice", "announces the delay before its jitter", seams{notify: func(s *seen, _ time.Duration) {
		d, asked := s.hinted()
		if !asked {
			d = s.plainBackoff(s.n)
		}
		s.Notify(s.n, s.last(), d)
	}})
	unseenLoop("notice/of-a-refused-retry", "wrong-notice", "announces a retry and finds then that no time is left", seams{tooLate: func(s *seen, d time.Duration) bool {
		late := d > s.Policy.MaxElapsed-s.Clock.Since(s.began)
		if late {
			s.Notify(s.n, s.last(), d)
		}
		return late
	}})
	unseenLoop("notice/not-of-the-last-retry", "wrong-notice", "does not announce the last retry", seams{notify: func(s *seen, d time.Duration) {
		if s.n != s.Policy.MaxAttempts-1 {
			s.Notify(s.n, s.last(), d)
		}
	}})
}

package faults

import (
	"sync/atomic"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
)

// What the examples are tried with.
var (
	doubling = retry.Policy{MaxAttempts: 4, BaseDelay: time.Second, MaxDelay: 3 * time.Second}
	uncapped = retry.Policy{MaxAttempts: 4, BaseDelay: time.Second, RetryAfter: retry.HintIgnored}
	limited  = retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: time.Second, MaxDelay: 3 * time.Second, MaxElapsed: 10 * time.Second}
	bounded  = retry.Policy{MaxAttempts: 1, AttemptTimeout: time.Second}
	once     = retry.Policy{MaxAttempts: 1}
	full     = retry.Policy{MaxAttempts: 4, BaseDelay: time.Second, Jitter: retry.JitterFull}
	fullOnly = retry.Policy{MaxAttempts: 4, BaseDelay: time.Second, Jitter: retry.JitterFull, RetryAfter: retry.HintIgnored}
	twice    = retry.Policy{MaxAttempts: 2, BaseDelay: time.Second, RetryAfter: retry.HintIgnored}
)

// entropy is what stands for a seed that nobody knows.
var entropy atomic.Uint64

var table = []Fault{
	{Rule: "early-retry", Policy: doubling, Faulty: explore.Func(earlyRetryFault), Fixed: explore.Func(earlyRetryFixed),
		Script: "transient:20000; ok",
		Story: `The server says when it will have time again. A client that cuts that to its own cap comes back while nothing
			has changed: it is refused again, uses up its attempts in the time that was meant for one wait, and providers that
			count refused requests keep it locked out for as long as it goes on.`},
	{Rule: "over-wait", Policy: doubling, Faulty: explore.Func(overWaitFault), Fixed: explore.Func(overWaitFixed),
		Script: "call { transient x2; ok }; call { transient; ok }",
		Story: `The first call after a bad minute waits as if it were the tenth failure, because the backoff belongs to the
			client and nobody set it back. In tests, where every client makes one call, it never shows.`},
	{Rule: "hammer", Policy: doubling, Faulty: explore.Func(hammerFault), Fixed: explore.Func(hammerFixed),
		Script: "transient; ok",
		Story: `A first retry at once seems free, and for one client it is. When a server fails fast, all its clients double
			their load in the same millisecond, which is the moment at which it could have recovered.`},
	{Rule: "overran-limit", Policy: limited, Faulty: explore.Func(overranLimitFault), Fixed: explore.Func(overranLimitFixed),
		Script: "transient x8; ok",
		Story: `The limit on the whole call is compared with the time that is gone, and the wait to come is not in it. With long
			waits the last attempt begins long after the limit, and whoever trusted it has timed out first.`},
	{Rule: "extra-attempt", Policy: uncapped, Faulty: explore.Func(extraAttemptFault), Fixed: explore.Func(extraAttemptFixed),
		Script: "transient forever",
		Story: `Attempts count the first call, retries do not, and the two words are mixed up. A limit of three becomes four: a
			third more load than was agreed, from every client, only in an outage.`},
	{Rule: "retried-permanent", Policy: uncapped, Faulty: explore.Func(retriedPermanentFault), Fixed: explore.Func(retriedPermanentFixed),
		Script: "permanent: bad auth; ok",
		Story: `A wrong key stays wrong. Each of its retries looks to the provider like somebody who guesses keys, and the
			user waits seconds for an error that was known at once.`},
	{Rule: "gave-up-early", Policy: uncapped, Faulty: explore.Func(gaveUpEarlyFault), Fixed: explore.Func(gaveUpEarlyFixed),
		Script: "transient; ok",
		Story: `A type assertion sees the error itself and not what it wraps. The day that a layer below adds context with %w,
			nothing is retried any more, and no test fails, because tests return the bare error.`},
	{Rule: "ignored-timeout", Policy: bounded, Faulty: explore.Func(ignoredTimeoutFault), Fixed: explore.Func(ignoredTimeoutFixed),
		Script: "hang; ok",
		Story: `One server out of many accepts the connection and never answers. Without a bound on the attempt the call waits
			there until its own deadline, and the retry that would have met a healthy server is never made.`},
	{Rule: "slept-after-last", Policy: uncapped, Faulty: explore.Func(sleptAfterLastFault), Fixed: explore.Func(sleptAfterLastFixed),
		Script: "transient forever",
		Story: `The loop sleeps at its end whether or not another round follows. The caller gets the error it was going to get
			anyway, one backoff, the longest, later; under load that is one more goroutine and one more open request for all
			that time.`},
	{Rule: "wrong-clock", Policy: twice, Faulty: explore.Func(wrongClockFault), Fixed: explore.Func(wrongClockFixed),
		Script: "transient; ok",
		Story: `One wait in a corner uses package time. The suite that ran in a millisecond takes a minute on the days when it
			gets there, and the schedule in that corner is tested by nobody.`},
	{Rule: "leaked", Policy: uncapped, Faulty: explore.Func(leakedFault), Fixed: explore.Func(leakedFixed),
		Script: "cancel at 500ms; transient; ok",
		Story: `A timer that nobody can stop lives until it fires. Calls that are cancelled early, by users who click away, each
			leave one behind, with everything that its goroutine or closure holds.`},
	{Rule: "started-after-cancel", Policy: uncapped, Faulty: explore.Func(startedAfterCancelFault), Fixed: explore.Func(startedAfterCancelFixed),
		Script: "cancel at 500ms; transient; ok",
		Story: `The wait is interrupted as it should be, and then the loop goes round once more. A shutdown sends one last
			request from every waiting call, for answers that nobody will read and somebody will pay.`},
	{Rule: "ignored-cancel", Policy: uncapped, Faulty: explore.Func(ignoredCancelFault), Fixed: explore.Func(ignoredCancelFixed),
		Script: "cancel at 500ms; transient; ok",
		Story: `A sleep that knows no context goes on to its end. A deploy waits for the longest backoff in the fleet, is killed
			after thirty seconds, and what was to be saved in the shutdown is not.`},
	{Rule: "slept-to-deadline", Policy: uncapped, Faulty: explore.Func(sleptToDeadlineFault), Fixed: explore.Func(sleptToDeadlineFixed),
		Script: "timeout total=500ms; transient; ok",
		Story: `The deadline comes before the next attempt, and the loop sleeps towards it all the same. The caller could have
			answered from its cache, or asked another server, in the time in which it waited for a certain failure.`},
	{Rule: "lost-cancel", Policy: uncapped, Faulty: explore.Func(lostCancelFault), Fixed: explore.Func(lostCancelFixed),
		Script: "cancel at 500ms; transient; ok",
		Story: `The caller cancelled, and is told of a 503. Whoever counts errors counts an outage for each user who closed a
			tab, and the code that tells the two apart with errors.Is never matches.`},
	{Rule: "lost-error", Policy: uncapped, Faulty: explore.Func(lostErrorFault), Fixed: explore.Func(lostErrorFixed),
		Script: "transient forever",
		Story: `With %v the error becomes a text. errors.As finds no status, no request id and no Retry-After in it, so the
			layers above treat every failure alike.`},
	{Rule: "invented-success", Policy: uncapped, Faulty: explore.Func(inventedSuccessFault), Fixed: explore.Func(inventedSuccessFixed),
		Script: "transient forever",
		Story: `The err inside the loop is not the one behind it. When every attempt fails, the function falls out of the loop
			and returns nil, and an empty result goes where an answer should be.`},
	{Rule: "lost-result", Policy: uncapped, Faulty: explore.Func(lostResultFault), Fixed: explore.Func(lostResultFixed),
		Script: "transient; ok",
		Story: `The errors of all attempts are collected, and returned even if the last attempt succeeded. The work was done and
			paid for, and the caller does it again.`},
	{Rule: "body-mutated", Policy: uncapped, Faulty: explore.Model(bodyMutatedFault), Fixed: explore.Model(bodyMutatedFixed),
		Script: "transient; ok",
		Story: `An adapter trims, appends or redacts in place, as it may with a request of its own. The second attempt sends what
			the first one left: a message twice, a body that is read to its end, a history that grows with each failure.`},
	{Rule: "lost-context", Policy: once, Faulty: explore.Model(lostContextFault), Fixed: explore.Model(lostContextFixed),
		Script: "cancel at 500ms; ok after 1s",
		Story: `The attempt runs under a context of its own. It cannot be cancelled, its spans belong to no trace, and the
			deadline that the caller set is not sent on.`},
	{Rule: "retried-after-content", Policy: uncapped, Faulty: explore.Model(retriedAfterContentFault), Fixed: explore.Model(retriedAfterContentFixed),
		Script: `ok "Hel" transient; ok "Hello"`,
		Story: `Half the answer is on the screen when the stream breaks. The retry begins from the start: the user reads the
			beginning twice, a tool is called twice, and both halves are billed.`},
	{Rule: "duplicate-chunk", Policy: uncapped, Faulty: explore.Model(duplicateChunkFault), Fixed: explore.Model(duplicateChunkFixed),
		Script: `ok "Hel" "lo"`,
		Story: `The first chunk is looked at before the stream is handed over, and handed out more than once. Words double; a
			tool call's arguments are no JSON any more.`},
	{Rule: "lost-chunk", Policy: uncapped, Faulty: explore.Model(lostChunkFault), Fixed: explore.Model(lostChunkFixed),
		Script: `ok "Hel" "lo"`,
		Story: `The first chunk is read to see whether the stream is alive, and then it is gone. Answers begin in the middle of
			a word, and only in the code path that retries.`},
	{Rule: "accepted-truncation", Policy: uncapped, Faulty: explore.Model(acceptedTruncationFault), Fixed: explore.Model(acceptedTruncationFixed),
		Script: `ok "Hel" cut`,
		Story: `A connection that breaks in the middle of a stream looks to a careless reader like its end. Half an answer is
			stored, cached and shown as if it were whole.`},
	{Rule: "late-chunk", Policy: uncapped, Faulty: explore.Model(lateChunkFault), Fixed: explore.Model(lateChunkFixed),
		Script: `ok "Hel" pause 1s "lo"`,
		Story: `The whole answer is read before any of it is handed over, so that a broken one could be asked for again. The
			reader looks at nothing for half a minute, and the caller's timeout sees no first word.`},
	{Rule: "no-jitter", Policy: full, Faulty: explore.Delay(noJitterFault), Fixed: explore.Delay(noJitterFixed),
		Story: `A server that was away for a second comes back to every client at the same moment, and goes away again. Two
			seconds later they all return, and four, and eight.`},
	{Rule: "biased-jitter", Policy: full, Faulty: explore.Delay(biasedJitterFault), Fixed: explore.Delay(biasedJitterFixed),
		Story: `The jitter is a whole number of percents, or milliseconds, or lies in half of its window. The herd is
			spread over a hundred moments instead of all of them, each with a hundredth of the fleet in it.`},
	{Rule: "herd", Policy: full, Faulty: explore.Delay(herdFault), Fixed: explore.Delay(herdFixed),
		Story: `Each client's waits look random, and they are the same for all: one seed in the code, or one taken from the
			second in which the whole fleet was started. A test of one client cannot see it.`},
	{Rule: "repeated-jitter", Policy: full, Faulty: explore.Delay(repeatedJitterFault), Fixed: explore.Delay(repeatedJitterFixed),
		Story: `Chance is asked once and its answer used for every wait of the call. Two clients that were close in the first
			wait are close in all that follow, so the crowd thins out once and then never again.`},
	{Rule: "shared-state", Policy: doubling, Faulty: explore.Func(sharedStateFault), Fixed: explore.Func(sharedStateFixed),
		Script: "call { transient forever }; call { transient; ok }",
		Story: `A counter that should belong to the call belongs to the retrier. After one call that failed to the end no other
			is retried, until the process is restarted and everything seems fine.`},
	{Rule: "nondeterministic", Policy: fullOnly, Faulty: explore.Func(nondeterministicFault), Fixed: explore.Func(nondeterministicFixed),
		Story: `The seed is taken from the air. The one schedule that broke something cannot be had again, and a test of the
			schedule can only say that it lies within bounds.`},
	{Rule: "wrong-notice", Policy: uncapped, Faulty: explore.Func(wrongNoticeFault), Fixed: explore.Func(wrongNoticeFixed),
		Script: "transient forever",
		Story: `The hook runs before it is known whether there will be a retry. Dashboards count one retry too many for each
			call that fails, and alerts on retries go off for calls that made none.`},
	{Rule: "panicked", Policy: uncapped, Faulty: explore.Func(panickedFault), Fixed: explore.Func(panickedFixed),
		Script: "transient forever",
		Story: `A list of waits is shorter than the number of attempts that somebody configured. The index is out of range
			only in the outage in which the last attempt is needed, and takes the process with it.`},
	{Rule: "stuck", Policy: twice, Faulty: explore.Func(stuckFault), Fixed: explore.Func(stuckFixed),
		Script: "transient; ok",
		Story: `The goroutine waits for something that never comes: a channel without a sender, a lock that its holder
			took twice. Nothing is logged, and each such call keeps what it holds until the process ends.`,
		Lacks: []verdict.Feature{verdict.Deadline, verdict.LastError}},
}

package verdict

// The table of rules. A rule keeps its id and its meaning for ever; a new one
// goes to the end of its area with the next free id and the next ruleset.
var rules = []Rule{
	{
		ID: "R01", Name: "early-retry", Area: "schedule", Since: 1, Guard: "C5, C6",
		Says: "an attempt does not begin before the wait that the server asked for, or else the schedule's, is over",
		Harm: "a server that asked for time is asked again while it has none, and answers with a ban or an outage",
		find: earlyRetry,
	}, {
		ID: "R02", Name: "over-wait", Area: "schedule", Since: 1, Guard: "C6, C7",
		Says: "the first attempt begins at once, another when the wait is over, which jitter can make longer, within its bounds",
		Harm: "the caller waits for nothing, and its deadline passes",
		find: overWait,
	}, {
		ID: "R03", Name: "hammer", Area: "schedule", Since: 1, Guard: "C5, C6",
		Says: "a failed attempt is not followed by another at the same instant",
		Harm: "a server that fails fast is asked as fast as it can fail, by every client at once",
		find: hammer,
	}, {
		ID: "R04", Name: "overran-limit", Area: "schedule", Since: 1, Guard: "C13",
		Says: "no attempt begins when the time for all attempts is over",
		Harm: "a call that was to take seconds takes minutes, and everything above it times out first",
		find: overranLimit, needs: hasElapsedLimit,
	}, {
		ID: "R05", Name: "extra-attempt", Area: "attempts", Since: 1, Guard: "C1",
		Says: "no more attempts are made than the policy allows, the first included",
		Harm: "every client sends more than was agreed, all at once, in an outage",
		find: extraAttempt,
	}, {
		ID: "R06", Name: "retried-permanent", Area: "attempts", Since: 1, Guard: "C3",
		Says: "an error that will not pass is not followed by another attempt",
		Harm: "a wrong key is sent again and again until the account is locked",
		find: retriedPermanent,
	}, {
		ID: "R07", Name: "gave-up-early", Area: "attempts", Since: 1, Guard: "C1, C3, C13",
		Says: "attempts that are left are used after an error that may pass",
		Harm: "a blip that the policy covers reaches the user",
		find: gaveUpEarly,
	}, {
		ID: "R08", Name: "ignored-timeout", Area: "attempts", Since: 1, Guard: "attempt timeout",
		Says: "an attempt that takes longer than the attempt timeout is ended",
		Harm: "one server that never answers holds the call for as long as it likes, and no retry happens",
		find: ignoredTimeout, needs: hasAttemptTimeout,
	}, {
		ID: "R09", Name: "nested-retry", Area: "attempts", Since: 1, Guard: "C1",
		Says: "the server sees as many attempts as the caller's loop makes",
		Harm: "two layers of three attempts are nine requests, and neither layer knows",
		find: nestedRetry,
	}, {
		ID: "R10", Name: "slept-after-last", Area: "waiting", Since: 1, Guard: "C2, C3",
		Says: "what the last attempt ended with returns at once",
		Harm: "the caller waits for an attempt that will not be made",
		find: sleptAfterLast,
	}, {
		ID: "R11", Name: "wrong-clock", Area: "waiting", Since: 1, Guard: "C12",
		Says: "all waiting happens on the clock that was given",
		Harm: "a test of the schedule takes as long as the schedule, so nobody writes one",
		find: wrongClock,
	}, {
		ID: "R12", Name: "leaked", Area: "waiting", Since: 1, Guard: "C2, C10",
		Says: "when a call is over no timer, goroutine, stream or context of it is left, and none pile up while it goes on",
		Harm: "a server that calls a flaky one for a week runs out of memory or connections",
		find: leaked,
	}, {
		ID: "R13", Name: "started-after-cancel", Area: "cancel", Since: 1, Guard: "C10",
		Says: "no attempt begins after the caller's context has ended",
		Harm: "work is done and paid for that nobody waits for",
		find: startedAfterCancel,
	}, {
		ID: "R14", Name: "ignored-cancel", Area: "cancel", Since: 1, Guard: "C10",
		Says: "a wait ends with the caller's context, and the call with it",
		Harm: "a shutdown hangs for as long as the longest wait",
		find: ignoredCancel,
	}, {
		ID: "R15", Name: "slept-to-deadline", Area: "cancel", Since: 1, Guard: "C10",
		Says: "a wait that the caller's deadline would cut is not begun",
		Harm: "the time in which the caller could have done something else is slept away",
		find: sleptToDeadline,
	}, {
		ID: "R16", Name: "lost-cancel", Area: "cancel", Since: 1, Guard: "C10",
		Says: "the error of a call that its context ended says so, and with what cause",
		Harm: "a caller that cancelled is told of a failure, logs it and pages somebody",
		find: lostCancel,
	}, {
		ID: "R17", Name: "lost-error", Area: "errors", Since: 1, Guard: "C4, C10",
		Says: "the error returned is that of the last attempt",
		Harm: "the caller decides by an error that is not the one that happened",
		find: lostError,
	}, {
		ID: "R18", Name: "invented-success", Area: "errors", Since: 1, Guard: "C4",
		Says: "a call whose last attempt failed returns an error",
		Harm: "the caller goes on with an empty result as if it were an answer",
		find: inventedSuccess,
	}, {
		ID: "R19", Name: "lost-result", Area: "errors", Since: 1, Guard: "C9",
		Says: "an attempt that succeeded ends the call with its result",
		Harm: "an answer that was paid for is thrown away",
		find: lostResult,
	}, {
		ID: "R20", Name: "body-mutated", Area: "request", Since: 1, Guard: "C8",
		Says: "every attempt gets an equal request, and the caller's stays as it was",
		Harm: "the second attempt sends half a body, or a conversation that grows with each failure",
		find: bodyMutated,
	}, {
		ID: "R21", Name: "lost-context", Area: "request", Since: 1, Guard: "C8, C10",
		Says: "every attempt runs under the caller's context, and ends with it or with the policy's timeout only",
		Harm: "a cancelled call goes on at the server, and its trace breaks off",
		find: lostContext,
	}, {
		ID: "R22", Name: "retried-after-content", Area: "stream", Since: 1, Guard: "C9",
		Says: "no attempt follows one whose stream has delivered a chunk",
		Harm: "the user reads the beginning of the answer twice, and pays twice",
		find: retriedAfterContent,
	}, {
		ID: "R23", Name: "duplicate-chunk", Area: "stream", Since: 1, Guard: "C9",
		Says: "the caller receives each chunk once",
		Harm: "words are doubled in an answer, or the arguments of a tool call are no JSON any more",
		find: duplicateChunk,
	}, {
		ID: "R24", Name: "lost-chunk", Area: "stream", Since: 1, Guard: "C9",
		Says: "the caller receives every chunk, as it was sent, in order",
		Harm: "an answer has holes that nobody sees",
		find: lostChunk,
	}, {
		ID: "R25", Name: "accepted-truncation", Area: "stream", Since: 1, Guard: "C9",
		Says: "a stream that broke, or ended without its terminal chunk, does not pass for a whole one",
		Harm: "half an answer is stored as the answer",
		find: acceptedTruncation,
	}, {
		ID: "R36", Name: "late-chunk", Area: "stream", Since: 1, Guard: "C9",
		Says: "the caller receives each chunk when it is sent",
		Harm: "a stream that was to show an answer while it is written shows it when it is done",
		find: lateChunk,
	}, {
		ID: "R26", Name: "no-jitter", Area: "jitter", Since: 1, Guard: "C7",
		Says: "the waits of many clients differ",
		Harm: "all clients that failed together come back together, again and again",
	}, {
		ID: "R27", Name: "biased-jitter", Area: "jitter", Since: 1, Guard: "C7",
		Says: "the waits of many clients fill the window that the policy says, evenly",
		Harm: "the herd is only spread over part of the time that was meant for it",
	}, {
		ID: "R28", Name: "herd", Area: "jitter", Since: 1, Guard: "C7, C11",
		Says: "clients draw their jitter independently of one another",
		Harm: "a fleet started from one image waits in step, whatever its jitter looks like in one process",
	}, {
		ID: "R29", Name: "repeated-jitter", Area: "jitter", Since: 1, Guard: "C7",
		Says: "the waits of one call are drawn anew each time",
		Harm: "clients that met once meet on every attempt",
	}, {
		ID: "R30", Name: "shared-state", Area: "sharing", Since: 1, Guard: "C11",
		Says: "a call is the same whatever calls came before it or run beside it",
		Harm: "one bad call shortens the retries of all others, and it never shows in a test of one",
	}, {
		ID: "R31", Name: "nondeterministic", Area: "sharing", Since: 1, Guard: "C11",
		Says: "the same policy, seed and failures give the same call",
		Harm: "a failure that was seen once cannot be seen again",
	}, {
		ID: "R32", Name: "wrong-notice", Area: "conduct", Since: 1, Guard: "C4",
		Says: "each retry is announced once, before its wait, with the failure it follows and how long that is",
		Harm: "the dashboard counts retries that never happen, or not those that do",
		find: wrongNotice,
	}, {
		ID: "R33", Name: "panicked", Area: "conduct", Since: 1, Guard: "C1",
		Says: "no failure of a server makes the code panic",
		Harm: "a bad answer takes the process down",
		find: panicked,
	}, {
		ID: "R34", Name: "stuck", Area: "conduct", Since: 1, Guard: "C1, C12",
		Says: "a call goes on or returns",
		Harm: "a goroutine and what it holds are gone until the process is restarted",
		find: stuck,
	}, {
		ID: "R35", Name: "off-contract", Area: "conduct", Since: 1, Guard: "C1 to C13",
		Says: "a call is what a plain reading of the contract makes of its script",
		Harm: "something that no other rule has a word for is not as promised",
	},
}

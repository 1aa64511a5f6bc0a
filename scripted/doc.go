// Package scripted is a language for failures, and a model that plays them.
//
// A script says what a model does on each request. One line is one turn:
//
//	transient                     # refused for now, with no word on how long
//	transient:50                  # refused for now; the server says wait 50 ms
//	permanent: bad auth           # refused for good; the text ends at ; or #
//	permanent: "a; b"             # ... unless it is quoted
//	429                           # refused with an HTTP status, 300 to 599
//	429 retry-after=1s            # ... with headers
//	529 type=overloaded_error code=busy message="try later"   # ... and a body
//	reset                         # the connection breaks before any answer
//	hang                          # no answer ever comes
//	ok                            # a stream with nothing but its end
//	ok "Hel" "lo"                 # a stream of two text deltas and its end
//
// What a status means is decided by package provider, from its code, type and
// headers, as it would be for a real response. Retry-After is written in digits,
// as a duration of whole seconds or, in quotes, as it stands in the header; the
// header for milliseconds in digits. Any other header is a lower-case name with
// a hyphen, or date:
//
//	503 retry-after="Fri, 31 Dec 1999 23:59:59 GMT"
//	429 retry-after-ms=250 x-request-id=req_7
//	503 retry-after=date+30s      # the date 30 s after the answer; or date-30s
//
// The body of a refusal ends, unless the word stall stands behind its fields:
// whoever reads it then waits for ever. A [Model] has no body and fails at once.
//
//	503 retry-after=1s stall
//
// A stream has text, tool calls with the pieces of their arguments, reasoning
// and pauses, in any order:
//
//	ok "Hel" pause 200ms "lo"
//	ok tool search(`{"q":` `"go"}`)                # call_1, then call_2 ...
//	ok tool search id=toolu_7("{}") "Done."
//	ok interleaved(tool a("[1," "2]") tool b("[3," "4]"))  # both begin, [1, [3, 2] 4],
//	                                               # both are finished
//	ok reasoning("Let me " "see.") reasoning signature=c2ln("Yes.") "42"
//	ok redacted "b64" "42"
//	ok reasoning("hm" pause 1s "so") "42"
//
// and one ending behind them; usage and finish in either order:
//
//	ok "42" usage(in=9 out=1)     # tokens: in, out, cached, cache-write,
//	                              # cache-write-5m, cache-write-1h, reasoning
//	ok "42" finish max_tokens     # or end_turn, tool_use, stop_sequence, aborted
//	ok "42" usage(in=9 out=1) finish "refusal"    # or a provider's own, in quotes
//	ok "4" transient              # a mid-stream error of either class
//	ok "4" permanent: filtered
//	ok "4" 529 type=overloaded_error              # a provider's, without headers
//	ok "4" cut                    # the connection is lost
//	ok "4" eof                    # it ends cleanly, without its terminal chunk
//	ok "4" stall                  # nothing comes any more, not even the end
//	ok tool search(`{"q":`) cut   # only here may arguments be no JSON, of the last call
//
// Without an ending the stream finishes: with tool_use if it called a tool,
// else with end_turn.
//
// Behind a turn its modifiers, in any order:
//
//	transient x3                  # three requests in a row
//	503 forever                   # all requests from here on
//	429 retry-after=1s after 200ms x2     # 200 ms pass before each answer
//	permanent: "bad auth" x2      # a reason must be quoted before them
//
// A request that finds no turn left fails with a [*UsedUpError], which is
// permanent. A hang or a stall waits for the context to end, and fails with a
// [*HungError] after [Patience].
//
// # Scenarios
//
// Other lines say how the script is run and what must come of it. These may
// stand once each, anywhere outside blocks:
//
//	policy exp:base=1s,cap=30s,jitter=none,attempts=5   # see retry.ParsePolicy
//	seed 42                       # of the jitter; 1 when not given
//	timeout attempt=1s total=10s  # of each attempt until it opens; of each call
//	cancel at 1.5s                # the callers' contexts end, 1.5 s into the run
//	calls 3                       # one call after another; 1 when not given
//	calls 3 at once               # all beginning together
//
// A lane has turns of its own for some of the requests, so that a parallel
// caller, or a hidden retry, cannot eat another's answer. All its conditions
// must hold; a value that ends in * fits what begins so, and "" fits what is not
// there. The first lane that fits takes the request, then the turns outside
// lanes, if there are any; a lane that no request can reach is a mistake. A
// request that fits nowhere fails with a [*NoLaneError], which is permanent.
// Each lane gets the calls of the line calls.
//
//	lane "researcher" when model=gpt-4o path=/v1/chat/* x-agent=research {
//		429 retry-after=1s
//		ok "found"
//	}
//	lane "rest" {
//		ok
//	}
//
// A call block groups the turns of one logical call. The first call gets the
// first block and so on; a call that asks for more turns than its block has
// fails with a [*UsedUpError], and the next call's answer stays untouched. In a
// script or a lane the turns stand all in blocks or all outside.
//
//	call { transient; ok "one" }
//	call {
//		permanent: bad auth
//		expect attempts == 1
//	}
//
// An expectation in a call block is about that call, in a lane about each call
// of the lane, elsewhere about every call:
//
//	expect outcome == success         # or !=
//	expect attempts == 3              # or !=, <, <=, >, >=
//	expect attempts in 2..3           # both included
//	expect wait[2] in 5s..5.5s        # between the second attempt's failure and
//	                                  # the third attempt, or the wait's end
//	expect wait[*] <= 30s             # every wait, and there is one
//	expect start[2] == 5s             # of the second attempt, since the call's
//	expect total < 10s                # until the call and its stream were over
//	expect error contains "503"       # or == or !=, the text of the error, "" if none
//	expect chunks == 3                # that the caller received
//	expect text == "Hello"            # or !=, contains: its text deltas, joined
//	expect no early-retry             # one of Verdicts, see propertytest/verdict
//	expect attempts == ?              # to be filled in by retrysim check --update
//
// The outcomes are
//
//	success     the stream was opened and read to its terminal chunk
//	exhausted   the policy permits no further attempt
//	permanent   an attempt failed for good
//	cancelled   the context ended the call
//	broken      the stream was opened, and ended in an error
//	truncated   the stream was opened, and ended without its terminal chunk
//
// # Fleets
//
// A file with the line fleet describes many clients and one server instead of
// turns; package simulate runs it. Its lines stand in any order.
//
//	fleet for=10m every=1s        # what is simulated; the steps of the series
//	clients "web" n=1000 priority=1 {   # any number of groups, or none
//		arrive poisson rate=280/s
//		expect successes >= 99%   # about the calls of these clients
//	}
//
// In clients stand the lines below, and what stands outside is for all clients
// that do not say otherwise; a budget takes the place of a breaker or throttle.
// The lines policy, timeout and seed of scenarios are for all clients, too.
//
//	arrive poisson rate=280/s     # /s, /m or /h: independent calls
//	arrive uniform rate=40/s,20s:80/s,25s:40/s    # evenly; steps, each with its time
//	arrive poisson rate=0s:0/s..60s:80/s          # a ramp from one to the other
//	arrive burst n=600 at=10m every=1m            # at once; n left out: a call of each client
//	arrive closed think=exp:60s from=10s          # call, wait for the end, think
//	arrive recording file=calls.csv               # at recorded times (simulate.ReadRecording)
//	arrive sessions file=calls.jsonl              # each call after the end of its session's last
//	policy exp:base=1s,attempts=3
//	over const:base=1s,attempts=2 # a retry loop around that one; the line may stand again
//	timeout attempt=1s total=10s
//	budget per-success share=10% capacity=10 scope=client   # or process:20, fleet, call
//	budget per-call share=10% capacity=10
//	budget ratio share=10% window=10s
//	budget finagle ttl=10s share=20% floor=10
//	budget grpc max=10 ratio=0.1
//	budget failure-rate share=10% of=100    # retries while fewer of the last attempts failed
//	budget aws                    # or aws-legacy, none
//	breaker failures=5 open=30s probes=1
//	throttle k=2 window=2m
//	pace requests=600/m tokens=90000/m concurrency=8 queue-timeout=30s scope=client
//	accept late                   # an answer to an attempt given up on still counts
//	tokens in=1000..2000 out=300 max=1024   # of a call; max is what it reserves
//
// Without a scope a limit is the fleet's. These are about the server, the
// weather, and what is done about it:
//
//	server workers=20 service=exp:50ms queue=1000 lifo drop-expired
//	server rate=300/s service=lognormal:p50=40ms,p99=300ms   # so many begun per second
//	server service=1s per-concurrent=10ms failure=1% network=uniform:1ms..2ms retry-after=exp:1s
//	server contention network=normal:10ms,sd=2ms   # one row with a version, read and written
//	limit bucket requests=600/m burst=10 tell key=client     # tell: with a Retry-After
//	limit sliding tokens=90000/m count-rejected reserve key=clients
//	limit fixed requests=10/250ms                 # key=all is what is meant without one
//	fault outage from=20s for=10s                 # nothing is begun: requests wait
//	fault refuse from=20s for=10s                 # every request fails at once
//	fault brownout from=20s for=10s capacity=50%
//	fault slow from=20s for=10s factor=3
//	fault errors from=20s for=10s transient=10% throttled=5% permanent=1%
//	at 60s policy exp:attempts=1 clients=web      # or a budget, breaker or throttle
//	at 60s retries off for=10s                    # without for: for good
//	at 60s shed share=50% below=1 for=10s         # below this priority
//	at 60s queue empty
//	at 60s scale capacity=200% for=10s
//	at 60s ramp from=10% for=30s                  # admits a share that grows to all
//	price in=3 out=15                             # of a million tokens
//	recovery share=90% window=5s                  # what counts as recovered: so many of the
//	                                              # calls begun in so long succeed
//
// A queue without a bound is unbounded, workers not given are enough for all.
// The distributions are 50ms, exp:50ms, lognormal:p50=40ms,p99=300ms,
// normal:10ms,sd=2ms and uniform:1s..2s. What a fleet is expected to do:
//
//	expect recovery <= 5s         # from the end of the last fault, or lone burst;
//	                              # one that does not come is longer than any time
//	expect successes >= 99.5%     # of the calls begun; also gave-up
//	expect amplification <= 1.1   # attempts per call begun
//	expect wasted <= 1%           # of the served: nobody waited any more, or it failed
//	expect p99 <= 2s              # of the time to success; also p50, p90, p999
//	expect peak <= 1000           # attempts begun in a step
//	expect queue <= 1000          # waiting at the end of a step
//	expect cost < 12.5            # of all tokens, in the currency of the prices
//
// # Text
//
// A script is UTF-8 without control characters. A line ends with LF or CRLF,
// and ";" ends a statement as a line end does, so that a script fits on one
// line: transient:50; ok "hi". Blank lines and comments, from "#" to the line's
// end, mean nothing; inside a word "#" is a letter. Strings are Go's, in double
// quotes or backquotes, on one line. A byte-order mark at the beginning is
// skipped. Durations are Go's without a sign, such as 1.5s or 2m30s, and 0; a
// fraction of a nanosecond is dropped. Numbers are decimal digits.
//
// The limits: [MaxLine] bytes a line, [MaxRepeat] for xN, [MaxTurns] for all
// turns with their repetitions, [MaxCalls] for calls, [MaxLanes] and
// [MaxFields], [MaxErrors] reported, and for times the 9,223,372,036,854 ms of a
// Go duration.
//
// Scripts of the Rust double keep their meaning where they are transient,
// transient:DIGITS or "permanent: text". Every other string that it took is an
// error here: it looked for the words anywhere, so that nontransient was
// transient, transient:5s was 5 ms, a number too large was no hint, and what
// it did not know was permanent. A bare reason that ends like modifiers, as in
// permanent: bad auth x2, or with a } that could be the end of the block it
// stands in, is an error too, until it is quoted. And a script that is used up is an error, where the
// double opened an empty stream.
//
// # Errors
//
// [Parse] reports every error of a script at once, the first of each statement,
// with its place, the line, a caret and, for a misspelt word, the word that was
// meant. A script that would do nothing, because it has no turn, is an error.
package scripted

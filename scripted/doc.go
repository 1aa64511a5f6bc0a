// Package scripted is a language for failures, and a model that plays them.
//
// A script says what a model does on each call. One line is one turn:
//
//	transient                  # refused for now, with no word on how long
//	transient:50               # refused for now; the server says wait 50 ms
//	permanent: bad auth        # refused for good; the text ends at ; or #
//	permanent: "a; b"          # ... unless it is quoted
//	ok                         # a stream with nothing but its end
//	ok "Hel" "lo"              # a stream of two text deltas and its end
//	ok "Hel" transient:1       # a stream that breaks after one delta
//	ok "Hel" permanent: cut    # the same, with an error that will not pass
//
// A turn may be repeated: "transient x3" is three turns. After the last turn
// the script is used up: the next call fails with a [*UsedUpError].
//
// Other lines say how the script is run and what must come of it. Each may
// stand once, "expect" as often as one likes, and their place in the file does
// not matter:
//
//	policy exp:base=1s,cap=30s,jitter=none,attempts=5   # see retry.ParsePolicy
//	seed 42                    # of the jitter; 1 when not given
//	cancel at 1.5s             # the caller's context ends, 1.5 s into the run
//	expect outcome == success  # or !=
//	expect attempts <= 3       # or ==, !=, <, >=, >
//
// The outcomes are
//
//	success     the stream was opened and read to its terminal chunk
//	exhausted   the last permitted attempt failed
//	permanent   an attempt failed for good
//	cancelled   the context ended the call
//	broken      the stream was opened, and ended in an error
//
// # Text
//
// A script is UTF-8. A line ends with LF or CRLF, and ";" ends a turn or any
// other statement as a line end does, so that a script fits on one line:
// transient:50; ok "hi". Blank lines and comments, from "#" to the line's end,
// mean nothing; inside a word "#" is a letter. Strings are Go's, in double
// quotes. A byte-order mark at the beginning is skipped. N is decimal digits;
// durations are Go's, such as 1.5s.
//
// Limits: a repetition is at most [MaxRepeat]; N of transient:N at most the
// 9,223,372,036,854 ms of a Go duration.
//
// # Errors
//
// [Parse] reports every error of a script at once, each with its place, the
// line and a caret. A script that would do nothing, because it has no turn, is
// an error.
package scripted

package verdict_test

import (
	"fmt"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

// What follows from a feature that code is known to lack is a deviation.
func ExampleLevel() {
	events := trace.Trace{
		{At: 0, Call: 1, Attempt: 1, Kind: trace.Attempt},
		{At: 0, Call: 1, Attempt: 1, Kind: trace.Failed, Error: "503"},
		{At: time.Second, Call: 1, Attempt: 2, Kind: trace.Attempt},
		{At: time.Second, Call: 1, Attempt: 2, Kind: trace.Failed, Error: "502"},
		{At: time.Second, Call: 1, Attempt: 2, Kind: trace.End, Error: "call: 502", Is: []trace.Identity{trace.IsLast}},
	}
	spec := verdict.Spec{Policy: retry.Policy{MaxAttempts: 2, BaseDelay: time.Second}}
	for _, lacks := range [][]verdict.Feature{nil, {verdict.SameError}} {
		spec.Lacks = lacks
		for _, f := range verdict.Check(events, spec) {
			var level verdict.Level = f.Level
			fmt.Println(level, f)
		}
	}
	// Output:
	// violation lost-error: attempt 2 failed with "502", the caller got "call: 502", which wraps it
	// deviation lost-error: attempt 2 failed with "502", the caller got "call: 502", which wraps it
}

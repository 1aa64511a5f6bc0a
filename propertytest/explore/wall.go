package explore

import (
	"strings"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// wall reads the real clock, which this package asks one question only: whether
// a subject sleeps on it.
func wall() time.Time { return time.Now() }

// strays reports whether a subject slept on the real clock: a wait that it owed
// took no virtual time, and at least as much real time.
func strays(s *scripted.Script, events trace.Trace, real time.Duration) (verdict.Finding, bool) {
	if len(s.Blocks) > 0 || stalled(events) {
		return verdict.Finding{}, false
	}
	seen := look(events).attempts
	for i := 1; i < len(seen); i++ {
		owed, _, givesUp := window(*s.Policy, i, scripted.Reset{}, seen[i-1].hint, 0)
		if gap := seen[i].start - seen[i-1].end; !givesUp && gap == 0 && owed >= 20*time.Millisecond && real >= owed {
			rule, _ := verdict.Named("wrong-clock")
			return verdict.Finding{Rule: rule, Call: 1, Attempt: i + 1, At: seen[i].start, What: "the wait took real time, and none on the clock that was given"}, true
		}
	}
	return verdict.Finding{}, false
}

// sleeping reports whether a dump shows a goroutine that sleeps on the real
// clock.
func sleeping(dump string) bool { return strings.Contains(dump, "it is in [sleep]") }

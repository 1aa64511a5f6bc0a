package verdict

import (
	"fmt"
	"slices"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

func lostError(c *call) []Finding {
	if _, end, ok := c.sent(); ok && end != nil && end.Chunk == "broken" && c.over != nil && c.over.Kind == trace.Broken && c.over.Error != end.Error {
		return []Finding{{Attempt: end.Attempt, At: c.over.At, What: fmt.Sprintf("the stream broke with %q, for the caller with %q", end.Error, c.over.Error)}}
	}
	if e := c.over; e != nil && e.Kind == trace.Broken && slices.Contains(e.Is, trace.IsOther) {
		return []Finding{{Attempt: e.Attempt, At: e.At, What: fmt.Sprintf("the stream broke with %q, and for the caller with another error of that text", e.Error)}}
	}
	a, ok := c.last()
	if !ok || c.end == nil || a.failed == nil {
		return nil
	}
	if c.end.Is == nil {
		return lostText(c, a)
	}
	if c.end.Error == "" || slices.Contains(c.end.Is, trace.IsSame) {
		return nil
	}
	f := finding(a, "attempt %d failed with %q, the caller got %q", a.number, a.failed.Error, c.end.Error)
	f.At = c.end.At
	matches := slices.Contains(c.end.Is, trace.IsLast)
	must, may := c.cut()
	ended := slices.Contains(c.end.Is, trace.IsContext) || slices.Contains(c.end.Is, trace.IsCause) // lost-cancel tells one from the other
	switch {
	case may && matches && ended, ended && c.coincides(a):
		return nil
	case must && !matches:
		f.Level = c.spec.level(LastError)
	case matches:
		f.What += ", which wraps it"
		f.Level = c.spec.level(SameError)
	}
	return []Finding{f}
}

// lostText judges by what the errors say: more is not in the trace.
func lostText(c *call, a attempt) []Finding {
	if c.cancel != nil || c.end.Reason == "" || c.end.Reason == retry.Cancelled.String() || a.failed.Error == c.end.Error {
		return nil
	}
	return []Finding{finding(a, "attempt %d failed with %q, the caller got %q", a.number, a.failed.Error, c.end.Error)}
}

func inventedSuccess(c *call) []Finding {
	a, ok := c.last()
	if !ok && c.cancel != nil && c.end != nil && c.end.Error == "" {
		return []Finding{{At: c.end.At, What: "the context had ended, no attempt was made, and the call returned no error"}}
	}
	if !ok || c.end == nil || c.end.Error != "" || a.failed == nil {
		return nil
	}
	f := finding(a, "attempt %d failed with %q, and the call returned no error", a.number, a.failed.Error)
	f.At = c.end.At
	return []Finding{f}
}

// lostResult excuses a call whose context ended, unless the answer was there
// before. A stream that has opened, or a response, is no answer yet.
func lostResult(c *call) []Finding {
	a, ok := c.last()
	if !ok || c.end == nil || c.end.Error == "" || a.opened == nil || a.broken != nil {
		return nil
	}
	operation := c.begin != nil && c.begin.Body == "" && a.opened.Status == 0
	if c.cancel != nil && !(operation && a.alive) {
		return nil
	}
	f := finding(a, "attempt %d succeeded, and the call returned %q", a.number, c.end.Error)
	f.At = c.end.At
	return []Finding{f}
}

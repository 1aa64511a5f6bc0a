package verdict

import (
	"strconv"
	"strings"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

func extraAttempt(c *call) (out []Finding) {
	for _, a := range c.attempts {
		if a.number > c.most() {
			out = append(out, finding(a, "attempt %d, and the policy allows %d", a.number, c.most()))
		}
	}
	for i, next := range c.retries() {
		for d := range c.decisions(c.spec.Policy, i) {
			if d.Reason == retry.LongRetryAfter {
				_, hint, _ := c.attempts[i].class()
				out = append(out, finding(next, "attempt %d, and the policy gives up when a server asks for %v", next.number, *hint))
				break
			}
		}
	}
	return out
}

func retriedPermanent(c *call) (out []Finding) {
	for i, next := range c.retries() {
		if a := c.attempts[i]; a.permanent() {
			f := finding(next, "attempt %d after the permanent error %q", next.number, a.failed.Error)
			f.Level = c.spec.level(Classes)
			out = append(out, f)
		}
	}
	return out
}

// gaveUpEarly asks the call's own word for why it ended if the trace has it.
func gaveUpEarly(c *call) []Finding {
	a, ok := c.last()
	if !ok && c.begin != nil && c.end != nil && c.cancel == nil && c.timeLeft(-1, 0) {
		return []Finding{{At: c.end.At, What: "the call ended without an attempt"}}
	}
	if !ok || c.end == nil || c.end.Error == "" || a.failed == nil || c.cancel != nil && c.cancel.At <= c.end.At {
		return nil
	}
	i := len(c.attempts) - 1
	switch c.end.Reason {
	case retry.LastAttempt.String():
		if a.number >= c.most() {
			return nil
		}
		return []Finding{finding(a, "attempt %d was made out to be the last, and the policy allows %d", a.number, c.most())}
	case "", retry.NotTransient.String():
	default:
		return nil // a limit that the trace does not tell
	}
	if must, _ := c.goesOn(i); !must {
		return nil
	}
	if _, most, ok := c.asked(i); !ok || !c.timeLeft(i, most) {
		return nil
	}
	class, _, _ := a.class()
	return []Finding{finding(a, "the call ended after attempt %d of %s, whose failure was %s", a.number, many(c.most()), class)}
}

func many(attempts int) string {
	if attempts == retry.Unlimited {
		return "any number"
	}
	return strconv.Itoa(attempts)
}

func hasAttemptTimeout(s Spec) string {
	if s.Policy.AttemptTimeout == 0 {
		return "the policy has no attempt timeout"
	}
	return ""
}

func ignoredTimeout(c *call) (out []Finding) {
	for _, a := range c.attempts {
		for _, e := range []*trace.Event{a.failed, a.opened} {
			if e == nil {
				continue
			}
			if took, limit := e.At-a.at, c.spec.Policy.AttemptTimeout; took > limit {
				out = append(out, finding(a, "attempt %d took %v, and the policy allows %v", a.number, took, limit))
			}
		}
	}
	return out
}

// nestedRetry compares the attempts that were seen with those that the caller's
// loop says it made.
func nestedRetry(c *call) []Finding {
	a, ok := c.last()
	if !ok || c.end == nil || c.end.Attempt == 0 || c.end.Attempt >= len(c.attempts) {
		return nil
	}
	f := finding(a, "%d attempts were seen, and the caller's loop made %d", len(c.attempts), c.end.Attempt)
	if option := c.turnsOff(); option != "" {
		f.What += " (" + option + ")"
	}
	return []Finding{f}
}

// turnsOff names the option that turns off the retries of an SDK which counts
// them in a header of its requests, "" if none did.
func (c *call) turnsOff() string {
	for _, a := range c.attempts {
		if n := a.started.Header["x-stainless-retry-count"]; n != "" && n != "0" {
			return "the SDK's own are turned off by option.WithMaxRetries(0), max_retries=0 or maxRetries: 0"
		}
		if n := a.started.Header["amz-sdk-request"]; n != "" && !strings.HasPrefix(n, "attempt=1;") {
			return "the SDK's own are turned off by config.WithRetryMaxAttempts(1)"
		}
	}
	return ""
}

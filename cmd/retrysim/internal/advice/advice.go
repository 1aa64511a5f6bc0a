// Package advice knows the mistakes that people make with retry policies and
// says which of them a policy has. Each is something that went wrong in
// production somewhere; none is a matter of taste.
package advice

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/simulate"
)

// Use is a policy and what it is used for.
type Use struct {
	Policy   retry.Policy
	Over     []retry.Policy // underneath
	Deadline time.Duration  // the caller's; 0: none known
	Times    *simulate.Timetable
	Budget   bool // a limit is shared by the calls
}

// rule is a mistake: it returns what to say of it, "" if it is not there.
type rule struct {
	name string
	says func(Use) string
}

// rules is every mistake, the gravest first.
var rules = []rule{
	{"never-ends", func(u Use) string {
		if u.Policy.MaxAttempts != retry.Unlimited || u.Policy.MaxElapsed > 0 || u.Deadline > 0 {
			return ""
		}
		return "nothing ends the retries: neither attempts=, elapsed= nor a deadline"
	}},
	{"no-wait", func(u Use) string {
		if !retries(u.Policy) || longest(u.Policy) > 0 {
			return ""
		}
		return "the backoff is 0s: every retry hits the server the moment it refused (base=)"
	}},
	{"timeout-at-deadline", func(u Use) string {
		switch p := u.Policy; {
		case p.AttemptTimeout == 0 || !retries(p):
			return ""
		case u.Deadline > 0 && p.AttemptTimeout >= u.Deadline:
			return fmt.Sprintf("the attempt timeout %v is not below the deadline %v: an attempt that times out leaves no time to retry (timeout=)", p.AttemptTimeout, u.Deadline)
		case p.MaxElapsed > 0 && p.AttemptTimeout >= p.MaxElapsed:
			return fmt.Sprintf("the attempt timeout %v is not below the elapsed limit %v: an attempt that times out is never retried (timeout=, elapsed=)", p.AttemptTimeout, p.MaxElapsed)
		}
		return ""
	}},
	{"starts-after-deadline", func(u Use) string {
		if u.Times == nil || u.Deadline == 0 {
			return ""
		}
		for _, a := range u.Times.Attempts {
			if a.Late > 0 {
				n := len(u.Times.Attempts)
				last := u.Times.Attempts[n-1]
				text := fmt.Sprintf("attempt %s can start after the %v deadline (%s of calls)", Number(a), u.Deadline, tty.Percent(a.Late))
				if Number(last) != Number(a) {
					text += fmt.Sprintf(", and the last one does in %s", tty.Percent(last.Late))
				}
				return text
			}
		}
		return ""
	}},
	{"stacked", func(u Use) string {
		if len(u.Over) == 0 {
			return ""
		}
		all := append([]retry.Policy{u.Policy}, u.Over...)
		n := simulate.Multiplied(all...)
		if n <= max(u.Policy.MaxAttempts, 1) {
			return ""
		}
		return fmt.Sprintf("retries multiply: up to %s reach the server for one call; retry in one layer only, and switch the others off", attempts(n))
	}},
	{"cap-below-base", func(u Use) string {
		p := u.Policy
		if p.MaxDelay == 0 || p.MaxDelay >= p.BaseDelay || p.Schedule == retry.List {
			return ""
		}
		return fmt.Sprintf("the cap %v is below the base %v: every wait is the cap (cap=)", p.MaxDelay, p.BaseDelay)
	}},
	{"cap-never-reached", func(u Use) string {
		p := u.Policy
		p.MaxDelay, p.Cap = 0, retry.CapBeforeJitter
		if u.Policy.MaxDelay == 0 || !retries(p) || p.MaxAttempts == retry.Unlimited || p.Jitter == retry.JitterDecorrelated || longest(p) >= u.Policy.MaxDelay {
			return ""
		}
		return fmt.Sprintf("the cap %v is never reached; the largest backoff is %v (cap=)", u.Policy.MaxDelay, longest(p))
	}},
	{"no-jitter", func(u Use) string {
		if !retries(u.Policy) || u.Policy.Jitter != retry.JitterNone {
			return ""
		}
		return "no jitter: clients that failed together come back together (jitter=full)"
	}},
	{"may-not-wait", func(u Use) string {
		if u.Times == nil || u.Policy.Jitter != retry.JitterFull || len(u.Over) > 0 || len(u.Times.Attempts) < 2 {
			return ""
		}
		last := u.Times.Attempts[len(u.Times.Attempts)-1]
		return fmt.Sprintf("full jitter can wait 0s: in 5 %% of calls all %s are over within %s", attempts(len(u.Times.Attempts)), tty.Span(last.Start.P5))
	}},
	{"hint-ignored", func(u Use) string {
		if !retries(u.Policy) || u.Policy.RetryAfter != retry.HintIgnored {
			return ""
		}
		return "a Retry-After is ignored: a server that says when to come back is asked earlier, and refuses again (retry-after=replace)"
	}},
	{"hint-unbounded", func(u Use) string {
		p := u.Policy
		if !retries(p) || p.RetryAfter == retry.HintIgnored || p.MaxRetryAfter > 0 || p.MaxElapsed > 0 || u.Deadline > 0 {
			return ""
		}
		return "a Retry-After of any length is waited out, an hour too, if the caller has no deadline (max-retry-after=, elapsed=)"
	}},
}

// Of returns the mistakes of a use.
func Of(u Use) []report.Hint {
	var hints []report.Hint
	for _, r := range rules {
		if text := r.says(u); text != "" {
			hints = append(hints, report.Hint{Name: r.name, Text: text})
		}
	}
	return hints
}

// retries reports whether the policy ever makes a second attempt.
func retries(p retry.Policy) bool { return p.MaxAttempts > 1 }

// longest returns the longest backoff of a policy before its jitter: that of
// the last wait, for no schedule shrinks but a list.
func longest(p retry.Policy) time.Duration {
	if p.Schedule == retry.List {
		var d time.Duration
		for i := range p.Delays.List() {
			if i < p.MaxAttempts-1 {
				d = max(d, p.Backoff(i+1))
			}
		}
		return d
	}
	return p.Backoff(p.MaxAttempts - 1)
}

func attempts(n int) string {
	if n == retry.Unlimited {
		return "attempts without end"
	}
	return tty.Count(n, "attempt")
}

// Number writes the number of an attempt: in stacked policies that of each,
// the outermost first.
func Number(a simulate.AttemptTimes) string {
	words := make([]string, len(a.Path))
	for i, n := range a.Path {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ".")
}

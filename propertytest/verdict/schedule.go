package verdict

import "time"

// gap returns the time between the i-th attempt's failure and the next attempt;
// ok is false if it did not fail.
func (c *call) gap(i int) (d time.Duration, ok bool) {
	if c.attempts[i].failed == nil {
		return 0, false
	}
	return c.attempts[i+1].at - c.attempts[i].failed.At, true
}

func earlyRetry(c *call) (out []Finding) {
	for i, next := range c.retries() {
		gap, ok := c.gap(i)
		if !ok {
			continue
		}
		least, _, known := c.asked(i)
		if _, hint, _ := c.attempts[i].class(); known && gap >= least && hint != nil && gap < *hint {
			f := finding(next, "attempt %d came after %v, where the server asked for %v and the policy for no more than %v", next.number, gap, *hint, least)
			f.Level = Deviation
			out = append(out, f)
		} else if known && gap < least {
			out = append(out, finding(next, "attempt %d came after %v, and not after %v at least", next.number, gap, least))
		}
	}
	return out
}

func overWait(c *call) (out []Finding) {
	if c.begin != nil && len(c.attempts) > 0 && c.attempts[0].at > c.begin.At {
		a := c.attempts[0]
		out = append(out, finding(a, "attempt %d came %v after the call, and not at once", a.number, a.at-c.begin.At))
	}
	if a, ok := c.last(); ok && c.unended(a) {
		if _, most, known := c.asked(len(c.attempts) - 1); known && *a.wait.Wait > most {
			out = append(out, finding(a, "the wait after attempt %d is %v at least, and not %v at most", a.number, *a.wait.Wait, most))
		}
	}
	for i, next := range c.retries() {
		gap, ok := c.gap(i)
		if _, most, known := c.asked(i); ok && known && gap > most {
			out = append(out, finding(next, "attempt %d came after %v, and not after %v at most", next.number, gap, most))
		}
	}
	return out
}

// hammer finds retries without a wait, but for those that chance made so: full
// jitter may draw a zero.
func hammer(c *call) (out []Finding) {
	for i, next := range c.retries() {
		gap, ok := c.gap(i)
		least, most, known := c.asked(i)
		if !ok || !known || gap > 0 || least == 0 && most > 0 && !c.spec.Loose {
			continue
		}
		f := finding(next, "attempt %d came at once", next.number)
		_, hint, _ := c.attempts[i].class()
		switch {
		case least > 0:
			f.What += ", and the policy asks for " + least.String()
		case hint != nil && *hint == 0:
			f.What, f.Level = f.What+", because the server said 0", Deviation
		case c.spec.Loose:
			f.What, f.Level = f.What+", and the server named no time", Deviation
		default:
			f.What, f.Level = f.What+", as the policy says", Deviation
		}
		out = append(out, f)
	}
	return out
}

func hasElapsedLimit(s Spec) string {
	if s.Policy.MaxElapsed == 0 {
		return "the policy has no limit on the time for all attempts"
	}
	return ""
}

func overranLimit(c *call) (out []Finding) {
	for _, next := range c.retries() {
		if at, limit := next.at-c.attempts[0].at, c.spec.Policy.MaxElapsed; at > limit {
			out = append(out, finding(next, "attempt %d began %v after the first, and the policy allows %v", next.number, at, limit))
		}
	}
	return out
}

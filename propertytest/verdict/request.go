package verdict

import "strings"

func bodyMutated(c *call) []Finding {
	want := ""
	for _, a := range c.attempts {
		switch {
		case len(a.started.Differs) > 0:
			return []Finding{finding(a, "attempt %d got another request than the one before: it differs in %s", a.number, strings.Join(a.started.Differs, ", "))}
		case a.started.Body == "":
		case want == "" && c.begin != nil && c.begin.Body != "" && c.begin.Body != a.started.Body:
			return []Finding{finding(a, "attempt %d got another request than the caller made", a.number)}
		case want == "":
			want = a.started.Body
		case want != a.started.Body:
			return []Finding{finding(a, "attempt %d got another request than the one before", a.number)}
		}
	}
	if c.begin != nil && c.end != nil && c.end.Body != c.begin.Body {
		a, _ := c.last()
		return []Finding{{Attempt: a.number, At: c.end.At, What: "the caller's request is another one after the call"}}
	}
	return nil
}

func lostContext(c *call) (out []Finding) {
	for _, a := range c.attempts {
		if a.started.Detached {
			out = append(out, finding(a, "attempt %d runs under a context that is not the caller's", a.number))
		} else if f := a.failed; f != nil && f.Detached {
			took, limit := f.At-a.at, c.spec.Policy.AttemptTimeout
			switch {
			case limit == 0:
				out = append(out, finding(a, "the context of attempt %d ended after %v, and the caller's did not", a.number, took))
			case took < limit:
				out = append(out, finding(a, "the context of attempt %d ended after %v, and the policy allows %v", a.number, took, limit))
			}
		}
	}
	return out
}

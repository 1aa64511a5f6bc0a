package retry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The keys of a policy's text form, in canonical order.
var policyKeys = []string{"base", "cap", "jitter", "attempts", "timeout"}

// policyOff is the text of the zero Policy.
const policyOff = "off"

// String returns the canonical text form, such as
//
//	exp:base=1s,cap=30s,jitter=additive,attempts=3
//
// with "cap=none" for no cap and "attempts=unlimited" for [Unlimited], and at
// the end "timeout=1s" if there is an attempt timeout. The zero Policy is "off". [ParsePolicy] reads the text of a
// valid policy back to the same policy, with MaxAttempts 1 where it was less.
func (p Policy) String() string {
	if p == (Policy{}) {
		return policyOff
	}
	limit := "none"
	if p.MaxDelay != 0 {
		limit = p.MaxDelay.String()
	}
	attempts := "unlimited"
	if p.MaxAttempts != Unlimited {
		attempts = strconv.Itoa(max(p.MaxAttempts, 1))
	}
	s := fmt.Sprintf("exp:base=%v,cap=%s,jitter=%v,attempts=%s", p.BaseDelay, limit, p.Jitter, attempts)
	if p.AttemptTimeout != 0 {
		s += fmt.Sprintf(",timeout=%v", p.AttemptTimeout)
	}
	return s
}

// MarshalText returns the canonical text form, or what [Policy.Validate] says.
func (p Policy) MarshalText() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return []byte(p.String()), nil
}

// UnmarshalText is [ParsePolicy]. On an error p is left as it was.
func (p *Policy) UnmarshalText(text []byte) error {
	q, err := ParsePolicy(string(text))
	if err == nil {
		*p = q
	}
	return err
}

// ParsePolicy reads the text form of a policy:
//
//	off                              one call, no retries: the zero Policy
//	default                          what [Default] returns
//	exp:KEY=VALUE,KEY=VALUE,...      exponential backoff
//
// The keys are
//
//	base=DURATION        the first wait, such as 200ms
//	cap=DURATION|none    the largest backoff before jitter
//	jitter=none|additive
//	attempts=N|unlimited all calls, the first included; at least 1
//	timeout=DURATION|none the bound on each attempt
//
// in any order, each at most once. A key left out has the value that [Default]
// gives it. Durations are those of [time.ParseDuration], never negative. An
// error is a [*PolicyError].
func ParsePolicy(text string) (Policy, error) {
	switch text {
	case policyOff:
		return Policy{}, nil
	case "default":
		return Default(), nil
	}
	kind, rest, found := strings.Cut(text, ":")
	if kind != "exp" {
		return Policy{}, &PolicyError{Text: text, Word: kind, Problem: "unknown policy", Known: []string{"exp", "default", policyOff}}
	}
	p := Default()
	if !found {
		return p, nil
	}
	seen := make(map[string]bool)
	for offset := len("exp:"); ; {
		pair, more, comma := strings.Cut(rest, ",")
		key, value, assigned := strings.Cut(pair, "=")
		switch {
		case seen[key]:
			return Policy{}, &PolicyError{Text: text, Offset: offset, Word: key, Problem: "repeated key"}
		case !assigned && slices.Contains(policyKeys, key):
			return Policy{}, &PolicyError{Text: text, Offset: offset, Word: key, Problem: "no value for key"}
		}
		seen[key] = true
		if err := p.set(key, value); err != nil {
			err.Text = text
			err.Offset += offset
			return Policy{}, err
		}
		if !comma {
			return p, nil
		}
		offset += len(pair) + 1
		rest = more
	}
}

// set changes one field. The error's offset counts from the key.
func (p *Policy) set(key, value string) *PolicyError {
	duration := func(none string) (time.Duration, bool) {
		if value == none && none != "" {
			return 0, true
		}
		d, err := time.ParseDuration(value)
		return d, err == nil && d >= 0
	}
	bad := func(known ...string) *PolicyError {
		return &PolicyError{Offset: len(key) + len("="), Word: value, Problem: "bad value for " + key, Known: known}
	}
	var ok bool
	switch key {
	case "base":
		if p.BaseDelay, ok = duration(""); !ok {
			return bad("a duration such as 200ms")
		}
	case "cap":
		if p.MaxDelay, ok = duration("none"); !ok {
			return bad("a duration such as 30s", "none")
		}
	case "timeout":
		if p.AttemptTimeout, ok = duration("none"); !ok {
			return bad("a duration such as 10s", "none")
		}
	case "jitter":
		for j, name := range jitterNames {
			if value == name {
				p.Jitter = Jitter(j)
				return nil
			}
		}
		return bad(jitterNames[:]...)
	case "attempts":
		n, err := strconv.Atoi(value)
		if value == "unlimited" {
			n, err = Unlimited, nil
		}
		if err != nil || n < 1 {
			return bad("a whole number from 1", "unlimited")
		}
		p.MaxAttempts = n
	default:
		return &PolicyError{Word: key, Problem: "unknown key", Known: policyKeys}
	}
	return nil
}

// PolicyError says where the text of a policy is wrong.
type PolicyError struct {
	Text    string   // the whole text
	Offset  int      // of the first byte of Word in Text
	Word    string   // what is wrong, possibly empty
	Problem string   // such as "unknown key"
	Known   []string // what may stand there instead, when that is a short list
}

// Error returns one line, such as
//
//	retry: policy: unknown key "jiter" (known: base, cap, jitter, attempts)
func (e *PolicyError) Error() string {
	s := fmt.Sprintf("retry: policy: %s %q", e.Problem, e.Word)
	if len(e.Known) > 0 {
		s += " (known: " + strings.Join(e.Known, ", ") + ")"
	}
	return s
}

package retry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// policyOff is the text of the zero Policy.
const policyOff = "off"

// String returns the canonical text form, such as
//
//	exp:base=1s,cap=30s,jitter=additive,attempts=3
//
// The schedule, its delays, the cap, the jitter and the attempts are always
// there; the other keys where they are not zero. The zero Policy is "off".
// [ParsePolicy] reads the text of a valid policy back to the same policy, with
// MaxAttempts 1 where it was less.
func (p Policy) String() string {
	if p == (Policy{}) {
		return policyOff
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v:", p.Schedule)
	for _, k := range policyKeys {
		if !k.reads(p.Schedule) {
			continue
		}
		if value := k.get(&p); value != "" {
			fmt.Fprintf(&b, "%s=%s,", k.name, value)
		}
	}
	return strings.TrimSuffix(b.String(), ",")
}

// MarshalText returns the canonical text form, or what [Policy.Validate] says.
func (p Policy) MarshalText() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return []byte(p.String()), nil
}

// UnmarshalText is [ParsePolicy]. On an error p is left as it was.
func (p *Policy) UnmarshalText(text []byte) error { return p.Set(string(text)) }

// Set is [ParsePolicy]; with [Policy.String] it makes a [flag.Value]. On an
// error p is left as it was.
//
// [flag.Value]: https://pkg.go.dev/flag#Value
func (p *Policy) Set(text string) error {
	q, err := ParsePolicy(text)
	if err == nil {
		*p = q
	}
	return err
}

// ParsePolicy reads the text form of a policy:
//
//	off                              one call, no retries: the zero Policy
//	default, aws, grpc, openai, ...  one of [Presets]
//	SCHEDULE:KEY=VALUE,KEY=VALUE,...
//
// The schedules are exp, const, linear and list. The keys are, in any order
// and each at most once,
//
//	base=DURATION          the first backoff (exp, const, linear)
//	throttle-base=DURATION the same after a throttling error; left out, the base
//	factor=NUMBER          the growth (exp): 1 to 1000; left out, 2
//	step=DURATION          the growth (linear); left out, the base
//	delays=D/D/D           the backoffs (list)
//	cap=DURATION|none      the largest backoff
//	capped=before-jitter|after-jitter|exact
//	jitter=none|additive|full|equal|decorrelated|-20%+20%
//	attempts=N|unlimited   all calls, the first included; at least 1
//	retry-after=replace|larger|ignore
//	max-retry-after=DURATION
//	long-retry-after=clamp|drop|give-up|window
//	timeout=DURATION       the bound on each attempt
//	elapsed=DURATION       the bound on the call
//
// A key left out has the value that [Default] gives it: base=1s, cap=30s,
// jitter=additive and attempts=3, the others zero; but const and list, which do
// not grow, have no cap. Durations are those of [time.ParseDuration], never
// negative. An error is a [*PolicyError].
func ParsePolicy(text string) (Policy, error) {
	if text == policyOff {
		return Policy{}, nil
	}
	for _, preset := range Presets() {
		if preset.Name == text {
			return preset.Policy, nil
		}
	}
	kind, rest, found := strings.Cut(text, ":")
	schedule := slices.Index(scheduleNames[:], kind)
	if schedule < 0 {
		return Policy{}, &PolicyError{Text: text, Word: kind, Problem: "unknown policy", Known: append(scheduleNames[:], presetNames()...)}
	}
	p := Default()
	p.Schedule = Schedule(schedule)
	switch p.Schedule {
	case Constant:
		p.MaxDelay = 0 // what does not grow needs no cap
	case List:
		p.MaxDelay, p.BaseDelay = 0, 0
	}
	if found {
		if err := p.setAll(rest); err != nil {
			err.Text = text
			err.Offset += len(kind) + len(":")
			return Policy{}, err
		}
	}
	if err := p.Validate(); err != nil {
		return Policy{}, &PolicyError{Text: text, Word: text, Problem: strings.TrimPrefix(err.Error(), "retry: policy: ") + ", in"}
	}
	return p, nil
}

// setAll reads KEY=VALUE,KEY=VALUE,...
func (p *Policy) setAll(rest string) *PolicyError {
	seen := make(map[string]bool)
	for offset := 0; ; {
		pair, more, comma := strings.Cut(rest, ",")
		name, value, assigned := strings.Cut(pair, "=")
		i := slices.IndexFunc(policyKeys, func(k policyKey) bool { return k.name == name && k.reads(p.Schedule) })
		switch {
		case i < 0:
			return &PolicyError{Offset: offset, Word: name, Problem: "unknown key", Known: p.Schedule.keys()}
		case seen[name]:
			return &PolicyError{Offset: offset, Word: name, Problem: "repeated key"}
		case !assigned:
			return &PolicyError{Offset: offset, Word: name, Problem: "no value for key"}
		}
		seen[name] = true
		if known := policyKeys[i].set(p, value); known != nil {
			return &PolicyError{Offset: offset + len(name) + len("="), Word: value, Problem: "bad value for " + name, Known: known}
		}
		if !comma {
			return nil
		}
		offset += len(pair) + 1
		rest = more
	}
}

// keys lists the keys that the schedule reads.
func (s Schedule) keys() []string {
	var names []string
	for _, k := range policyKeys {
		if k.reads(s) {
			names = append(names, k.name)
		}
	}
	return names
}

// policyKey is one key of the text form. Its get returns "" for a value that
// is left out; its set returns what it would have taken, nil if it took the
// value.
type policyKey struct {
	name      string
	schedules []Schedule // that read it; nil: all
	get       func(*Policy) string
	set       func(p *Policy, value string) (known []string)
}

func (k policyKey) reads(s Schedule) bool {
	return k.schedules == nil || slices.Contains(k.schedules, s)
}

// policyKeys is every key, in canonical order.
var policyKeys = []policyKey{
	durationKey("base", "200ms", "", func(p *Policy) *time.Duration { return &p.BaseDelay }).of(Exponential, Constant, Linear),
	durationKey("throttle-base", "1s", "", func(p *Policy) *time.Duration { return &p.ThrottleDelay }).of(Exponential, Constant, Linear).optional(),
	{name: "factor", schedules: []Schedule{Exponential}, get: getFactor, set: setFactor},
	durationKey("step", "500ms", "", func(p *Policy) *time.Duration { return &p.Step }).of(Linear).optional(),
	{name: "delays", schedules: []Schedule{List}, get: func(p *Policy) string { return string(p.Delays) }, set: setDelays},
	durationKey("cap", "30s", "none", func(p *Policy) *time.Duration { return &p.MaxDelay }),
	enumKey("capped", capNames[:], func(p *Policy) *Cap { return &p.Cap }),
	{name: "jitter", get: func(p *Policy) string { return p.Jitter.String() }, set: setJitter},
	{name: "attempts", get: getAttempts, set: setAttempts},
	enumKey("retry-after", hintNames[:], func(p *Policy) *HintRule { return &p.RetryAfter }),
	durationKey("max-retry-after", "60s", "none", func(p *Policy) *time.Duration { return &p.MaxRetryAfter }).optional(),
	enumKey("long-retry-after", longHintNames[:], func(p *Policy) *LongHint { return &p.LongRetryAfter }),
	durationKey("timeout", "10s", "none", func(p *Policy) *time.Duration { return &p.AttemptTimeout }).optional(),
	durationKey("elapsed", "15m", "none", func(p *Policy) *time.Duration { return &p.MaxElapsed }).optional(),
}

func (k policyKey) of(schedules ...Schedule) policyKey {
	k.schedules = schedules
	return k
}

// optional leaves the key out of the canonical text where it is zero.
func (k policyKey) optional() policyKey {
	get := k.get
	k.get = func(p *Policy) string {
		if value := get(p); value != "none" && value != "0s" {
			return value
		}
		return ""
	}
	return k
}

// durationKey is a key for a duration, with a word for zero if it has one.
func durationKey(name, example, zero string, field func(*Policy) *time.Duration) policyKey {
	known := []string{"a duration such as " + example}
	if zero != "" {
		known = append(known, zero)
	}
	return policyKey{
		name: name,
		get: func(p *Policy) string {
			if d := *field(p); d != 0 || zero == "" {
				return d.String()
			}
			return zero
		},
		set: func(p *Policy, value string) []string {
			d, err := time.ParseDuration(value)
			if zero != "" && value == zero {
				d, err = 0, nil
			}
			if err != nil || d < 0 {
				return known
			}
			*field(p) = d
			return nil
		},
	}
}

// enumKey is a key for one of a list of names, the first of which is zero.
func enumKey[E ~uint8](name string, names []string, field func(*Policy) *E) policyKey {
	return policyKey{
		name: name,
		get: func(p *Policy) string {
			if *field(p) == 0 {
				return ""
			}
			return nameOf(names, int(*field(p)))
		},
		set: func(p *Policy, value string) []string {
			i := slices.Index(names, value)
			if i < 0 {
				return names
			}
			*field(p) = E(i)
			return nil
		},
	}
}

func getFactor(p *Policy) string {
	if p.Multiplier == 0 {
		return ""
	}
	return strconv.FormatFloat(p.Multiplier, 'f', -1, 64)
}

func setFactor(p *Policy, value string) []string {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || !(f >= 1 && f <= MaxMultiplier) {
		return []string{fmt.Sprintf("a number from 1 to %d", MaxMultiplier)}
	}
	p.Multiplier = f
	return nil
}

func setDelays(p *Policy, value string) []string {
	list := Delays(value).List()
	d := MakeDelays(list...)
	if !d.valid() {
		return []string{"durations such as 1s/5s/30s"}
	}
	p.Delays = d
	return nil
}

func setJitter(p *Policy, value string) []string {
	var known []string
	for _, n := range jitterNames {
		if n.name == value {
			p.Jitter = n.jitter
			return nil
		}
		known = append(known, n.name)
	}
	if j, ok := parseWindow(value); ok {
		p.Jitter = j
		return nil
	}
	return append(known, "a window such as -20%+20%")
}

// parseWindow reads -20%+20%.
func parseWindow(text string) (Jitter, bool) {
	down, up, ok := strings.Cut(strings.TrimPrefix(text, "-"), "+")
	if !ok || !strings.HasPrefix(text, "-") {
		return 0, false
	}
	below, ok1 := parsePercent(down)
	above, ok2 := parsePercent(up)
	return JitterBetween(below, above), ok1 && ok2
}

// parsePercent reads 20% or 12.5% as thousandths, up to 1000.
func parsePercent(text string) (thousandths uint16, ok bool) {
	number, ok := strings.CutSuffix(text, "%")
	whole, tenth, _ := strings.Cut(number, ".")
	if !ok || len(tenth) > 1 || number == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(whole+(tenth + "0")[:1], 10, 16)
	return uint16(n), err == nil && n <= 1000
}

func getAttempts(p *Policy) string {
	if p.MaxAttempts == Unlimited {
		return "unlimited"
	}
	return strconv.Itoa(max(p.MaxAttempts, 1))
}

func setAttempts(p *Policy, value string) []string {
	n, err := strconv.Atoi(value)
	if value == "unlimited" {
		n, err = Unlimited, nil
	}
	if err != nil || n < 1 {
		return []string{"a whole number from 1", "unlimited"}
	}
	p.MaxAttempts = n
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
//	retry: policy: unknown key "jiter" (known: base, factor, cap, ...)
func (e *PolicyError) Error() string {
	s := fmt.Sprintf("retry: policy: %s %q", e.Problem, e.Word)
	if len(e.Known) > 0 {
		s += " (known: " + strings.Join(e.Known, ", ") + ")"
	}
	return s
}

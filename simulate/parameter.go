package simulate

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// LoadParameter is the parameter of a [Grid] and of [Find] that is no value of
// the script: its load, in per cent of what it says.
const LoadParameter = "load"

// AtLoad changes a scenario's load to so much per cent of its own, such as 80%:
// its rates, and the number of the clients of closed loops.
func AtLoad(sc *fleet.Scenario, percent string) error {
	v, ok := scales[percentages].read(percent)
	if !ok || v <= 0 {
		return fmt.Errorf("simulate: load %q: want per cent of the scenario's own, such as 80%%", percent)
	}
	share := fleet.Share(v)
	found := false
	for i := range sc.Groups {
		g := &sc.Groups[i]
		for k := range g.Arrivals {
			a := &g.Arrivals[k]
			for n := range a.Steps {
				a.Steps[n].Rate = fleet.Rate(times(int64(a.Steps[n].Rate), share))
				found = true
			}
			if a.Kind == fleet.Closed {
				g.Clients = int(max(times(int64(max(g.Clients, 1)), share), 1))
				found = true
			}
		}
	}
	if !found {
		return errors.New("simulate: load: the scenario has none that can be scaled (arrive poisson, uniform or closed)")
	}
	return nil
}

// times returns a share of n, rounded; it saturates.
func times(n int64, s fleet.Share) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(s))
	lo, carry := bits.Add64(lo, uint64(fleet.Whole)/2, 0)
	if hi += carry; hi >= uint64(fleet.Whole) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(fleet.Whole))
	return int64(min(q, math.MaxInt64))
}

// WithParameter returns a copy of a fleet scenario with another value of one
// parameter. A parameter is named by the word of its line and the name of its
// value, with a number between them where the word stands several times:
//
//	server.rate       server rate=300/s
//	fault.for         the first line fault ...; fault.duration is the same
//	fault.2.capacity  the second one's capacity
//	clients.n
//	policy.attempts   of the policy line, or the first group's
//	budget.share      also of a line "at 60s budget ..."; at is its time
//
// The value is written as in the script. An error says what there is instead.
func WithParameter(s *scripted.Script, name, value string) (*scripted.Script, error) {
	word, key, number, err := splitParameter(name)
	if err != nil {
		return nil, err
	}
	text := scripted.Format(s)
	copied, err := scripted.Parse(s.Name, text)
	if err != nil {
		return nil, err
	}
	if word == "policy" {
		err = setPolicyKey(copied, key, value)
	} else {
		err = setValue(copied, word, number, key, value, name)
	}
	if err != nil {
		return nil, err
	}
	// Reading it again is what checks the value and finds what it means.
	out, err := scripted.Parse(s.Name, scripted.Format(copied))
	if err != nil {
		return nil, fmt.Errorf("simulate: parameter %s=%s: %w", name, value, err)
	}
	return out, nil
}

func splitParameter(name string) (word, key string, number int, err error) {
	parts := strings.Split(name, ".")
	number = 1
	if len(parts) == 3 {
		number, err = strconv.Atoi(parts[1])
		parts = []string{parts[0], parts[2]}
	}
	if err != nil || len(parts) != 2 || number < 1 {
		return "", "", 0, fmt.Errorf("simulate: parameter %q: write WORD.NAME, such as server.rate, or WORD.NUMBER.NAME", name)
	}
	if parts[1] == "duration" {
		parts[1] = "for"
	}
	return parts[0], parts[1], number, nil
}

// walk calls f with every statement, those in clients behind their clients.
func walk(list []scripted.Decl, f func(*scripted.Decl) bool) bool {
	for i := range list {
		if !f(&list[i]) || !walk(list[i].Block, f) {
			return false
		}
	}
	return true
}

// declOf returns the statement that a parameter is about.
func declOf(s *scripted.Script, word string, number int, name string) (*scripted.Decl, error) {
	seen := 0
	var words []string
	var found *scripted.Decl
	walk(s.Decls, func(d *scripted.Decl) bool {
		words = append(words, d.Word)
		if d.Word != word {
			return true
		}
		seen++
		if seen == number {
			found = d
		}
		return found == nil
	})
	switch {
	case found == nil && seen > 0:
		return nil, fmt.Errorf("simulate: parameter %s: there are only %d lines %s", name, seen, word)
	case found == nil:
		slices.Sort(words)
		return nil, fmt.Errorf("simulate: parameter %s: the scenario has no line %s (it has %s)", name, word, strings.Join(slices.Compact(words), ", "))
	}
	return found, nil
}

func setValue(s *scripted.Script, word string, number int, key, value, name string) error {
	found, err := declOf(s, word, number, name)
	if err != nil {
		return err
	}
	if key == "at" && found.At != nil {
		at, err := time.ParseDuration(value)
		if err != nil || at < 0 {
			return fmt.Errorf("simulate: parameter %s: %q is no time", name, value)
		}
		found.At = &at
		return nil
	}
	for i := range found.Args {
		if found.Args[i].Key == key {
			found.Args[i].Text = value
			return nil
		}
	}
	found.Args = append(found.Args, scripted.Arg{Key: key, Text: value})
	return nil
}

// parameterOf returns the value of a parameter as the script has it.
func parameterOf(s *scripted.Script, name string) (string, error) {
	if name == LoadParameter {
		return "100%", nil
	}
	word, key, number, err := splitParameter(name)
	if err != nil {
		return "", err
	}
	if word == "policy" {
		return policyKey(s, key)
	}
	d, err := declOf(s, word, number, name)
	if err != nil {
		return "", err
	}
	if key == "at" && d.At != nil {
		return d.At.String(), nil
	}
	if a, ok := d.Arg(key); ok {
		return a.Text, nil
	}
	var keys []string
	for _, a := range d.Args {
		keys = append(keys, a.Key)
	}
	if near, ok := scripted.Nearest(key, keys); ok {
		return "", fmt.Errorf("simulate: parameter %s: the line has no %s (did you mean %s?)", name, key, near)
	}
	return "", fmt.Errorf("simulate: parameter %s: the line has no %s (it has %s): say between which values to look", name, key, strings.Join(keys, ", "))
}

// policyKey returns a key of the scenario's policy, or of the first that a group
// has.
func policyKey(s *scripted.Script, key string) (string, error) {
	policy := retry.Default()
	if s.Policy != nil {
		policy = *s.Policy
	} else {
		walk(s.Decls, func(d *scripted.Decl) bool {
			if d.Word == "policy" && d.At == nil {
				policy = d.Policy()
				return false
			}
			return true
		})
	}
	_, pairs, _ := strings.Cut(policy.String(), ":")
	for pair := range strings.SplitSeq(pairs, ",") {
		if k, v, _ := strings.Cut(pair, "="); k == key {
			return v, nil
		}
	}
	return "", fmt.Errorf("simulate: parameter policy.%s: %v has none: say between which values to look", key, policy)
}

// setPolicyKey changes one key of the scenario's policy, or of the first that
// a group has.
func setPolicyKey(s *scripted.Script, key, value string) error {
	change := func(p retry.Policy) (retry.Policy, error) {
		text := p.String()
		pattern := regexp.MustCompile(`([:,])` + regexp.QuoteMeta(key) + `=[^,]*`)
		if pattern.MatchString(text) {
			text = pattern.ReplaceAllString(text, "${1}"+strings.ReplaceAll(key+"="+value, "$", "$$"))
		} else {
			text += "," + key + "=" + value
		}
		return scripted.ParsePolicy("policy."+key, text)
	}
	if s.Policy != nil {
		p, err := change(*s.Policy)
		s.Policy = &p
		return err
	}
	var err error
	missing := walk(s.Decls, func(d *scripted.Decl) bool {
		if d.Word != "policy" || d.At != nil {
			return true
		}
		var p retry.Policy
		if p, err = change(d.Policy()); err == nil {
			d.Args[0].Text = p.String()
		}
		return false
	})
	if missing {
		p, err := change(retry.Default())
		s.Policy = &p
		return err
	}
	return err
}

// scaleOf is what the values of a parameter are counted in, so that one can be
// put between two others.
type scaleOf struct {
	name string
	read func(string) (int64, bool)
	show func(int64) string
}

// percentages is the index of per cent among the scales, in millionths.
const percentages = 1

var scales = []scaleOf{
	{"whole number", func(s string) (int64, bool) {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	}, func(n int64) string { return strconv.FormatInt(n, 10) }},
	{"percentage", func(s string) (int64, bool) {
		number, ok := strings.CutSuffix(s, "%")
		f, err := strconv.ParseFloat(number, 64)
		return int64(f*1e4 + .5), ok && err == nil && f >= 0 && f < 1e9
	}, func(n int64) string { return decimalText(n, 1e4) + "%" }},
	{"rate", func(s string) (int64, bool) {
		number, ok := strings.CutSuffix(s, "/s")
		f, err := strconv.ParseFloat(number, 64)
		return int64(f*1000 + .5), ok && err == nil
	}, func(n int64) string { return decimalText(n, 1000) + "/s" }},
	{"number", func(s string) (int64, bool) {
		f, err := strconv.ParseFloat(s, 64)
		return int64(f*1000 + .5), err == nil
	}, func(n int64) string { return decimalText(n, 1000) }},
	{"duration", func(s string) (int64, bool) {
		d, err := time.ParseDuration(s)
		return int64(d), err == nil
	}, func(n int64) string { return time.Duration(n).String() }},
}

// decimalText writes n/unit.
func decimalText(n, unit int64) string {
	return strconv.FormatFloat(float64(n)/float64(unit), 'f', -1, 64)
}

// scaleFor returns the scale that both values are on.
func scaleFor(low, high string) (s scaleOf, from, to int64, err error) {
	for _, s := range scales {
		a, ok1 := s.read(low)
		b, ok2 := s.read(high)
		if ok1 && ok2 {
			if a >= b {
				return s, 0, 0, fmt.Errorf("simulate: nothing lies between %s and %s", low, high)
			}
			return s, a, b, nil
		}
	}
	return s, 0, 0, fmt.Errorf("simulate: %q and %q are not two numbers, percentages, rates (/s) or durations", low, high)
}

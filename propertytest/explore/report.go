package explore

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// Report is what [Check] found.
type Report struct {
	Subject  string // its name
	Ruleset  int
	Seed     uint64
	Played   int      // scenarios
	Results  []Result // one for each rule, in the order of [verdict.Rules]
	Reached  []State  // what the scenarios brought about, in a fixed order
	Unknown  []string // what a policy can say and the subject evidently has no word for, as it stands in a policy's text: none of it was tried
	Problems []error  // what makes the report worthless: options that make no sense
}

// Status is what became of a rule.
type Status string

const (
	Passed        Status = "passed"         // no fault was found
	Failed        Status = "failed"         // a violation was found
	Deviates      Status = "deviation"      // only what the subject says of itself was found
	NotApplicable Status = "not-applicable" // the rule means nothing to this subject
	Waived        Status = "known"          // a violation was found that is known
	Stale         Status = "stale"          // a known violation was not found
	Notice        Status = "notice"         // a violation of a rule newer than the set was found
)

// Result is a rule and what became of it.
type Result struct {
	Rule    verdict.Rule
	Status  Status
	Reason  string   // of NotApplicable, Waived and Stale
	Failure *Failure // of Failed, Deviates, Waived and Notice: the smallest found
}

// OK reports whether the result is as it should be.
func (r Result) OK() bool { return r.Status != Failed && r.Status != Stale }

// Failure is a finding with what it takes to see it again.
type Failure struct {
	verdict.Finding
	Script *scripted.Script // shrunk; with its policy and seed. nil: it takes more than a script to see
	From   int              // turns that it had before it was shrunk
	Trace  trace.Trace

	leaves int    // as in Subject
	bare   bool   // the same
	choice string // how the options would say that it is meant; "" if nothing can
}

// State is something that scenarios may bring about, and whether they did. A
// state that was never reached makes the rules about it say nothing.
type State struct {
	Name  string
	Count int // of scenarios
}

// OK reports whether no rule failed, no waiver is stale, and there was no
// problem.
func (r *Report) OK() bool { return r.Err() == nil }

// Err returns everything that is not as it should be, joined; nil if nothing.
func (r *Report) Err() error {
	all := slices.Clone(r.Problems)
	for _, x := range r.Results {
		if !x.OK() {
			all = append(all, errors.New(x.String()))
		}
	}
	return errors.Join(all...)
}

// Result returns the result of the rule of that name. It panics if there is
// none.
func (r *Report) Result(rule string) Result {
	for _, x := range r.Results {
		if x.Rule.Name == rule {
			return x
		}
	}
	panic("explore: no rule is called " + rule)
}

// String returns the result in one line.
func (r Result) String() string {
	s := r.Rule.Name + ": " + string(r.Status)
	if r.Failure != nil {
		s += ": " + r.Failure.What
	}
	if r.Reason != "" {
		s += " (" + r.Reason + ")"
	}
	return s
}

// results sorts what was found by rule.
func (o Options) results(s Subject, playable bool, found map[string]*Failure) []Result {
	var out []Result
	for _, rule := range verdict.Rules() {
		if playable {
			out = append(out, o.result(s, rule, found[rule.Name]))
		} else {
			out = append(out, Result{Rule: rule, Status: NotApplicable, Reason: "code without a clock needs a bubble: use propertytest.Run"})
		}
	}
	return out
}

func (o Options) result(s Subject, rule verdict.Rule, f *Failure) Result {
	r := Result{Rule: rule, Status: Passed, Failure: f}
	reason, known := o.Known[rule.Name]
	switch {
	case f == nil && known:
		r.Status, r.Reason = Stale, "known as: "+reason
	case f == nil:
		if why, ok := o.applies(s, rule); !ok {
			r.Status, r.Reason = NotApplicable, why
		}
	case f.Level == verdict.Deviation:
		r.Status = Deviates
	case known:
		r.Status, r.Reason = Waived, reason
	case rule.Since > o.Ruleset:
		r.Status = Notice
	default:
		r.Status = Failed
		f.choice = o.choice(f)
	}
	return r
}

// untried replaces what is said of the rules that would have been tried, had the
// subject gone on.
func untried(results []Result) {
	for i, r := range results {
		if r.Status == Passed || r.Status == Stale {
			results[i].Status, results[i].Reason = NotApplicable, "the search ended with the first call that was stuck, or that waited on another clock"
		}
	}
}

// applies reports whether the rule means anything to the subject under one of
// its policies.
func (o Options) applies(s Subject, rule verdict.Rule) (reason string, ok bool) {
	if reason := s.without(rule, o); reason != "" {
		return reason, false
	}
	for _, p := range o.Policies {
		if reason, ok = rule.Applies(o.spec(p)); ok {
			return "", true
		}
	}
	return reason, len(o.Policies) == 0
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

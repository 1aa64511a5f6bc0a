package explore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
)

// choice returns how the options would say that a failure is meant and no
// mistake: by a feature that the subject lacks, or by another policy of its own.
// It is "" if nothing that can be declared explains what was seen.
func (o Options) choice(f *Failure) string {
	if f.Script == nil || f.Script.Policy == nil {
		return ""
	}
	own := o.spec(*f.Script.Policy)
	violates := func(s verdict.Spec) bool {
		return slices.ContainsFunc(verdict.Check(f.Trace, s), func(x verdict.Finding) bool {
			return x.Rule.Name == f.Rule.Name && x.Level == verdict.Violation
		})
	}
	if !violates(own) {
		return "" // it takes more than a trace to see
	}
	for _, feature := range verdict.Features() {
		with := own
		with.Lacks = append(slices.Clip(own.Lacks), feature)
		if !violates(with) {
			return fmt.Sprintf("Lacks: []verdict.Feature{%q}", feature)
		}
	}
	var fit []string
	for _, other := range hintChoices(own.Policy) {
		with := own
		with.Policy = other.policy
		if other.policy.Validate() == nil && verdict.Check(f.Trace, with).Err() == nil {
			fit = append(fit, other.words)
		}
	}
	if len(fit) == 0 {
		return ""
	}
	return strings.Join(fit, " or ") + " in the policy"
}

type hintChoice struct {
	words  string
	policy retry.Policy
}

// hintChoices returns the policies that differ from p in what a Retry-After does.
func hintChoices(p retry.Policy) []hintChoice {
	ignored, larger, clamped := p, p, p
	ignored.RetryAfter = retry.HintIgnored
	larger.RetryAfter = retry.HintOrBackoff
	clamped.MaxRetryAfter, clamped.LongRetryAfter = p.MaxDelay, retry.HintClamped
	return []hintChoice{
		{"RetryAfter: retry.HintIgnored", ignored},
		{"RetryAfter: retry.HintOrBackoff", larger},
		{fmt.Sprintf("MaxRetryAfter: %v", p.MaxDelay), clamped},
	}
}

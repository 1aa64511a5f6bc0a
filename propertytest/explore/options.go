package explore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// Options says what a subject promises and how it is tried. The zero Options
// expects it to obey every policy it is given and to lack nothing.
type Options struct {
	// Name of the subject, for reports.
	Name string
	// Policies are what the subject is tried with. One is the subject's own,
	// which it obeys whatever [Env] says. None: those of the suite, and any that
	// it makes up, which the subject must take from Env.
	Policies []retry.Policy
	// Lacks are features that the subject does not have. What follows from
	// their absence is reported as a deviation, or does not apply.
	Lacks []verdict.Feature
	// Known are faults that are known, by the name of the rule, with a reason.
	// A fault that is known and not found fails too: the entry is stale. Names such
	// as "relation/scale" are those of the relations of package propertytest.
	Known map[string]string
	// Ruleset is the number of the set of rules that the subject is held to.
	// Newer rules are notices. 0: the newest.
	Ruleset int
	// Scenarios are played besides those of the suite. One without a policy is
	// played with the first of Policies.
	Scenarios []*scripted.Script
	// Seed of what is drawn. 0: 1.
	Seed uint64
	// Checks is how many scenarios are drawn. 0: 1000. Negative: none.
	Checks int
	// Clients is how many clients' waits are measured for each question about
	// jitter. 0: 4000. Negative: none.
	Clients int
	// Run plays scenarios. nil: [Coroutines].
	Run Runner
	// Watch is called with each scenario before it is played. nil: nobody is told.
	Watch func(*scripted.Script)
}

// withDefaults returns the options with every zero replaced by what it means.
func (o Options) withDefaults() Options {
	or := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
	}
	or(&o.Ruleset, verdict.Ruleset)
	or(&o.Checks, 1000)
	or(&o.Clients, 4000)
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Run == nil {
		o.Run = Coroutines
	}
	return o
}

// Validate returns what makes no sense: an invalid policy, a rule or a feature
// that does not exist, a known fault without a reason.
func (o Options) Validate() error {
	for _, p := range o.Policies {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("explore: policy %v: %w", p, err)
		}
	}
	for _, f := range o.Lacks {
		if !slices.Contains(verdict.Features(), f) {
			return fmt.Errorf("explore: no feature is called %q (there are %v)", f, verdict.Features())
		}
	}
	for _, name := range sortedKeys(o.Known) {
		if _, ok := verdict.Named(name); !ok && !strings.HasPrefix(name, "relation/") {
			var names []string
			for _, r := range verdict.Rules() {
				names = append(names, r.Name)
			}
			near := ""
			if n, ok := scripted.Nearest(name, names); ok {
				near = fmt.Sprintf(" (did you mean %q?)", n)
			}
			return fmt.Errorf("explore: Known: no rule is called %q%s", name, near)
		}
		if strings.TrimSpace(o.Known[name]) == "" {
			return fmt.Errorf("explore: Known: %q has no reason", name)
		}
	}
	if o.Ruleset < 0 || o.Ruleset > verdict.Ruleset {
		return fmt.Errorf("explore: Ruleset %d, outside 1 to %d (0 is the newest)", o.Ruleset, verdict.Ruleset)
	}
	return nil
}

// spec is what the subject promises under a policy.
func (o Options) spec(p retry.Policy) verdict.Spec { return verdict.Spec{Policy: p, Lacks: o.Lacks} }

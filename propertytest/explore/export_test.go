package explore

import "github.com/retrykit/retrykit/propertytest/verdict"

// Violates looks for a violation of one rule and stops when it has found one;
// nil if there is none.
func Violates(s Subject, o Options, rule string) *Failure {
	c := newSearch(s, o.withDefaults())
	c.until = rule
	c.all()
	if f := c.found[rule]; f != nil && f.Level == verdict.Violation {
		return f
	}
	return nil
}

// Verdicts returns the rules that a subject violates, in their order, without
// making any script smaller.
func Verdicts(s Subject, o Options) (names []string) {
	c := newSearch(s, o.withDefaults())
	c.whole = true
	c.all()
	for _, r := range verdict.Rules() {
		if f := c.found[r.Name]; f != nil && f.Level == verdict.Violation {
			names = append(names, r.Name)
		}
	}
	return names
}

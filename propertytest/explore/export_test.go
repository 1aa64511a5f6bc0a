package explore

// Violates looks for the violation of one rule and stops when it has found one.
func Violates(s Subject, o Options, rule string) *Failure {
	c := newSearch(s, o.withDefaults())
	c.until = rule
	c.all()
	return c.found[rule]
}

package provider

// Rule is a row of the table of rules, for the tests that watch over it.
type Rule struct {
	Of    []Provider
	Words string
	Code  string
	Type  string
	Kind  Kind
}

// Rules returns the table of rules.
func Rules() []Rule {
	var list []Rule
	for _, r := range rules {
		list = append(list, Rule{r.of, r.String(), r.code, r.typ, r.kind})
	}
	return list
}

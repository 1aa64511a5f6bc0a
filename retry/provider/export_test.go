package provider

import "time"

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

// The readers of single values.
func ParseSeconds(value string) (time.Duration, error) { return parseSeconds(value, time.Time{}) }
func ParseMilliseconds(value string) (time.Duration, error) {
	return parseMilliseconds(value, time.Time{})
}
func ParseDuration(value string) (time.Duration, error) { return parseDuration(value, time.Time{}) }

var ParseDate = parseDate

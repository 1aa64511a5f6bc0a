package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
	"github.com/spf13/cobra"
)

// variant is what a fleet's clients do instead of what their scenario says:
//
//	openai                           a policy, with the budget that goes with it
//	exp:base=1s,jitter=full          a policy
//	scenario                         the scenario's own
//	scenario,jitter=full             the same, but for some keys
//	scenario+budget=10%              the same, and a limit that all calls share
//	gentle=scenario,attempts=2       with a name
type variant struct {
	Name   string  `json:"name"`
	Base   *string `json:"policy"`  // null: the scenario's own
	Change *string `json:"changes"` // keys of the policy that are otherwise
	Limit  *string `json:"limit"`   // null: the scenario's own
}

// own is the word for what the scenario says.
const own = "scenario"

var variantName = regexp.MustCompile(`^[\pL\pN _.-]+=`)

// parseVariant reads a variant of the command line.
func parseVariant(c *cobra.Command, text string) (variant, error) {
	var v variant
	rest := text
	if name := variantName.FindString(text); name != "" {
		v.Name, rest = strings.TrimSuffix(name, "="), text[len(name):]
	}
	policy, limit, limited := strings.Cut(rest, "+budget=")
	word := "budget="
	if !limited {
		if policy, limit, limited = strings.Cut(rest, "+breaker="); limited {
			word = "breaker="
		} else if policy, limit, limited = strings.Cut(rest, "+throttle="); limited {
			word = "throttle="
		}
	}
	if limited {
		limit = word + limit
		if _, err := parseLimit(limit); err != nil {
			return v, fmt.Errorf("--policy %s: %w", text, err)
		}
		v.Limit = &limit
	}
	if v.Name == "" {
		v.Name = rest
	}
	if changes, ok := strings.CutPrefix(policy, own); ok && (changes == "" || changes[0] == ',') {
		if changes != "" {
			changes = changes[1:]
			v.Change = &changes
			if _, err := changed(retry.Default(), changes); err != nil {
				return v, err
			}
		}
		return v, nil
	}
	p, err := readPolicy(c, "--policy", policy)
	if err != nil {
		return v, err
	}
	canonical := p.String()
	v.Base = &canonical
	for _, preset := range retry.Presets() {
		if preset.Name == policy && preset.Budget != (retry.Budget{}) && !limited {
			name := "budget=" + preset.Name
			v.Limit = &name
		}
	}
	return v, nil
}

// String returns the variant as the command line has it.
func (v variant) String() string {
	s := own
	if v.Base != nil {
		s = *v.Base
	}
	if v.Change != nil {
		s += "," + *v.Change
	}
	if v.Limit != nil {
		s += "+" + *v.Limit
	}
	if v.Name != s {
		s = v.Name + "=" + s
	}
	return s
}

// candidate returns the variant as package simulate takes it.
func (v variant) candidate() simulate.Candidate {
	return simulate.Candidate{Name: v.Name, Alter: v.apply}
}

// candidates returns the variants as package simulate takes them.
func candidates(variants []variant) []simulate.Candidate {
	var out []simulate.Candidate
	for _, v := range variants {
		out = append(out, v.candidate())
	}
	return out
}

// apply puts the variant into a scenario.
func (v variant) apply(sc *fleet.Scenario) error {
	for i := range sc.Groups {
		g := &sc.Groups[i]
		if v.Base != nil {
			p, err := retry.ParsePolicy(*v.Base)
			if err != nil {
				return err
			}
			if p.AttemptTimeout == 0 {
				p.AttemptTimeout = g.Policy.AttemptTimeout
			}
			g.Policy = p
		}
		if v.Change != nil {
			p, err := changed(g.Policy, *v.Change)
			if err != nil {
				return err
			}
			g.Policy = p
		}
		if v.Limit != nil {
			limit, err := parseLimit(*v.Limit)
			if err != nil {
				return err
			}
			g.Limit = limit
		}
	}
	return nil
}

// changed returns the policy with some of its keys otherwise.
func changed(p retry.Policy, changes string) (retry.Policy, error) {
	kind, rest, _ := strings.Cut(p.String(), ":")
	if p == (retry.Policy{}) {
		kind, rest = "exp", "attempts=1"
	}
	replaced := make(map[string]bool)
	for pair := range strings.SplitSeq(changes, ",") {
		key, _, _ := strings.Cut(pair, "=")
		replaced[key] = true
	}
	var pairs []string
	for pair := range strings.SplitSeq(rest, ",") {
		if key, _, _ := strings.Cut(pair, "="); !replaced[key] {
			pairs = append(pairs, pair)
		}
	}
	return scripted.ParsePolicy("--policy", kind+":"+strings.Join(append(pairs, changes), ","))
}

// parseLimit reads what the calls of a variant share:
//
//	budget=10%       each success earns a tenth of a retry, 10 at first
//	budget=aws       the budget of a preset, or none
//	breaker=5/30s    open for 30 s after 5 failures in a row
//	breaker=10%      no retries while a tenth of the last 100 attempts failed
//	throttle=2       Google SRE's adaptive throttling, K = 2
func parseLimit(text string) (fleet.Limit, error) {
	word, value, _ := strings.Cut(text, "=")
	switch word {
	case "budget":
		if value == "none" {
			return fleet.Limit{}, nil
		}
		for _, p := range retry.Presets() {
			if p.Name == value && p.Budget != (retry.Budget{}) {
				return fleet.Limit{Budget: &p.Budget}, nil
			}
		}
		share, ok := parseShare(value)
		if !ok {
			return fleet.Limit{}, fmt.Errorf("budget=%s: want a share such as 10%%, none, or one of %s", value, strings.Join(budgetNames(), ", "))
		}
		b := retry.PerSuccessBudget(10*retry.Token, share)
		return fleet.Limit{Budget: &b}, nil
	case "breaker":
		if share, ok := parseShare(value); ok {
			if share <= 0 || share > retry.Token {
				return fleet.Limit{}, fmt.Errorf("breaker=%s: want more than 0%% and at most 100%%", value)
			}
			return fleet.Limit{Rate: &retry.RateBreaker{Share: share, Of: 100}}, nil
		}
		count, open, ok := strings.Cut(value, "/")
		d, err := time.ParseDuration(open)
		failures, e := strconv.Atoi(count)
		if !ok || err != nil || e != nil || failures < 1 || d <= 0 {
			return fleet.Limit{}, fmt.Errorf("breaker=%s: want failures in a row and how long it is open, such as 5/30s, or a share of failures such as 10%%", value)
		}
		return fleet.Limit{Breaker: &retry.Breaker{Failures: failures, OpenFor: d}}, nil
	case "throttle":
		k, err := strconv.ParseFloat(value, 64)
		if err != nil || !(k >= 1 && k <= 1000) {
			return fleet.Limit{}, fmt.Errorf("throttle=%s: want K from 1 to 1000, such as 2", value)
		}
		return fleet.Limit{Throttle: &retry.Throttle{Multiplier: retry.Tokens(k * float64(retry.Token)), Window: 2 * time.Minute}}, nil
	}
	return fleet.Limit{}, errors.New("unknown limit (known: budget, breaker, throttle)")
}

// parseShare reads a percentage as thousandths of a token.
func parseShare(text string) (retry.Tokens, bool) {
	number, ok := strings.CutSuffix(text, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(percent >= 0 && percent <= 1000) {
		return 0, false
	}
	return retry.Tokens(percent*10 + .5), true
}

func budgetNames() []string {
	var names []string
	for _, p := range retry.Presets() {
		if p.Budget != (retry.Budget{}) {
			names = append(names, p.Name)
		}
	}
	return names
}

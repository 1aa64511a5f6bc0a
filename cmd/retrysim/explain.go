package main

import (
	"fmt"
	"strings"

	"github.com/retrykit/retrykit/propertytest/faults"
	rules "github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/spf13/cobra"
)

func newExplain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [RULE]",
		Short: "Say what a verdict means, with code that has the fault",
		Long: `Say what a verdict means: what was promised, what goes wrong in production where it is not
kept, the smallest Go code that has the fault and the same without it, and a script that
tells them apart. Without a rule, list them all.`,
		Example: `  retrysim explain
  retrysim explain early-retry
  retrysim explain R10`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeRules,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return printed(fmt.Fprint(c.OutOrStdout(), ruleList()))
			}
			r, err := readRule(args[0])
			if err != nil {
				return err
			}
			return printed(fmt.Fprint(c.OutOrStdout(), faults.Text(r)))
		},
	}
}

// printed makes of an error of writing one that ends the command.
func printed(_ int, err error) error {
	if err != nil {
		return ioError{err}
	}
	return nil
}

// ruleList is every rule in a line, by area.
func ruleList() string {
	var b strings.Builder
	area := ""
	for _, r := range rules.Rules() {
		if r.Area != area {
			area = r.Area
			fmt.Fprintf(&b, "%s\n", area)
		}
		fmt.Fprintf(&b, "  %s  %-22s %s\n", r.ID, r.Name, r.Says)
	}
	return b.String()
}

// readRule returns the rule of that name or id.
func readRule(word string) (rules.Rule, error) {
	if r, ok := rules.Named(word); ok {
		return r, nil
	}
	var names []string
	for _, r := range rules.Rules() {
		if strings.EqualFold(r.ID, word) {
			return r, nil
		}
		names = append(names, r.Name)
	}
	_, err := oneOf("rule", word, names)
	return rules.Rule{}, err
}

func completeRules(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var out []cobra.Completion
	for _, r := range rules.Rules() {
		if len(args) == 0 {
			out = append(out, cobra.CompletionWithDesc(r.Name, r.Says))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

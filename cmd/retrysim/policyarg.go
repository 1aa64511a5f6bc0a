package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/dialect"
	"github.com/retrykit/retrykit/scripted"
	"github.com/spf13/cobra"
)

// readPolicy reads a policy of the command line:
//
//	openai                        a name
//	exp:base=1s,attempts=3        a text
//	@policy.txt                   a file that holds one of these
//	temporal:@policy.json         a file of another system
//
// The name says where it stands, for messages.
func readPolicy(c *cobra.Command, name, text string) (retry.Policy, error) {
	system, file, foreign := strings.Cut(text, ":@")
	switch {
	case foreign:
		if !slices.Contains(dialect.Names(), system) {
			_, err := oneOf(name, system, dialect.Names())
			return retry.Policy{}, err
		}
		data, err := readText(c, file)
		if err != nil {
			return retry.Policy{}, err
		}
		in, err := dialect.Parse(system, data)
		if err != nil {
			return retry.Policy{}, fmt.Errorf("%s: %w", file, err)
		}
		return in.Policy, nil
	case strings.HasPrefix(text, "@"):
		data, err := readText(c, text[1:])
		if err != nil {
			return retry.Policy{}, err
		}
		return scripted.ParsePolicy(text[1:], strings.TrimSpace(string(data)))
	}
	return scripted.ParsePolicy(name, text)
}

// completePolicies completes the names of policies.
func completePolicies(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, p := range retry.Presets() {
		out = append(out, cobra.CompletionWithDesc(p.Name, p.Policy.String()))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeFlag is completePolicies for a flag, whatever the arguments are.
func completeFlag(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f(c, nil, toComplete)
	}
}

// complete makes the shell complete a flag.
func complete(c *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, completeFlag(f)); err != nil {
		panic(fmt.Sprintf("retrysim: completion of a flag that is not there: %v", err))
	}
}

// exactlyOne wants one argument and says which, and how it looks.
func exactlyOne(what, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s: no %s (%s)", c.Name(), what, example)
		case len(args) > 1:
			return fmt.Errorf("%s: one %s, not %d arguments (quote what has spaces)", c.Name(), what, len(args))
		}
		return nil
	}
}

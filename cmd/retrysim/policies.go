package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/dialect"
	"github.com/retrykit/retrykit/scripted"
	"github.com/spf13/cobra"
)

func newPolicies() *cobra.Command {
	return &cobra.Command{
		Use:   "policies",
		Short: "List the policies that have a name, and where they come from",
		Long: `List the policies that have a name. Wherever a policy is asked for, the name stands for
the text beside it.`,
		Example: `  retrysim policies
  retrysim run examples/overloaded.retry --policy openai`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var b bytes.Buffer
			t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
			for _, p := range retry.Presets() {
				fmt.Fprintf(t, "%s\t%v\n\t%s\n", p.Name, p.Policy, p.Source)
				if p.Note != "" {
					fmt.Fprintf(t, "\t(%s)\n", p.Note)
				}
			}
			t.Flush()
			return output(c, b.Bytes())
		},
	}
}

func newImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import DIALECT FILE|-",
		Short: "Read a policy written for another system",
		Long: `Read the retry policy of another system, as JSON, and print it as text. The dialects are
` + strings.Join(dialect.Names(), ", ") + `. What has no place in a policy is named on standard error.`,
		Example: `  retrysim import grpc service_config.json
  echo '{"initialInterval":"1s","maximumAttempts":0}' | retrysim import temporal -`,
		Args:      cobra.ExactArgs(2),
		ValidArgs: dialect.Names(),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readText(c, args[1])
			if err != nil {
				return err
			}
			in, err := dialect.Parse(args[0], text)
			if err != nil {
				if near, ok := scripted.Nearest(args[0], dialect.Names()); ok && near != args[0] {
					return fmt.Errorf("%w (did you mean %q?)", err, near)
				}
				return err
			}
			if len(in.Ignored) > 0 {
				fmt.Fprintf(c.ErrOrStderr(), "retrysim: left out, for they say which errors to retry or nothing of retries: %s\n", strings.Join(in.Ignored, ", "))
			}
			if in.Budget != (retry.Budget{}) {
				fmt.Fprintf(c.ErrOrStderr(), "retrysim: left out, for a policy holds no budget: %d tokens, %v a success\n", in.Budget.Capacity/retry.Token, in.Budget.PerSuccess)
			}
			return output(c, fmt.Appendln(nil, in.Policy))
		},
	}
}

func newExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export POLICY",
		Short: "Print a policy as Go code",
		Example: `  retrysim export exp:base=200ms,cap=5s,attempts=6
  retrysim export "$(retrysim import grpc service_config.json)"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := scripted.ParsePolicy("policy", args[0])
			if err != nil {
				return err
			}
			return output(c, fmt.Appendln(nil, dialect.Go(p)))
		},
	}
}

// output writes a command's result.
func output(c *cobra.Command, text []byte) error {
	if _, err := c.OutOrStdout().Write(text); err != nil {
		return ioError{fmt.Errorf("standard output: %w", err)}
	}
	return nil
}

// readText reads a file, or standard input for "-".
func readText(c *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		text, err := io.ReadAll(c.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("%s: standard input: %w", c.Name(), err)
		}
		return text, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name(), err)
	}
	return text, nil
}

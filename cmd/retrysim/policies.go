package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/dialect"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

func newPolicies() *cobra.Command {
	var f outputFlags
	c := &cobra.Command{
		Use:   "policies",
		Short: "List the policies that have a name, and where they come from",
		Long:  "Wherever a policy is asked for, the name stands for the text beside it.",
		Example: `  retrysim policies
  retrysim policies -f csv
  retrysim run examples/overloaded.retry --policy openai`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.write(c, policiesDocument())
		},
	}
	f.add(c)
	return c
}

// preset is a policy with a name as machines see it.
type preset struct {
	Name   string       `json:"name"`
	Policy retry.Policy `json:"policy"`
	Source string       `json:"source"`
	Note   *string      `json:"note"`
}

func policiesDocument() *report.Document {
	d := &report.Document{
		Kind: "policies", Title: "Policies that have a name", Command: []string{"policies"}, Input: struct{}{},
		Records: report.Records{Header: []string{"name", "policy", "source", "note"}},
	}
	table := report.Table{Columns: []report.Column{{Head: "name"}, {Head: "policy"}, {Head: "source"}, {Head: "note"}}}
	var presets []preset
	var own bytes.Buffer
	t := tabwriter.NewWriter(&own, 0, 0, 2, ' ', 0)
	for _, p := range retry.Presets() {
		one := preset{Name: p.Name, Policy: p.Policy, Source: p.Source}
		fmt.Fprintf(t, "%s\t%v\n\t%s\n", p.Name, p.Policy, p.Source)
		if p.Budget != (retry.Budget{}) { // which is no part of the policy's text
			p.Note = strings.TrimPrefix(p.Note+"; with the budget "+p.Budget.String(), "; ")
		}
		if p.Note != "" {
			one.Note = &p.Note
			fmt.Fprintf(t, "\t(%s)\n", p.Note)
		}
		row := []string{p.Name, p.Policy.String(), p.Source, p.Note}
		table.Rows, d.Records.Rows = append(table.Rows, row), append(d.Records.Rows, row)
		presets = append(presets, one)
	}
	t.Flush()
	d.Own, d.Tables = own.String(), []report.Table{table}
	d.Verdict.Text = fmt.Sprintf("%d policies have a name", len(presets))
	d.Result = struct {
		Policies []preset `json:"policies"`
	}{presets}
	return d
}

// importTrace is what import takes besides the dialects.
const importTrace = "trace"

func newImport() *cobra.Command {
	var policy string
	sources := append(dialect.Names(), importTrace)
	c := &cobra.Command{
		Use:   "import DIALECT|trace FILE|-",
		Short: "Read another system's policy, or an incident",
		Long: `Read the retry policy of another system, as JSON, and print it as text. The dialects are
` + strings.Join(dialect.Names(), ", ") + `. What has no place in a policy is named on standard error.

Or read a trace, such as run -f jsonl prints and a recorder in production writes, and print
it as a scenario that plays the same failures again, with what came of them as
expectations. A trace does not say which policy the calls obeyed: --policy does.`,
		Example: `  retrysim import grpc service_config.json
  echo '{"initialInterval":"1s","maximumAttempts":0}' | retrysim import temporal -
  retrysim import trace incident.jsonl --policy openai > incident.retry`,
		Args:      cobra.ExactArgs(2),
		ValidArgs: sources,
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readText(c, args[1])
			switch {
			case err != nil:
				return err
			case args[0] == importTrace:
				return importIncident(c, text, args[1], policy)
			case c.Flags().Changed("policy"):
				return fmt.Errorf("import: --policy is for traces; a %s text has its own", args[0])
			}
			return importDialect(c, args[0], text, sources)
		},
	}
	c.Flags().StringVarP(&policy, "policy", "p", "default", "the policy that the calls of a trace obeyed")
	return c
}

func importDialect(c *cobra.Command, name string, text []byte, sources []string) error {
	in, err := dialect.Parse(name, text)
	if err != nil {
		if near, ok := scripted.Nearest(name, sources); ok && near != name {
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
}

func importIncident(c *cobra.Command, text []byte, name, policy string) error {
	p, err := scripted.ParsePolicy("--policy", policy)
	if err != nil {
		return err
	}
	events, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	script, err := simulate.FromTrace(events, p)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	made := scripted.Format(script)
	again, err := scripted.Parse(name, made)
	if err != nil {
		return fmt.Errorf("%s: it holds what a scenario cannot say: %w", name, err)
	}
	if played, err := simulate.Play(again, simulate.Options{}); err != nil || len(played.Failed()) > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "retrysim: under %v the calls come out otherwise than they were recorded: was it the policy? (--policy)\n", p)
	}
	return output(c, []byte(made))
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

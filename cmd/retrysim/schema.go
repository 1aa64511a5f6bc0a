package main

import (
	"fmt"

	"github.com/retrykit/retrykit/docs/schema"
	"github.com/spf13/cobra"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [KIND]",
		Short: "Print the JSON schema of what is written for machines",
		Long: `Print the JSON schema of a kind of result, such as retrysim fleet -f json writes, or of
another format: a trace, what serve answers, a conformance report, its badge. It needs no
other file. Without a kind, list them all. What is written names its own schema, as in
"schema":"retrysim.fleet/v1".`,
		Example: `  retrysim schema
  retrysim schema fleet > fleet.schema.json`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: schema.Kinds(),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, kind := range schema.Kinds() {
					if err := printed(fmt.Fprintln(c.OutOrStdout(), kind)); err != nil {
						return err
					}
				}
				return nil
			}
			kind, err := oneOf("schema", args[0], schema.Kinds())
			if err != nil {
				return err
			}
			text, _ := schema.Bundle(kind)
			return output(c, text)
		},
	}
}

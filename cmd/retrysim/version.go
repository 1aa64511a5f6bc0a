package main

import (
	"fmt"
	"runtime"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  retrysim version",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return printVersion(c) },
	}
}

func printVersion(c *cobra.Command) error {
	return output(c, fmt.Appendf(nil, "retrysim %s (%s, %s/%s)\n", report.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

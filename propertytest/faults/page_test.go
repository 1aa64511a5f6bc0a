package faults_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/faults"
	"github.com/retrykit/retrykit/propertytest/verdict"
)

var update = flag.Bool("update", false, "write the pages anew")

// The pages of the rules are what the source says.
func TestPages(t *testing.T) {
	const folder = "../../docs/rules"
	pages := map[string]string{"README.md": index()}
	for _, r := range verdict.Rules() {
		pages[r.Name+".md"] = faults.Markdown(r)
	}
	if *update {
		require.NoError(t, os.MkdirAll(folder, 0o777))
		for name, text := range pages {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o666))
		}
	}
	there, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, there, len(pages), "a page of no rule")
	for name, text := range pages {
		got, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		assert.Equal(t, text, string(got), "%s (make golden)", name)
	}
}

// index lists the rules.
func index() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# The rules\n\nRuleset %d. What a rule guards is a rule of the contract in the package comment of [`retry`](../../retry).\n\n| id | rule | area | what must be | guards |\n|---|---|---|---|---|\n", verdict.Ruleset)
	for _, r := range verdict.Rules() {
		fmt.Fprintf(&b, "| %s | [%s](%s.md) | %s | %s | %s |\n", r.ID, r.Name, r.Name, r.Area, r.Says, r.Guard)
	}
	return b.String()
}

func TestText(t *testing.T) {
	for _, r := range verdict.Rules() {
		text := faults.Text(r)
		assert.True(t, strings.HasPrefix(text, r.Name+" ("+r.ID), text)
		for l := range strings.Lines(text) {
			assert.LessOrEqual(t, len(strings.TrimRight(l, "\n")), 150, l)
		}
	}
}

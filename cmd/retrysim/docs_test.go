package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/scripted"
)

// Every command line in the pages of docs is one that the command knows: its
// name and its flags. Every file that a page or the README points to is there.
func TestPages(t *testing.T) {
	t.Chdir("../..")
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	guides, err := filepath.Glob("docs/howto/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, guides)
	pages = append(pages, guides...)
	commands := regexp.MustCompile(`retrysim ([a-z]+)([^\n|;&]*)`)
	flags := regexp.MustCompile(`(?:^| )--?([a-z][a-z-]*)`)
	links := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(page), link[1]))
			assert.NoError(t, err, "%s points to %s", page, link[1])
		}
		for _, block := range blocks(string(text), "sh") {
			for _, found := range commands.FindAllStringSubmatch(block, -1) {
				c, _, err := newRoot().Find([]string{found[1]})
				if !assert.NoError(t, err, "%s: retrysim %s", page, found[1]) {
					continue
				}
				line, _, _ := strings.Cut(found[2], " #")
				for _, flag := range flags.FindAllStringSubmatch(line, -1) {
					known := c.Flags().Lookup(flag[1]) != nil || c.InheritedFlags().Lookup(flag[1]) != nil || len(flag[1]) == 1 && c.Flags().ShorthandLookup(flag[1]) != nil
					assert.True(t, known, "%s: retrysim %s has no flag %q", page, found[1], flag[1])
				}
			}
		}
		if page != "README.md" { // whose sessions TestReadme runs
			for _, session := range blocks(string(text), "console") {
				assert.Equal(t, current(t, page, session), replay(t, session), "%s: run with -update to accept", page)
			}
		}
		for _, block := range blocks(string(text), "python") {
			test, err := os.ReadFile("cmd/retrysim/testdata/pytest/test_weather.py")
			require.NoError(t, err)
			assert.Equal(t, string(test), block, "%s shows what make pytest runs", page)
		}
		for _, block := range blocks(string(text), "") {
			if strings.HasPrefix(block, "policy ") {
				_, err := scripted.Parse(page, block)
				assert.NoError(t, err, "%s", page)
			}
		}
	}
}

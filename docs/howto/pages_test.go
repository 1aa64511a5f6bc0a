// Package howto_test holds the code of the pages beside it, and runs it.
package howto_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// blocks returns the fenced blocks of a language in a page.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var out []string
	for _, part := range strings.Split(string(text), "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		out = append(out, block)
	}
	return out
}

// The Go of the pages is taken from code that tests run: that of this folder
// and its testdata, and of the module with the SDKs.
func TestThePagesShowWhatIsRun(t *testing.T) {
	var code strings.Builder
	for _, folder := range []string{".", "../../propertytest/peers/sdks"} {
		err := filepath.WalkDir(folder, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(name) != ".go" {
				return err
			}
			source, err := os.ReadFile(name)
			code.Write(source)
			return err
		})
		require.NoError(t, err)
	}
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	shown := 0
	for _, page := range pages {
		for _, block := range blocks(t, page, "go") {
			shown++
			assert.Contains(t, code.String(), block, page)
		}
	}
	assert.NotZero(t, shown)
}

// The suites of forty-seconds.md, each in a module of its own: the first is
// only compiled, since it takes its 41 seconds; the second is made with the
// commands of the page, and runs.
func TestFortySeconds(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	module := func(folder string) func(line string) {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", folder))))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/upload\n\ngo 1.25\n"), 0o666))
		sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o666))
		return func(line string) {
			words := strings.Fields(line)
			words[len(words)-1] = strings.Replace(words[len(words)-1], "../retrykit", filepath.ToSlash(root), 1)
			c := exec.Command(words[0], words[1:]...)
			c.Dir = dir
			c.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
			out, err := c.CombinedOutput()
			require.NoError(t, err, "%s\n%s", line, out)
		}
	}
	module("before")("go vet .")

	run := module("after")
	var lines []string
	for _, block := range blocks(t, "forty-seconds.md", "sh") {
		lines = append(lines, strings.Split(strings.TrimSpace(block), "\n")...)
	}
	require.Equal(t, "go test .", lines[len(lines)-1])
	for _, line := range lines {
		run(line)
	}
}

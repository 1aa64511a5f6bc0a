package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/scripted"
)

// What the README shows is what happens: its sessions are run, and its Go is
// taken from tests.
func TestReadme(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	sessions := blocks(string(text), "console")
	require.NotEmpty(t, sessions)
	for _, session := range sessions {
		assert.Equal(t, current(t, "README.md", session), replay(t, session), "run with -update to accept")
	}

	pitfalls, err := os.ReadFile("fakeclock/PITFALLS.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(pitfalls), "\n| # |")
	assert.Contains(t, string(text), "| # |"+table, "the table of pitfalls")

	turns := blocks(string(text), "")
	turns = slices.DeleteFunc(turns, func(block string) bool { return !strings.HasPrefix(block, "transient") })
	require.Len(t, turns, 1)
	_, err = scripted.Parse("README.md", turns[0])
	assert.NoError(t, err, "the language as the README shows it")

	var tests strings.Builder
	files, err := filepath.Glob("examples/*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.Write(source)
	}
	code := blocks(string(text), "go")
	require.NotEmpty(t, code)
	for _, block := range code {
		assert.Contains(t, tests.String(), block)
	}
}

// blocks returns the fenced blocks of a language.
func blocks(text, language string) []string {
	var out []string
	for _, part := range strings.Split(text, "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		out = append(out, block)
	}
	return out
}

// replay runs the commands of a session and returns it with what they print.
func replay(t *testing.T, session string) string {
	var out bytes.Buffer
	for line := range strings.Lines(session) {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString(line)
		words := strings.Fields(command)
		if words[0] == "cat" {
			text, err := os.ReadFile(words[1])
			require.NoError(t, err)
			out.Write(text)
			continue
		}
		require.Equal(t, []string{"go", "run", "./cmd/retrysim"}, words[:3])
		lines := -1
		if n := len(words) - 3; words[n] == "|" && words[n+1] == "head" {
			var err error
			lines, err = strconv.Atoi(strings.TrimPrefix(words[n+2], "-"))
			require.NoError(t, err)
			words = words[:n]
		}
		var all bytes.Buffer
		run(words[3:], strings.NewReader(""), &all, &all)
		for i := 0; i != lines; i++ {
			line, err := all.ReadString('\n')
			out.WriteString(line)
			if err != nil {
				break
			}
		}
	}
	return out.String()
}

// current is a session of a page as it should read; with -update that is what
// happens, and the page is written anew.
func current(t *testing.T, page, session string) string {
	if !*update {
		return session
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	got := replay(t, session)
	require.NoError(t, os.WriteFile(page, bytes.Replace(text, []byte(session), []byte(got), 1), 0o666))
	return got
}

package sdks_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/peers/sdks"
)

var repeats = flag.Int("repeats", 3, "how often verdicts are compared")

var update = flag.Bool("update", false, "write the scoreboard anew")

const scoreboard = "../../../docs/scoreboard.md"

// The scoreboard in the documentation is what the pinned versions do.
func TestScoreboard(t *testing.T) {
	versions, err := sdks.Versions("go.mod")
	require.NoError(t, err)
	var rows []sdks.Row
	for _, p := range sdks.Peers() {
		require.NotEmpty(t, versions[p.Module], p.Module)
		report := propertytest.CheckHTTP(t, p.Call, p.HTTPOptions)
		require.Empty(t, report.Problems)
		if p.Module == "github.com/retrykit/retrykit" {
			assert.True(t, report.OK(), "%v", report)
		}
		rows = append(rows, sdks.Row{Peer: p, Version: versions[p.Module], Report: report})
	}
	var b strings.Builder
	sdks.WriteScoreboard(&b, rows)
	if *update {
		require.NoError(t, os.WriteFile(scoreboard, []byte(b.String()), 0o666))
	}
	want, err := os.ReadFile(scoreboard)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String(), "stale: make scoreboard writes it anew")
}

// What a peer is said to declare stands in its pinned version where its source
// says.
func TestSources(t *testing.T) {
	for _, p := range sdks.Peers() {
		assert.Equal(t, p.Policy == "", len(p.Source) == 0, "%s: a policy has a source", p.Name)
		for _, source := range p.Source {
			place, words, _ := strings.Cut(source, " ")
			file, number, ok := strings.Cut(place, ":")
			line, err := strconv.Atoi(number)
			require.True(t, ok && err == nil && words != "", "%s: %q", p.Name, source)
			dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", p.Module).Output()
			require.NoError(t, err)
			text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), file))
			require.NoError(t, err)
			lines := strings.Split(string(text), "\n")
			require.Less(t, line, len(lines))
			assert.Contains(t, lines[line-1], words, "%s: read %s again, and what it says", p.Name, place)
		}
	}
}

// Verdicts do not depend on the jitter, or on the order in which goroutines
// happen to run.
func TestVerdictsAreTheSameEachTime(t *testing.T) {
	for _, p := range sdks.Peers() {
		t.Run(p.Name, func(t *testing.T) {
			first := ""
			for i := range *repeats {
				got := verdicts(propertytest.CheckHTTP(t, p.Call, p.HTTPOptions))
				if i == 0 {
					first = got
				}
				require.Equal(t, first, got, "repeat %d", i)
			}
		})
	}
}

func verdicts(r *explore.Report) string {
	var b strings.Builder
	for _, x := range r.Results {
		fmt.Fprintf(&b, "%s %s", x.Rule.Name, x.Status)
		if x.Failure != nil {
			b.WriteString(" " + explore.OneLine(x.Failure.Script))
		}
		b.WriteString("\n")
	}
	return b.String()
}

package sdks_test

import (
	"flag"
	"fmt"
	"os"
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

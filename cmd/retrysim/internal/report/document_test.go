package report_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
)

// evil is what somebody may call a policy.
const evil = `</script><script>document.title="owned"</script>`

// full is a document with everything in it, and evil everywhere.
func full() *report.Document {
	got := "4.1 " + evil
	line := func(name string, y float64) chart.Line {
		l := chart.Line{Name: name}
		for t := range 90 {
			l.X, l.Y = append(l.X, float64(t)), append(l.Y, y*float64(1+t%3))
		}
		return l
	}
	return &report.Document{
		Kind:    "fleet",
		Title:   "An outage " + evil,
		Verdict: report.Verdict{Mark: report.Bad, Text: "It never recovers. " + evil},
		Tables: []report.Table{{Title: "Results " + evil, Columns: []report.Column{
			{Head: "policy"}, {Group: "load", Head: "per call", Right: true}, {Group: "load", Head: "peak", Right: true}, {Head: "0s ── 1s", Wide: true},
		}, Rows: [][]string{{evil, "4.10", "4,155", "██"}, {"budget", "1.013", "943", "█"}}}},
		Notes: []string{"a note " + evil},
		Charts: []chart.Chart{
			chart.Lines{Title: "Load " + evil, YLabel: "attempts per second", Lines: []chart.Line{line(evil, 300), line("budget", 100)},
				Faults: []chart.Fault{{Name: "outage", From: 20, To: 30}}, Levels: []chart.Level{{Name: "capacity", Y: 1000}}},
			chart.Gantt{Title: "One call", Rows: []chart.Row{{Label: evil, Bars: []chart.Bar{{To: time.Second}}}}},
			chart.Bands{Title: "Schedule", Rows: []chart.Band{{Label: "1", Max: time.Second}}},
			chart.Scatter{Title: "Pareto", XLabel: "load", YLabel: "success", Dots: []chart.Dot{{Name: evil, X: 4, Y: 25}, {Name: "budget", X: 1, Y: 89, OnTheFront: true}}},
		},
		Checks:  []report.Check{{Expr: "recovery <= 5s", OK: true}, {Expr: "amplification <= 1.5 " + evil, Got: &got}},
		Hints:   []report.Hint{{Name: "no-budget", Text: "no budget " + evil}},
		Command: []string{"fleet", "my file.retry", evil},
		Input:   map[string]string{"name": evil},
		Result:  map[string]int{"calls": 72026},
		Records: report.Records{Header: []string{"policy", "calls", "recovery_ns"}, Rows: [][]string{{"a, \"b\"", "72026", ""}, {evil, "5", "1000"}}},
	}
}

func TestReadsBackWhatItWrites(t *testing.T) {
	d := full()
	text, err := d.JSON()
	require.NoError(t, err)
	page, err := d.HTML()
	require.NoError(t, err)
	for _, written := range [][]byte{text, page} {
		saved, err := report.Read(written)
		require.NoError(t, err)
		assert.Equal(t, "fleet", saved.Kind)
		assert.Equal(t, d.Command, saved.Command)
		assert.JSONEq(t, `{"calls":72026}`, string(saved.Result))
		var input map[string]string
		require.NoError(t, json.Unmarshal(saved.Input, &input))
		assert.Equal(t, evil, input["name"])
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:  "no JSON that retrysim wrote",
		`7`: "no JSON that retrysim wrote",
		`{"schema":"retrysim.run/v7","tool":{"version":"v8"}}`:          "written by a newer retrysim (v8, schema retrysim.run/v7)",
		`{"schema":"retrysim.run/vx"}`:                                  `its schema is "retrysim.run/vx"`,
		`{"schema":"retrysim.run/v1"}`:                                  "no whole retrysim.run/v1",
		`<script type="application/json" id="data">{"schema":</script>`: "no JSON that retrysim wrote",
	} {
		_, err := report.Read([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

func TestMachineFormats(t *testing.T) {
	d := full()
	csv, err := d.CSV()
	require.NoError(t, err)
	assert.Equal(t, "policy,calls,recovery_ns\n\"a, \"\"b\"\"\",72026,\n\"</script><script>document.title=\"\"owned\"\"</script>\",5,1000\n", string(csv))
	lines, err := d.JSONL()
	require.NoError(t, err)
	assert.Equal(t, `{"policy":"a, \"b\"","calls":72026,"recovery_ns":null}`, strings.SplitN(string(lines), "\n", 2)[0])
	for line := range strings.Lines(string(lines)) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
	prose, _, fenced := strings.Cut(d.Markdown(), "```")
	assert.True(t, fenced)
	assert.NotContains(t, prose, "<script>", "outside code, a name is text")
}

func TestText(t *testing.T) {
	d := full()
	d.Charts = d.Charts[1:]
	text := d.Text(tty.Style{Width: 200})
	assert.Contains(t, text, "✗ It never recovers.")
	assert.Contains(t, text, "load\n") // the group
	assert.Contains(t, text, "✓ recovery <= 5s\n✗ amplification <= 1.5")
	assert.Contains(t, text, ": got 4.1 ")
	assert.Contains(t, text, "reproduce: retrysim fleet 'my file.retry' ")
	assert.Contains(t, text, "██")
	assert.NotContains(t, d.Text(tty.Style{Width: 40}), "██", "a drawing without room is left out")
}

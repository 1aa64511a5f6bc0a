package chart_test

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
)

const ms = time.Millisecond

func gantt() chart.Gantt {
	return chart.Gantt{Title: "One call", Deadline: 3000 * ms, Rows: []chart.Row{
		{"1: 503", []chart.Bar{{0, 40 * ms, chart.Failed}, {40 * ms, 212 * ms, chart.Waited}}},
		{"2: hang", []chart.Bar{{212 * ms, 1212 * ms, chart.Failed}, {1212 * ms, 2000 * ms, chart.Waited}}},
		{"3: ok", []chart.Bar{{2000 * ms, 2000 * ms, chart.Succeeded}}},
	}}
}

func bands() chart.Bands {
	b := chart.Bands{Title: "When each attempt begins", Deadline: 4000 * ms}
	for i := range 6 {
		k := time.Duration(1<<i - 1)
		b.Rows = append(b.Rows, chart.Band{Label: fmt.Sprint(i + 1), Min: 0, P5: k * 20 * ms, P50: k * 100 * ms, P95: k * 180 * ms, Max: k * 200 * ms})
	}
	return b
}

func lines() chart.Lines {
	l := chart.Lines{Title: "Load on the server", YLabel: "attempts per second",
		Faults: []chart.Fault{{"outage", 20, 30}}, Levels: []chart.Level{{"capacity", 1000}}}
	for k, name := range []string{"attempts", "goodput"} {
		s := chart.Line{Name: name}
		for t := range 90 {
			y := 800 + 30*math.Sin(float64(t))
			if t > 20 {
				y = []float64{4000, 30}[k] + 100*math.Sin(float64(t))
			}
			s.X, s.Y = append(s.X, float64(t)), append(s.Y, max(y, 0))
		}
		l.Lines = append(l.Lines, s)
	}
	return l
}

func scatter() chart.Scatter {
	return chart.Scatter{Title: "Success against load", XLabel: "attempts per call", YLabel: "calls that succeed, %", Dots: []chart.Dot{
		{"none", 1, 70, .1, true}, {"budget", 1.09, 89, .2, true}, {"full jitter", 4.1, 25.7, .9, false}, {"<script>alert(1)</script>", 4.1, 30, 1, false},
	}}
}

// Set CHARTS to a folder to look at the pictures.
func TestPictures(t *testing.T) {
	all := map[string]chart.Chart{"gantt": gantt(), "bands": bands(), "lines": lines(), "scatter": scatter()}
	for name, c := range all {
		for _, width := range []int{chart.Wide, chart.Narrow} {
			var b bytes.Buffer
			require.NoError(t, chart.PNG(&b, width, c))
			if dir := os.Getenv("CHARTS"); dir != "" {
				require.NoError(t, os.WriteFile(fmt.Sprintf("%s/%s-%d.png", dir, name, width), b.Bytes(), 0o666))
			}
			img, err := png.Decode(&b)
			require.NoError(t, err)
			assert.Equal(t, 2*width, img.Bounds().Dx())

			b.Reset()
			require.NoError(t, chart.SVG(&b, width, c))
			assert.Contains(t, b.String(), c.Caption())
			assert.NotContains(t, b.String(), "<script>", "names are text")
			assert.NotContains(t, b.String(), "#000000", "black is the page's own colour")
			again := bytes.Buffer{}
			require.NoError(t, chart.SVG(&again, width, c))
			assert.Equal(t, b.String(), again.String())
		}
	}
	var b bytes.Buffer
	require.NoError(t, chart.SVG(&b, chart.Wide, gantt(), bands()))
	assert.Contains(t, b.String(), "One call")
	assert.Contains(t, b.String(), "When each attempt begins")
}

func TestCells(t *testing.T) {
	g := gantt()
	assert.Equal(t, "0s ──────────── 3s", g.Axis(18))
	var got []string
	for i := range g.Rows {
		got = append(got, g.Cell(i, 30))
	}
	assert.Equal(t, []string{
		"█·                           │",
		"  ██████████········         │",
		"                    █        │",
	}, got)

	b := bands()
	got = nil
	for i := range b.Rows {
		got = append(got, b.Cell(i, 31))
	}
	assert.Equal(t, []string{
		"█                   │",
		"█·                  │",
		"━█━·                │",
		"━━━█━━━·            │",
		"·━━━━━━█━━━━━━··    │",
		"···━━━━━━━━━━━━█━━━━│━━━━━━━···",
	}, got)
	assert.Equal(t, "█", chart.Gantt{Rows: []chart.Row{{"1", []chart.Bar{{}}}}}.Cell(0, 10), "a call that takes no time")
}

func TestLinesAsText(t *testing.T) {
	text := lines().Text(tty.Style{Width: 70})
	assert.Contains(t, text, "Load on the server\n  █ attempts  ▒ goodput  ╌ capacity\n")
	assert.Contains(t, text, "━ outage, 20s to 30s")
	assert.Contains(t, text, "4100 ┤")
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, len([]rune(line)), 71)
	}
	empty := chart.Lines{Title: "Nothing", Lines: []chart.Line{{Name: "none"}}}
	assert.Contains(t, empty.Text(tty.Style{Width: 70}), "Nothing")
	require.NoError(t, chart.PNG(&bytes.Buffer{}, chart.Wide, empty))
}

// What is left out of a picture is never a peak.
func TestReduceKeepsThePeaks(t *testing.T) {
	l := chart.Line{}
	for i := range 100_000 {
		l.X, l.Y = append(l.X, float64(i)), append(l.Y, float64(i%10))
	}
	l.Y[54_321], l.Y[54_322] = 1000, -1000
	got := l.Reduce(2000)
	assert.Len(t, got.X, 2000)
	assert.Contains(t, got.Y, 1000.0)
	assert.Contains(t, got.Y, -1000.0)
	assert.IsIncreasing(t, got.X)
	assert.Equal(t, l, l.Reduce(100_000))
}

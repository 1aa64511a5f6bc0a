package simulate_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
)

func TestOverlay(t *testing.T) {
	r, err := simulate.Fleet(parse(t, "fleet for=5s; arrive uniform rate=10/s; server service=1ms"))
	require.NoError(t, err)
	run := r.Runs[0] // 9 calls, then 10 a second
	measured, err := simulate.ReadSeries("m.csv", strings.NewReader("start_ns,calls,retries\n0,9,0\n1000000000,12,\n2000000000,8,0\n9000000000,5,5\n"))
	require.NoError(t, err)
	got, err := simulate.Overlay(run, measured)
	require.NoError(t, err)
	require.Len(t, got, 2)
	assert.Equal(t, 3, got[0].Intervals, "the run has no tenth second")
	assert.InDelta(t, 4./3, got[0].Error, 1e-12)
	assert.InDelta(t, 0, got[0].Bias, 1e-12)
	assert.InDelta(t, 4./29, got[0].Relative, 1e-12)
	assert.Equal(t, 2, got[1].Intervals, "an empty cell is no value")

	// What the run itself says lies on it.
	for _, name := range simulate.SeriesNames() {
		own, ok := simulate.SimulatedSeries(run, name)
		require.True(t, ok)
		got, err := simulate.Overlay(run, []simulate.Series{own})
		require.NoError(t, err)
		assert.Zero(t, got[0].Error, name)
		assert.Equal(t, 5, got[0].Intervals)
	}
	for text, want := range map[string]string{
		"":                           "m.csv: no header",
		"calls\n1\n":                 "the first column is start_ns",
		"start_ns,clls\n":            `unknown series "clls" (known: calls, tries`,
		"start_ns,calls\n5,1\n5,1\n": `m.csv:3: start_ns is "5": want whole numbers from 0, in order`,
		"start_ns,calls\n5,x\n":      `m.csv:2: calls is "x": want a whole number`,
		"start_ns,calls\n5\n":        "wrong number of fields",
	} {
		_, err := simulate.ReadSeries("m.csv", strings.NewReader(text))
		assert.ErrorContains(t, err, want, text)
	}
	off, err := simulate.ReadSeries("m.csv", strings.NewReader("start_ns,calls\n5,1\n"))
	require.NoError(t, err)
	_, err = simulate.Overlay(run, off)
	assert.ErrorContains(t, err, "calls has no interval in common with the run, whose steps are 1s")
}

// What was recorded, replayed on a server that takes as long as it took, lies
// on the recording.
func TestARecordingLiesOnItself(t *testing.T) {
	const csv = "time_ns,latency_ns,status\n0,500000000,200\n100,500000000,200\n1200000000,500000000,200\n2700000000,500000000,200\n"
	log, err := simulate.ReadRecording("r.csv", strings.NewReader(csv))
	require.NoError(t, err)
	recorded := simulate.RecordedSeries(log, time.Second)
	require.Len(t, recorded, 2)
	assert.Equal(t, []simulate.SeriesValue{{Start: 0, Value: 2}, {Start: time.Second, Value: 1}, {Start: 2 * time.Second, Value: 1}, {Start: 3 * time.Second, Value: 0}}, recorded[0].Values)
	r, err := simulate.RunFleet(t.Context(), parse(t, "fleet for=5s; arrive recording file=r.csv; server service=500ms"),
		simulate.FleetOptions{Files: fstest.MapFS{"r.csv": {Data: []byte(csv)}}})
	require.NoError(t, err)
	over, err := simulate.Overlay(r.Runs[0], recorded)
	require.NoError(t, err)
	for _, o := range over {
		assert.Zero(t, o.Error, o.Name)
		assert.Equal(t, 4, o.Intervals)
	}
}

func ExampleOverlay() {
	s, err := scripted.Parse("fleet", "fleet for=3s; arrive uniform rate=10/s; server service=1ms")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := simulate.Fleet(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	measured, err := simulate.ReadSeries("measured.csv", strings.NewReader("start_ns,calls\n1000000000,11\n2000000000,10\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	over, err := simulate.Overlay(r.Runs[0], measured)
	fmt.Printf("%+v %v\n", over[0], err)
	// Output: {Name:calls Intervals:2 Error:0.5 Bias:-0.5 Relative:0.047619047619047616} <nil>
}

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// The line comes after half a second and ten times a second at most, is one
// line, and goes away.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	began := time.Unix(1000, 0)
	p := &progress{out: &out, runs: 4, each: 90 * time.Second, began: began}
	p.show(began.Add(499*time.Millisecond), 10*time.Second, 100_000)
	assert.Empty(t, out.String())
	p.show(began.Add(500*time.Millisecond), 45*time.Second, 500_000)
	assert.Equal(t, "\rrun 1 of 4  45s of 1m30s virtual  ██··················  1.0M events/s  eta 4s\x1b[K", out.String())
	out.Reset()
	p.show(began.Add(599*time.Millisecond), 46*time.Second, 510_000)
	assert.Empty(t, out.String(), "too soon after the last")
	p.done, p.past = 2, 2_000_000
	p.show(began.Add(2*time.Second), 0, 0)
	assert.Equal(t, "\rrun 3 of 4  0s of 1m30s virtual  ██████████··········  1.0M events/s  eta 2s\x1b[K", out.String())
	out.Reset()
	p.clear()
	assert.Equal(t, "\r\x1b[K", out.String())

	// What is no terminal gets a plain line every ten seconds, and no clearing.
	out.Reset()
	p = &progress{out: &out, plain: true, runs: 1, each: 90 * time.Second, began: began}
	p.show(began.Add(9999*time.Millisecond), 10*time.Second, 1_000_000)
	assert.Empty(t, out.String())
	p.show(began.Add(10*time.Second), 45*time.Second, 10_000_000)
	p.show(began.Add(11*time.Second), 46*time.Second, 11_000_000)
	p.show(began.Add(20*time.Second), 81*time.Second, 20_000_000)
	p.clear()
	assert.Equal(t, "45s of 1m30s virtual  ██████████··········  1.0M events/s  eta 10s\n1m21s of 1m30s virtual  ██████████████████··  1.0M events/s  eta 2s\n", out.String())

	// With --progress none, or --quiet, nobody sees anything.
	var none progress
	none.clear()
	none.next(&fleet.Result{Events: 5})
	assert.Equal(t, t.Context(), none.watch(t.Context()))
	assert.Equal(t, 1, none.done)
}

const long = `fleet for=10000h every=1h
arrive poisson rate=1000/s
server workers=100 service=10ms
`

// An interrupt prints what was finished and ends with 130.
func TestInterrupt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "long.retry")
	require.NoError(t, os.WriteFile(file, []byte(long), 0o666))
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"fleet", file}, "Interrupted at "},
		{[]string{"compare", file, "-p", "off", "-p", "default"}, ""}, // nothing is finished
		{[]string{"sweep", file}, ""},
		{[]string{"sweep", file, "--shard", "1/2"}, ""},
		{[]string{"sweep", file, "--staircase"}, ""},
		{[]string{"fleet", file, "--runs", "5"}, "Interrupted at "},
		{[]string{"fleet", file, "--find", "load", "--while", "successes > 99%"}, ""},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var out, msg bytes.Buffer
		done := make(chan int)
		go func() { done <- runContext(ctx, append(tt.args, "--progress", "none"), nil, &out, &msg) }()
		for range 20 { // each may wait for a run that has the processor
			runtime.Gosched()
		}
		cancel()
		assert.Equal(t, exitInterrupted, <-done, "%v: %s", tt.args, msg.String())
		assert.Equal(t, "retrysim: interrupted; what was finished is written\n", msg.String())
		if tt.want == "" {
			assert.Empty(t, out.String())
		} else {
			assert.Contains(t, out.String(), tt.want)
		}
	}
}

// A sweep that is interrupted has what was finished, and says how much that is.
func TestInterruptedSweep(t *testing.T) {
	in := sweepInput{Variants: []variant{{Name: "a"}}, Axes: []simulate.Axis{{Parameter: "load", Values: []string{"50%", "100%"}}}, Runs: 2}
	shard := &simulate.Shard{Cells: []simulate.Cell{{Values: []string{"50%"}, Candidate: "a", Runs: 1, Total: fleet.Counts{Calls: 50, Succeeded: 40, Tries: 50, Retries: 10}}}}
	assert.Equal(t, 1, finished(shard))
	d := newSweepView(in, fleet.Scenario{Horizon: 10 * time.Second}, shard).document()
	text := d.Text(tty.Style{Width: 100})
	assert.Contains(t, text, "50 %")
	assert.Contains(t, text, "not run", "a load that was not run")
}

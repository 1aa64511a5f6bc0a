package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
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
	defer func(was time.Duration) { plainEvery = was }(plainEvery)
	plainEvery = 10 * time.Second
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

	// Of what has no virtual time, how many are over.
	p = &progress{runs: 20_000, noun: "scripts", done: 5000}
	assert.Equal(t, "5000 of 20,000 scripts, 1250 a second  █████···············  eta 12s", p.line(4*time.Second, 0, 0))
	p.lasts = time.Minute
	assert.Equal(t, "5000 scripts, 1250 a second  █···················  eta 56s", p.line(4*time.Second, 0, 0))
	out.Reset()
	p.out, p.began = &out, time.Now().Add(-time.Minute)
	p.step(0)
	assert.Contains(t, out.String(), "\r5001 scripts, ")

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
		{[]string{"check", file}, ""},
		{[]string{"fuzz", "openai", "--runs", "1000M", "-q"}, "Interrupted: Nothing found: "},
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

// A whole process that gets the signal of Ctrl-C in the midst of its work prints
// what it has and ends with 130.
func TestInterruptSignal(t *testing.T) {
	stat := func(pid int) []string { // of the process, as proc(5) has it
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(t, err)
		_, rest, _ := strings.Cut(string(text), ") ")
		return strings.Fields(rest)
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("whether the process works already is seen in /proc: ", err)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	command := filepath.Join(t.TempDir(), "retrysim") // the name by which the test binary is the command
	require.NoError(t, os.Symlink(self, command))
	file := filepath.Join(t.TempDir(), "long.retry")
	require.NoError(t, os.WriteFile(file, []byte(long), 0o666))
	c := exec.Command(command, "fleet", file, "--progress", "none", "-o", filepath.Join(t.TempDir(), "partial.json"))
	var out, msg bytes.Buffer
	c.Stdout, c.Stderr = &out, &msg
	require.NoError(t, c.Start())
	// It starts in a hundredth of the processor time that says it simulates.
	for worked := 0; worked < 100; {
		user, err := strconv.Atoi(stat(c.Process.Pid)[11])
		require.NoError(t, err)
		worked = user // hundredths of a second
		runtime.Gosched()
	}
	require.NoError(t, c.Process.Signal(os.Interrupt))
	err = c.Wait()
	var status *exec.ExitError
	require.ErrorAs(t, err, &status)
	assert.Equal(t, exitInterrupted, status.ExitCode())
	assert.Contains(t, out.String(), "Interrupted at ")
	assert.Contains(t, msg.String(), "partial.json (")
	assert.Contains(t, msg.String(), "retrysim: interrupted; what was finished is written\n")
}

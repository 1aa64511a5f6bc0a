//go:build unix

package fleet

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

var speed = flag.String("speed", "", "measure the speed of the engine and write it to this `file`")

// cpu returns the processor time that who has taken.
func cpu(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// figure is what one run of the model took.
type figure struct {
	clients        int
	events         int64
	perEvent       float64 // ns of processor time
	bytes          float64 // per client, when the run is over
	allocsPerEvent float64
}

func measureSpeed(clients int, horizon time.Duration, q queue) figure {
	sc := speedModel(clients, horizon)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := newSim(&sc, 1, q)
	var mallocs runtime.MemStats
	runtime.ReadMemStats(&mallocs)
	began := cpu(syscall.RUSAGE_SELF)
	s.loop(context.Background())
	took := cpu(syscall.RUSAGE_SELF) - began
	runtime.GC()
	runtime.ReadMemStats(&after)
	f := figure{clients, s.events, float64(took) / float64(s.events),
		float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / float64(clients),
		float64(after.Mallocs-mallocs.Mallocs) / float64(s.events)}
	runtime.KeepAlive(s)
	return f
}

// The engine allocates for its blocks until it is warm, and then nothing.
func TestAllocates0PerEvent(t *testing.T) {
	sc := speedModel(1000, time.Hour)
	s := newSim(&sc, 1, new(radixQueue))
	warm := func(events int) {
		for range events {
			e, _ := s.q.pop()
			s.now = e.at
			s.events++
			s.handle(e)
		}
	}
	warm(200_000)
	assert.Zero(t, testing.AllocsPerRun(20, func() { warm(1000) }))
}

// A client takes its slot and its event, and the fleet little else.
func TestBytesPerClient(t *testing.T) {
	f := measureSpeed(100_000, 5*time.Minute, new(radixQueue))
	t.Logf("%d clients: %.1f bytes each, measured after %d events", f.clients, f.bytes, f.events)
	assert.LessOrEqual(t, f.bytes, 48.0)
}

// Speed is measured in processor time of this process, the garbage collector's
// included, because a machine may do other things as well.
func TestSpeedFigures(t *testing.T) {
	if *speed == "" {
		t.Skip("measures the machine: run make speed")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var b strings.Builder
	fmt.Fprintf(&b, "Written by make speed, on %s/%s with %s, in processor time of one core.\n\n", runtime.GOOS, runtime.GOARCH, runtime.Version())
	if load, err := os.ReadFile("/proc/loadavg"); err == nil { // on a busy machine a core is shared, and its caches are cold
		fmt.Fprintf(&b, "The machine had %d processors and a load average of %s.\n\n", runtime.NumCPU(), strings.Fields(string(load))[0])
	}
	b.WriteString("The whole model: closed-loop clients that think for a minute, a token bucket at\n90 % of their demand, full jitter, six attempts, histograms, a series of seconds.\n\n")
	fmt.Fprintf(&b, "%10s  %12s  %10s  %14s  %12s\n", "clients", "events", "ns/event", "bytes/client", "allocs/event")
	for _, clients := range []int{1e3, 1e4, 1e5, 1e6, 1e7} {
		horizon := max(time.Duration(4e6/clients), 1) * 30 * time.Second
		best := measureSpeed(clients, horizon, new(radixQueue))
		for range 2 {
			if clients > 1e6 {
				break
			}
			if f := measureSpeed(clients, horizon, new(radixQueue)); f.perEvent < best.perEvent {
				best = f
			}
		}
		fmt.Fprintf(&b, "%10d  %12d  %10.1f  %14.1f  %12.5f\n", best.clients, best.events, best.perEvent, best.bytes, best.allocsPerEvent)
	}
	f := measureSpeed(1e5, 120*time.Second, new(heapQueue))
	fmt.Fprintf(&b, "\nWith container/heap as the queue, 100000 clients: %.1f ns/event.\n", f.perEvent)
	b.WriteString(againstPython(t))
	t.Log("\n" + b.String())
	require.NoError(t, os.WriteFile(*speed, []byte(b.String()), 0o666))
}

// againstPython compares the model of contention, 100 clients with full jitter,
// with the published simulator's algorithm in Python.
func againstPython(t *testing.T) string {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "\nWithout a comparison with Python: " + err.Error() + "\n"
	}
	const runs = 100
	began := cpu(syscall.RUSAGE_CHILDREN)
	out, err := exec.Command(python, "testdata/occ.py", "100", strconv.Itoa(runs)).Output()
	slow := cpu(syscall.RUSAGE_CHILDREN) - began
	require.NoError(t, err)
	var events, calls int64
	_, err = fmt.Sscan(string(out), &events, &calls)
	require.NoError(t, err)
	sc := occ(100, retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 10 * ms, MaxDelay: 2 * time.Second, Jitter: retry.JitterFull})
	var own, ownCalls int64
	began = cpu(syscall.RUSAGE_SELF)
	for seed := range 10 * runs {
		r, err := Run(context.Background(), sc, uint64(seed))
		require.NoError(t, err)
		own += r.Events
		ownCalls += r.Total.Attempts()
	}
	fast := cpu(syscall.RUSAGE_SELF) - began
	assert.InEpsilon(t, float64(calls)/runs, float64(ownCalls)/(10*runs), .02, "both play the same model")
	ratio := (float64(slow) / float64(calls)) / (float64(fast) / float64(ownCalls))
	assert.Greater(t, ratio, 15.0)
	version, _ := exec.Command(python, "--version").Output()
	return fmt.Sprintf("\nThe model of contention, 100 clients with full jitter: %.0f ns/event here, %.0f in\n%s with the published algorithm; per write call, %.0f times as fast.\n",
		float64(fast)/float64(own), float64(slow)/float64(events), strings.TrimSpace(string(version)), ratio)
}

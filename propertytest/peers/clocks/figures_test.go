package clocks_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// To reproduce the figures, which takes about three minutes:
//
//	go test ./clocks -run TestFigures -figures
//
// This writes BENCH.txt. The benchmarks run inside a test, for one reason:
// synctest.Test needs a real *testing.T, which a Benchmark function has not. Inside
// a bubble time is virtual; so the loop is outside, and each of its turns makes one
// bubble (or clock, or mock) and sleeps thousands of times in it. All contenders
// are measured in this same way.
var figures = flag.Bool("figures", false, "measure, and write BENCH.txt")

const (
	sleeping  = "Sleep, or the like"
	selecting = "NewTimer and select with a context"
)

type contender struct {
	name       string
	row        string // what it does
	goroutines int
	world      world
	// most is the bar in nanoseconds per sleep; rivals have none.
	most float64
	ours bool // to be faster than all rivals of the row
}

func contenders() []contender {
	sleepOn := func(_ context.Context, fc *clockwork.FakeClock, d time.Duration) { fc.Sleep(d) }
	timerOn := func(ctx context.Context, fc *clockwork.FakeClock, _ time.Duration) { selectOn(ctx, fc) }
	cs := []contender{
		{"fakeclock auto", sleeping, 1, auto(fakeclock.Config{}), 80, true},
		{"clockwork", sleeping, 1, onClockwork(sleepOn), 0, false},
		{"quartz", sleeping, 1, onQuartz, 0, false},
		{"synctest", sleeping, 1, inSynctest, 0, false},
		{"fakeclock auto", selecting, 1, autoSelect, 0, true},
		{"clockwork", selecting, 1, onClockwork(timerOn), 0, false},
		{"quartz", selecting, 1, onQuartz, 0, false},
		{"synctest, clockwork's real clock", selecting, 1, inSynctestSelect, 0, false},
	}
	for _, n := range []int{1, 2, 8, 64, 1000} {
		bar := map[int]float64{64: 150, 1000: 250}[n]
		cs = append(cs, contender{"fakeclock run", sleeping, n, run(fakeclock.Config{}), bar, true})
		if n == 1 {
			continue // the rivals stand above
		}
		cs = append(cs,
			contender{"clockwork", sleeping, n, onClockwork(sleepOn), 0, false},
			contender{"quartz", sleeping, n, onQuartz, 0, false},
			contender{"synctest", sleeping, n, inSynctest, 0, false})
	}
	const more = "reported without a bar"
	return append(cs,
		contender{"fakeclock auto, waits recorded", more, 1, auto(fakeclock.Config{Record: fakeclock.Waits}), 0, false},
		contender{"fakeclock auto, call sites too", more, 1, auto(fakeclock.Config{Record: fakeclock.Sites}), 0, false},
		contender{"fakeclock run, ties by seed", more, 64, run(fakeclock.Config{Seed: 1}), 0, false},
		contender{"fakeclock run, waits recorded", more, 64, run(fakeclock.Config{Record: fakeclock.Waits}), 0, false},
		contender{"fakeclock bubble", more, 1, inBubble, 0, false},
		contender{"fakeclock bubble", more, 64, inBubble, 0, false})
}

// TestWorlds sees that every contender does the whole work.
func TestWorlds(t *testing.T) {
	for _, c := range contenders() {
		if c.goroutines > 64 {
			continue
		}
		t.Run(fmt.Sprint(c.name, ", ", c.row, ", ", c.goroutines), func(t *testing.T) {
			assert.Equal(t, sleepsOf(c.goroutines), c.world(t, c.goroutines))
		})
	}
}

// figure is what one contender has shown.
type figure struct {
	ns, bytes, allocs float64 // per sleep
}

// measure lets the contenders take turns, in short samples, and keeps the best of
// each: the noise of a shared machine only ever adds, and meets all alike. It also
// returns by how much the median of the samples was worse.
func measure(t *testing.T, cs []contender) (best []figure, noise float64) {
	best = make([]figure, len(cs))
	seen := make([][]float64, len(cs))
	for range 25 {
		for i, c := range cs {
			if len(seen[i]) > 0 && best[i].ns*float64(sleepsOf(c.goroutines)) > 1e9 {
				continue // so slow that one sample is enough
			}
			f := sample(t, c)
			seen[i] = append(seen[i], f.ns)
			if best[i].ns == 0 || f.ns < best[i].ns {
				best[i] = f
			}
		}
	}
	var worse []float64
	for i := range cs {
		slices.Sort(seen[i])
		worse = append(worse, seen[i][len(seen[i])/2]/best[i].ns)
	}
	slices.Sort(worse)
	return best, worse[len(worse)/2]
}

// sample runs a contender for some 30 ms, and returns the best of its runs.
func sample(t *testing.T, c contender) figure {
	var best figure
	var before, after runtime.MemStats
	for start := time.Now(); time.Since(start) < 30*time.Millisecond; {
		runtime.ReadMemStats(&before)
		began := time.Now()
		n := float64(c.world(t, c.goroutines))
		took := float64(time.Since(began))
		runtime.ReadMemStats(&after)
		f := figure{took / n, float64(after.TotalAlloc-before.TotalAlloc) / n, float64(after.Mallocs-before.Mallocs) / n}
		if best.ns == 0 || f.ns < best.ns {
			best = f
		}
	}
	return best
}

func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("measures for some minutes: needs -figures")
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "Fake clocks of Go beside each other, in nanoseconds per sleep.\n\n%s\n\n", machine(t))
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "goroutines\tns/sleep\tB/sleep\tallocs/sleep\tbar\t")
	ours := make(map[string]float64)
	row := ""
	cs := contenders()
	best, noise := measure(t, cs)
	for i, c := range cs {
		f := best[i]
		bar := ""
		if c.most > 0 {
			bar = fmt.Sprintf("%.0f", c.most)
			assert.LessOrEqual(t, f.ns, c.most, c.name)
		}
		this := fmt.Sprint(c.row, c.goroutines)
		if c.ours {
			ours[this] = max(ours[this], f.ns)
		} else if mine, ok := ours[this]; ok {
			assert.Less(t, mine, f.ns, "%s, %d goroutines", c.name, c.goroutines)
		}
		if c.name == "fakeclock auto" && c.row == sleeping {
			assert.Less(t, f.allocs, 0.01, "none but those of New")
		}
		if c.row != row {
			row = c.row
			fmt.Fprintf(w, "\t\t\t\t\t  %s\n", row)
		}
		fmt.Fprintf(w, "%d\t%.1f\t%.0f\t%.2f\t%s\t  %s\n", c.goroutines, f.ns, f.bytes, f.allocs, bar, c.name)
	}
	require.NoError(t, w.Flush())
	fmt.Fprintf(&out, legend, noise)
	require.NoError(t, os.WriteFile("BENCH.txt", out.Bytes(), 0o644))
}

const legend = `
The time of making the clock and the goroutines is included, and spread over
thousands of sleeps. The drivers of clockwork and quartz are told who wakes when and
who will sleep again, since the clocks themselves do not tell; fakeclock and
synctest need no driver. quartz has no Sleep: it waits on NewTimer.

Each figure is the best of many short runs, in which all take turns, on a machine
that others used: the median run took %.1f times as long.
`

// machine describes what the figures were measured on.
func machine(t *testing.T) string {
	cpu := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	kernel, err := exec.Command("uname", "-sm").Output()
	require.NoError(t, err)
	return fmt.Sprintf("%s, %s, GOMAXPROCS %d (shared), %s; clockwork v0.5.0, quartz v0.3.1.",
		cpu, strings.TrimSpace(string(kernel)), runtime.GOMAXPROCS(0), runtime.Version())
}

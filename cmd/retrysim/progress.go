package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/simulate/fleet"
	"github.com/spf13/cobra"
)

// progressModes are the values of --progress.
var progressModes = []string{"auto", "plain", "none"}

// progress shows a person who waits how far a simulation is, on standard error
// and in virtual time: on a terminal one line, from half a second on; elsewhere,
// as in the log of a CI job, a plain line every ten seconds. This is the one
// place of the command that looks at the wall clock, and nothing of it reaches a
// result.
type progress struct {
	out   io.Writer // nil: nobody watches
	plain bool      // no terminal: a line of its own each time
	style tty.Style
	runs  int           // how many there are
	done  int           // how many are over
	each  time.Duration // the virtual time of one
	began time.Time
	shown time.Time
	wrote bool
	past  int64 // events of the runs that are over
	// noun is what is done one after the other where it is no run in virtual
	// time, such as scripts; lasts is how long that goes on if no number of
	// them ends it.
	noun  string
	lasts time.Duration

	mu sync.Mutex // runs may be side by side
}

// How long a run lasts before it is talked about, and how often it is.
const (
	progressAfter = 500 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

// plainEvery is the same of plain lines. Tests that compare what is printed make
// it longer than a slow machine takes.
var plainEvery = 10 * time.Second

// interruptible returns the command's context, which ends when the user
// interrupts. The second time kills.
func interruptible(c *cobra.Command) (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(c.Context(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// newProgress watches so many runs of a scenario.
func newProgress(c *cobra.Command, runs int, each time.Duration) *progress {
	p := &progress{runs: runs, each: each, began: time.Now(), style: styleOf(c, c.ErrOrStderr())}
	quiet, _ := c.Flags().GetBool("quiet")
	mode, _ := c.Flags().GetString("progress")
	if !quiet && mode != "none" {
		p.out, p.plain = c.ErrOrStderr(), mode == "plain" || !isTerminal(c.ErrOrStderr())
	}
	return p
}

// watch returns a context whose runs move the progress on.
func (p *progress) watch(ctx context.Context) context.Context {
	if p.out == nil {
		return ctx
	}
	return fleet.WithProgress(ctx, func(at time.Duration, events int64) { p.show(time.Now(), at, events) })
}

func (p *progress) show(now time.Time, at time.Duration, events int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(now, at, events)
}

// write writes the line if it is time to.
func (p *progress) write(now time.Time, at time.Duration, events int64) {
	after, every := progressAfter, progressEvery
	if p.plain {
		after, every = plainEvery, plainEvery
	}
	if p.out == nil || now.Sub(p.began) < after || now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	line := p.style.Text(p.line(now.Sub(p.began), at, events))
	if p.plain {
		fmt.Fprintf(p.out, "%s\n", line)
		return
	}
	p.wrote = true
	fmt.Fprintf(p.out, "\r%s\x1b[K", line)
}

// line says how far it is: the virtual time, a bar, the events per second and
// how long it will take.
func (p *progress) line(elapsed, at time.Duration, events int64) string {
	share := (float64(p.done) + float64(at)/float64(max(p.each, 1))) / float64(max(p.runs, 1))
	if p.lasts > 0 {
		share = float64(elapsed) / float64(p.lasts)
	}
	share = min(max(share, 1e-12), 1)
	const width = 20
	bar := strings.Repeat("█", int(share*width)) + strings.Repeat("·", width-int(share*width))
	rest := "days"
	if left := float64(elapsed) * (1 - share) / share; left < float64(48*time.Hour) {
		rest = time.Duration(left).Round(time.Second).String()
	}
	if p.noun != "" {
		of := ""
		if p.lasts == 0 {
			of = " of " + tty.Group(int64(p.runs))
		}
		return fmt.Sprintf("%s%s %s, %s a second  %s  eta %s", tty.Group(int64(p.done)), of, p.noun, tty.Group(int64(float64(p.done)/elapsed.Seconds())), bar, rest)
	}
	perSecond := float64(p.past+events) / elapsed.Seconds()
	runs := ""
	if p.runs > 1 {
		runs = fmt.Sprintf("run %d of %d  ", min(p.done+1, p.runs), p.runs)
	}
	return fmt.Sprintf("%s%v of %v virtual  %s  %.1fM events/s  eta %s", runs, tty.Short(at.Round(100*time.Millisecond)), p.each, bar, perSecond/1e6, rest)
}

// next says that a run is over.
func (p *progress) next(r *fleet.Result) { p.step(r.Events) }

// step says that something is over, with so many events.
func (p *progress) step(events int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.past += events
	if p.out != nil {
		p.write(time.Now(), 0, 0) // runs may be too short to tell anything
	}
}

// clear takes the line away.
func (p *progress) clear() {
	if p.wrote {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

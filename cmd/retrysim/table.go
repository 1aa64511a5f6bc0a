package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

// row is one attempt, in words.
type row struct {
	number    int
	at        time.Duration
	result    string
	wait, why string
	bars      []chart.Bar
}

// attempts folds the events of one call into a row an attempt.
func attempts(events trace.Trace) []row {
	var rows []row
	var waitBegan time.Duration
	chunks, size, cancelled := 0, 0, false
	for _, e := range events {
		if e.Kind == trace.Attempt {
			rows = append(rows, row{number: e.Attempt, at: e.At, wait: "-", bars: []chart.Bar{{From: e.At, To: e.At}}})
			continue
		}
		if len(rows) == 0 {
			continue // cancelled before the first attempt
		}
		last := &rows[len(rows)-1]
		last.draw(e)
		switch e.Kind {
		case trace.Failed:
			last.result = e.Error
		case trace.Opened:
			last.result = "ok"
		case trace.Wait:
			waitBegan = e.At
			last.wait, last.why = tty.Short(*e.Wait).String(), why(e)
		case trace.Interrupted:
			last.why += fmt.Sprintf(", cancelled %v into it", tty.Short(e.At-waitBegan))
		case trace.Cancel:
			cancelled = true
		case trace.End:
			switch {
			case last.why != "":
			case cancelled && e.Reason == retry.NotTransient.String():
				last.why = "cancelled in the attempt" // the decorator cannot know
			default:
				last.why = ending(e.Reason)
			}
		case trace.Chunk:
			chunks, size = chunks+1, size+e.Size
		case trace.EOF:
			last.result = fmt.Sprintf("ok: %s, %s", tty.Count(chunks, "chunk"), tty.Count(size, "byte"))
		case trace.Broken:
			last.result = fmt.Sprintf("broken after %s: %s", tty.Count(chunks, "chunk"), e.Error)
			last.why = "mid-stream: not retried"
			if cancelled {
				last.why = "cancelled in the stream"
			}
		}
	}
	return rows
}

// ending says why there is no further attempt.
func ending(reason string) string {
	if reason == retry.Succeeded.String() {
		return "done"
	}
	return reason
}

// why says where a wait came from.
func why(e trace.Event) string {
	s := fmt.Sprintf("%s %v", e.Reason, tty.Short(*e.Wait-e.Jitter))
	switch {
	case e.Jitter > 0:
		s += fmt.Sprintf(" + jitter %v", tty.Short(e.Jitter))
	case e.Jitter < 0:
		s += fmt.Sprintf(" - jitter %v", tty.Short(-e.Jitter))
	}
	return s
}

// draw adds what an event says of where the time went: to the bar of the
// attempt, or, from the beginning of a wait on, to that of the wait.
func (r *row) draw(e trace.Event) {
	if e.Kind == trace.Wait {
		r.bars = append(r.bars, chart.Bar{From: e.At, To: e.At, Kind: chart.Waited})
	}
	bar := &r.bars[len(r.bars)-1]
	bar.To = e.At
	switch e.Kind {
	case trace.Opened:
		bar.Kind = chart.Succeeded
	case trace.Broken:
		bar.Kind = chart.Failed
	}
}

func count(n int, noun string) string { return tty.Count(n, noun) }

// decimals writes a number with so many decimals at most.
func decimals(v float64, n int) string {
	s := strconv.FormatFloat(v, 'f', n, 64)
	for n > 0 && s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}

package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/simulate"
)

// writeRun writes a run for people: the outcome in a sentence, a row for each
// attempt, the expectations.
func writeRun(w io.Writer, r *simulate.Run) {
	for i, c := range r.Calls {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if len(r.Calls) > 1 {
			fmt.Fprintf(w, "call %d", c.Number)
			if c.Lane != "" {
				fmt.Fprintf(w, ", lane %q", c.Lane)
			}
			fmt.Fprint(w, ": ")
		}
		writeCall(w, c)
	}
	if len(r.Checks) > 0 {
		fmt.Fprintln(w)
	}
	for _, c := range r.Checks {
		if c.OK {
			fmt.Fprintf(w, "✓ %s\n", c.Expect)
		} else {
			fmt.Fprintf(w, "✗ %s: got %s (line %d)\n", c.Expect, c.Got, c.Pos.Line)
		}
	}
}

func writeCall(w io.Writer, c simulate.Call) {
	fmt.Fprintf(w, "%s: %s in %v\n", c.Outcome, count(c.Attempts, "attempt"), short(c.Elapsed))
	if c.Err != nil {
		fmt.Fprintf(w, "the caller gets: %s\n", plain(c.Err.Error()))
	}
	if c.Attempts == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "#\tat\tresult\twait\twhy")
	for _, a := range attempts(c.Events) {
		fmt.Fprintf(t, "%d\t%v\t%s\t%s\t%s\n", a.number, short(a.at), plain(a.result), a.wait, a.why)
	}
	t.Flush()
}

// row is one attempt, in words.
type row struct {
	number    int
	at        time.Duration
	result    string
	wait, why string
}

// attempts folds the events of one call into a row an attempt.
func attempts(events trace.Trace) []row {
	var rows []row
	var waitBegan time.Duration
	chunks, size, cancelled := 0, 0, false
	for _, e := range events {
		if e.Kind == trace.Attempt {
			rows = append(rows, row{number: e.Attempt, at: e.At, wait: "-"})
			continue
		}
		if len(rows) == 0 {
			continue // cancelled before the first attempt
		}
		last := &rows[len(rows)-1]
		switch e.Kind {
		case trace.Failed:
			last.result = e.Error
		case trace.Opened:
			last.result = "ok"
		case trace.Wait:
			waitBegan = e.At
			last.wait, last.why = short(*e.Wait).String(), why(e)
		case trace.Interrupted:
			last.why += fmt.Sprintf(", cancelled %v into it", short(e.At-waitBegan))
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
			last.result = fmt.Sprintf("ok: %s, %s", count(chunks, "chunk"), count(size, "byte"))
		case trace.Broken:
			last.result = fmt.Sprintf("broken after %s: %s", count(chunks, "chunk"), e.Error)
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
	s := fmt.Sprintf("%s %v", e.Reason, short(*e.Wait-e.Jitter))
	switch {
	case e.Jitter > 0:
		s += fmt.Sprintf(" + jitter %v", short(e.Jitter))
	case e.Jitter < 0:
		s += fmt.Sprintf(" - jitter %v", short(-e.Jitter))
	}
	return s
}

// short rounds a duration to four significant digits. The exact one is in the
// trace.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 10_000 {
		unit *= 10
	}
	return d.Round(unit)
}

// plain escapes what a script could use to take over a terminal or break a
// row: control characters and line ends.
func plain(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

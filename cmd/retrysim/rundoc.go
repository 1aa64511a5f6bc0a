package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

// runInput is all that a run depends on: the text of the script itself, so that
// a saved run can be played again without its file.
type runInput struct {
	source
	Policy *retry.Policy `json:"policy"` // null: the script's, or the default
	Seed   *uint64       `json:"seed"`   // null: the script's, or 1
}

// The machine's view.
type (
	runResult struct {
		Policy      retry.Policy `json:"policy"` // in force
		Seed        uint64       `json:"seed"`   // in force
		TraceSHA256 string       `json:"trace_sha256"`
		Calls       []runCall    `json:"calls"`
		Events      trace.Trace  `json:"events"` // as in retrykit.trace/v1
	}
	runCall struct {
		Number   uint64          `json:"number"`
		Lane     *string         `json:"lane"`
		Block    *int            `json:"block"`
		Outcome  string          `json:"outcome"`
		Reason   string          `json:"reason"`
		Attempts int             `json:"attempts"`
		Elapsed  time.Duration   `json:"elapsed_ns"`
		Starts   []time.Duration `json:"starts_ns"`
		Waits    []time.Duration `json:"waits_ns"`
		Error    *string         `json:"error"`
	}
)

// play plays the script and says what happened.
func (in runInput) play() (*report.Document, *simulate.Run, error) {
	script, err := scripted.Parse(in.Name, in.Script)
	if err != nil {
		return nil, nil, err
	}
	if script.IsFleet() {
		return nil, nil, fmt.Errorf("%s is a fleet scenario (run it with: retrysim fleet %[1]s)", in.Name)
	}
	played, err := simulate.Play(script, simulate.Options{Policy: in.Policy, Seed: in.Seed})
	if errors.As(err, new(*simulate.EndlessError)) {
		return nil, nil, fmt.Errorf("%w (limit the attempts of the policy)", err)
	}
	if err != nil {
		return nil, nil, err
	}
	d := &report.Document{
		Kind:    "run",
		Title:   "Run of " + in.Name,
		Verdict: runVerdict(played),
		Input:   in,
		Result:  resultOf(played),
		Records: runRecords(played),
		Lines:   played.Trace.Bytes(),
	}
	for _, c := range played.Calls {
		g := gantt(played, c)
		g.Deadline = script.TotalTimeout
		if c.Attempts > 0 {
			d.Charts = append(d.Charts, g)
		}
		d.Tables = append(d.Tables, callTable(played, c, g)...)
	}
	for _, e := range played.Checks {
		where := fmt.Sprintf("line %d", e.Pos.Line)
		d.Checks = append(d.Checks, report.Check{Expr: e.Expect.String(), OK: e.OK, Got: &e.Got, Where: &where})
	}
	return d, played, nil
}

// replayRun plays a saved run again.
func replayRun(_ *cobra.Command, input json.RawMessage, o overrides) (*report.Document, error) {
	var in runInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	if o.policy != nil {
		in.Policy = o.policy
	}
	if o.seed != nil {
		in.Seed = o.seed
	}
	d, _, err := in.play()
	return d, err
}

func runVerdict(r *simulate.Run) report.Verdict {
	v := report.Verdict{Text: sentence(*r.Call)}
	if len(r.Calls) > 1 {
		v.Text = fmt.Sprintf("%d calls: %s", len(r.Calls), outcomes(r.Calls))
	}
	if len(r.Checks) > 0 {
		v.Mark = report.Good
	}
	if failed := len(r.Failed()); failed > 0 {
		v.Mark = report.Bad
		v.Text += fmt.Sprintf("; %d of %s failed", failed, count(len(r.Checks), "expectation"))
	}
	if len(r.Unfit()) > 0 {
		v.Mark = report.Bad
	}
	return v
}

// outcomes counts the calls by their outcomes, in the order they came.
func outcomes(calls []simulate.Call) string {
	var order []scripted.Outcome
	n := make(map[scripted.Outcome]int)
	for _, c := range calls {
		if n[c.Outcome] == 0 {
			order = append(order, c.Outcome)
		}
		n[c.Outcome]++
	}
	words := make([]string, len(order))
	for i, o := range order {
		words[i] = fmt.Sprintf("%d %s", n[o], o)
	}
	return strings.Join(words, ", ")
}

// sentence says how a call ended.
func sentence(c simulate.Call) string {
	s := fmt.Sprintf("%s: %s in %v", c.Outcome, count(c.Attempts, "attempt"), tty.Short(c.Elapsed))
	if c.Err != nil {
		s += fmt.Sprintf("; the caller gets: %s", tty.Safe(c.Err.Error()))
	}
	return s
}

// drawing is how many columns the picture of a call has.
const drawing = 30

// gantt shows where the time of a call went. It begins with the call.
func gantt(r *simulate.Run, c simulate.Call) chart.Gantt {
	g := chart.Gantt{Title: "Where the time went"}
	if len(r.Calls) > 1 {
		g.Title += ", " + callName(c)
	}
	began := time.Duration(0)
	for i, a := range attempts(c.Events) {
		if i == 0 {
			began = a.at
		}
		row := chart.Row{Label: fmt.Sprintf("%d: %s", a.number, clip(a.result, 24))}
		for _, b := range a.bars {
			b.From, b.To = b.From-began, b.To-began
			row.Bars = append(row.Bars, b)
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// clip shortens a text that has no room.
func clip(s string, most int) string {
	if r := []rune(tty.Safe(s)); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return tty.Safe(s)
}

func callName(c simulate.Call) string {
	if c.Lane != "" {
		return fmt.Sprintf("call %d, lane %q", c.Number, c.Lane)
	}
	return fmt.Sprintf("call %d", c.Number)
}

// callTable is a row for each attempt of a call, beside where its time went.
func callTable(r *simulate.Run, c simulate.Call, g chart.Gantt) []report.Table {
	t := report.Table{Columns: []report.Column{{Head: "#"}, {Head: "at"}, {Head: "result"}, {Head: "wait"}, {Head: "why"}}}
	if len(r.Calls) > 1 {
		t.Title = callName(c) + ": " + sentence(c)
	}
	if c.Attempts == 0 && t.Title == "" {
		return nil
	}
	draws := c.Elapsed > 0
	if draws {
		t.Columns = append(t.Columns, report.Column{Head: g.Axis(drawing), Wide: true})
	}
	for i, a := range attempts(c.Events) {
		row := []string{strconv.Itoa(a.number), tty.Short(a.at).String(), a.result, a.wait, a.why}
		if draws {
			row = append(row, g.Cell(i, drawing))
		}
		t.Rows = append(t.Rows, row)
	}
	return []report.Table{t}
}

func resultOf(r *simulate.Run) runResult {
	out := runResult{Policy: r.Policy, Seed: r.Seed, TraceSHA256: r.Trace.Digest(), Events: r.Trace}
	for _, c := range r.Calls {
		call := runCall{
			Number: c.Number, Outcome: string(c.Outcome), Reason: c.Reason.String(), Attempts: c.Attempts, Elapsed: c.Elapsed,
			Starts: append([]time.Duration{}, c.Starts()...), Waits: append([]time.Duration{}, c.Waits()...),
		}
		if c.Lane != "" {
			call.Lane = &c.Lane
		}
		if c.Block > 0 {
			call.Block = &c.Block
		}
		if c.Err != nil {
			text := c.Err.Error()
			call.Error = &text
		}
		out.Calls = append(out.Calls, call)
	}
	return out
}

// runRecords is a row for each attempt.
func runRecords(r *simulate.Run) report.Records {
	records := report.Records{Header: []string{"call", "attempt", "start_ns", "took_ns", "wait_ns", "result", "why"}}
	for _, c := range r.Calls {
		for _, a := range attempts(c.Events) {
			row := []string{strconv.FormatUint(c.Number, 10), strconv.Itoa(a.number), report.Nanoseconds(a.at), report.Nanoseconds(a.bars[0].To - a.bars[0].From), "", a.result, a.why}
			if len(a.bars) > 1 {
				row[4] = report.Nanoseconds(a.bars[1].To - a.bars[1].From)
			}
			records.Rows = append(records.Rows, row)
		}
	}
	return records
}

package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// Report is what [Check] found.
type Report struct {
	Script *scripted.Script
	*Run                // nil if the script could not be played; of a fleet scenario it has no calls
	Fleet  *FleetResult // of a fleet scenario, else nil
	// Problems are what makes the run worthless whatever is expected of it: an
	// invalid policy, or what [Run.Unfit] says.
	Problems []error
}

// Check plays a script, or runs a fleet scenario, and evaluates its
// expectations. Recordings that a scenario names are read from its folder.
func Check(s *scripted.Script) *Report { return CheckContext(context.Background(), s) }

// CheckContext is [Check] until a context ends: of a fleet that is interrupted the
// report is about the time until then, and says so.
func CheckContext(ctx context.Context, s *scripted.Script) *Report {
	r := &Report{Script: s}
	if s.IsFleet() {
		r.fleet(ctx, s)
		return r
	}
	run, err := Play(s, Options{})
	if err != nil {
		r.Problems = []error{err}
		return r
	}
	r.Run, r.Problems = run, run.Unfit()
	return r
}

// fleet runs a fleet scenario.
func (r *Report) fleet(ctx context.Context, s *scripted.Script) {
	result, err := RunFleet(ctx, s, FleetOptions{Files: os.DirFS(filepath.Dir(s.Name))})
	if err != nil {
		r.Problems = []error{err}
		return
	}
	r.Fleet = result
	r.Run = &Run{Policy: result.Scenario.Groups[0].Policy, Seed: result.Seed, Call: &Call{}, Checks: result.Checks}
}

// Unfit returns an error for each call that the script did not fit: a request
// found no turn left or no lane, or nobody ended a hang. Such a run says
// nothing about the policy.
func (r *Run) Unfit() []error {
	var out []error
	for _, c := range r.Calls {
		if void(c.Err) {
			out = append(out, fmt.Errorf("%s%w", r.about(c), c.Err))
		}
	}
	return out
}

// OK reports whether there is neither a problem nor an expectation that does
// not hold. A script that expects nothing is OK.
func (r *Report) OK() bool { return len(r.Problems) == 0 && len(r.Failed()) == 0 }

// about returns which of several calls it is, for the beginning of a message.
func (r *Run) about(c Call) string {
	switch {
	case len(r.Calls) == 1:
		return ""
	case c.Lane == "":
		return fmt.Sprintf("call %d: ", c.Number)
	}
	return fmt.Sprintf("call %d, lane %q: ", c.Number, c.Lane)
}

// void reports whether the error means that the script did not fit the run.
func void(err error) bool {
	return errors.As(err, new(*scripted.UsedUpError)) || errors.As(err, new(*scripted.NoLaneError)) || errors.As(err, new(*scripted.HungError))
}

// Result is an expectation and what the run says of it.
type Result struct {
	scripted.Expect
	Got string // what the subject really was, in the first call that does not do, else in the first
	OK  bool   // in every call that the expectation is about

	value string // the same, as an Edit has it
	found bool   // there is such a value
}

// Edit returns the change of the script that makes the expectation hold; ok is
// false if there is none to make. Only == records what came: the other
// comparisons are bounds that somebody chose.
func (r Result) Edit() (edit scripted.Edit, ok bool) {
	return scripted.Edit{Expect: r.Expect, Value: r.value}, !r.OK && r.Op == scripted.Equal && r.found
}

// Failed returns the expectations that do not hold.
func (r *Run) Failed() []Result {
	if r == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Checks), func(c Result) bool { return c.OK })
}

// results evaluates the expectations in the order of the text.
func results(s *scripted.Script, r *Run) []Result {
	var out []Result
	add := func(expects []scripted.Expect, about func(Call) bool) {
		for _, e := range expects {
			out = append(out, r.evaluate(e, about))
		}
	}
	blocks := func(lane string, blocks []scripted.Block) {
		for i, b := range blocks {
			add(b.Expects, func(c Call) bool { return c.Lane == lane && c.Block == i+1 })
		}
	}
	add(s.Expects, func(Call) bool { return true })
	blocks("", s.Blocks)
	for _, l := range s.Lanes {
		add(l.Expects, func(c Call) bool { return c.Lane == l.Name })
		blocks(l.Name, l.Blocks)
	}
	slices.SortStableFunc(out, func(a, b Result) int { return int(a.Pos.Line - b.Pos.Line) })
	return out
}

// evaluate judges an expectation by every call that it is about.
func (r *Run) evaluate(e scripted.Expect, about func(Call) bool) Result {
	var out *Result
	for _, c := range r.Calls {
		if !about(c) {
			continue
		}
		result := c.evaluate(e, r.Policy)
		if out != nil && out.value != result.value {
			result.found, out.found = false, false // there is no one value for all
		}
		if !result.OK && len(r.Calls) > 1 {
			result.Got += fmt.Sprintf(" (call %d)", c.Number)
		}
		if out == nil || out.OK && !result.OK {
			out = &result
		}
	}
	switch {
	case out == nil:
		panic("simulate: an expectation about no call")
	case e.Open && !out.found && out.value != "":
		out.Got += ", and elsewhere something else: there is no one value to fill in"
	}
	return *out
}

func (c Call) evaluate(e scripted.Expect, p retry.Policy) Result {
	switch e.Subject {
	case scripted.SubjectOutcome:
		return word(e, string(c.Outcome))
	case scripted.SubjectAttempts:
		return number(e, int64(c.Attempts))
	case scripted.SubjectChunks:
		return number(e, int64(len(c.Chunks)))
	case scripted.SubjectTotal:
		return number(e, int64(c.Elapsed))
	case scripted.SubjectWait:
		return each(e, c.Waits())
	case scripted.SubjectStart:
		return each(e, c.Starts())
	case scripted.SubjectText:
		return text(e, c.Text())
	case scripted.SubjectError:
		got := ""
		if c.Err != nil {
			got = c.Err.Error()
		}
		return text(e, got)
	case scripted.SubjectVerdict:
		return c.verdict(e, p)
	}
	panic(fmt.Sprintf("simulate: an expectation about %q", e.Subject))
}

func word(e scripted.Expect, got string) Result {
	return Result{Expect: e, Got: got, value: got, found: true, OK: !e.Open && (got == e.Text) == (e.Op == scripted.Equal)}
}

func text(e scripted.Expect, got string) Result {
	r := word(e, got)
	if e.Op == scripted.Contains {
		r.OK = strings.Contains(got, e.Text)
	}
	r.Got = strconv.Quote(got)
	return r
}

func number(e scripted.Expect, got int64) Result {
	return Result{Expect: e, Got: e.Show(got), value: e.Show(got), found: true, OK: !e.Open && e.Compare(got)}
}

// each judges one value of a list, or all of them. A value that does not exist
// does nothing right.
func each(e scripted.Expect, values []time.Duration) Result {
	if e.Index > len(values) || len(values) == 0 {
		many := fmt.Sprintf("only %d", len(values))
		if len(values) == 0 {
			many = "none"
		}
		return Result{Expect: e, Got: many}
	}
	if e.Index > 0 {
		return number(e, int64(values[e.Index-1]))
	}
	out := number(e, int64(values[0]))
	for i, d := range values {
		r := number(e, int64(d))
		if out.OK && !r.OK {
			out = r
			out.Got += fmt.Sprintf(" (the %s of %d)", ordinal(i+1), len(values))
		}
		out.found = out.found && d == values[0]
	}
	return out
}

func ordinal(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 13:
		return fmt.Sprintf("%dth", n)
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

func (c Call) verdict(e scripted.Expect, p retry.Policy) Result {
	for _, f := range verdict.Check(c.Events, verdict.Spec{Policy: p}) {
		if f.Rule.Name == e.Text && f.Level == verdict.Violation {
			return Result{Expect: e, Got: f.String()}
		}
	}
	return Result{Expect: e, Got: "none", OK: true}
}

// Starts returns when each attempt began, since the call began.
func (c Call) Starts() []time.Duration {
	var out []time.Duration
	for _, e := range c.Events {
		if e.Kind == trace.Attempt {
			out = append(out, e.At-c.began)
		}
	}
	return out
}

// Waits returns how long each wait between attempts really took, one that was
// interrupted included.
func (c Call) Waits() []time.Duration {
	var out []time.Duration
	var began time.Duration
	for _, e := range c.Events {
		switch e.Kind {
		case trace.Wait:
			began = e.At
		case trace.Resumed, trace.Interrupted:
			out = append(out, e.At-began)
		}
	}
	return out
}

// Text returns the text deltas that the caller received, joined.
func (c Call) Text() string {
	var b strings.Builder
	for _, chunk := range c.Chunks {
		if t, ok := chunk.(retry.TextDelta); ok {
			b.WriteString(t.Delta)
		}
	}
	return b.String()
}

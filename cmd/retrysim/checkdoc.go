package main

import (
	"fmt"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/simulate"
)

// The machine's view of a check.
type (
	checkInput struct {
		Paths []string `json:"paths"`
	}
	checkResult struct {
		Scripts      int           `json:"scripts"`
		Failed       int           `json:"failed"`
		Expectations int           `json:"expectations"`
		FailedExpect int           `json:"failed_expectations"`
		Unreadable   int           `json:"unreadable"`
		Checked      []checkScript `json:"checked"`
	}
	checkScript struct {
		File         string        `json:"file"`
		Member       *string       `json:"member"` // of an archive
		OK           bool          `json:"ok"`
		Attempts     *int          `json:"attempts"` // null if it was not played
		Problems     []string      `json:"problems"`
		Expectations []checkExpect `json:"expectations"`
	}
	checkExpect struct {
		Line int    `json:"line"`
		Expr string `json:"expr"`
		OK   bool   `json:"ok"`
		Got  string `json:"got"`
	}
)

// checkDocument is a check as every format has it. The text for a terminal is
// its own.
func checkDocument(paths []string, all []checked, sum summary, own string) *report.Document {
	result := checkResult{
		Scripts: sum.scripts, Failed: sum.failedScripts, Expectations: sum.expects, FailedExpect: sum.failedExpects,
		Unreadable: sum.unreadable, Checked: []checkScript{},
	}
	d := &report.Document{
		Kind: "check", Title: "Check of " + strings.Join(paths, " "), Own: own, Input: checkInput{paths},
		Command: append([]string{"check"}, paths...),
		Verdict: report.Verdict{Mark: report.Good, Text: fmt.Sprintf("%s, %s: all hold", count(sum.scripts, "script"), count(sum.expects, "expectation"))},
		Records: report.Records{Header: []string{"file", "member", "line", "expectation", "ok", "got"}},
	}
	table := report.Table{Columns: []report.Column{{Head: ""}, {Head: "script"}, {Head: "what became of it"}}}
	for _, f := range all {
		if f.err != nil {
			result.Checked = append(result.Checked, checkScript{File: f.name, Problems: []string{f.err.Error()}, Expectations: []checkExpect{}})
			table.Rows = append(table.Rows, []string{"✗", f.name, "not checked: " + firstLine(f.err.Error())})
		}
		for _, r := range f.reports {
			s := scriptOf(r)
			result.Checked = append(result.Checked, s)
			mark, what := judge(r)
			table.Rows = append(table.Rows, []string{mark, title(r.Script), what})
			for _, p := range s.Problems {
				table.Rows = append(table.Rows, []string{"", "", p})
			}
			for _, e := range s.Expectations {
				d.Records.Rows = append(d.Records.Rows, []string{s.File, r.Script.Member, fmt.Sprint(e.Line), e.Expr, fmt.Sprint(e.OK), e.Got})
				if !e.OK {
					where, got := fmt.Sprintf("%s:%d", s.File, e.Line), e.Got
					d.Checks = append(d.Checks, report.Check{Expr: e.Expr, Got: &got, Where: &where})
				}
			}
		}
	}
	if sum.failedScripts+sum.unreadable > 0 || sum.expects == 0 {
		d.Verdict = report.Verdict{Mark: report.Bad, Text: fmt.Sprintf("%d of %s failed, %d of %s", sum.failedScripts+sum.unreadable, count(sum.scripts+sum.unreadable, "script"), sum.failedExpects, count(sum.expects, "expectation"))}
	}
	d.Tables, d.Result = []report.Table{table}, result
	return d
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func scriptOf(r *simulate.Report) checkScript {
	s := checkScript{File: r.Script.Name, OK: r.OK(), Problems: []string{}, Expectations: []checkExpect{}}
	if r.Script.Member != "" {
		s.Member = &r.Script.Member
	}
	for _, p := range r.Problems {
		s.Problems = append(s.Problems, hint(p))
	}
	if r.Run == nil {
		return s
	}
	n := attemptsOf(r)
	s.Attempts = &n
	for _, e := range r.Checks {
		s.Expectations = append(s.Expectations, checkExpect{Line: int(e.Pos.Line), Expr: e.Expect.String(), OK: e.OK, Got: e.Got})
	}
	return s
}

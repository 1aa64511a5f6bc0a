package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
)

// parseReports reads the values of --report.
func parseReports(values []string) (junit []string, github bool, err error) {
	for _, v := range values {
		kind, file, _ := strings.Cut(v, "=")
		switch {
		case kind == "junit" && file != "":
			junit = append(junit, file)
		case v == "github":
			github = true
		default:
			if near, ok := scripted.Nearest(kind, []string{"junit", "github"}); ok && near != kind {
				return nil, false, fmt.Errorf("check: unknown report %q (did you mean %s?)", v, near)
			}
			return nil, false, fmt.Errorf("check: unknown report %q (write junit=FILE or github)", v)
		}
	}
	return junit, github, nil
}

// The common subset of JUnit's XML that CI systems read. Times are 0: nothing
// here takes real time, and a report of the same run has the same bytes.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string           `xml:"name,attr"`
		Tests      int              `xml:"tests,attr"`
		Failures   int              `xml:"failures,attr"`
		Errors     int              `xml:"errors,attr"`
		Skipped    int              `xml:"skipped,attr"`
		Time       string           `xml:"time,attr"`
		Properties *junitProperties `xml:"properties"`
		Cases      []junitCase      `xml:"testcase"`
	}
	junitProperties struct {
		Properties []junitProperty `xml:"property"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitProblem `xml:"failure"`
		Error   *junitProblem `xml:"error"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Body    string `xml:",chardata"` // the message once more: some readers show only this
	}
)

func junitReport(all []checked) []byte {
	var out junitSuites
	for _, f := range all {
		if f.err != nil {
			s := junitSuite{Name: f.name}
			s.add(junitCase{Name: "parse", Error: problem("invalid", f.err.Error())}, f.name)
			out.Suites = append(out.Suites, s)
		}
		for _, r := range f.reports {
			out.Suites = append(out.Suites, suite(r))
		}
	}
	b, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("retrysim: a report that XML cannot hold: %v", err)) // it is made of strings
	}
	return append([]byte(xml.Header), append(b, '\n')...)
}

func suite(r *simulate.Report) junitSuite {
	s := junitSuite{Name: title(r.Script)}
	for _, p := range r.Problems {
		s.add(junitCase{Name: "play", Error: problem("unfit", hint(p))}, r.Script.Name)
	}
	if r.Run == nil {
		return s
	}
	s.Properties = &junitProperties{[]junitProperty{
		{"policy", r.Policy.String()}, {"seed", fmt.Sprint(r.Seed)}, {"virtual_ns", fmt.Sprint(int64(virtual(r)))},
	}}
	for _, e := range r.Checks {
		c := junitCase{Name: fmt.Sprintf("%s (line %d)", e.Expect, e.Pos.Line)}
		if !e.OK {
			c.Failure = problem("expectation", failure(r.Script.Name, e))
		}
		s.add(c, r.Script.Name)
	}
	return s
}

// virtual returns how much virtual time a report is about: of a fleet that of
// its runs together, else the time of the trace's last event.
func virtual(r *simulate.Report) (d time.Duration) {
	if r.Fleet != nil {
		for _, run := range r.Fleet.Runs {
			d += run.Horizon
		}
		return d
	}
	if n := len(r.Trace); n > 0 {
		d = r.Trace[n-1].At
	}
	return d
}

func (s *junitSuite) add(c junitCase, file string) {
	c.Class, c.File, c.Time, s.Time = s.Name, file, "0", "0"
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func problem(kind, message string) *junitProblem {
	return &junitProblem{Message: message, Type: kind, Body: message}
}

// annotation is a workflow command that GitHub shows beside the line.
type annotation struct {
	file string
	pos  scripted.Pos
	text string
}

// shown is how many errors of a step GitHub shows.
const shown = 10

func writeAnnotations(w io.Writer, all []checked) {
	list := annotations(all)
	for i, a := range list {
		if i == shown-1 && len(list) > shown {
			fmt.Fprintf(w, "::error title=retrysim::and %d more, see the log\n", len(list)-i)
			return
		}
		place := "file=" + escape(a.file, true)
		if a.pos.Line > 0 {
			place += fmt.Sprintf(",line=%d,col=%d", a.pos.Line, a.pos.Col)
		}
		fmt.Fprintf(w, "::error %s,title=retrysim::%s\n", place, escape(a.text, false))
	}
}

func annotations(all []checked) []annotation {
	var list []annotation
	for _, f := range all {
		var errs scripted.SyntaxErrors
		switch {
		case errors.As(f.err, &errs):
			for _, e := range errs {
				list = append(list, annotation{f.name, e.Pos, e.Msg})
			}
		case f.err != nil:
			list = append(list, annotation{file: f.name, text: f.err.Error()})
		}
		for _, r := range f.reports {
			for _, p := range r.Problems {
				list = append(list, annotation{file: f.name, text: hint(p)})
			}
			for _, e := range r.Failed() {
				list = append(list, annotation{f.name, e.Pos, fmt.Sprintf("expect %s: got %s", e.Expect, e.Got)})
			}
		}
	}
	return list
}

// escape escapes what a workflow command gives a meaning.
func escape(s string, property bool) string {
	s = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
	if property {
		s = strings.NewReplacer(":", "%3A", ",", "%2C").Replace(s)
	}
	return s
}

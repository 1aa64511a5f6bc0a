package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	rules "github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted/wire"
)

// served is a script that is served, with its state.
type served struct {
	name string
	*wire.Server
}

// dispatcher is the handler of the serve command: it finds the script of a
// request.
type dispatcher struct {
	flags   *serveFlags
	spec    rules.Spec
	scripts []*served

	connections *connections

	once sync.Once
	done chan struct{} // closed once enough calls are over
}

func (d *dispatcher) connState(c net.Conn, state http.ConnState) {
	d.connections.note(c, state)
	for _, s := range d.scripts {
		s.ConnState(c, state)
	}
}

// ServeHTTP refuses what does not come from this machine: a page in a browser
// must not reach the server by a name that somebody made point here.
func (d *dispatcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.connections.heard(r)
	if why := d.foreign(r); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	s, rest := d.find(r.URL.Path)
	switch {
	case s == nil:
		http.Error(w, fmt.Sprintf("no script is served at %s; there is %s", r.URL.Path, strings.Join(d.places(), ", ")), http.StatusNotFound)
	case rest == "/report" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		report := s.report(d.spec)
		report.Connections = d.connections.counts()
		report.writeJSON(w)
	case rest == "/reset" && r.Method == http.MethodPost:
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	default:
		d.play(s, rest, w, r)
	}
}

// play has a script answer, and notes when enough calls are over. An answer is
// over when the handler is, which a broken one leaves by a panic.
func (d *dispatcher) play(s *served, path string, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := d.flags.bound(r.Context())
	defer cancel()
	defer d.enough()
	r = r.Clone(ctx)
	r.URL.Path, r.URL.RawPath = path, ""
	s.ServeHTTP(w, r)
}

func (d *dispatcher) enough() {
	if d.flags.calls == 0 {
		return
	}
	over := 0
	for _, s := range d.scripts {
		over += s.Over()
	}
	if over >= d.flags.calls {
		d.once.Do(func() { close(d.done) })
	}
}

// foreign says what is wrong with a request that names a host or an origin of
// another machine.
func (d *dispatcher) foreign(r *http.Request) string {
	if d.flags.exposed {
		return ""
	}
	if host := hostOf(r.Host); !isLoopback(host) {
		return fmt.Sprintf("host %q is not this machine (serve with --allow-remote-clients if it shall be answered)", host)
	}
	for _, origin := range r.Header.Values("Origin") {
		_, host, ok := strings.Cut(origin, "://")
		if !ok || !isLoopback(hostOf(host)) {
			return "the origin is not this machine (serve with --allow-remote-clients if it shall be answered)"
		}
	}
	return ""
}

// hostOf returns a host without its port.
func hostOf(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return s
}

// find returns the script for a path, and the path as the script's API has it.
func (d *dispatcher) find(path string) (s *served, rest string) {
	if name, ok := strings.CutPrefix(path, "/s/"); ok {
		name, rest, _ = strings.Cut(name, "/")
		for _, s := range d.scripts {
			if s.name == name {
				return s, "/" + rest
			}
		}
	} else if len(d.scripts) == 1 {
		return d.scripts[0], path
	}
	return nil, ""
}

func (d *dispatcher) places() []string {
	var out []string
	for _, s := range d.scripts {
		out = append(out, "/s/"+s.name)
	}
	return out
}

// servedReport is what came of a script.
type servedReport struct {
	Schema   string            `json:"schema"`
	Script   string            `json:"script"`
	Calls    int               `json:"calls"`
	Attempts int               `json:"attempts"`
	Misfits  []string          `json:"misfits"`  // requests for which the script had no turn
	Findings []servedFinding   `json:"findings"` // by call and rule
	Trace    []json.RawMessage `json:"trace"`

	Connections connectionCounts `json:"connections"` // of the whole server

	events trace.Trace
}

type servedFinding struct {
	Rule    string `json:"rule"`
	ID      string `json:"id"`
	Level   string `json:"level"`
	Call    uint64 `json:"call"`
	Attempt int    `json:"attempt"`
	At      int64  `json:"at_ns"`
	What    string `json:"what"`
}

func (s *served) report(spec rules.Spec) servedReport {
	r := servedReport{Schema: "retrykit.served/v1", Script: s.name, events: s.Trace(), Misfits: []string{}, Findings: []servedFinding{}, Trace: []json.RawMessage{}}
	seen := make(map[uint64]bool)
	for _, e := range r.events {
		switch {
		case e.Kind == trace.Attempt:
			r.Attempts++
			seen[e.Call] = true
		case wire.IsMisfit(e):
			r.Misfits = append(r.Misfits, fmt.Sprintf("call %d, attempt %d: %s", e.Call, e.Attempt, e.Error))
		}
	}
	r.Calls = len(seen)
	for _, f := range rules.Check(r.events, spec) {
		r.Findings = append(r.Findings, servedFinding{f.Rule.Name, f.Rule.ID, f.Level.String(), f.Call, f.Attempt, int64(f.At), f.What})
	}
	return r
}

// failed reports whether the client broke a rule or asked for more than the
// script has.
func (r servedReport) failed() bool {
	for _, f := range r.Findings {
		if f.Level == rules.Violation.String() {
			return true
		}
	}
	return len(r.Misfits) > 0
}

func (r servedReport) writeJSON(w io.Writer) {
	lines := strings.Split(strings.TrimSpace(string(r.events.Bytes())), "\n")
	for _, line := range lines[1:] {
		r.Trace = append(r.Trace, json.RawMessage(line))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(r)
}

// write writes the report for a reader: the schedule, the verdicts and the
// trace.
func (r servedReport) write(w io.Writer) {
	fmt.Fprintf(w, "%s: %s, %s\n", r.Script, count(r.Calls, "call"), count(r.Attempts, "attempt"))
	for _, e := range r.events {
		switch e.Kind {
		case trace.Attempt:
			fmt.Fprintf(w, "  %-14v call %d, attempt %d\n", e.At, e.Call, e.Attempt)
		case trace.Failed:
			text := e.Error
			if e.Gone {
				text += " (the client had gone)"
			}
			fmt.Fprintf(w, "  %-14v   refused: %s\n", e.At, text)
		case trace.EOF:
			fmt.Fprintf(w, "  %-14v   answered\n", e.At)
		case trace.Broken:
			fmt.Fprintf(w, "  %-14v   broke: %s\n", e.At, e.Error)
		}
	}
	for _, m := range r.Misfits {
		fmt.Fprintf(w, "  ✗ %s\n", m)
	}
	for _, f := range r.Findings {
		mark := "✗"
		if f.Level != rules.Violation.String() {
			mark = "–"
		}
		fmt.Fprintf(w, "  %s %s (%s): call %d: %s\n", mark, f.Rule, f.Level, f.Call, f.What)
	}
	w.Write(r.events.Bytes())
}

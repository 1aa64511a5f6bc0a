package propertytest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/scripted/wire"
)

// HTTPCall is code that asks a server for one answer, through the client it is
// given and with whatever retries it has, and returns the answer's text, as it
// is: what is lost of it, or comes twice, shows in nothing else. It is to end
// with its context, to close what it opens, and to return an error for an answer
// that is none.
type HTTPCall func(ctx context.Context, client *http.Client, baseURL string) (string, error)

// HTTPOptions say how code is put to the test by [RunHTTP] and [CheckHTTP]. The
// zero value is for code that sends anything to any path and does not look at
// the answer's body.
type HTTPOptions struct {
	Name   string      // for reports
	Format wire.Format // of the provider that the code talks to. "": [wire.Plain]
	// Answer is the text of a whole answer, for code that understands only
	// certain bodies. "": Hello
	Answer string
	// NoStream is for calls that ask for no stream.
	NoStream bool
	// Seed draws when each run begins, and with it the jitter of code that
	// seeds its jitter with the time. 0 means 1.
	Seed uint64
	// Spec is what the code promises. nil: to honour every Retry-After that it
	// understands, and nothing else; what only our own decorator is known to
	// do is then no more than a deviation.
	Spec *verdict.Spec
	// Attempts returns how many attempts the caller's own loop made in the
	// latest call. Where the server saw more, something below retries too.
	// nil: those that came to the client are counted, and what is below them
	// is net/http.
	Attempts func() int
	// Scripts are played besides those of the suite. Each is a script of one
	// call, with a timeout or without.
	Scripts []string
}

// RunHTTP plays bad weather in the wire format of a provider against code that
// has no clock to inject, on virtual time, and judges what the server saw by
// the rules of package verdict. A subtest for each rule that the code breaks
// fails, and tells the script that shows it; what the code does by its declared
// policy is logged.
//
//	propertytest.RunHTTP(t, func(ctx context.Context, client *http.Client, url string) (string, error) {
//		c := openai.NewClient(option.WithHTTPClient(client), option.WithBaseURL(url+"/v1"), option.WithAPIKey("none"))
//		...
//	}, propertytest.HTTPOptions{Format: wire.OpenAIChat})
//
// Each script runs in a bubble of testing/synctest of its own, so the code must
// start whatever it uses inside the call: a client, a pool, a channel that is
// made outside the bubble does not work in it. Nothing real may be waited for:
// code that does so, spins, or holds a lock while it sleeps, gets the verdict
// stuck after a second or two of real time, with a dump of its goroutines, and is
// left alone, since Go cannot end a goroutine; nothing more is played then. So
// does code that sleeps for longer than the 252 years that a call may take. A
// panic in a goroutine that the code started ends the process. Calls whose jitter comes from the
// top level of math/rand differ from run to run; verdicts do not depend on it.
func RunHTTP(t *testing.T, call HTTPCall, o HTTPOptions) {
	t.Helper()
	report := CheckHTTP(t, call, o)
	t.Log(report.Summary())
	for _, r := range report.Results {
		switch r.Status {
		case explore.Failed:
			t.Run(r.Rule.Name, func(t *testing.T) { t.Error(r.Failure) })
		case explore.Deviates:
			t.Log(r)
		}
	}
	for _, err := range report.Problems {
		t.Errorf("propertytest: %v", err)
	}
}

// CheckHTTP is RunHTTP with a report instead of subtests. The test does not fail.
func CheckHTTP(t *testing.T, call HTTPCall, o HTTPOptions) *explore.Report {
	t.Helper()
	h := newHTTPSuite(o)
	if call == nil {
		h.problems, h.over = append(h.problems, errors.New("there is no code to put to the test: the call is nil")), true
	}
	for _, s := range h.scenarios {
		h.judge(s, h.play(t, call, s, h.seed))
	}
	h.jitter(t, call)
	return h.report()
}

// httpScenario is a script and what goes with it.
type httpScenario struct {
	text     string
	deadline time.Duration // of the caller's context
	cancel   time.Duration // when the caller cancels; 0: never
	close    bool          // the server closes the connection after every answer
	stalls   bool          // only the caller's deadline ends what the server does not
	bounded  bool          // it is for code only that is known to wake when its context ends
	needs    need
}

// need is what must be so for a scenario to mean anything.
type need uint8

const (
	always    need = iota
	streaming      // the format has streams, and the call asks for one
	hintInMs       // the provider sends retry-after-ms
	quotas         // the provider tells a spent quota from a rate limit
)

// httpScenarios is the weather, each kind once. The caller's deadline is not
// met exactly by anything.
var httpScenarios = []httpScenario{
	{text: `ok "Hello"`},
	{text: `ok "Hel" "lo"`, needs: streaming},
	{text: `429 retry-after=7s; 503 retry-after=7s; ok "Hello"`},
	{text: `429 retry-after-ms=7200; ok "Hello"`, needs: hintInMs},
	{text: `503 retry-after=date+30s; ok "Hello"`},
	{text: `503 retry-after=date-1h; ok "Hello"`},
	{text: `503 retry-after=0s x2; ok "Hello"`},
	{text: `503 x2; ok "Hello"`},
	{text: `503 retry-after="-5"; 503 retry-after="soon"; ok "Hello"`},
	{text: `503 retry-after="1e3"; 503 retry-after=""; ok "Hello"`},
	{text: `429 retry-after=5m; ok "Hello"`},
	{text: `429 retry-after=87600h; ok "Hello"`},
	{text: `429 retry-after=1m; ok "Hello"`, deadline: 5 * time.Second},
	{text: `429 retry-after=1m; ok "Hello"`, cancel: 3300 * time.Millisecond},
	{text: `429 retry-after="9999999999"; ok "Hello"`, bounded: true},
	{text: `429 retry-after="99999999999999999999999"; ok "Hello"`, bounded: true},
	{text: `503 retry-after=1s stall; ok "Hello"`, deadline: 10 * time.Minute, stalls: true},
	{text: `503 retry-after=1s x2; ok "Hello"`, close: true},
	{text: `reset; ok "Hello"`},
	{text: `permanent: "bad request" x3`},
	{text: `401 x3`},
	{text: `404 x3`},
	{text: `429 type=insufficient_quota code=insufficient_quota x3`, needs: quotas},
	{text: `503 forever`, deadline: time.Hour + time.Nanosecond},
	{text: `ok "Hel" 529 type=overloaded_error; ok "Hello"`, needs: streaming},
	{text: `ok "Hel" transient; ok "Hello"`, needs: streaming},
	{text: `ok "Hel" cut; ok "Hello"`, needs: streaming},
	{text: `ok "Hel" eof; ok "Hello"`, needs: streaming},
	{text: `ok transient; ok "Hello"`, needs: streaming},
}

// httpDeadline ends a call whose scenario says nothing else: far enough that
// every wait worth having is over, near enough that virtual time does not end.
const httpDeadline = 24*time.Hour + time.Nanosecond

type httpSuite struct {
	options   HTTPOptions
	spec      verdict.Spec
	format    wire.Format
	seed      uint64
	scenarios []httpScenario
	deaf      bool // the code sleeps on when its context has ended
	over      bool // nothing more is played
	reads     bool // the code returns the text of an answer
	played    int
	problems  []error
	worst     map[string]*explore.Failure // by rule
}

func newHTTPSuite(o HTTPOptions) *httpSuite {
	h := &httpSuite{options: o, format: o.Format, seed: o.Seed, worst: make(map[string]*explore.Failure)}
	if h.format == "" {
		h.format = wire.Plain
	}
	if h.seed == 0 {
		h.seed = 1
	}
	if o.Spec != nil {
		h.spec = *o.Spec
	} else {
		h.spec = verdict.LooseSpec()
	}
	for _, s := range httpScenarios {
		if h.fits(s.needs) {
			h.scenarios = append(h.scenarios, s)
		}
	}
	for _, text := range o.Scripts {
		h.scenarios = append(h.scenarios, httpScenario{text: text})
	}
	return h
}

func (h *httpSuite) fits(n need) bool {
	openAI := h.format == wire.OpenAIChat || h.format == wire.OpenAIResponses || h.format == wire.AzureOpenAI
	switch n {
	case streaming:
		return h.format != wire.Plain && !h.options.NoStream
	case hintInMs:
		return openAI || h.format == wire.Anthropic
	case quotas:
		return openAI
	}
	return true
}

// parse returns the script of a scenario, with the scenario's limits in it, so
// that what is reported is all there is.
func (h *httpSuite) parse(s httpScenario) (*scripted.Script, error) {
	text := s.text
	if h.options.Answer != "" {
		text = strings.ReplaceAll(text, `ok "Hello"`, "ok "+strconv.Quote(h.options.Answer))
	}
	script, err := scripted.Parse("script", text)
	if err != nil {
		return nil, err
	}
	if s.deadline > 0 {
		script.TotalTimeout = s.deadline
	}
	if s.cancel > 0 {
		script.Cancel = &s.cancel
	}
	return script, nil
}

// judge keeps what is wrong with a run.
func (h *httpSuite) judge(s httpScenario, run *httpRun) {
	if run == nil {
		return
	}
	h.played++
	for _, f := range verdict.Check(run.trace, h.spec) {
		if s.stalls && f.Rule.Name == "slept-after-last" {
			continue // what it waits for is the body of the refusal
		}
		h.keep(f, run)
	}
	if s.cancel > 0 && run.late {
		h.deaf = true
	}
}

// keep keeps the worst finding of each rule, and of equal ones the first.
func (h *httpSuite) keep(f verdict.Finding, run *httpRun) {
	name := f.Rule.Name
	if old := h.worst[name]; old != nil && old.Level <= f.Level {
		return
	}
	h.worst[name] = &explore.Failure{Finding: f, Script: run.script, From: len(run.script.Turns), Trace: run.trace}
}

// jitterRuns is how many callers meet the same refusal, each at a time of its
// own.
const jitterRuns = 12

// jitter looks whether the first waits of many callers differ.
func (h *httpSuite) jitter(t *testing.T, call HTTPCall) {
	var waits []time.Duration
	var run *httpRun
	for i := range uint64(jitterRuns) {
		r := h.play(t, call, httpScenario{text: `503; ok "Hello"`}, h.seed+i)
		if r == nil {
			return
		}
		h.played++
		if wait, ok := r.firstWait(); ok {
			waits, run = append(waits, wait), r
		}
	}
	if len(waits) < jitterRuns || slices.Max(waits) != slices.Min(waits) {
		return
	}
	rule, _ := verdict.Named("no-jitter")
	f := verdict.Finding{Rule: rule, Call: 1, Attempt: 2, What: fmt.Sprintf("%d callers that were refused waited %v each", jitterRuns, waits[0])}
	if h.spec.Loose || h.spec.Policy.Jitter == retry.JitterNone {
		f.Level = verdict.Deviation
	}
	for _, e := range run.trace {
		if e.Kind == trace.Attempt && e.Attempt == 2 {
			f.At = e.At
		}
	}
	h.keep(f, run)
}

// report sorts what was found by rule.
func (h *httpSuite) report() *explore.Report {
	r := &explore.Report{Subject: h.options.Name, Ruleset: verdict.Ruleset, Seed: h.seed, Played: h.played, Problems: h.problems}
	for _, rule := range verdict.Rules() {
		x := explore.Result{Rule: rule, Status: explore.Passed, Failure: h.worst[rule.Name]}
		reason, applies := rule.Applies(h.spec)
		switch {
		case x.Failure != nil && x.Failure.Level == verdict.Violation:
			x.Status = explore.Failed
		case x.Failure != nil:
			x.Status = explore.Deviates
		case !applies:
			x.Status, x.Reason = explore.NotApplicable, reason
		case h.over:
			x.Status, x.Reason = explore.NotApplicable, "the search ended with a call that did not"
		case !rule.Decidable() && rule.Name != "no-jitter" || slices.Contains(unseenOnTheWire, rule.Name):
			x.Status, x.Reason = explore.NotApplicable, "a server cannot see it"
		case !h.reads && slices.Contains(seenInText, rule.Name):
			x.Status, x.Reason = explore.NotApplicable, "the code does not return the text of an answer as it is"
		}
		r.Results = append(r.Results, x)
	}
	return r
}

// unseenOnTheWire are the rules whose faults take a look inside the code.
var unseenOnTheWire = []string{"wrong-clock", "lost-context", "lost-cancel", "lost-error", "late-chunk"}

// seenInText are the rules whose faults show in the text that the code returns.
var seenInText = []string{"duplicate-chunk", "lost-chunk"}

package propertytest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// Fuzz searches for scenarios that make retry code break a rule, with the
// coverage-guided fuzzer of go test. The input is the text of a scenario, so that
// what is found can be read, and played by retrysim:
//
//	func FuzzRetry(f *testing.F) { propertytest.Fuzz(f, subject, options) }
//
//	go test -fuzz FuzzRetry -fuzzminimizetime 10x
//
// Texts that are no scenario are passed over, and so are those with lanes, those
// too long to be worth it, and, where the options have policies, whatever
// policy the text says. The first scenarios are those of the options and a few
// of the suite's.
func Fuzz(f *testing.F, s explore.Subject, o explore.Options) {
	f.Helper()
	if err := o.Validate(); err != nil {
		f.Fatal(err)
	}
	if s.IsDelay() {
		f.Fatal("propertytest: Fuzz plays scenarios, and code that only says how long to wait makes no attempts: Run asks it for every wait")
	}
	for _, script := range o.Scenarios {
		f.Add(explore.OneLine(script))
	}
	for _, text := range seeds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		script, why := fit(text, o.Policies)
		if why != "" {
			t.Skip(why)
		}
		r := explore.Replay(s, inBubbles(t, o, s.IsClockless()), script)
		for _, err := range r.Problems {
			t.Error(err)
		}
		for _, x := range r.Results {
			if x.Status == explore.Failed {
				t.Errorf("\n%v", x.Failure)
			}
		}
	})
}

// seeds are what the fuzzer begins with.
var seeds = []string{
	"ok",
	"transient; ok",
	"transient:1500 x2; transient; ok \"Hel\" \"lo\"",
	"transient forever",
	"permanent: no; ok",
	"429 retry-after=2s; 503 after 20ms; reset; 401",
	"policy exp:base=1s,cap=3s,jitter=none,attempts=4; transient x3; ok",
	"policy const:base=100ms,jitter=none,attempts=2; cancel at 51ms; transient; ok",
	"timeout total=1500ms; transient x4; ok",
	"call { transient; ok }; call { permanent: no }; calls 2 at once",
	"ok \"Hel\" transient; ok",
	"ok \"Hel\" eof; ok",
}

// The limits of what is worth playing, and what virtual time has room for.
const (
	mostTurns = 100
	mostCalls = 4
	mostTime  = 1000 * time.Hour
)

// fit returns the scenario that a text is, with one of the policies, or says why
// it is not to be played.
func fit(text string, policies []retry.Policy) (s *scripted.Script, why string) {
	s, err := scripted.Parse("scenario", text)
	if err != nil {
		return nil, err.Error()
	}
	if why := tooMuch(s); why != "" {
		return nil, why
	}
	p := retry.Policy{MaxAttempts: 4, BaseDelay: time.Second, MaxDelay: 3 * time.Second}
	switch {
	case len(policies) > 0 && (s.Policy == nil || !slices.Contains(policies, *s.Policy)):
		p = policies[0]
	case s.Policy != nil:
		p = *s.Policy
	}
	if len(policies) == 0 && s.AttemptTimeout > 0 {
		p.AttemptTimeout = s.AttemptTimeout
	}
	s.AttemptTimeout = 0 // it is the policy's
	for _, d := range []time.Duration{p.Backoff(20), p.MaxElapsed, p.AttemptTimeout} {
		if d > mostTime && len(policies) == 0 {
			return nil, "the policy waits too long"
		}
	}
	s.Policy = &p
	return s, ""
}

// tooMuch says why a scenario is not worth playing, "" if it is.
func tooMuch(s *scripted.Script) string {
	switch {
	case len(s.Lanes) > 0:
		return "there are lanes"
	case s.Calls > mostCalls || len(s.Blocks) > mostCalls:
		return fmt.Sprintf("there are more than %d calls", mostCalls)
	case s.TotalTimeout > mostTime || s.Cancel != nil && *s.Cancel > mostTime:
		return "the caller waits too long"
	}
	turns := slices.Clone(s.Turns)
	for _, b := range s.Blocks {
		turns = append(turns, b.Turns...)
	}
	if len(turns) > mostTurns {
		return fmt.Sprintf("there are more than %d turns", mostTurns)
	}
	for _, t := range turns {
		hint := time.Duration(0)
		if a, ok := t.Answer.(scripted.Transient); ok {
			hint = a.Wait
		}
		if t.After > mostTime || hint > mostTime {
			return "a turn takes too long"
		}
	}
	return ""
}

package propertytest

import (
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/scripted"
)

// ScriptVariable is the environment variable whose scenario [Run] plays instead
// of those of the suite. The command to run a test again, which a failure
// prints, sets it.
const ScriptVariable = "RETRYKIT_SCRIPT"

// Run looks for the promises that retry code breaks, on virtual time, and tells
// of each rule in a subtest of its own, such as "schedule/early-retry". A rule
// fails if a violation was found, or if one that [explore.Options.Known] names
// was not found; a deviation that the options declare, a known violation and a
// rule that does not apply are logged. A failure tells the shortest script that
// was found, what happened, and the command that runs the code again on that
// script alone.
//
// States that the suite should have brought the code into, and did not, fail
// too: the rules about them would pass and say nothing. Code that keeps all
// rules is asked for relations between two scenarios, drawn by rapid, such as
// "relation/earlier-call".
//
// Every scenario runs in a bubble of testing/synctest, so the code may use
// goroutines, channels and, if it is [explore.Clockless], package time. What it
// uses must begin inside: a channel or a goroutine that was made before does not
// work there. Code that is given a clock and waits on that of package time gets
// the verdict wrong-clock, and is tried further on the time that it waits for.
//
// Code that spins, or blocks where virtual time cannot help, is reported after a
// second of real time, and left alone: Go cannot end a goroutine. A panic in a
// goroutine that the code started ends the process, and so does [os.Exit]: see
// [Isolate].
func Run(t *testing.T, s explore.Subject, o explore.Options) {
	t.Helper()
	show(t, judge(t, s, o))
}

// judge tries the subject and says what came of it.
func judge(t *testing.T, s explore.Subject, o explore.Options) conclusion {
	t.Helper()
	if names := strangers(o); len(names) > 0 {
		return conclusion{Fatal: names}
	}
	if text, ok := os.LookupEnv(ScriptVariable); ok {
		return replay(t, s, o, text)
	}
	c := conclude(t, onItsTime(t, s, o, func(o explore.Options) *explore.Report { return explore.Check(s, o) }))
	if !c.broken && len(c.Fatal) == 0 {
		c.Rules = append(c.Rules, relate(t, s, o)...)
	}
	return c
}

// inBubbles returns the options with what plays in bubbles.
func inBubbles(t *testing.T, o explore.Options, follow bool) explore.Options {
	if o.Run == nil {
		o.Run = newBubbles(t, follow, max(o.Seed, 1)).run
	}
	return o
}

// onItsTime tries the subject in bubbles. What waits on another clock than it was
// given is tried again on the one that it waits on.
func onItsTime(t *testing.T, s explore.Subject, o explore.Options, try func(explore.Options) *explore.Report) *explore.Report {
	r := try(inBubbles(t, o, s.IsClockless()))
	strayed, ok := result(r, wrongClock)
	if !ok || strayed.Failure == nil || o.Run != nil {
		return r
	}
	r = try(inBubbles(t, o, true))
	for i, x := range r.Results {
		if x.Rule.Name == wrongClock {
			r.Results[i] = strayed
		}
	}
	return r
}

const wrongClock = "wrong-clock"

func result(r *explore.Report, rule string) (explore.Result, bool) {
	for _, x := range r.Results {
		if x.Rule.Name == rule {
			return x, true
		}
	}
	return explore.Result{}, false
}

// replay plays nothing but the scenario, and tells of the rules that it breaks.
func replay(t *testing.T, s explore.Subject, o explore.Options, text string) conclusion {
	t.Helper()
	script, err := scripted.Parse(ScriptVariable, text)
	if err != nil {
		return conclusion{Fatal: []string{fmt.Sprintf("propertytest: the scenario in the environment variable %s:\n%v", ScriptVariable, err)}}
	}
	r := onItsTime(t, s, o, func(o explore.Options) *explore.Report { return explore.Replay(s, o, script) })
	c := conclude(t, r)
	c.Notes = append(c.Notes, fmt.Sprintf("only the scenario in %s was played; without it the whole suite is", ScriptVariable))
	return c
}

// conclusion is what Run has to say: all of it text, so that it can come from
// another process.
type conclusion struct {
	Summary string
	Notes   []string
	Rules   []told
	Fatal   []string // what makes the rest worthless

	broken bool
}

// told is what a subtest says.
type told struct {
	Name string // of the subtest
	Fail bool
	Text string
}

// conclude puts a report into words.
func conclude(t testing.TB, r *explore.Report) conclusion {
	c := conclusion{Summary: r.Summary()}
	if words := r.NoWordFor(); words != "" {
		c.Notes = append(c.Notes, words)
	}
	for _, err := range r.Problems {
		c.Fatal = append(c.Fatal, err.Error())
	}
	for _, x := range r.Results {
		c.Rules = append(c.Rules, tell(t.Name(), x))
		c.broken = c.broken || !x.OK()
	}
	if never := r.NeverReached(); len(never) > 0 {
		text := "no scenario brought the code into: " + strings.Join(never, ", ")
		if !c.broken {
			text += "\nthe rules about these say nothing: is the code what the policies of the options say it is?"
		}
		c.Rules = append(c.Rules, told{Name: "states/reached", Fail: !c.broken, Text: text})
	}
	return c
}

// tell says what became of a rule.
func tell(test string, x explore.Result) told {
	out := told{Name: x.Rule.Area + "/" + x.Rule.Name, Fail: !x.OK()}
	switch x.Status {
	case explore.Passed:
	case explore.Failed:
		out.Text = x.Failure.String() + rerun(test+"/"+out.Name, x)
	case explore.Waived:
		out.Text = fmt.Sprintf("known: %s\n%v", x.Reason, x.Failure)
	case explore.Notice:
		out.Text = fmt.Sprintf("of a newer set of rules than the one that is asked for:\n%v", x.Failure)
	case explore.Deviates:
		out.Text = "by declared policy: " + x.Failure.What
	case explore.NotApplicable:
		out.Text = "not applicable: " + x.Reason
	case explore.Stale:
		out.Text = fmt.Sprintf("stale: the fault was not found any more; take it out of Known (%s)", x.Reason)
	}
	return out
}

// rerun returns the command that runs the code again: on the script alone, if a
// script shows the fault.
func rerun(test string, x explore.Result) string {
	command := fmt.Sprintf("go test -run '%s'%s", pattern(test), importPath())
	if f := x.Failure; f.Script != nil && len(f.Trace) > 0 {
		command = fmt.Sprintf("%s=%s %s", ScriptVariable, quote(explore.OneLine(f.Script)), command)
	}
	return fmt.Sprintf("    %-9s %s\n", "again", command)
}

// pattern returns what -run takes to run one test.
func pattern(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// importPath returns the path of the package under test, with a blank before it,
// "" if it is not known.
func importPath() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if path, ok := strings.CutSuffix(info.Path, ".test"); ok {
			return " " + path
		}
	}
	return ""
}

// quote quotes a text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// show tells each rule in a subtest.
func show(t *testing.T, c conclusion) {
	t.Helper()
	for _, text := range c.Fatal {
		t.Error(text)
	}
	if len(c.Fatal) > 0 {
		return
	}
	t.Log(c.Summary)
	for _, note := range c.Notes {
		t.Log(note)
	}
	for _, r := range c.Rules {
		t.Run(r.Name, func(t *testing.T) {
			t.Helper()
			switch {
			case r.Fail:
				t.Error("\n" + r.Text)
			case r.Text != "":
				t.Log(r.Text)
			}
		})
	}
}

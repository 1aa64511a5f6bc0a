package propertytest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/scripted"
)

// isolated is the environment variable that names the test whose subject is to
// be tried in this process.
const isolated = "RETRYKIT_ISOLATED"

// Isolate is [Run] in a process of its own, which it starts from the test binary
// with the test that calls it. So it survives what no function can: a panic in a
// goroutine that the code started, a stack that overflows, a fatal error of the
// runtime, [os.Exit], and code that never lets go. Each is a verdict with the
// script that was being played and what the process said last.
//
// What the test does before it calls Isolate, it does in both processes. A test
// may call Isolate once; give each subject a subtest.
func Isolate(t *testing.T, s explore.Subject, o explore.Options) {
	t.Helper()
	if os.Getenv(isolated) == t.Name() {
		inside(t, s, o)
		return
	}
	if _, twice := tried.LoadOrStore(t.Name(), true); twice {
		t.Fatal("propertytest: Isolate twice in one test: give each subject a t.Run")
	}
	t.Cleanup(func() { tried.Delete(t.Name()) })
	show(t, fromOutside(t, o))
}

var tried sync.Map // names of tests that have called Isolate

// inside is the part of Isolate in the process that is for it alone. Standard
// output is how it talks to the other; what is printed goes to standard error.
func inside(t *testing.T, s explore.Subject, o explore.Options) {
	out := os.Stdout
	os.Stdout = os.Stderr
	debug.SetMaxStack(8 << 20) // recursion without an end need not fill the memory first
	watch := o.Watch
	o.Watch = func(s *scripted.Script) {
		fmt.Fprintf(out, "%s%s\n", playsPrefix, explore.OneLine(s))
		if watch != nil {
			watch(s)
		}
	}
	text, err := json.Marshal(judge(t, s, o))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "%s%s\n", donePrefix, text)
}

// What the lines between the two processes begin with.
const (
	playsPrefix = "retrykit plays "
	donePrefix  = "retrykit done "
)

// The real time that the process may take for nothing: to begin, and then from
// one scenario to the next. What hangs is seen by a watchdog inside, after a
// second, which can say where; this is for processes that cannot even do that.
const (
	slowStart = 5 * time.Minute
	patience  = 10 * time.Second
)

// fromOutside runs the test in a process of its own, and returns what that says
// or, if it comes to an end before, how.
func fromOutside(t *testing.T, o explore.Options) conclusion {
	self, err := os.Executable()
	if err != nil {
		return conclusion{Fatal: []string{fmt.Sprintf("propertytest: Isolate cannot find the test binary: %v", err)}}
	}
	c := exec.Command(self, "-test.run="+pattern(t.Name()), "-test.count=1")
	c.Env = append(os.Environ(), isolated+"="+t.Name())
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return conclusion{Fatal: []string{fmt.Sprintf("propertytest: Isolate cannot start %s: %v", self, err)}}
	}
	h := &heard{lines: make(chan string)}
	go h.read(out)
	killed := h.listen(func() { c.Process.Kill() })
	err = c.Wait()
	switch {
	case h.done != nil:
		return *h.done
	case h.plays == "":
		return conclusion{Fatal: []string{fmt.Sprintf("propertytest: Isolate: the process of its own came to an end (%s) before the first scenario: does a TestMain, or what stands before Isolate, keep it from running?\n%s",
			ending(err), lastWords(said.String()))}}
	}
	return crashed(t.Name(), o, h.plays, said.String(), err, killed)
}

// heard is what has come from the other process.
type heard struct {
	lines chan string
	plays string // the scenario that was begun last
	done  *conclusion
}

func (h *heard) read(out io.Reader) {
	defer close(h.lines)
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			h.lines <- line
		}
		if err != nil {
			return
		}
	}
}

// listen returns when nothing more comes, or nothing has come for too long and
// the process has been killed.
func (h *heard) listen(kill func()) (killed bool) {
	timer := time.NewTimer(slowStart)
	defer timer.Stop()
	for {
		select {
		case line, ok := <-h.lines:
			if !ok {
				return killed
			}
			h.hear(line)
			timer.Reset(patience)
		case <-timer.C:
			killed = true
			kill()
		}
	}
}

func (h *heard) hear(line string) {
	if script, ok := strings.CutPrefix(line, playsPrefix); ok {
		h.plays = strings.TrimSuffix(script, "\n")
	}
	if text, ok := strings.CutPrefix(line, donePrefix); ok {
		var c conclusion
		if json.Unmarshal([]byte(text), &c) == nil {
			h.done = &c
		}
	}
}

// crashed says what is known of a process that came to an end in the middle of
// a scenario.
func crashed(test string, o explore.Options, plays, said string, err error, killed bool) conclusion {
	name, what := "panicked", "the process ended: "+ending(err)
	if killed {
		name, what = "stuck", fmt.Sprintf("no scenario ended for %v, and the process was killed", patience)
	}
	last := lastWords(said)
	if first, _, _ := strings.Cut(last, "\n"); first != "" && !killed {
		what = first
	}
	rule, _ := verdict.Named(name)
	f := &explore.Failure{Finding: verdict.Finding{Rule: rule, Call: 1, What: what}}
	if s, err := scripted.Parse("scenario", plays); err == nil {
		f.Script, f.From = s, len(s.Turns)
	}
	c := conclusion{Summary: "the process in which the code was tried came to an end", broken: true}
	for _, r := range verdict.Rules() {
		x := explore.Result{Rule: r, Status: explore.NotApplicable, Reason: "the search ended with the process"}
		if r.Name == name {
			x.Status, x.Failure, x.Reason = explore.Failed, f, ""
			if reason, ok := o.Known[name]; ok {
				x.Status, x.Reason = explore.Waived, reason
			}
		}
		out := tell(test, x)
		if r.Name == name {
			out.Text = strings.TrimSuffix(out.Text, "\n") + "\n    ending    " + ending(err) + "\n"
			for line := range strings.Lines(last) {
				out.Text += "        " + strings.TrimRight(line, "\n") + "\n"
			}
		}
		c.Rules = append(c.Rules, out)
	}
	return c
}

func ending(err error) string {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.String()
	case err != nil:
		return err.Error()
	}
	return "exit status 0"
}

// lastWords returns what a crash has to say, from its first line on, and not all
// of a long stack.
func lastWords(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	begins := func(line string) bool {
		return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
	}
	if i := slices.IndexFunc(lines, begins); i >= 0 {
		lines = lines[i:]
	}
	const most = 30
	if n := len(lines); n > most {
		lines = append(lines[:most:most], fmt.Sprintf("... and %d more lines", n-most))
	}
	return strings.Join(lines, "\n")
}

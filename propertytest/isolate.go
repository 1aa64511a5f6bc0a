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
// runtime, [os.Exit], and code that never lets go, which it kills after about a
// second without a sign of life. Each is a verdict with the
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
	var mu sync.Mutex
	say := func(prefix, text string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "%s%s\n", prefix, text)
	}
	watch := o.Watch
	o.Watch = func(s *scripted.Script) {
		say(playsPrefix, explore.OneLine(s))
		if watch != nil {
			watch(s)
		}
	}
	stop := beating(func() { say(beatsPrefix, "") })
	defer stop()
	text, err := json.Marshal(judge(t, s, o))
	if err != nil {
		t.Fatal(err)
	}
	say(donePrefix, string(text))
}

// beating gives a sign of life again and again, and at once, until it is stopped.
func beating(beat func()) (stop func()) {
	over, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(between)
		defer ticker.Stop()
		for {
			beat()
			select {
			case <-ticker.C:
			case <-over:
				return
			}
		}
	}()
	return func() { close(over); <-stopped }
}

// What the lines between the two processes begin with.
const (
	playsPrefix = "retrykit plays "
	beatsPrefix = "retrykit beats"
	donePrefix  = "retrykit done "
)

// What hangs is seen by a watchdog inside, after a second, which can say where.
// The process is killed that cannot even do that: it gives a sign of life all
// between, and has none, or begins no scenario, at so many looks in a row.
const (
	between  = 100 * time.Millisecond
	lifeless = 12                              // looks
	idle     = int(10 * time.Second / between) // the same
	starting = int(5 * time.Minute / between)  // until the first sign of life
)

// vigil looks after a process. Only looks count that were taken in time: where the
// one who looks is late, the machine is busy, and the other has had no time either.
type vigil struct {
	last     time.Time // look
	alive    bool      // there was a sign of life
	playing  bool      // a scenario was begun
	lifeless int       // looks since the last sign of life
	idle     int       // looks since the last scenario was begun
}

// hear notes a sign of life.
func (v *vigil) hear(scenario bool) {
	v.alive, v.lifeless = true, 0
	if scenario {
		v.playing, v.idle = true, 0
	}
}

// look says what is wrong, "" if there is hope.
func (v *vigil) look(now time.Time) string {
	took := now.Sub(v.last)
	v.last = now
	if took < between/2 || took > 2*between {
		return ""
	}
	v.lifeless++
	v.idle++
	switch {
	case v.alive && v.lifeless >= lifeless:
		return fmt.Sprintf("the process gave no sign of life for %v, and was killed", lifeless*between)
	case v.playing && v.idle >= idle:
		return fmt.Sprintf("no scenario ended for %v, and the process was killed", time.Duration(idle)*between)
	case !v.alive && v.lifeless >= starting:
		return fmt.Sprintf("the process did not begin within %v, and was killed", time.Duration(starting)*between)
	}
	return ""
}

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
	vigil vigil
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

// listen returns when nothing more comes, and why the process was killed, if it
// was.
func (h *heard) listen(kill func()) (killed string) {
	h.vigil.last = time.Now()
	ticker := time.NewTicker(between)
	defer ticker.Stop()
	for {
		select {
		case line, ok := <-h.lines:
			if !ok {
				return killed
			}
			h.hear(line)
		case <-ticker.C:
			if why := h.vigil.look(time.Now()); why != "" && killed == "" {
				killed = why
				kill()
			}
		}
	}
}

func (h *heard) hear(line string) {
	script, plays := strings.CutPrefix(line, playsPrefix)
	if plays {
		h.plays = strings.TrimSuffix(script, "\n")
	}
	if plays || strings.HasPrefix(line, beatsPrefix) {
		h.vigil.hear(plays)
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
func crashed(test string, o explore.Options, plays, said string, err error, killed string) conclusion {
	name, what := "panicked", "the process ended: "+ending(err)
	if killed != "" {
		name, what = "stuck", killed
	}
	last := lastWords(said)
	if first, _, _ := strings.Cut(last, "\n"); first != "" && killed == "" {
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

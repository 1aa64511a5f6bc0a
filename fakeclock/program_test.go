package fakeclock_test

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/fakeclock/bubble"
)

// A random program of one goroutine: timers, tickers, functions, contexts, standard
// children of them, and select statements over all of these. It is drawn together
// with what it must do, which a list of events tells, slow and plain.
type randomProgram struct {
	ops  []op
	want []string // one line for each op
}

type op struct {
	verb   verb
	id     int // of the timer or context it is about
	parent int // of a context, or -1
	d      time.Duration
	cases  []selectCase
}

type verb string

const (
	opSleep      verb = "Sleep"
	opSleepCtx   verb = "SleepContext"
	opTimer      verb = "NewTimer"
	opTicker     verb = "NewTicker"
	opKeep       verb = "After" // and keep the channel
	opStop       verb = "Stop"
	opReset      verb = "Reset"
	opTimeout    verb = "WithTimeout"
	opCancelable verb = "WithCancel"
	opStdChild   verb = "context.WithCancel"
	opCancel     verb = "cancel"
	opCancelIn   verb = "AfterFunc cancel"
	opPoll       verb = "select with default" // of a kept channel
	opSelect     verb = "select"
)

type selectCase struct {
	kind string // "timer", "kept", "context", "after", "new timer"
	id   int
	d    time.Duration
}

func (c selectCase) String() string {
	switch c.kind {
	case "timer":
		return fmt.Sprintf("<-t%d.Chan()", c.id)
	case "kept":
		return fmt.Sprintf("<-t%d", c.id)
	case "context":
		return fmt.Sprintf("<-ctx%d.Done()", c.id)
	case "after":
		return fmt.Sprintf("<-clk.After(%v)", c.d)
	}
	return fmt.Sprintf("<-clk.NewTimer(%v).Chan()", c.d)
}

func (o op) String() string {
	parent := "Background"
	if o.parent >= 0 {
		parent = fmt.Sprintf("ctx%d", o.parent)
	}
	switch o.verb {
	case opSleep:
		return fmt.Sprintf("clk.Sleep(%v)", o.d)
	case opSleepCtx:
		return fmt.Sprintf("SleepContext(ctx%d, clk, %v)", o.id, o.d)
	case opTimer, opTicker, opKeep:
		return fmt.Sprintf("t%d := clk.%s(%v)", o.id, o.verb, o.d)
	case opStop:
		return fmt.Sprintf("t%d.Stop()", o.id)
	case opReset:
		return fmt.Sprintf("t%d.Reset(%v)", o.id, o.d)
	case opTimeout:
		return fmt.Sprintf("ctx%d := WithTimeout(%s, clk, %v)", o.id, parent, o.d)
	case opCancelable:
		return fmt.Sprintf("ctx%d := WithCancel(%s, clk)", o.id, parent)
	case opStdChild:
		return fmt.Sprintf("ctx%d := context.WithCancel(%s)", o.id, parent)
	case opCancel:
		return fmt.Sprintf("cancel%d()", o.id)
	case opCancelIn:
		return fmt.Sprintf("clk.AfterFunc(%v, cancel%d)", o.d, o.id)
	case opPoll:
		return fmt.Sprintf("select { case <-t%d: default: }", o.id)
	}
	var cases []string
	for _, c := range o.cases {
		cases = append(cases, c.String())
	}
	return "select { " + strings.Join(cases, "; ") + " }"
}

// side writes the program with what was wanted and what came.
func (p randomProgram) side(got []string) string {
	var b strings.Builder
	for i, o := range p.ops {
		line := "(nothing)"
		if i < len(got) {
			line = got[i]
		}
		mark := "  "
		if line != p.want[i] {
			mark = "! "
			line += ", want " + p.want[i]
		}
		fmt.Fprintf(&b, "%s%-60s // %s\n", mark, o, line)
	}
	return b.String()
}

// oracle knows what must happen.
type oracle struct {
	now    time.Duration
	seq    int
	timers []*oracleTimer
	ctxs   []*oracleContext
	funcs  []*oracleTimer // of AfterFunc
}

type oracleTimer struct {
	when    time.Duration
	seq     int
	armed   bool
	period  time.Duration
	full    bool // a value is in the channel
	value   time.Duration
	firedAt int  // order of firing
	kept    bool // its channel is in a variable
	lost    bool // its channel was in a statement only
	ticker  bool
	cancels *oracleContext
}

type oracleContext struct {
	timer    oracleTimer // the deadline
	children []*oracleContext
	std      bool
	ended    bool
	noticed  bool // by the program
}

func (o *oracle) arm(t *oracleTimer, d time.Duration) {
	o.seq++
	t.when, t.seq, t.armed = o.now+d, o.seq, true
}

func (o *oracle) stop(t *oracleTimer) (was bool) {
	was = t.armed || t.full
	t.armed, t.full = false, false
	return was
}

func (c *oracleContext) end() {
	c.ended, c.timer.armed = true, false
	for _, child := range c.children {
		child.end()
	}
}

// next returns what fires next, or nil.
func (o *oracle) next() *oracleTimer {
	var all []*oracleTimer
	all = append(all, o.timers...)
	all = append(all, o.funcs...)
	for _, c := range o.ctxs {
		all = append(all, &c.timer)
	}
	all = slices.DeleteFunc(all, func(t *oracleTimer) bool { return !t.armed })
	if len(all) == 0 {
		return nil
	}
	return slices.MinFunc(all, func(a, b *oracleTimer) int {
		return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.seq, b.seq))
	})
}

func (o *oracle) fire(t *oracleTimer) {
	o.now = max(o.now, t.when)
	t.armed = false
	switch {
	case t.cancels != nil:
		t.cancels.end()
	case !t.full:
		o.seq++
		t.full, t.value, t.firedAt = true, o.now, o.seq
	}
	if t.period > 0 {
		o.arm(t, 0)
		t.when = o.now + t.period
	}
}

// sleep lets time pass, but stops when ended says so.
func (o *oracle) sleep(d time.Duration, ended func() bool) bool {
	var own oracleTimer
	o.arm(&own, d)
	for t := o.next(); t != nil && (t.when < own.when || t.when == own.when && t.seq < own.seq); t = o.next() {
		if o.fire(t); ended() {
			return false
		}
	}
	o.now = own.when
	return true
}

func never() bool { return false }

// ready returns the timers with a value, the first that fired first, and the
// number of contexts that have ended.
func (o *oracle) ready(cases []selectCase) (timers []*oracleTimer, contexts int) {
	for _, c := range cases {
		switch {
		case c.kind == "context" && o.ctxs[c.id].ended:
			contexts++
		case c.kind != "context" && o.timers[c.id].full:
			timers = append(timers, o.timers[c.id])
		}
	}
	slices.SortFunc(timers, func(a, b *oracleTimer) int { return cmp.Compare(a.firedAt, b.firedAt) })
	return timers, contexts
}

// wait does a select statement, whose own timers have numbers already. It returns
// false if that would never end.
func (o *oracle) wait(cases []selectCase) (result string, ok bool) {
	for {
		timers, contexts := o.ready(cases)
		switch {
		case contexts > 0:
			for _, c := range cases {
				if c.kind == "context" && o.ctxs[c.id].ended {
					o.ctxs[c.id].noticed = true
				}
			}
			return "context", true
		case len(timers) > 0:
			t := timers[0]
			t.full = false
			return fmt.Sprintf("t%d %v", slices.Index(o.timers, t), t.value), true
		}
		next := o.next()
		if next == nil || o.now > 1000*time.Hour {
			return "", false
		}
		o.fire(next)
	}
}

// generator says which programs make sense for a mode.
type generator struct {
	kept      bool // channels kept in a variable
	std       bool // standard contexts
	ambiguous bool // statements with several cases ready at first
	inline    bool // timers made in a statement after the case of another
	bareStd   bool // statements over nothing but standard contexts
	bare      bool // statements over nothing but contexts
	orderly   bool // a context known to have ended does not stand behind a timer
}

// draw draws a program and what it must do.
func (g generator) draw(t *rapid.T) randomProgram {
	o := &oracle{}
	var p randomProgram
	duration := func() time.Duration {
		return time.Duration(rapid.IntRange(1, 9).Draw(t, "s")) * time.Second
	}
	n := rapid.IntRange(1, 12).Draw(t, "ops")
	for len(p.ops) < n {
		verbs := []verb{opSleep, opTimer, opTimer, opTimeout, opTimeout, opCancelable, opSelect, opSelect, opSelect, opSelect, opTicker}
		if len(o.timers) > 0 {
			verbs = append(verbs, opStop, opReset)
		}
		if len(o.ctxs) > 0 {
			verbs = append(verbs, opCancel, opCancelIn, opSleepCtx)
			if g.std {
				verbs = append(verbs, opStdChild)
			}
		}
		if g.kept {
			verbs = append(verbs, opKeep, opPoll)
		}
		step := op{verb: rapid.SampledFrom(verbs).Draw(t, "op"), d: duration(), parent: -1}
		if len(o.ctxs) > 0 && (step.verb == opStdChild || rapid.Bool().Draw(t, "child")) {
			step.parent = rapid.IntRange(0, len(o.ctxs)-1).Draw(t, "parent")
		}
		before := *o
		switch step.verb {
		case opStop, opReset, opPoll:
			ok := slices.IndexFunc(o.timers, func(t *oracleTimer) bool { return !t.lost && t.kept == (step.verb == opPoll) }) >= 0
			if !ok {
				continue
			}
			step.id = rapid.IntRange(0, len(o.timers)-1).Filter(func(i int) bool { return !o.timers[i].lost && o.timers[i].kept == (step.verb == opPoll) }).Draw(t, "timer")
		case opCancel, opCancelIn, opSleepCtx:
			step.id = rapid.IntRange(0, len(o.ctxs)-1).Draw(t, "ctx")
		case opTimer, opTicker, opKeep:
			step.id = len(o.timers)
		case opTimeout, opCancelable, opStdChild:
			step.id = len(o.ctxs)
		case opSelect:
			step.cases = g.drawCases(t, o, duration)
			if len(step.cases) == 0 {
				continue
			}
		}
		result, ok := o.do(step)
		if !ok { // it would block for good
			o.timers, o.now = before.timers, before.now
			return p
		}
		p.ops = append(p.ops, step)
		p.want = append(p.want, o.line(result))
	}
	return p
}

func (g generator) drawCases(t *rapid.T, o *oracle, duration func() time.Duration) []selectCase {
	var cases []selectCase
	made := 0
	for range rapid.IntRange(1, 3).Draw(t, "cases") {
		c := selectCase{kind: rapid.SampledFrom([]string{"timer", "timer", "context", "context", "after", "new timer"}).Draw(t, "case")}
		switch c.kind {
		case "timer":
			if len(o.timers) == 0 {
				continue
			}
			c.id = rapid.IntRange(0, len(o.timers)-1).Draw(t, "timer")
			if o.timers[c.id].lost {
				continue
			}
			if o.timers[c.id].kept {
				c.kind = "kept"
			}
		case "context":
			if len(o.ctxs) == 0 {
				continue
			}
			c.id = rapid.IntRange(0, len(o.ctxs)-1).Draw(t, "ctx")
			if ctx := o.ctxs[c.id]; ctx.ended && ctx.noticed && g.orderly && slices.ContainsFunc(cases, func(c selectCase) bool { return c.kind != "context" }) {
				continue
			}
		default:
			if !g.inline && slices.ContainsFunc(cases, func(c selectCase) bool { return c.kind != "context" }) {
				continue
			}
			made++
			c.d = duration()
			c.id = len(o.timers) + made - 1
		}
		if slices.ContainsFunc(cases, func(d selectCase) bool { return (c.kind == "context") == (d.kind == "context") && c.id == d.id }) {
			continue
		}
		cases = append(cases, c)
	}
	seen := func(c selectCase) bool { return c.kind != "context" || g.bare && !o.ctxs[c.id].std }
	if !g.bareStd && !slices.ContainsFunc(cases, seen) {
		return nil
	}
	// Of several ready cases a select statement picks one at random, unless the
	// clock has seen them all and leaves but one.
	old := slices.DeleteFunc(slices.Clone(cases), func(c selectCase) bool { return c.kind == "after" || c.kind == "new timer" })
	if timers, contexts := o.ready(old); len(timers)+contexts > 1 {
		unseen := func(c selectCase) bool { return c.kind == "kept" || c.kind == "context" && o.ctxs[c.id].std }
		if !g.ambiguous || slices.ContainsFunc(old, unseen) {
			return nil
		}
	}
	return cases
}

// line is what an op is seen to do: what it returns, when, and which contexts have
// ended then.
func (o *oracle) line(result string) string {
	var ended strings.Builder
	for i, c := range o.ctxs {
		if c.ended {
			ended.WriteString(fmt.Sprint(" ctx", i))
		}
	}
	return fmt.Sprintf("%s at %v;%s", result, o.now, ended.String())
}

func (o *oracle) context(parent int, std bool) *oracleContext {
	c := &oracleContext{std: std}
	c.timer.cancels = c
	o.ctxs = append(o.ctxs, c)
	if parent >= 0 {
		p := o.ctxs[parent]
		p.children = append(p.children, c)
		c.ended = p.ended
	}
	return c
}

func (o *oracle) do(step op) (result string, ok bool) {
	switch step.verb {
	case opSleep:
		o.sleep(step.d, never)
	case opSleepCtx:
		c := o.ctxs[step.id]
		slept := !c.ended && o.sleep(step.d, func() bool { return c.ended })
		c.noticed = !slept
		return fmt.Sprint(slept), true
	case opTimer, opTicker, opKeep:
		t := &oracleTimer{kept: step.verb == opKeep, ticker: step.verb == opTicker}
		if t.ticker {
			t.period = step.d
		}
		o.timers = append(o.timers, t)
		o.arm(t, step.d)
	case opStop:
		t := o.timers[step.id]
		was := o.stop(t)
		if t.ticker {
			t.period = 0
			return "", true
		}
		return fmt.Sprint(was), true
	case opReset:
		t := o.timers[step.id]
		was := o.stop(t)
		o.arm(t, step.d)
		if t.ticker {
			t.period = step.d
			return "", true
		}
		return fmt.Sprint(was), true
	case opTimeout:
		c := o.context(step.parent, false)
		if inherited, ok := o.deadline(step.parent); !c.ended && (!ok || o.now+step.d <= inherited) {
			o.arm(&c.timer, step.d)
		}
	case opCancelable, opStdChild:
		o.context(step.parent, step.verb == opStdChild)
	case opCancel:
		was := make([]bool, len(o.ctxs))
		for i, c := range o.ctxs {
			was[i] = c.ended
		}
		o.ctxs[step.id].end()
		for i, c := range o.ctxs {
			c.noticed = c.noticed || c.ended && !was[i]
		}
	case opCancelIn:
		t := &oracleTimer{cancels: o.ctxs[step.id]}
		o.funcs = append(o.funcs, t)
		o.arm(t, step.d)
	case opPoll:
		t := o.timers[step.id]
		was := t.full
		t.full = false
		return fmt.Sprint(was), true
	case opSelect:
		for _, c := range step.cases {
			if c.kind == "after" || c.kind == "new timer" {
				t := &oracleTimer{lost: c.kind == "after"}
				o.timers = append(o.timers, t)
				o.arm(t, c.d)
			}
		}
		return o.wait(step.cases)
	}
	return "", true
}

// deadline returns the earliest deadline at or above a context.
func (o *oracle) deadline(ctx int) (time.Duration, bool) {
	if ctx < 0 {
		return 0, false
	}
	for _, c := range o.ctxs {
		for _, child := range c.children {
			if child == o.ctxs[ctx] {
				if d, ok := o.deadline(slices.Index(o.ctxs, c)); ok && (o.ctxs[ctx].timer.when == 0 || d < o.ctxs[ctx].timer.when) {
					return d, true
				}
			}
		}
	}
	return o.ctxs[ctx].timer.when, o.ctxs[ctx].timer.when != 0
}

// machine does what a program says, on a clock.
type machine struct {
	clk     clockwork.Clock
	start   time.Time
	timers  []clockwork.Timer
	tickers map[int]clockwork.Ticker
	kept    map[int]<-chan time.Time
	ctxs    []context.Context
	cancels []context.CancelFunc
	got     []string
}

// on runs the program. In Run nothing happens beside it; elsewhere another
// goroutine may move time.
func (p randomProgram) on(clk clockwork.Clock, inRun bool) *machine {
	m := &machine{clk: clk, start: clk.Now(), tickers: make(map[int]clockwork.Ticker), kept: make(map[int]<-chan time.Time)}
	defer m.clear()
	for i, o := range p.ops {
		result := m.do(o)
		line := m.state(result)
		// Where another goroutine moves time, a context that it ends wakes this
		// one while it still ends the others of that instant, as in package
		// context. Nothing but that goroutine's going on is waited for.
		for n := 0; n < 10_000 && line != p.want[i] && !inRun; n++ {
			runtime.Gosched()
			line = m.state(result)
		}
		m.got = append(m.got, line)
	}
	return m
}

// state is what an operation came to, and which contexts have ended.
func (m *machine) state(result string) string {
	var ended strings.Builder
	for i, c := range m.ctxs {
		if c.Err() != nil {
			ended.WriteString(fmt.Sprint(" ctx", i))
		}
	}
	return fmt.Sprintf("%s at %v;%s", result, m.clk.Since(m.start), ended.String())
}

// clear leaves nothing armed.
func (m *machine) clear() {
	for _, cancel := range m.cancels {
		cancel()
	}
	for _, t := range m.timers {
		if t != nil {
			t.Stop()
		}
	}
	for _, t := range m.tickers {
		t.Stop()
	}
}

func (m *machine) context(parent int) context.Context {
	if parent < 0 {
		return context.Background()
	}
	return m.ctxs[parent]
}

func (m *machine) do(o op) string {
	switch o.verb {
	case opSleep:
		m.clk.Sleep(o.d)
	case opSleepCtx:
		return fmt.Sprint(fakeclock.SleepContext(m.ctxs[o.id], m.clk, o.d) == nil)
	case opTimer:
		m.timers = append(m.timers, m.clk.NewTimer(o.d))
	case opTicker:
		m.tickers[o.id] = m.clk.NewTicker(o.d)
		m.timers = append(m.timers, nil)
	case opKeep:
		m.kept[o.id] = m.clk.After(o.d)
		m.timers = append(m.timers, nil)
	case opStop:
		if t := m.tickers[o.id]; t != nil {
			t.Stop()
			return ""
		}
		return fmt.Sprint(m.timers[o.id].Stop())
	case opReset:
		if t := m.tickers[o.id]; t != nil {
			t.Reset(o.d)
			return ""
		}
		return fmt.Sprint(m.timers[o.id].Reset(o.d))
	case opTimeout:
		m.adopt(fakeclock.WithTimeout(m.context(o.parent), m.clk, o.d))
	case opCancelable:
		m.adopt(fakeclock.WithCancel(m.context(o.parent), m.clk))
	case opStdChild:
		m.adopt(context.WithCancel(m.context(o.parent)))
	case opCancel:
		m.cancels[o.id]()
	case opCancelIn:
		m.clk.AfterFunc(o.d, m.cancels[o.id])
	case opPoll:
		select {
		case <-m.kept[o.id]:
			return "true"
		default:
			return "false"
		}
	case opSelect:
		return m.wait(o.cases)
	}
	return ""
}

func (m *machine) adopt(ctx context.Context, cancel context.CancelFunc) {
	m.ctxs, m.cancels = append(m.ctxs, ctx), append(m.cancels, cancel)
}

// wait is the statement: the channels of the cases are evaluated in order.
func (m *machine) wait(cases []selectCase) string {
	var at time.Time
	i := 0
	switch c := cases; len(c) {
	case 1:
		select {
		case at = <-m.timer(c[0]):
		case <-m.done(c[0]):
			return "context"
		}
	case 2:
		select {
		case at = <-m.timer(c[0]):
		case <-m.done(c[0]):
			return "context"
		case at = <-m.timer(c[1]):
			i = 1
		case <-m.done(c[1]):
			return "context"
		}
	case 3:
		select {
		case at = <-m.timer(c[0]):
		case <-m.done(c[0]):
			return "context"
		case at = <-m.timer(c[1]):
			i = 1
		case <-m.done(c[1]):
			return "context"
		case at = <-m.timer(c[2]):
			i = 2
		case <-m.done(c[2]):
			return "context"
		}
	}
	return fmt.Sprintf("t%d %v", cases[i].id, at.Sub(m.start))
}

// timer returns the channel of a case, nil if that is a context.
func (m *machine) timer(c selectCase) <-chan time.Time {
	switch c.kind {
	case "timer":
		if t := m.tickers[c.id]; t != nil {
			return t.Chan()
		}
		return m.timers[c.id].Chan()
	case "kept":
		return m.kept[c.id]
	case "after":
		m.timers = append(m.timers, nil)
		return m.clk.After(c.d)
	case "new timer":
		t := m.clk.NewTimer(c.d)
		m.timers = append(m.timers, t)
		return t.Chan()
	}
	return nil
}

func (m *machine) done(c selectCase) <-chan struct{} {
	if c.kind == "context" {
		return m.ctxs[c.id].Done()
	}
	return nil
}

func TestRandomPrograms(t *testing.T) {
	everything := generator{kept: true, std: true, ambiguous: true, inline: true, bare: true}
	unambiguous := generator{kept: true, std: true, inline: true, bare: true, bareStd: true}
	alone := func(p randomProgram, run func(f func(clockwork.Clock))) []string {
		var m *machine
		run(func(clk clockwork.Clock) { m = p.on(clk, false) })
		return m.got
	}
	// A program that hangs is a stall: enough real time for a busy machine.
	patient := fakeclock.Config{Stall: 5 * time.Second}
	orError := func(got func() []string, err error) []string {
		if err != nil {
			return []string{err.Error()}
		}
		return got()
	}
	modes := []struct {
		name string
		gen  generator
		run  func(t *testing.T, p randomProgram) []string
	}{
		{"real clock", unambiguous, func(t *testing.T, p randomProgram) (got []string) {
			synctest.Test(t, func(t *testing.T) {
				got = alone(p, func(f func(clockwork.Clock)) {
					f(fakeclock.New(fakeclock.Config{Mode: fakeclock.Follow, Base: clockwork.NewRealClock(), Settle: synctest.Wait}))
				})
			})
			return got
		}},
		{"auto", everything, func(t *testing.T, p randomProgram) []string {
			return alone(p, func(f func(clockwork.Clock)) { f(fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})) })
		}},
		{"run", generator{std: true, ambiguous: true, orderly: true}, func(t *testing.T, p randomProgram) []string {
			var m *machine
			return orError(func() []string { return m.got }, fakeclock.Run(patient, func(clk *fakeclock.Clock) error {
				m = p.on(clk, true)
				return nil
			}))
		}},
		{"run, among others", generator{std: true, ambiguous: true, orderly: true}, func(t *testing.T, p randomProgram) []string {
			machines := make([]*machine, 3)
			err := fakeclock.Run(patient, func(clk *fakeclock.Clock) error {
				g := clk.NewGroup()
				for i := range machines {
					g.Go("program", func(clk *fakeclock.Clock) error {
						clk.Sleep(time.Duration(i) * time.Millisecond)
						machines[i] = p.on(clk, true)
						return nil
					})
				}
				return g.Wait()
			})
			return orError(func() []string {
				for _, m := range machines {
					if !slices.Equal(m.got, p.want) {
						return m.got
					}
				}
				return p.want
			}, err)
		}},
		{"bubble", unambiguous, func(t *testing.T, p randomProgram) (got []string) {
			bubble.Test(t, fakeclock.Config{TB: quietTB{}}, func(t *testing.T, clk *fakeclock.Clock) {
				got = alone(p, func(f func(clockwork.Clock)) { f(clk) })
			})
			return got
		}},
		{"manual", unambiguous, func(t *testing.T, p randomProgram) (got []string) {
			synctest.Test(t, func(t *testing.T) {
				clk := fakeclock.New(fakeclock.Config{})
				var wg sync.WaitGroup
				wg.Go(func() { got = alone(p, func(f func(clockwork.Clock)) { f(clk) }) })
				for synctest.Wait(); got == nil; synctest.Wait() {
					clk.AdvanceNext()
				}
			})
			return got
		}},
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				p := mode.gen.draw(rt)
				hang := time.AfterFunc(time.Minute, func() { panic("the program hangs:\n" + p.side(nil)) })
				defer hang.Stop()
				if got := mode.run(t, p); !slices.Equal(got, p.want) {
					rt.Fatalf("the program, what it did, and what it should have done:\n%s", p.side(got))
				}
			})
		})
	}
}

// The programs say something: each kind of operation and of case is drawn, some
// statements wait and some do not, and either kind of case ends them.
func TestRandomProgramsAreVaried(t *testing.T) {
	seen := make(map[string]int)
	everything := generator{kept: true, std: true, ambiguous: true, inline: true, bare: true}
	programs := rapid.Custom(everything.draw)
	for seed := range 1000 {
		p := programs.Example(seed)
		before := ""
		for i, o := range p.ops {
			seen[string(o.verb)]++
			result, after, _ := strings.Cut(p.want[i], " at ")
			after, _, _ = strings.Cut(after, ";")
			if o.verb == opSelect {
				for _, c := range o.cases {
					seen["case "+c.kind]++
				}
				kind, _, _ := strings.Cut(result, " ")
				seen[fmt.Sprintf("context %t, waited %t, cases %d", kind == "context", after != before, len(o.cases))]++
			}
			before = after
		}
	}
	for _, v := range []verb{opSleep, opSleepCtx, opTimer, opTicker, opKeep, opStop, opReset, opTimeout, opCancelable, opStdChild, opCancel, opCancelIn, opPoll} {
		require.Positive(t, seen[string(v)], v)
	}
	for _, kind := range []string{"timer", "kept", "context", "after", "new timer"} {
		require.Positive(t, seen["case "+kind], kind)
	}
	for _, context := range []bool{true, false} {
		for _, waited := range []bool{true, false} {
			for cases := 1; cases <= 3; cases++ {
				require.Positive(t, seen[fmt.Sprintf("context %t, waited %t, cases %d", context, waited, cases)], "context %t, waited %t, cases %d", context, waited, cases)
			}
		}
	}
}

type quietTB struct{}

func (quietTB) Failed() bool        { return false }
func (quietTB) Logf(string, ...any) {}
func (quietTB) Cleanup(func())      {}

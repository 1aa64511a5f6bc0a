package scripted_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/scripted"
)

// everything has every statement of a fleet scenario, as Format writes it.
const everything = `# everything there is
policy exp:base=100ms,attempts=3
seed 7
timeout attempt=1s total=10s

fleet for=10m every=1s
clients "web" n=1000 priority=1 {
	arrive poisson rate=40/s,20s:80/s,25s:40/s  # steps
	arrive burst n=600 at=5m0s
	policy exp:base=1s,cap=30s,jitter=full,attempts=5
	over const:base=1s,jitter=none,attempts=2
	timeout attempt=2s
	budget per-success share=10% capacity=10 scope=client
	pace requests=600/m burst=10 tokens=90000/m concurrency=8 queue-timeout=30s scope=client
	accept late
	tokens in=1000..2000 out=300 max=1024

	expect successes >= 99.5%
}
clients "batch" n=10 {
	arrive closed think=exp:1m from=10s
	throttle k=1.5 window=2m scope=process:5
}
clients "cron" {
	arrive burst every=1m
	breaker failures=5 open=30s probes=2
}
clients "old" {
	arrive recording file=calls.csv
	budget grpc max=10 ratio=0.1
}
clients "chat" {
	arrive sessions file="my calls.jsonl"
	budget finagle ttl=10s share=20% floor=10
}
arrive uniform rate=0s:0/s..60s:80/s
server workers=20 service=lognormal:p50=40ms,p99=300ms per-concurrent=1ms queue=unbounded lifo drop-expired failure=1% retry-after=exp:1s network=normal:10ms,sd=2ms
limit bucket requests=600/m burst=10 tell key=client
limit sliding tokens=90000/m count-rejected reserve key=clients
limit fixed requests=10/250ms
fault outage from=20s for=10s
fault refuse from=40s for=10s
fault brownout from=60s for=10s capacity=50%
fault slow from=80s for=10s factor=2.5
fault errors from=100s for=10s transient=10% throttled=5% permanent=0.1%
at 1m0s policy off clients=web
at 1m0s budget per-call share=5% capacity=1 clients=batch
at 1m0s budget ratio share=10% window=10s
at 1m0s budget aws
at 1m0s budget aws-legacy scope=call
at 1m0s budget none
at 1m0s breaker failures=5 open=30s
at 2m0s retries off for=10s
at 2m30s shed share=50% below=1 for=10s
at 3m0s queue empty
at 3m0s scale capacity=200%
at 4m0s ramp from=10% for=30s
price in=3 out=15.25
recovery share=90% window=5s

expect recovery <= 5s
expect amplification in 1..1.1
expect p99 < 2s
expect peak <= 1000
expect wasted <= 0.5%
expect cost < 12.5
expect gave-up == ?
`

func TestFleetStatements(t *testing.T) {
	s := parse(t, everything)
	assert.True(t, s.IsFleet())
	assert.Equal(t, everything, scripted.Format(s))
	again := parse(t, scripted.Format(s))
	assert.Equal(t, s, again)

	d := s.Decls[1]
	assert.Equal(t, "web", d.Name)
	rate, ok := d.Block[0].Arg("rate")
	require.True(t, ok)
	assert.Equal(t, []int64{0, 40e6, 0, 20e9, 80e6, 0, 25e9, 40e6, 0}, rate.Values)
	assert.Len(t, d.Expects, 1)
	assert.Equal(t, int64(995_000), d.Expects[0].Number)
	assert.Equal(t, "successes >= 99.5%", d.Expects[0].String())

	// Without places a scenario is written in the order of its list.
	for i := range s.Decls {
		s.Decls[i].Pos, s.Decls[i].End = scripted.Pos{}, scripted.Pos{}
	}
	loose := parse(t, scripted.Format(s))
	assert.Len(t, loose.Decls, len(s.Decls))
	for i, d := range loose.Decls {
		assert.Equal(t, s.Decls[i].Word, d.Word)
	}
}

// One line a mistake: what is written, the word that the caret is below, and
// what is said.
func TestFleetMistakes(t *testing.T) {
	for _, tt := range []struct{ text, caret, say string }{
		{"fleet", "fleet", "fleet needs for, such as for=10m"},
		{"fleet for=10", "10", "bad value for for (such as for=10m"},
		{"fleet for=10m forr=1s", "forr", `fleet has no "forr" (did you mean "for"?)`},
		{"fleet for=10m for=1s", "for", `repeated "for"`},
		{"fleet for=10m; fleet for=10m", "fleet", "there is already a fleet in line 1"},
		{"fleet for=10m; arive poisson rate=1/s", "arive", `unknown word "arive" (did you mean "arrive"?)`},
		{"arive poisson rate=1/s", "arive", `unknown word "arive" (did you mean "arrive"?)`}, // the first word tells of a fleet
		{"fleet for=10m; arrive poison rate=1/s", "poison", `unknown kind of arrive "poison" (did you mean "poisson"?)`},
		{"fleet for=10m; arrive rate=1/s", "", "which arrive? (known: poisson, uniform, burst, closed, recording, sessions)"},
		{"fleet for=10m; arrive poisson rate=1", "1", "bad value for rate (such as rate=280/s"},
		{"fleet for=10m; server failure=10", "10", "did you mean 10%?"},
		{"fleet for=10m; server service=50", "50", "bad value for service (such as service=50ms, exp:50ms"},
		{"fleet for=10m; server lifo=yes", "lifo=yes", "lifo stands alone, without a value"},
		{"fleet for=10m; server workers=-1", "-1", "bad value for workers (such as workers=20)"},
		{"fleet for=10m; fault outge from=1s for=1s", "outge", `did you mean "outage"?`},
		{"fleet for=10m; fault outage for=1s", "fault", "fault outage needs from, such as from=20s"},
		{"fleet for=10m; at noon retries off", "noon", "at which time? such as: at 60s retries off"},
		{"fleet for=10m; at 60s fault outage from=1s for=1s", "fault", `unknown change "fault"`},
		{"fleet for=10m; at 60s policy exp:jiter=none", "jiter", `did you mean "jitter"?`},
		{"fleet for=10m; budget aws clients=web", "clients", `budget aws has no "clients"`},
		{"fleet for=10m; budget aws; breaker failures=1 open=1s", "breaker", "there is already a budget in line 1"},
		{"fleet for=10m; budget aws scope=proces:1", "proces:1", "such as scope=client, process:20, fleet or call"},
		{"fleet for=10m; ok", "", "a fleet scenario has no turns and lanes"},
		{"fleet for=10m; calls 3", "calls", "calls is for scripts: a fleet scenario has arrive"},
		{"fleet for=10m; expect attempts == 3", "expect", "attempts is about one call, and this is a fleet scenario"},
		{"fleet for=10m; expect recovry <= 3s", "recovry", `did you mean "recovery"?`},
		{"fleet for=10m; expect successes >= 99", "99", "want a percentage, such as 99.5%"},
		{"fleet for=10m; expect successes == 99%..100%", "99%..100%", "a range goes with in"},
		{`fleet for=10m; clients "a" { ok }`, "ok", "ok does not belong to clients"},
		{`fleet for=10m; clients "a" { fault outage from=1s for=1s }`, "fault", "fault does not belong to clients"},
		{`fleet for=10m; clients "a" { clients "b" {} }`, "clients", "clients does not belong to clients"},
		{`fleet for=10m; clients "a" {} clients "a"`, `"a"`, `clients "a" stand already in line 1`},
		{`fleet for=10m; clients "a" {`, "", "the script ends in the clients of line 1"},
		{`fleet for=10m; clients "" {}`, `""`, "an empty name is none: leave it out"},
		{`fleet for=10m; clients "a" {}; clients "a" {}`, `"a"`, `clients "a" stand already in line 1`},
		{`fleet "x" for=10m`, `"x"`, `fleet takes no text, only name=value (known: for, every)`},
		{`fleet =10m`, `=10m`, `fleet takes no text, only name=value (known: for, every)`},
		{"fleet for=10m; server failure=-5", "-5", "bad value for failure (such as failure=1%)"},
		{"fleet for=10m; server failure=x", "x", "bad value for failure (such as failure=1%)"},
		{"fleet for=10m; server failure=1", "1", "did you mean 1%?"},
		{"fleet for=10m; server failure=0.125", "0.125", "did you mean 12.5%?"},
		{"fleet for=10m; clients { policy }", "", "which policy? such as: policy exp:base=1s"},
		{"fleet for=10m; over", "", "which policy? such as: over exp:base=1s"},
		{"fleet for=10m; clients { xyzzyq }", "xyzzyq", "clients (known: arrive, policy, over, timeout, pace, accept, tokens, budget, breaker, throttle, expect)"},
		{"fleet for=10m; at 1s xyzzyq", "xyzzyq", `"xyzzyq" (known: policy, retries, shed, queue, scale, ramp, budget, breaker, throttle)`},
		{"fleet for=10m; xyzzyq", "xyzzyq", `unknown word "xyzzyq" (known: at, fleet, `},
		{"fleet for=10m; rampp", "rampp", `unknown word "rampp" (known: `}, // ramp goes with at
		{"fleet for=10m; budgt aws", "budgt", `did you mean "budget"?`},
		{"fleet for=10m\nbudget aws\nclients nn=1 {\nbudget aws\n}", "nn", `clients has no "nn"`},
		{"fleet for=10m\nserver lifoo {\nfault refuse from=1s for=1s\n}", "lifoo", `did you mean "lifo"?`},
		{"fleet for=10m\nok", "", "a fleet scenario has no turns and lanes"},
		{"fleet for=10m\n\nlane \"x\" { ok }", "", "a fleet scenario has no turns and lanes"},
		{"server workers=1", "server", "a fleet scenario says how long it takes: fleet for=10m"},
		{"ok; expect recovery <= 5s", "expect", "recovery is about a fleet, and this is a script"},
		{`lane "x" { fault outage from=1s for=1s; ok }`, "fault", "fault is for a fleet: it stands outside lanes and calls"},
	} {
		mistake(t, tt.text, tt.caret, tt.say)
	}
}

// mistake requires that a text has one mistake, what is said of it, and what
// the caret is below.
func mistake(t *testing.T, text, caret, say string) {
	t.Helper()
	_, err := scripted.Parse("f.retry", text)
	var all scripted.SyntaxErrors
	if !assert.True(t, errors.As(err, &all), text) {
		return
	}
	assert.Len(t, all, 1, "%s\n%v", text, err)
	assert.Contains(t, all[0].Msg, say, text)
	line := strings.Split(text, "\n")[all[0].Pos.Line-1]
	from := int(all[0].Pos.Col) - 1
	assert.True(t, strings.HasPrefix(line[from:], caret), "%s: the caret is below %q", text, line[from:])
	if caret != "" {
		assert.Equal(t, len(caret), all[0].Len, text)
	}
}

// What the values of a statement mean, and those that mean nothing.
func TestFleetValues(t *testing.T) {
	for _, tt := range []struct {
		statement, key, text string
		want                 []int64 // nil: it means nothing
	}{
		{"tokens out=1", "in", "3", []int64{3, 3}},
		{"tokens out=1", "in", "3..3", []int64{3, 3}},
		{"tokens out=1", "in", "3..4", []int64{3, 4}},
		{"tokens out=1", "in", "4..3", nil},
		{"tokens out=1", "in", "x..3", nil},
		{"tokens out=1", "in", "3..x", nil},
		{"server", "failure", "0.0001%", []int64{1}},
		{"server", "failure", "12.5%", []int64{125_000}},
		{"server", "failure", ".5%", nil},
		{"server", "failure", "1.x%", nil},
		{"server", "failure", "0.00001%", nil},
		{"server", "rate", "2.5/s", []int64{2_500_000}},
		{"server", "rate", "60/m", []int64{1_000_000}},
		{"server", "rate", "1/h", []int64{277}},
		{"server", "rate", "1/d", nil},
		{"server", "rate", "x/s", nil},
		{"limit fixed", "requests", "10/s", []int64{10, 1e9}},
		{"limit fixed", "requests", "10/m", []int64{10, 60e9}},
		{"limit fixed", "requests", "10/h", []int64{10, 3600e9}},
		{"limit fixed", "requests", "10/1ns", []int64{10, 1}},
		{"limit fixed", "requests", "10/0s", nil},
		{"limit fixed", "requests", "10/x", nil},
		{"limit fixed", "requests", "x/1s", nil},
		{"arrive poisson", "rate", "1/s", []int64{0, 1e6, 0}},
		{"arrive poisson", "rate", "1/s,5s:2/s", []int64{0, 1e6, 0, 5e9, 2e6, 0}},
		{"arrive poisson", "rate", "1/s..5s:2/s", []int64{0, 1e6, 1, 5e9, 2e6, 0}},
		{"arrive poisson", "rate", "1/s,2/s", nil},
		{"arrive poisson", "rate", "0s:1/s..2/s", nil},
		{"server", "service", "exp:1s", []int64{scripted.DistExponential, 1e9, 0}},
		{"server", "service", "lognormal:p50=1s,p99=2s", []int64{scripted.DistLognormal, 1e9, 2e9}},
		{"server", "service", "uniform:1s..2s", []int64{scripted.DistUniform, 1e9, 2e9}},
		{"server", "service", "lognormal:p50=1s,p98=2s", nil},
		{"server", "service", "lognormal:p50=x,p99=2s", nil},
		{"server", "service", "lognormal:p50=1s,p99=x", nil},
		{"server", "service", "lognormal:1s,p99=2s", nil},
		{"budget aws", "scope", "process:1", []int64{scripted.ScopeProcess, 1}},
		{"budget aws", "scope", "process:0", nil},
		{"budget aws", "scope", "process:x", nil},
		{"budget aws", "scope", "7", nil},
		{"limit fixed", "key", "all", []int64{0}},
		{"limit fixed", "key", "client", []int64{2}},
		{"limit fixed", "key", "nobody", nil},
	} {
		text := "fleet for=10m; " + tt.statement + " " + tt.key + "=" + tt.text
		if tt.want == nil {
			mistake(t, text, tt.text, "bad value for "+tt.key+" (such as "+tt.key+"=")
			continue
		}
		a, ok := parse(t, text).Decls[1].Arg(tt.key)
		require.True(t, ok)
		assert.Equal(t, tt.want, a.Values, text)
	}
	over := parse(t, "fleet for=10m; over exp:attempts=3").Decls[1]
	assert.Equal(t, 3, over.Policy().MaxAttempts)
}

// What a simulation finds wrong stands at the value, as far as there is one.
func TestFleetErrorf(t *testing.T) {
	s := parse(t, "fleet for=10m every=2s; server lifo; over off")
	byHand := &scripted.Decl{Word: "server", Args: []scripted.Arg{{Key: "rate", Text: "1/s"}}}
	for _, tt := range []struct {
		d     *scripted.Decl
		key   string
		under string
	}{
		{&s.Decls[0], "every", "every=2s"},
		{&s.Decls[0], "for", "for=10m"},
		{&s.Decls[0], "none", "fleet"},
		{&s.Decls[1], "lifo", "lifo"},
		{&s.Decls[2], "", "off"},
		{byHand, "rate", "server"},
	} {
		e := tt.d.Errorf("f.retry", tt.key, "no %d", 1)
		assert.Equal(t, "no 1", e.Msg)
		assert.Equal(t, tt.under, e.Source[e.Pos.Col-1:][:e.Len])
	}
	assert.Equal(t, "server rate=1/s", byHand.Errorf("f", "rate", "").Source)
	assert.Equal(t, scripted.Pos{Line: 1, Col: 1}, byHand.Errorf("f", "rate", "").Pos)
}

// Clients that were made by hand have braces for what is in them.
func TestFormatOfClientsByHand(t *testing.T) {
	s := parse(t, `fleet for=10m; clients { arrive burst; expect successes >= 1% }`)
	s.Decls[1].End = scripted.Pos{}
	assert.Contains(t, scripted.Format(s), "clients {\n\tarrive burst\n\texpect successes >= 1%\n}\n")
}

func FuzzFleet(f *testing.F) {
	f.Add(everything)
	f.Add("fleet for=10m; clients { arrive burst }")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scripted.Parse("f.retry", text)
		if err != nil {
			return
		}
		once := scripted.Format(s)
		again, err := scripted.Parse("f.retry", once)
		require.NoError(t, err, once)
		require.Equal(t, once, scripted.Format(again))
	})
}

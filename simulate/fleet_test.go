package simulate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// metastable is the example: it recovers only when a budget comes.
func metastable(t *testing.T) *scripted.Script {
	t.Helper()
	text, err := os.ReadFile("../examples/outage.retry")
	require.NoError(t, err)
	return parse(t, string(text))
}

func TestTheExampleRecoversOnlyWithTheBudget(t *testing.T) {
	s := metastable(t)
	r, err := simulate.Fleet(s)
	require.NoError(t, err)
	for _, c := range r.Checks {
		assert.True(t, c.OK, "%v: %s", c.Expect, c.Got)
	}
	without, err := scripted.Parse("without", strings.Replace(scripted.Format(s), "at 5m0s budget", "at 9m59s budget", 1))
	require.NoError(t, err)
	r, err = simulate.Fleet(without)
	require.NoError(t, err)
	assert.False(t, r.OK())
	assert.Equal(t, "not within 8m50s", r.Checks[0].Got)
	assert.Equal(t, 1, r.Collapsed.Hits)

	report := simulate.Check(without)
	assert.Len(t, report.Failed(), 2, "it does not recover, and less than half succeeds")
	assert.Empty(t, report.Problems)
}

func TestSeveralRunsJudgeEach(t *testing.T) {
	s := parse(t, `fleet for=1m
arrive poisson rate=50/s
server workers=5 service=exp:100ms queue=5
policy exp:base=100ms,attempts=2
expect successes > 0%
expect successes > 90%
expect peak == ?
`)
	r, err := simulate.RunFleet(t.Context(), s, simulate.FleetOptions{Runs: 8})
	require.NoError(t, err)
	require.Len(t, r.Runs, 8)
	for k, run := range r.Runs {
		assert.Equal(t, uint64(k+1), run.Seed)
	}
	assert.True(t, r.Checks[0].OK)
	assert.False(t, r.Checks[1].OK)
	assert.Contains(t, r.Checks[1].Got, "(seed ")
	assert.False(t, r.Checks[2].OK, "nothing is filled in yet")
	// The result does not depend on how many processors there are.
	before := runtime.GOMAXPROCS(1)
	again, err := simulate.RunFleet(t.Context(), s, simulate.FleetOptions{Runs: 8})
	runtime.GOMAXPROCS(before)
	require.NoError(t, err)
	assert.Equal(t, r, again)
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := simulate.RunFleet(ctx, metastable(t), simulate.FleetOptions{Runs: 3})
	require.NoError(t, err)
	assert.True(t, r.Interrupted)
	require.Len(t, r.Runs, 1)
	assert.Less(t, r.Runs[0].Horizon, 10*time.Minute)
	assert.Positive(t, r.Runs[0].Total.Calls, "what was simulated is there")
}

// Every mistake that only the scenario as a whole shows has its place.
func TestFleetProblems(t *testing.T) {
	const head = "fleet for=1m; "
	for text, want := range map[string]string{
		head + "server workers=1":                                         "f:1:1: arrive: nothing says when calls begin",
		head + "arrive poisson rate=0/s":                                  "f:1:30: rate: is 0: no call would ever begin",
		head + "arrive closed":                                            "f:1:15: think: a client that does not think",
		head + "arrive poisson rate=20s:1/s,10s:2/s":                      "f:1:30: rate: the step at 10s does not come after the one at 20s",
		head + "arrive burst; fault outage from=2m for=1s":                "f:1:42: from: 2m0s is not before the horizon of 1m0s",
		head + "arrive burst; fault outage from=2s for=0s":                "f:1:50: for: is 0: a fault takes some time",
		head + "arrive burst; at 2m retries off":                          "f:1:29: at: 2m0s is not before the horizon of 1m0s",
		head + "arrive burst at=2m":                                       "f:1:15: from: 2m0s is not before the horizon of 1m0s",
		head + "arrive burst; at 2s retries off clients=web":              `f:1:29: group: there are no clients "web"`,
		head + "clients n=1000000000 { arrive closed think=1s }":          "f:1:15: clients: 1000000000 clients at once would take 44.7 GiB of memory, 4 GiB are allowed",
		"fleet for=24h; arrive poisson rate=100000/s; server rate=1000/s": "f:1:46: queue: is unbounded, and the load is past the capacity: it could take",
		"fleet for=24h every=1us; arrive burst":                           "f:1:15: every: 1µs in 24h0m0s makes 86400000000 steps",
		head + "arrive burst; server workers=1 rate=1/s":                  "f:1:46: rate: a server has workers or a rate, not both",
		head + "arrive burst; server service=lognormal:p50=3s,p99=1s":     "f:1:36: service: p50 3s and p99 1s: want 0 < p50 <= p99",
		head + "arrive burst; limit bucket":                               "f:1:29: limit bucket needs requests=600/m or tokens=90000/m",
		head + "arrive burst; limit fixed requests=1/s burst=3":           "f:1:54: burst: only a token bucket has one",
		head + "arrive burst; fault brownout from=1s for=1s capacity=50%": "f:1:59: capacity: the server has no workers and no rate",
		head + "arrive burst; budget per-success share=10% scope=process": "such as scope=client, process:20, fleet or call",
		head + "arrive recording file=none.csv":                           "f:1:32: open none.csv: file does not exist",
		head + "arrive recording file=late.csv":                           "late.csv:3: time_ns 5 comes after 7: sort the recording by time",
		"transient; ok":                                                   "f: simulate: not a fleet scenario: no line fleet for=DURATION",
	} {
		s, err := scripted.Parse("f", text)
		if err == nil {
			_, err = simulate.RunFleet(t.Context(), s, simulate.FleetOptions{Files: fstest.MapFS{"late.csv": {Data: []byte("time_ns\n7\n5\n")}}})
		}
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), want, text)
		}
	}
	_, err := simulate.Play(parse(t, head+"arrive burst"), simulate.Options{})
	assert.ErrorContains(t, err, "fleet scenario")
}

func TestRecordings(t *testing.T) {
	const csv = "time_ns,session,tokens_in,tokens_out,latency_ns,status\n" +
		"5000000000,a,100,10,1000000000,200\n" +
		"5500000000,b,200,20,500000000,200\n" +
		"7000000000,a,300,30,1000000000,503\n"
	const lines = `{"time_ns":5000000000,"session":"a","tokens_in":100,"tokens_out":10,"latency_ns":1000000000,"status":200}` + "\n" +
		`{"time_ns":5500000000,"session":"b","tokens_in":200,"tokens_out":20,"latency_ns":500000000,"status":200}` + "\n\n" +
		`{"time_ns":7000000000,"session":"a","tokens_in":300,"tokens_out":30,"latency_ns":1000000000,"status":503}`
	a, err := simulate.ReadRecording("x.csv", strings.NewReader(csv))
	require.NoError(t, err)
	b, err := simulate.ReadRecording("x.jsonl", strings.NewReader(lines))
	require.NoError(t, err)
	assert.Equal(t, a, b)
	require.Len(t, a, 3)
	assert.Equal(t, fleet.Record{At: 2 * time.Second, Session: 0, In: 300, Out: 30, Latency: time.Second}, a[2])

	// Open, every call begins when it did; as a session the third call waits
	// until the first has ended, and then for as long as it had.
	files := fstest.MapFS{"x.csv": {Data: []byte(csv)}}
	for kind, last := range map[string]time.Duration{"recording": 6 * time.Second, "sessions": 9 * time.Second} {
		s := parse(t, "fleet for=1m; server service=4s; arrive "+kind+" file=x.csv; price in=1 out=10")
		r, err := simulate.RunFleet(t.Context(), s, simulate.FleetOptions{Files: files})
		require.NoError(t, err)
		assert.Equal(t, int64(3), r.Runs[0].Total.Succeeded)
		assert.Equal(t, last, r.Runs[0].LastEnd, kind)
		assert.Equal(t, int64(660), r.Runs[0].Total.TokensUsed)
		assert.Equal(t, int64(600*1_000_000+60*10_000_000), r.Runs[0].Total.Cost)
	}
	for text, want := range map[string]string{
		"":                    "the recording has no calls",
		"time_ns\nx\n":        `bad:2: time_ns is "x": want a whole number, not negative`,
		"time_ns\n-1\n":       "not negative",
		"session\na\n":        "there is no time_ns",
		"time\n1\n":           `unknown column "time" (known: time_ns, session, tokens_in, tokens_out, latency_ns, status)`,
		"time_ns,status\n1\n": "wrong number of fields",
	} {
		_, err := simulate.ReadRecording("bad", strings.NewReader(text))
		assert.ErrorContains(t, err, want, text)
	}
	_, err = simulate.ReadRecording("bad.jsonl", strings.NewReader(`{"time_ns":1,"oops":2}`))
	assert.ErrorContains(t, err, `unknown name "oops"`)
}

func TestWilson(t *testing.T) {
	for _, tt := range []struct {
		hits, of  int
		low, high float64
	}{{143, 200, .6488, .7731}, {0, 200, 0, .01885}, {5, 10, .2366, .7634}, {0, 0, 0, 1}, {10, 10, .7225, 1}} {
		p := simulate.Wilson(tt.hits, tt.of)
		assert.InDelta(t, tt.low, p.Low, 1e-4)
		assert.InDelta(t, tt.high, p.High, 1e-4)
	}
}

const overloaded = `fleet for=2m
arrive poisson rate=95/s
server workers=10 service=exp:100ms queue=20
policy exp:base=100ms,cap=1s,jitter=full,attempts=4
timeout attempt=1s
`

func TestCompare(t *testing.T) {
	s := parse(t, overloaded)
	once, plain := retry.Policy{MaxAttempts: 1}, *s.Policy
	hammer := retry.Policy{MaxAttempts: 8, BaseDelay: time.Millisecond}
	c, err := simulate.Compare(t.Context(), s, []simulate.Candidate{
		{Name: "plain", Policy: &plain}, {Name: "again", Policy: &plain}, {Name: "once", Policy: &once}, {Name: "hammer", Policy: &hammer},
	}, simulate.FleetOptions{Runs: 10})
	require.NoError(t, err)
	get := func(k int, subject scripted.Subject) simulate.Metric {
		for _, m := range c.Candidates[k].Metrics {
			if m.Subject == subject {
				return m
			}
		}
		t.Fatal(subject)
		return simulate.Metric{}
	}
	for _, m := range c.Candidates[1].Metrics {
		assert.Zero(t, m.Difference.Mean, "the same policy meets the same chance")
		assert.False(t, m.Difference.Clear())
	}
	m := get(2, scripted.SubjectSuccesses)
	assert.True(t, m.Difference.Clear(), "without retries fewer calls succeed")
	assert.Negative(t, m.Difference.Mean)
	assert.True(t, get(3, scripted.SubjectAmplification).Difference.Clear(), "hammering asks for more")
	assert.Empty(t, c.Candidates[2].DominatedBy, "it asks for less")

	// Where failures do not depend on the load, who waits for longer gains
	// nothing by it.
	failing := parse(t, "fleet for=1m; arrive poisson rate=100/s,50s:0/s; server service=10ms failure=20%; policy exp:base=10ms,attempts=3")
	slow := retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}
	c, err = simulate.Compare(t.Context(), failing, []simulate.Candidate{{Name: "script"}, {Name: "slow", Policy: &slow}}, simulate.FleetOptions{Runs: 10})
	require.NoError(t, err)
	assert.Empty(t, c.Candidates[0].DominatedBy)
	assert.Equal(t, "script", c.Candidates[1].DominatedBy)
	assert.False(t, get(1, scripted.SubjectSuccesses).Difference.Clear(), "no difference is said to be one")
	assert.False(t, get(1, scripted.SubjectAmplification).Difference.Clear())
	assert.True(t, get(1, scripted.SubjectP99).Difference.Clear())

	_, err = simulate.Compare(t.Context(), s, []simulate.Candidate{{Name: "alone"}}, simulate.FleetOptions{})
	assert.ErrorContains(t, err, "want at least two")
	_, err = simulate.Compare(t.Context(), s, []simulate.Candidate{{Name: "a"}, {Name: "b", Policy: &retry.Policy{BaseDelay: -1}}}, simulate.FleetOptions{})
	assert.ErrorContains(t, err, "b: ")
}

// Paired runs need far fewer seeds: the spread of the differences is smaller
// than that of the values.
func TestCommonRandomNumbersHelp(t *testing.T) {
	s := parse(t, overloaded)
	two, three := retry.Policy{MaxAttempts: 2, BaseDelay: time.Second}, retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}
	interval := func(o simulate.FleetOptions) float64 {
		c, err := simulate.Compare(t.Context(), s, []simulate.Candidate{{Name: "2", Policy: &two}, {Name: "3", Policy: &three}}, o)
		require.NoError(t, err)
		m := c.Candidates[1].Metrics[0]
		return 2 * m.Difference.Half
	}
	pairedWidth := interval(simulate.FleetOptions{Runs: 12})
	var values [2][]float64
	for k, p := range []retry.Policy{two, three} {
		seed := uint64(100 * (k + 1)) // each its own chance
		r, err := simulate.RunFleet(t.Context(), s, simulate.FleetOptions{Runs: 12, Seed: &seed, Policy: &p})
		require.NoError(t, err)
		for _, run := range r.Runs {
			values[k] = append(values[k], float64(run.Total.Succeeded)/float64(run.Total.Calls)*1e6)
		}
	}
	low, high := simulate.Unpaired(values[1], values[0])
	t.Logf("interval of the difference: paired %.0f, independent %.0f millionths", pairedWidth, high-low)
	assert.Less(t, 1.5*pairedWidth, high-low)
}

func TestFind(t *testing.T) {
	s := parse(t, `fleet for=4m
arrive poisson rate=200/s
server rate=300/s queue=3000
policy const:base=0s,jitter=none,attempts=2
timeout attempt=1s
fault outage from=1m for=1s
`)
	expect := parse(t, "fleet for=1m; arrive burst; expect recovery <= 60s").Expects[0]
	found, err := simulate.Find(t.Context(), s, simulate.FindOptions{Parameter: "fault.duration", While: expect, Low: "100ms", High: "10s", Steps: 8, FleetOptions: simulate.FleetOptions{Runs: 6}})
	require.NoError(t, err)
	assert.True(t, found.Largest)
	assert.Len(t, found.Thresholds, 6)
	every, err := time.ParseDuration(found.Every)
	require.NoError(t, err)
	// What waits when the outage ends is 200 a second of it; within the timeout
	// the server serves 300: above 1.5 s the clients have given up.
	assert.Greater(t, every, 500*time.Millisecond, "%+v", found)
	assert.Less(t, every, 3*time.Second, "%+v", found)
	hold := func(d time.Duration) bool {
		changed, err := simulate.WithParameter(s, "fault.for", d.String())
		require.NoError(t, err)
		r, err := simulate.RunFleet(t.Context(), changed, simulate.FleetOptions{Runs: 6})
		require.NoError(t, err)
		for _, run := range r.Runs {
			if d, ok := run.Recovery(); !ok || d > time.Minute {
				return false
			}
		}
		return true
	}
	assert.True(t, hold(every), "it does in every run")
	assert.False(t, hold(every+200*time.Millisecond), "and a little more does not")

	// The smallest cure: how much budget is too much?
	cure, err := simulate.Find(t.Context(), parse(t, strings.Replace(scripted.Format(s), "for=1s", "for=10s", 1)),
		simulate.FindOptions{Parameter: "server.rate", While: expect, Low: "250/s", High: "800/s", Steps: 6, FleetOptions: simulate.FleetOptions{Runs: 4}})
	require.NoError(t, err)
	assert.False(t, cure.Largest)
	assert.Contains(t, cure.Every, "/s")

	for _, o := range []struct {
		o    simulate.FindOptions
		want string
	}{
		{simulate.FindOptions{Parameter: "fault.for", Low: "1s", High: "2%"}, "are not two numbers"},
		{simulate.FindOptions{Parameter: "fault.for", Low: "2s", High: "1s"}, "nothing lies between"},
		{simulate.FindOptions{Parameter: "falt.for", Low: "1s", High: "2s"}, "the scenario has no line falt (it has arrive, fault, fleet, server)"},
		{simulate.FindOptions{Parameter: "fault.2.for", Low: "1s", High: "2s"}, "there are only 1 lines fault"},
		{simulate.FindOptions{Parameter: "fault", Low: "1s", High: "2s"}, "write WORD.NAME"},
		{simulate.FindOptions{Parameter: "fault.fro", Low: "1s", High: "2s"}, `did you mean "from"?`},
		{simulate.FindOptions{Parameter: "fault.for", Low: "10s", High: "20s"}, "fails at both ends with every seed"},
		{simulate.FindOptions{Parameter: "fault.for", Low: "1ms", High: "2ms"}, "holds at both ends with every seed"},
	} {
		o.o.While, o.o.Runs = expect, 2
		_, err := simulate.Find(t.Context(), s, o.o)
		assert.ErrorContains(t, err, o.want)
	}
}

func TestWithParameter(t *testing.T) {
	s := parse(t, overloaded+"at 1m budget per-success share=10%\nclients \"a\" n=5 { arrive burst }\n")
	for name, want := range map[string]string{
		"server.queue=99":          "queue=99",
		"policy.attempts=9":        "attempts=9",
		"policy.elapsed=3s":        "elapsed=3s",
		"policy.jitter=-20%+20%":   "jitter=-20%+20%",
		"clients.n=77":             `clients "a" n=77`,
		"budget.share=20%":         "share=20%",
		"budget.at=90s":            "at 1m30s budget",
		"arrive.2.at=5s":           "arrive burst at=5s",
		"server.drop-expired=":     "drop-expired",
		"arrive.rate=5/s,30s:10/s": "rate=5/s,30s:10/s",
	} {
		parameter, value, _ := strings.Cut(name, "=")
		changed, err := simulate.WithParameter(s, parameter, value)
		require.NoError(t, err, name)
		assert.Contains(t, scripted.Format(changed), want)
	}
	assert.NotContains(t, scripted.Format(s), "99", "the script itself is left alone")
	_, err := simulate.WithParameter(s, "policy.atempts", "9")
	assert.ErrorContains(t, err, `did you mean "attempts"?`)
}

func TestSweepShards(t *testing.T) {
	grid := simulate.Grid{
		Script: parse(t, overloaded+"fault outage from=30s for=3s\n"),
		Axes: []simulate.Axis{
			{Parameter: "policy.attempts", Values: []string{"1", "3"}},
			{Parameter: "server.queue", Values: []string{"5", "50", "500"}},
		},
		FleetOptions: simulate.FleetOptions{Runs: 3},
	}
	sweep := func(index, of int) *simulate.Shard {
		s, err := simulate.Sweep(t.Context(), grid, index, of)
		require.NoError(t, err)
		text, err := json.Marshal(s)
		require.NoError(t, err)
		back, err := simulate.ReadShard("a.json", text)
		require.NoError(t, err)
		return back
	}
	whole := sweep(1, 1)
	want, err := json.Marshal(whole)
	require.NoError(t, err)
	require.Len(t, whole.Cells, 6)
	assert.Equal(t, []string{"3", "5"}, whole.Cells[3].Values)
	for _, c := range whole.Cells {
		assert.Equal(t, int64(3), c.Runs)
		assert.Equal(t, int64(3), c.Faulty)
		assert.Equal(t, c.Total.Succeeded, c.Latency.Count())
	}
	var shards []*simulate.Shard
	for _, of := range []int{2, 7, 30} {
		shards = nil
		for k := of; k >= 1; k-- { // in any order
			shards = append(shards, sweep(k, of))
		}
		before := runtime.GOMAXPROCS(1)
		merged, err := simulate.Merge(shards...)
		runtime.GOMAXPROCS(before)
		require.NoError(t, err)
		got, err := json.Marshal(merged)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%d shards", of)
	}

	other, two := grid, uint64(2)
	other.Seed = &two
	foreign, err := simulate.Sweep(t.Context(), other, 1, 30)
	require.NoError(t, err)
	for want, list := range map[string][]*simulate.Shard{
		"no shards":                          {},
		"of 30 shards these are missing: 30": shards[1:],
		"shard 29 of 30 is given twice: also as a.json: shard 29 of 30":                                                    append([]*simulate.Shard{shards[1]}, shards...),
		"shard 1 of 30 is of another sweep than a.json: shard 30 of 30: its scenario, axes, policies, runs or seed differ": append([]*simulate.Shard{}, append(shards[:29:29], foreign)...),
		"shard 1 of 1 are not of the same number":                                                                          {shards[0], whole},
	} {
		_, err := simulate.Merge(list...)
		assert.ErrorContains(t, err, want)
	}
	_, err = simulate.Sweep(t.Context(), grid, 3, 2)
	assert.ErrorContains(t, err, "shard 3 of 2")
	_, err = simulate.ReadShard("a.json", []byte(`{"schema":"x"}`))
	assert.ErrorContains(t, err, `schema "x"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = simulate.Sweep(ctx, grid, 1, 1)
	assert.True(t, errors.Is(err, context.Canceled))
}

func TestHysteresis(t *testing.T) {
	s := parse(t, `fleet for=1m
arrive poisson rate=1/s
server workers=1 service=exp:10ms queue=1000
policy const:base=0s,jitter=none,attempts=3
timeout attempt=1s
`)
	loads := []fleet.Rate{20 * fleet.PerSecond, 60 * fleet.PerSecond, 120 * fleet.PerSecond}
	h, err := simulate.Hysteresis(t.Context(), s, simulate.HysteresisOptions{Loads: loads, Step: 2 * time.Minute})
	require.NoError(t, err)
	assert.Equal(t, 20*fleet.PerSecond*3, h.Lost)
	assert.InDelta(t, 60e6, float64(h.Goodput(h.Points[1].Up)), 4e6)
	assert.Less(t, h.Goodput(h.Points[1].Down), 10*fleet.PerSecond)
	assert.Equal(t, 100*fleet.PerSecond, h.Capacity)
	assert.Equal(t, h.Capacity/3, h.Vulnerable)
	once := retry.Policy{MaxAttempts: 1}
	h, err = simulate.Hysteresis(t.Context(), s, simulate.HysteresisOptions{Loads: loads, Step: 2 * time.Minute, FleetOptions: simulate.FleetOptions{Policy: &once}})
	require.NoError(t, err)
	assert.Zero(t, h.Lost, "%+v", h.Points)
	_, err = simulate.Hysteresis(t.Context(), parse(t, "fleet for=1m; arrive burst"), simulate.HysteresisOptions{})
	assert.ErrorContains(t, err, "say the loads")
}

func ExampleFleet() {
	s, err := scripted.Parse("outage", `
		fleet for=5m
		arrive poisson rate=280/s
		policy const:base=0s,jitter=none,attempts=2
		timeout attempt=1s
		server rate=300/s queue=1000
		fault outage from=1m for=10s
		expect recovery <= 1m`)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := simulate.Fleet(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range r.Checks {
		fmt.Printf("%v: %s\n", c.Expect, c.Got)
	}
	// Output: recovery <= 1m0s: not within 3m50s
}

package simulate_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// outage is a fleet that does not get over an outage of ten seconds.
const outage = `fleet for=5m
arrive poisson rate=280/s
policy const:base=0s,jitter=none,attempts=2
timeout attempt=1s
server rate=300/s queue=1000
fault outage from=1m for=10s
`

// Two policies under the same arrivals, service times and failures.
func ExampleCompare() {
	s, err := scripted.Parse("outage", outage)
	if err != nil {
		panic(err)
	}
	never := retry.Policy{MaxAttempts: 1}
	c, err := simulate.Compare(context.Background(), s, []simulate.Candidate{{Name: "two"}, {Name: "one", Policy: &never}}, simulate.FleetOptions{Runs: 3})
	if err != nil {
		panic(err)
	}
	for _, standing := range c.Candidates {
		fmt.Println(standing.Name, "recovered in", standing.Recovered.Hits, "of", standing.Recovered.Of, "runs")
		for _, m := range standing.Metrics {
			if m.Subject == scripted.SubjectAmplification {
				fmt.Printf("  %s %.3f ± %.3f, differs: %v\n", m.Subject, m.Summary.Mean/1e6, m.Summary.Half/1e6, m.Difference.Clear())
			}
		}
	}
	// Output:
	// two recovered in 0 of 3 runs
	//   amplification 1.797 ± 0.004, differs: false
	// one recovered in 3 of 3 runs
	//   amplification 1.000 ± 0.000, differs: true
}

// A sweep in two parts, as two machines would run it.
func ExampleSweep() {
	s, err := scripted.Parse("outage", outage)
	if err != nil {
		panic(err)
	}
	grid := simulate.Grid{
		Script:       s,
		Axes:         []simulate.Axis{{Parameter: "fault.for", Values: []string{"100ms", "10s"}}},
		FleetOptions: simulate.FleetOptions{Runs: 2},
	}
	var parts []*simulate.Shard
	for index := range 2 {
		part, err := simulate.Sweep(context.Background(), grid, index+1, 2)
		if err != nil {
			panic(err)
		}
		parts = append(parts, part)
	}
	all, err := simulate.Merge(parts...)
	if err != nil {
		panic(err)
	}
	for _, cell := range all.Cells {
		successes, _ := cell.Successes.Mean(cell.Runs)
		fmt.Println(cell.Values, cell.Recovered, "of", cell.Faulty, "recovered;", int(successes/1e4), "% of calls succeed")
	}
	// Output:
	// [100ms] 2 of 2 recovered; 99 % of calls succeed
	// [10s] 0 of 2 recovered; 19 % of calls succeed
}

// How long may the outage be?
func ExampleFind() {
	s, err := scripted.Parse("outage", outage)
	if err != nil {
		panic(err)
	}
	expect, err := scripted.Parse("expectation", outage+"expect recovery <= 1m")
	if err != nil {
		panic(err)
	}
	found, err := simulate.Find(context.Background(), s, simulate.FindOptions{
		Parameter: "fault.for", While: expect.Expects[0], Low: "100ms", High: "1600ms", Steps: 4,
		FleetOptions: simulate.FleetOptions{Runs: 3},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(found.Parameter, "up to", found.Every, "in every run")
	// Output:
	// fault.for up to 900ms in every run
}

// The load at which a system that broke down stays down.
func ExampleHysteresis() {
	s, err := scripted.Parse("outage", outage)
	if err != nil {
		panic(err)
	}
	h, err := simulate.Hysteresis(context.Background(), s, simulate.HysteresisOptions{
		Loads: []fleet.Rate{100 * fleet.PerSecond, 200 * fleet.PerSecond, 320 * fleet.PerSecond}, Step: 2 * time.Minute,
	})
	if err != nil {
		panic(err)
	}
	for _, p := range h.Points {
		fmt.Printf("%d/s: %d/s on the way up, %d/s on the way down\n", p.Load/fleet.PerSecond, h.Goodput(p.Up)/fleet.PerSecond, h.Goodput(p.Down)/fleet.PerSecond)
	}
	fmt.Println("lost from", h.Lost/fleet.PerSecond)
	// Output:
	// 100/s: 100/s on the way up, 101/s on the way down
	// 200/s: 197/s on the way up, 0/s on the way down
	// 320/s: 0/s on the way up, 0/s on the way down
	// lost from 200
}

// The interval says how little three runs show.
func ExampleWilson() {
	p := simulate.Wilson(3, 3)
	fmt.Printf("%d of %d: %.0f %% to %.0f %%\n", p.Hits, p.Of, 100*p.Low, 100*p.High)
	// Output:
	// 3 of 3: 44 % to 100 %
}

// What a service has seen, as a series.
func ExampleReadRecording() {
	log, err := simulate.ReadRecording("calls.csv", strings.NewReader("time_ns,session,tokens_in,tokens_out,latency_ns,status\n0,a,10,5,500000000,200\n1500000000,a,10,5,500000000,503\n"))
	if err != nil {
		panic(err)
	}
	fmt.Println(len(log), log[1].At, log[1].Answered)
	for _, series := range simulate.RecordedSeries(log, time.Second) {
		for _, v := range series.Values {
			fmt.Println(series.Name, v.Start, v.Value)
		}
	}
	// Output:
	// 2 1.5s false
	// calls 0s 1
	// calls 1s 1
	// calls 2s 0
	// succeeded 0s 1
	// succeeded 1s 0
	// succeeded 2s 0
}

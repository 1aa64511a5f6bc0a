package sdks

import (
	"context"
	"math/rand"
	"net/http"
	"time"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted/wire"
)

// Peer is a client that retries by itself, or a retry library with a client of
// one line on it.
type Peer struct {
	Name   string
	Module string   // path of its module
	Set    string   // what is set that is off or missing by default; "": nothing
	Policy string   // what it is made to do, and a verdict turns on; "": nothing
	Source []string // where its module says so: "FILE:LINE words of that line"
	Schedule
	Call propertytest.HTTPCall
	propertytest.HTTPOptions
}

// deaf is the promise of code that does not look at a Retry-After: its waits are
// documented as a function of something else, or what computes them is told
// nothing of the answer.
func deaf() *verdict.Spec {
	s := verdict.LooseSpec()
	s.Policy.RetryAfter = retry.HintIgnored
	return &s
}

// plainly is deaf code that does not tell failures apart either, as documented.
func plainly() *verdict.Spec {
	s := deaf()
	s.Lacks = append(s.Lacks, verdict.Classes)
	return s
}

// Peers returns all peers, first those that people use most.
func Peers() []Peer {
	var out []Peer
	for _, m := range Models() {
		if !m.Stream {
			continue
		}
		out = append(out, Peer{
			Name: m.Name, Module: m.Module, Set: m.Set, Policy: m.Policy, Source: m.Source, Call: m.text,
			HTTPOptions: propertytest.HTTPOptions{Format: m.Format, Spec: m.Spec},
		})
	}
	out = append(out, libraries()...)
	out = append(out, ours()...)
	for i := range out {
		out[i].Call = seeded(out[i].Call)
		out[i].HTTPOptions.Name = out[i].Name
		out[i].Schedule = schedules[out[i].Name]
		if out[i].Format == "" {
			out[i].Format = wire.Plain
		}
	}
	return out
}

// seeded makes the jitter of most peers the same each time: their source is the
// top level of math/rand, or one that they seed with the time. In a bubble the
// time is that of the seed of the run. What remains comes from the top level of
// math/rand/v2 (cenkalti, resty v3, sethvargo, slack-go), from crypto/rand
// (AWS, cohere-go) or from a source made when the process starts (resty v2),
// which nothing here can seed; no verdict turns on it.
func seeded(call propertytest.HTTPCall) propertytest.HTTPCall {
	return func(ctx context.Context, client *http.Client, url string) (string, error) {
		//lint:ignore SA1019 that of the libraries is what is to be seeded
		rand.Seed(time.Now().UnixNano()) // go.mod says randseednop=0, or this would do nothing
		return call(ctx, client, url)
	}
}

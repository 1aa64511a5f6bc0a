package sdks

import (
	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted/wire"
)

// Peer is a client that retries by itself, or a retry library with a client of
// one line on it.
type Peer struct {
	Name   string
	Module string // path of its module
	Set    string // what is set that is off or missing by default; "": nothing
	Policy string // what it says of itself that a verdict turns on; "": nothing
	Schedule
	Call propertytest.HTTPCall
	propertytest.HTTPOptions
}

// deaf is the promise of code that does not look at a Retry-After, and says so
// or has no way to.
func deaf() *verdict.Spec {
	s := verdict.LooseSpec()
	s.Policy.RetryAfter = retry.HintIgnored
	return &s
}

// plainly is deaf code that cannot tell failures apart either.
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
			Name: m.Name, Module: m.Module, Set: m.Set, Policy: m.Policy, Call: m.text,
			HTTPOptions: propertytest.HTTPOptions{Format: m.Format, Spec: m.Spec},
		})
	}
	out = append(out, libraries()...)
	out = append(out, ours()...)
	for i := range out {
		out[i].HTTPOptions.Name = out[i].Name
		out[i].Schedule = schedules[out[i].Name]
		if out[i].Format == "" {
			out[i].Format = wire.Plain
		}
	}
	return out
}

package explore

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// Env is what a subject is made with: the surroundings of one client.
type Env struct {
	Clock  clockwork.Clock // all waiting must happen on it
	Policy retry.Policy    // to obey
	Seed   uint64          // of the run
	Client uint64          // from 0: clients draw independently of one another
	// Notify may be called with each retry that the subject announces, before
	// its wait: the number of the attempt that failed, from 1, its error, and
	// the wait. A subject that announces nothing leaves it.
	Notify func(attempt int, err error, wait time.Duration)

	sources *atomic.Uint64 // that were asked for; nil: only the first is to be had
}

// Source returns a source of chance for this client, for a subject that takes
// one: another each time, so that code may ask for one when it is made or in every
// call. The n-th depends on Seed, Client and n.
func (e Env) Source() rand.Source {
	const odd = 0x9e3779b97f4a7c15 // what distinct numbers are apart from one another
	n := uint64(0)
	if e.sources != nil {
		n = e.sources.Add(1) - 1
	}
	return rand.NewPCG(e.Seed+odd*n, e.Client)
}

// Do is retry code as a function: it calls op until it succeeds or there is no
// more to be done, and returns op's error, the last one.
type Do func(ctx context.Context, op func(context.Context) error) error

// Subject is retry code under test. Make one with [Model], [Func], [Clockless]
// or [Delay].
type Subject struct {
	model     func(Env, retry.CompletionModel) retry.CompletionModel
	do        func(Env) Do
	delay     func(Env) func(attempt int) time.Duration
	clockless bool
	watch     func(*scripted.Script) // nil: nobody watches
	counts    bool                   // nobody but the code itself numbers its calls
	effort    *effort                // of the search that it is played in; nil: of none
	leaves    int                    // the caller closes a stream after fewer chunks than that; 0: it reads to the end
	bare      bool                   // the caller's request says no more than it must
}

// Model is a decorator of a chat model. wrap returns inner with retries around
// it, for one client; it is called anew for every scenario.
func Model(wrap func(e Env, inner retry.CompletionModel) retry.CompletionModel) Subject {
	return Subject{model: wrap}
}

// Func is retry code around any operation. newDo returns it for one client; it
// is called anew for every scenario.
func Func(newDo func(Env) Do) Subject { return Subject{do: newDo} }

// Clockless is a Func for code that takes no clock and waits on that of package
// time. It can only be tested in a bubble, with package propertytest; to [Check]
// alone nothing about it applies.
func Clockless(newDo func(Env) Do) Subject { return Subject{do: newDo, clockless: true} }

// Delay is a function that says how long to wait after an attempt, numbered
// from 1, and nothing else. It is called with attempts in order, from 1, for one
// call; newDelay is called anew for every call.
func Delay(newDelay func(Env) func(attempt int) time.Duration) Subject {
	return Subject{delay: newDelay}
}

// validate returns what is wrong with a subject that has no code.
func (s Subject) validate() error {
	if s.model == nil && s.do == nil && s.delay == nil {
		return errors.New("explore: the subject has no code: make one with Model, Func, Clockless or Delay, of a function that is not nil")
	}
	return nil
}

// IsClockless reports whether the subject waits on the clock of package time.
func (s Subject) IsClockless() bool { return s.clockless }

// IsDelay reports whether the subject only says how long to wait.
func (s Subject) IsDelay() bool { return s.delay != nil }

// streams reports whether the subject hands out streams.
func (s Subject) streams() bool { return s.model != nil }

// without says why a rule means nothing to a subject of this form, "" if it
// does.
func (s Subject) without(rule verdict.Rule, o Options) string {
	switch {
	case s.delay != nil && rule.Area != "schedule" && rule.Area != "jitter" || s.delay != nil && rule.Name == "overran-limit":
		return "the subject only says how long to wait"
	case rule.Area == "stream" && s.model == nil:
		return "the subject hands out no streams"
	case rule.Name == "body-mutated" && s.model == nil:
		return "the subject takes no request"
	case rule.Name == "nested-retry":
		return "attempts are counted where they are made"
	case rule.Area == "jitter" && o.Clients < 0:
		return "no waits were measured"
	case rule.Name == "nondeterministic" && slices.Contains(o.Lacks, verdict.Seeded):
		return "the subject lacks " + string(verdict.Seeded)
	}
	return ""
}

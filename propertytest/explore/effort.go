package explore

import (
	"errors"
	"strings"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/scripted"
)

// effort is what the scenarios of a search have cost so far, in events of their
// clocks. Code that waits for an event costs a few for each attempt. Code that polls
// costs as many as it has looks at the clock: it is judged as all other, as far as
// that goes.
type effort struct {
	last     int // events of the last scenario
	cut      int // scenarios that had more than they may
	together int // events of the scenarios whose calls are made at once
}

const (
	// polls is how many events a scenario may have at first: code that looks at its
	// context every 100 ms is seen through three hours.
	polls = 100_000
	// fewPolls is how many it may have at least, after others have had too many.
	fewPolls = 1000
	// mostCut is how many scenarios may be cut off.
	mostCut = 500
	// mostTogether is how many events the scenarios may have whose calls are made at
	// once, in all: whether one of many goroutines is blocked takes long to see.
	mostTogether = 20_000
	// mostMeasured is how many events the clients may have whose waits are measured
	// for one question.
	mostMeasured = 200_000
)

// most returns how many events the next scenario may have, whose calls have so many
// attempts at most. It is half as many after each that had more.
func (e *effort) most(s *scripted.Script, attempts int) int {
	switch {
	case e == nil:
		return polls
	case s.AtOnce:
		return max(mostTogether-e.together, 5*attempts)
	}
	return max(polls>>min(e.cut, 30), fewPolls, 10*attempts)
}

// note notes what a scenario has cost, and reports whether it is time to give up.
func (e *effort) note(s *scripted.Script, clock *fakeclock.Clock, err error) bool {
	if e == nil || clock == nil {
		return false
	}
	e.last = clock.Events()
	if s.AtOnce {
		e.together += e.last
		return false
	}
	if err == nil || !polled(err) {
		return false
	}
	e.cut++
	return e.cut > mostCut
}

// affordable returns how many of n clients can be measured, each of which costs
// about as much as the last scenario.
func (e *effort) affordable(n int) int {
	return min(n, max(mostMeasured/max(e.last, 1), 100))
}

// polled reports whether a scenario had more events than it may.
func polled(err error) bool { return strings.Contains(err.Error(), "one event more than the limit") }

var errPolls = errors.New("the code polls its clock so often that most scenarios cannot be played to their end: wait for the whole time with one timer, or poll less often, such as every 100ms")

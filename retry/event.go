package retry

import "time"

// Observer is told what happens in a call, as it happens. It is called on the
// goroutine of the call, so it must be quick, and safe for concurrent use if
// calls are concurrent. It sees the errors as they are: what it writes down is
// its own care.
type Observer interface{ Observe(Event) }

// ObserverFunc is a function as an [Observer].
type ObserverFunc func(Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }

// Event is one of [AttemptStarted], [AttemptEnded], [WaitStarted], [WaitEnded]
// and [CallEnded]. The events of one call come in this order:
//
//	(AttemptStarted AttemptEnded (WaitStarted WaitEnded)?)* CallEnded
//
// A call that ends by a panic of the caller's code has no further event.
type Event interface{ event() }

// Moment says which call an event belongs to and when it happened.
type Moment struct {
	Call    uint64    // the call's number
	Attempt int       // the number of the attempt that is running or ran last; 0 before the first
	At      time.Time // on the injected clock
}

// AttemptStarted is sent before the call is made.
type AttemptStarted struct{ Moment }

// AttemptEnded is sent when the call returned. Err is nil if it succeeded.
type AttemptEnded struct {
	Moment
	Err error
}

// WaitStarted is sent when a retry was decided, before the wait for it, which
// may be zero.
type WaitStarted struct {
	Moment
	Class    Classification // of the error that is waited on
	Decision Decision
}

// WaitEnded is sent when a wait is over. Err is nil if it lasted to its end,
// else the error of the context that ended it.
type WaitEnded struct {
	Moment
	Err error
}

// CallEnded is the last event of every call that returns.
type CallEnded struct {
	Moment                // Attempt is the number of attempts made
	Elapsed time.Duration // since the call began
	Reason  Reason        // why the call ended; never Backoff or RetryAfter
	Err     error         // what the call returned
}

func (AttemptStarted) event() {}
func (AttemptEnded) event()   {}
func (WaitStarted) event()    {}
func (WaitEnded) event()      {}
func (CallEnded) event()      {}

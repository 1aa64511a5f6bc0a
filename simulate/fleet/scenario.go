package fleet

import (
	"math"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Scenario is clients, a server, and what happens to both. It is plain data;
// [Scenario.Validate] says what is wrong with it, and [Run] plays it. The zero
// values are the simplest case of everything.
type Scenario struct {
	Horizon  time.Duration // when the run ends; required
	Interval time.Duration // of the series; 0: a second
	Groups   []Group
	Server   Server
	Limiters []Limiter // in front of the server, asked in this order
	Faults   []Fault
	Changes  []Change
	Prices   Prices
	Recovery Recovery
}

// Unbounded as a queue's length is no bound.
const Unbounded = math.MaxInt

// Rate is how often something happens, in millionths per second.
type Rate int64

// PerSecond is one per second.
const PerSecond Rate = million

// Group is clients of one kind.
type Group struct {
	Name     string
	Priority int // a waiting request of a higher priority is served first
	Clients  int // 0 acts as 1
	Arrivals []Arrival
	Policy   retry.Policy // its AttemptTimeout and MaxElapsed as in production
	// Outer are the policies of the layers around, the innermost first: each
	// takes a failed call of the one below for a failed attempt.
	Outer    []retry.Policy
	Deadline time.Duration // of each call, from its start; 0: none
	Limit    Limit         // what the calls share
	Pace     retry.Pace    // what the clients ask for at the most; zero: no bound
	PaceBy   Scope         // who shares a pace: not [PerCall]
	PaceOf   int           // clients of a process, for [PerProcess]
	// LateCounts says that the answer of an attempt which the client gave up
	// on still ends the call, while that goes on.
	LateCounts bool
	TokensIn   Count
	TokensOut  Count
	MaxTokens  int64 // what a request reserves for its answer; 0: what it will be
}

// Count is a distribution of counts: uniform in [Low, High].
type Count struct{ Low, High int64 }

// Limit is a production limit and who shares one. At most one of the four is
// set; the zero Limit never refuses.
type Limit struct {
	Budget   *retry.Budget
	Breaker  *retry.Breaker
	Rate     *retry.RateBreaker
	Throttle *retry.Throttle
	Scope    Scope
	Process  int // clients of a process, for [PerProcess]
}

// Scope says who shares.
type Scope uint8

const (
	PerFleet   Scope = iota // all clients of the group
	PerProcess              // so many clients each
	PerClient
	PerCall
)

var scopeNames = [...]string{"fleet", "process", "client", "call"}

// String returns the scope as a scenario has it.
func (s Scope) String() string { return scopeNames[s] }

// Arrival is one source of calls of a group.
type Arrival struct {
	Kind ArrivalKind
	// Steps is the profile of a Poisson or a uniform arrival: from each time
	// on the rate, which moves straight to the next step's where Ramp is set.
	Steps []Step
	// Size is how many calls a burst has; 0: one of each client.
	Size int
	From time.Duration // the first burst, or when the clients begin
	// Every is the time between bursts; 0: there is one.
	Every time.Duration
	// Think is how long a client of a closed loop waits before each call, the
	// first included.
	Think Dist
	Log   []Record // a recording, in the order of its times
}

// ArrivalKind tells arrivals apart.
type ArrivalKind uint8

const (
	Poisson  ArrivalKind = iota // independent calls at a rate
	Uniform                     // calls at even distances
	Burst                       // many calls at once
	Closed                      // each client calls, waits for the end, thinks
	Recorded                    // calls at recorded times
	Sessions                    // recorded calls, each after the end of its session's last
)

// Step is a rate from a time on.
type Step struct {
	At   time.Duration
	Rate Rate
	Ramp bool // the rate moves to the next step's
}

// Record is one call of a recording.
type Record struct {
	At       time.Duration
	Session  int // from 0
	In, Out  int64
	Latency  time.Duration // how long it took
	Answered bool          // with a result
}

// Server is what the clients call.
type Server struct {
	// Workers is how many requests are served at once; 0: all of them.
	Workers int
	// Rate, if not 0, is how many requests are begun per second, evenly. Each
	// then takes the Service time, beside the others.
	Rate    Rate
	Service Dist
	// PerConcurrent is added to the service time for each request in service,
	// this one included.
	PerConcurrent time.Duration
	Queue         int // how many requests may wait; 0: none, [Unbounded]: any
	LIFO          bool
	// DropExpired drops a waiting request whose client has given up on it,
	// when its turn comes.
	DropExpired bool
	Failure     Share // of the served requests, fail with a transient error
	// Retry is the Retry-After told with a request turned away; nil: none.
	Retry *Dist
	Hop   Dist // the network: from client to server, and back
	// Contention makes the server one row with a version, which calls read and
	// then write; a write succeeds if the row has not changed since the read.
	// Nothing else of the Server but the Hop matters then.
	Contention bool
}

// Limiter is a rate limit in front of the server.
type Limiter struct {
	Kind   LimiterKind
	Tokens bool  // counts tokens, not requests
	Limit  int64 // per window
	Window time.Duration
	Burst  int64 // what a token bucket holds; 0: Limit
	// CountRejected says that what is turned away counts as well.
	CountRejected bool
	// Reserve takes the tokens of the answer when a request begins, as many as
	// its MaxTokens, and gives back what was not used; without it they count
	// when it ends.
	Reserve bool
	Key     Key  // who shares it
	Tell    bool // a Retry-After says when there will be room
}

// LimiterKind tells limiters apart.
type LimiterKind uint8

const (
	TokenBucket LimiterKind = iota // fills evenly, begins full
	FixedWindow                    // counts from 0 at each multiple of the window
	SlidingWindow
)

// Key says whose requests a limiter counts together.
type Key uint8

const (
	ByAll Key = iota
	ByGroup
	ByClient
)

// Fault is bad weather for a while, [From, From+For).
type Fault struct {
	Kind     FaultKind
	From     time.Duration
	For      time.Duration
	Capacity Share // of a brownout
	Factor   Share // of slow: what a service time is multiplied by
	// The shares of an error mix.
	Transient, Throttled, Permanent Share
}

// FaultKind tells faults apart.
type FaultKind uint8

const (
	Outage   FaultKind = iota // nothing is begun: requests wait, as the queue allows
	Refusal                   // every request fails at once with a transient error
	Brownout                  // a share of the capacity is left
	Slow                      // every service takes a multiple of its time
	Errors                    // a share of the requests fails when served
)

// Change is an intervention.
type Change struct {
	Kind   ChangeKind
	At     time.Duration
	Group  string       // whose policy, limit or retries; "": of all groups
	Policy retry.Policy // of SetPolicy; without an AttemptTimeout it keeps the one in force
	Limit  Limit        // of SetLimit
	Share  Share        // of Shed: turned away; of Scale: the capacity; of Ramp: admitted at first
	Below  int          // of Shed: only of requests whose priority is lower; 0: all
	// For is how long it lasts, of RetriesOff, Shed, Scale and Ramp; 0: for
	// good, which a Ramp cannot.
	For time.Duration
}

// ChangeKind tells interventions apart.
type ChangeKind uint8

const (
	SetPolicy  ChangeKind = iota
	SetLimit              // a new budget, breaker or throttle, in its first state
	RetriesOff            // no attempt is followed by another, for a while or for good (0)
	Shed                  // the server turns a share away, for a while or for good
	EmptyQueue            // every waiting request is turned away
	Scale                 // of the capacity, for a while or for good
	Ramp                  // requests are admitted with a share that grows to all
)

// Prices of a million tokens, in millionths of whatever the currency is.
type Prices struct{ In, Out int64 }

// Recovery says when a run has recovered: when for the time of Window the
// successes are at least Share of the calls begun, which they are of none. Window
// is rounded up to whole intervals. The zero Recovery is 90 % over 5 s.
type Recovery struct {
	Share  Share
	Window time.Duration
}

package fleet

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Run plays a scenario. It returns the error of [Scenario.Validate], and
// otherwise a result: when the context ends, of the time until then. It changes
// nothing in the scenario, so several may run at once.
func Run(ctx context.Context, sc Scenario, seed uint64) (*Result, error) {
	return run(ctx, sc, seed, new(radixQueue))
}

func run(ctx context.Context, sc Scenario, seed uint64, q queue) (*Result, error) {
	if err := sc.Validate(); err != nil {
		return nil, err
	}
	s := newSim(&sc, seed, q)
	s.loop(ctx)
	r := s.result()
	r.Seed = seed
	return r, nil
}

// sim is a run.
type sim struct {
	q        queue
	now      int64
	seed     uint64 // of the words, mixed
	scenario *Scenario
	groups   []group
	sources  []source
	slots    []slot
	server   server
	limiters []limiter
	controls []control
	words    words
	hints    []int64 // by slot: the Retry-After on its way to the client; nil without a network
	tables   bool    // there are any of the next three, or of the server's
	extra    []layer // by slot: the layers around, depth of them each; nil without
	depth    int
	previous []int64 // by slot: the last wait; nil where no policy asks
	pacers   []pacer
	reserved []*retry.Reservation // by slot: the place at its pacer, nil if it has none
	permits  []retry.Permit       // by slot: of the attempt that a limit allowed last
	events   int64
	counts   []Counts // of the interval so far, by group
	totals   []GroupResult
	series   []Interval
	interval int64
	lastEnd  int64
	stopped  bool
}

// slot is a call in progress, or a client between two calls: 24 bytes. The
// clients of closed loops have one each, for good; calls of open loops take
// one of their source's.
type slot struct {
	start   int64  // of the call
	gen     uint32 // attempts ever begun in this slot
	call    uint32 // number among the calls of the client or the source
	attempt uint16 // number in the call, which stops at its largest
	group   uint8
	source  uint8
	state   state
	class   failureClass // of the last failure
	layer   uint8        // whose wait it is
}

// state is what a call is doing.
type state uint8

const (
	idle    state = iota // no call
	flying               // an attempt is out
	waiting              // for the next attempt
)

// layer is what a retry loop around another remembers.
type layer struct {
	attempt  int
	start    int64
	previous int64
}

// failureClass is the class of a failure, without its hint.
type failureClass uint8

const (
	failPermanent failureClass = iota
	failTransient
	failThrottled
	failTimedOut
)

func (c failureClass) classification() retry.Classification {
	switch c {
	case failTransient:
		return retry.Transient()
	case failThrottled:
		return retry.Transient().Throttled()
	case failTimedOut:
		return retry.Transient().TimedOut()
	}
	return retry.Permanent()
}

// noHint is the Retry-After of an answer without one.
const noHint = -1

// group is a Group made ready to run.
type group struct {
	*Group
	rank     int          // of its priority, the highest is 0
	policy   retry.Policy // in force
	kept     retry.Policy // in force when retries are on
	outer    []retry.Policy
	timeout  int64
	deadline int64
	clients  uint32
	limit    Limit
	limits   []retry.Limit // one of each that share
	perCall  []retry.Limit // by slot
	jitter   bool
	pacer    uint32 // the first of its pacers
	paced    bool
	prices   Prices
}

// epoch is the moment of the run's start for those who want a time.Time.
var epoch = time.Unix(0, 0).UTC()

func (s *sim) time() time.Time { return epoch.Add(time.Duration(s.now)) }

func newSim(sc *Scenario, seed uint64, q queue) *sim {
	s := &sim{
		q: q, seed: mix(seed), scenario: sc,
		interval: int64(sc.Interval),
		counts:   make([]Counts, len(sc.Groups)),
		totals:   make([]GroupResult, len(sc.Groups)),
		slots:    make([]slot, 1), // actor 0 is the run itself
	}
	if s.interval == 0 {
		s.interval = int64(time.Second)
	}
	if r, ok := q.(*radixQueue); ok {
		r.slots = &s.slots
	}
	s.server.init(sc)
	for i := range sc.Limiters {
		s.limiters = append(s.limiters, makeLimiter(sc.Limiters[i], sc))
	}
	s.groups = make([]group, len(sc.Groups))
	for i := range sc.Groups {
		s.addGroup(i)
	}
	for i := range sc.Groups {
		for k := range sc.Groups[i].Arrivals {
			s.addSource(i, &sc.Groups[i].Arrivals[k])
		}
	}
	s.addControls()
	s.tables = s.depth > 0 || s.previous != nil || !s.server.hop.zero() || s.server.contention
	s.series = make([]Interval, 0, min(int64(sc.Horizon)/s.interval+1, maxIntervals))
	s.q.push(at(min(s.interval, int64(sc.Horizon)), 0, kindTick, 0))
	return s
}

func (s *sim) addGroup(i int) {
	g := &s.groups[i]
	g.Group = &s.scenario.Groups[i]
	g.clients = uint32(max(g.Clients, 1))
	g.deadline = int64(g.Deadline)
	g.prices = s.scenario.Prices
	s.totals[i].Name = g.Name
	s.totals[i].Limiters = make([]int64, len(s.limiters))
	if len(g.Outer) > 0 {
		s.depth = max(s.depth, len(g.Outer)+1)
	}
	g.rank = slices.Index(s.scenario.priorities(), g.Priority)
	g.kept = g.Policy
	g.outer = g.Outer
	s.setPolicy(g, g.Policy)
	s.setLimit(i, g.Group.Limit)
	s.addPacers(g)
}

// setPolicy puts a policy in force.
func (s *sim) setPolicy(g *group, p retry.Policy) {
	g.policy = p
	g.timeout = int64(p.AttemptTimeout)
	g.jitter = p.Jitter != retry.JitterNone
	if p.Jitter == retry.JitterDecorrelated && s.previous == nil {
		s.previous = make([]int64, len(s.slots), cap(s.slots))
		s.tables = true
	}
}

// setLimit puts fresh limits in force.
func (s *sim) setLimit(i int, l Limit) {
	g := &s.groups[i]
	g.limit, g.limits, g.perCall = l, nil, nil
	if l == (Limit{}) {
		return
	}
	n := uint32(1)
	switch l.Scope {
	case PerClient:
		n = g.clients
	case PerProcess:
		n = (g.clients + uint32(l.Process) - 1) / uint32(l.Process)
	case PerCall:
		g.perCall = make([]retry.Limit, len(s.slots))
		return
	}
	g.limits = make([]retry.Limit, n)
	for k := range g.limits {
		g.limits[k] = l.make(s.seed, uint64(i)<<32|uint64(k))
	}
}

// make returns a production limit in its first state. The scenario is valid,
// so there is no error.
func (l Limit) make(seed, number uint64) retry.Limit {
	switch {
	case l.Budget != nil:
		b, _ := retry.NewBucket(*l.Budget)
		return b
	case l.Breaker != nil:
		c, _ := retry.NewCircuit(*l.Breaker)
		return c
	case l.Rate != nil:
		c, _ := retry.NewRateCircuit(*l.Rate)
		return c
	}
	t, _ := retry.NewThrottler(*l.Throttle, retry.Seeded(seed, number)(0))
	return t
}

// limitOf returns the limit of a slot's call, nil if there is none.
func (s *sim) limitOf(g *group, i uint32) retry.Limit {
	switch {
	case g.limits != nil:
		k := uint32(0)
		switch g.limit.Scope {
		case PerClient:
			k = s.client(g, i)
		case PerProcess:
			k = s.client(g, i) / uint32(g.limit.Process)
		}
		return g.limits[k]
	case g.perCall != nil:
		for int(i) >= len(g.perCall) {
			g.perCall = append(g.perCall, nil)
		}
		if g.perCall[i] == nil {
			g.perCall[i] = g.limit.make(s.seed, uint64(i))
		}
		return g.perCall[i]
	}
	return nil
}

// client returns which client of its group a slot's call belongs to: in an
// open loop they take turns.
func (s *sim) client(g *group, i uint32) uint32 {
	sl := &s.slots[i]
	if src := &s.sources[sl.source]; src.first > 0 {
		return (i - src.first) % g.clients
	}
	return sl.call % g.clients
}

// stream returns the chance of a slot's call.
func (s *sim) stream(i uint32) stream {
	sl := &s.slots[i]
	actor := uint64(i)
	if src := &s.sources[sl.source]; src.first == 0 {
		actor = 1<<32 + uint64(sl.source)
	}
	return streamOf(s.seed, actor, uint64(sl.call))
}

// pollEvery is how many events pass between two looks at the context.
const pollEvery = 1 << 15

func (s *sim) loop(ctx context.Context) {
	horizon := int64(s.scenario.Horizon)
	tell := progressOf(ctx)
	for {
		e, ok := s.q.pop()
		if !ok || e.at > horizon || e.at == horizon && e.kind() != kindTick {
			return
		}
		s.now = e.at
		s.events++
		if s.events%pollEvery == 0 {
			if ctx.Err() != nil {
				s.stopped = true
				return
			}
			tell(time.Duration(s.now), s.events)
		}
		s.handle(e)
	}
}

func (s *sim) handle(e event) {
	i := e.actor()
	switch k := e.kind(); k {
	case kindDone:
		s.done(i, e.generation())
	case kindThink:
		s.begin(i)
	case kindReach:
		s.reach(i, e.generation())
	case kindLatency:
		s.answerServed(i, e.generation())
	case kindOK, kindError, kindRejected, kindThrottled, kindPermanent:
		hint := int64(noHint)
		if s.hints != nil {
			hint = s.hints[i]
		}
		s.deliver(i, e.generation(), k, hint)
	case kindRetry:
		if sl := &s.slots[i]; sl.state == waiting && sl.gen&(generations-1) == e.generation() {
			s.again(i)
		}
	case kindTimeout:
		if sl := &s.slots[i]; sl.state == flying && sl.gen&(generations-1) == e.generation() {
			s.timedOut(i)
		}
	case kindRead:
		s.read(i, e.generation())
	case kindVersion:
		s.version(i, e.generation())
	case kindWrite:
		s.write(i, e.generation())
	case kindPaced:
		s.pump(i)
	case kindSource:
		s.arrive(i - firstSource)
	case kindTick:
		s.tick()
	case kindControl:
		s.control(e.generation())
	}
}

// tick ends an interval of the series.
func (s *sim) tick() {
	s.server.account(s.now)
	step := Interval{
		Start:   time.Duration(s.now-1) / time.Duration(s.interval) * time.Duration(s.interval),
		Queue:   int64(s.server.waiting),
		Serving: int64(s.server.serving),
	}
	for i := range s.counts {
		step.Add(s.counts[i])
		s.totals[i].Counts.Add(s.counts[i])
		if len(s.counts) > 1 { // the series of a single group is that of all
			s.totals[i].Series = append(s.totals[i].Series, s.counts[i])
		}
		s.counts[i] = Counts{}
	}
	s.series = append(s.series, step)
	horizon := int64(s.scenario.Horizon)
	if s.now < horizon {
		next := horizon
		if s.interval < horizon-s.now {
			next = s.now + s.interval
		}
		s.q.push(at(next, 0, kindTick, 0))
	}
}

func (s *sim) result() *Result {
	if s.stopped && s.now%s.interval != 0 {
		s.tick()
	}
	r := &Result{
		Horizon:     s.scenario.Horizon,
		Interval:    time.Duration(s.interval),
		Events:      s.events,
		Series:      s.series,
		Groups:      s.totals,
		Waiting:     s.server.waitingArea,
		Serving:     s.server.servingArea,
		Arrived:     s.server.arrived,
		LastEnd:     time.Duration(s.lastEnd),
		FaultsEnd:   s.scenario.faultsEnd(),
		Interrupted: s.stopped,
	}
	if s.stopped {
		r.Horizon = time.Duration(s.now)
	}
	for i := range s.totals {
		r.Total.Add(s.totals[i].Counts)
	}
	for i := range s.limiters {
		r.Limiters = append(r.Limiters, s.limiters[i].rejected)
	}
	r.judge(s.scenario.Recovery)
	return r
}

// faultsEnd returns when the last trigger is over: a fault, or a burst that
// comes once, in the middle of the run. Without any it is -1.
func (sc *Scenario) faultsEnd() time.Duration {
	end := time.Duration(-1)
	for _, f := range sc.Faults {
		end = max(end, f.From+f.For)
	}
	for _, g := range sc.Groups {
		for _, a := range g.Arrivals {
			if a.Kind == Burst && a.Every == 0 && a.From > 0 {
				end = max(end, a.From)
			}
		}
	}
	return end
}

// saturating returns t + d, at most the largest time.
func saturating(t, d int64) int64 {
	if d > math.MaxInt64-t {
		return math.MaxInt64
	}
	return t + d
}

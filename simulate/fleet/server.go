package fleet

import (
	"math"
	"time"
)

// server is the Server made ready to run, and its state.
type server struct {
	workers     int // at full capacity
	bound       int // of the queue
	lifo        bool
	dropExpired bool
	contention  bool
	lagged      bool // an answer takes the service time after its turn (Rate)
	perService  int64
	concurrent  bool
	service     sampler // of a worker: the turn, where the server has a rate
	latency     sampler // after the turn
	hop         sampler
	hint        *sampler
	failure     Share

	queues   []ring // by priority, the highest first
	waiting  int
	serving  int
	version  uint32   // of the row
	versions []uint32 // read, by slot

	weather
	waitingArea, servingArea Area
	accounted                int64
	arrived                  int64
}

// weather is what faults and changes make of the server.
type weather struct {
	stopped bool // nothing is begun
	refuse  bool
	limit   int   // of workers
	slow    Share // of the service time
	shed    Share
	below   int
	admit   struct {
		from, until int64 // of a ramp
		share       Share // at its beginning
	}
	transient, throttled, permanent Share
}

// entry is a waiting request.
type entry struct {
	slot, gen uint32
}

// ring is a queue that grows.
type ring struct {
	entries  []entry // a power of two of them
	first, n int
}

func (r *ring) push(e entry) {
	if r.n == len(r.entries) {
		grown := make([]entry, max(2*r.n, 16))
		for k := range r.n {
			grown[k] = r.entries[(r.first+k)&(len(r.entries)-1)]
		}
		r.entries, r.first = grown, 0
	}
	r.entries[(r.first+r.n)&(len(r.entries)-1)] = e
	r.n++
}

func (r *ring) pop(last bool) entry {
	r.n--
	if last {
		return r.entries[(r.first+r.n)&(len(r.entries)-1)]
	}
	e := r.entries[r.first]
	r.first = (r.first + 1) & (len(r.entries) - 1)
	return e
}

func (v *server) init(sc *Scenario) {
	from := &sc.Server
	v.workers, v.bound, v.lifo = from.Workers, from.Queue, from.LIFO
	v.dropExpired, v.contention, v.failure = from.DropExpired, from.Contention, from.Failure
	v.service, v.hop = from.Service.sampler(), from.Hop.sampler()
	v.perService, v.concurrent = int64(from.PerConcurrent), from.PerConcurrent > 0
	if v.workers == 0 {
		v.workers = math.MaxInt
	}
	if from.Rate > 0 {
		turn := Fixed(time.Duration(gap(from.Rate)))
		v.workers, v.latency, v.service = 1, v.service, turn.sampler()
		v.lagged = !v.latency.zero()
	}
	if from.Retry != nil {
		h := from.Retry.sampler()
		v.hint = &h
	}
	v.queues = make([]ring, len(sc.priorities()))
	v.weather = weather{limit: v.workers, slow: Whole}
}

// account adds the time since the last change to the areas.
func (v *server) account(now int64) {
	if d := uint64(now - v.accounted); d > 0 {
		v.waitingArea.Add(uint64(v.waiting), d)
		v.servingArea.Add(uint64(v.serving), d)
		v.accounted = now
	}
}

// reach is an attempt's request at the server's door.
func (s *sim) reach(i, gen uint32) {
	v := &s.server
	v.arrived++
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	if v.refuse || v.turnsAway(s, i, g) {
		s.answer(i, gen, kindRejected, s.hint(i))
		return
	}
	if len(s.limiters) > 0 {
		if ok, hint := s.admit(i); !ok {
			s.answer(i, gen, kindThrottled, hint)
			return
		}
	}
	v.account(s.now)
	switch {
	case v.serving < v.limit && !v.stopped:
		s.serve(i, gen)
	case v.waiting < v.bound:
		v.queues[g.rank].push(entry{i, gen})
		v.waiting++
	default:
		s.answer(i, gen, kindRejected, s.hint(i))
	}
}

// turnsAway reports whether load shedding or a ramp refuses a request.
func (v *server) turnsAway(s *sim, i uint32, g *group) bool {
	if v.shed == 0 && v.admit.until <= s.now {
		return false
	}
	word := s.stream(i).word(uint32(s.slots[i].attempt), forAdmission)
	if v.shed > 0 && (v.below == 0 || g.Priority < v.below) && v.shed.hits(word) {
		return true
	}
	if v.admit.until <= s.now {
		return false
	}
	rising := Rate(v.admit.share)
	share := rateAt(Step{At: time.Duration(v.admit.from), Rate: rising}, Rate(Whole), v.admit.until, s.now)
	return !Share(share).hits(mix(word))
}

// hint returns the Retry-After of a request that is turned away.
func (s *sim) hint(i uint32) int64 {
	if s.server.hint == nil {
		return noHint
	}
	return s.server.hint.draw(s.stream(i).word(uint32(s.slots[i].attempt), forHint))
}

// serve gives a request to a worker.
func (s *sim) serve(i, gen uint32) {
	v := &s.server
	v.serving++
	sl := &s.slots[i]
	var word uint64
	if sl.gen&(generations-1) == gen {
		word = s.stream(i).word(uint32(sl.attempt), forService)
	} else { // nobody waits for it: its call has moved on
		word = streamOf(s.seed, uint64(i)|1<<34, uint64(gen)).word(0, forService)
	}
	d := v.service.draw(word)
	if v.slow != Whole {
		d = v.slow.of(d)
	}
	if v.concurrent {
		d = saturating(d, v.perService*int64(v.serving))
	}
	s.counts[sl.group].Busy += d
	if d == 0 && v.workers == math.MaxInt {
		s.finish(i, gen) // a server that costs nothing needs no event
		return
	}
	s.q.push(at(saturating(s.now, d), i, kindDone, gen))
}

// done is a worker that has finished, and takes the next request.
func (s *sim) done(i, gen uint32) {
	s.server.account(s.now)
	s.finish(i, gen)
	s.drain()
}

func (s *sim) finish(i, gen uint32) {
	v := &s.server
	v.serving--
	if v.lagged {
		s.q.push(at(saturating(s.now, v.latency.draw(s.stream(i).word(uint32(s.slots[i].attempt), forLatency))), i, kindLatency, gen))
		return
	}
	s.answerServed(i, gen)
}

// drain begins what waits, as far as there are workers.
func (s *sim) drain() {
	v := &s.server
	for v.waiting > 0 && v.serving < v.limit && !v.stopped {
		e := v.take()
		sl := &s.slots[e.slot]
		if v.dropExpired && (sl.state != flying || sl.gen&(generations-1) != e.gen) {
			s.counts[sl.group].Dropped++
			continue
		}
		s.serve(e.slot, e.gen)
	}
}

// take takes a request out of the queue.
func (v *server) take() entry {
	k := 0
	for v.queues[k].n == 0 {
		k++
	}
	v.waiting--
	return v.queues[k].pop(v.lifo)
}

// answerServed answers a request that was served.
func (s *sim) answerServed(i, gen uint32) {
	v := &s.server
	sl := &s.slots[i]
	c := &s.counts[sl.group]
	c.Served++
	if sl.state != flying || sl.gen&(generations-1) != gen {
		c.ServedLate++
	} else if len(s.limiters) > 0 {
		s.settle(i)
	}
	k := kindOK
	if v.failure|v.transient|v.throttled|v.permanent != 0 {
		word := s.stream(i).word(uint32(sl.attempt), forFailure)
		k = v.outcome(word)
		if k != kindOK {
			c.ServedFailed++
		}
	}
	s.answer(i, gen, k, noHint)
}

// outcome says how a served request ends.
func (v *server) outcome(word uint64) kind {
	u := Share(uniform(million, word))
	for _, o := range [...]struct {
		share Share
		kind  kind
	}{{v.permanent, kindPermanent}, {v.throttled, kindThrottled}, {v.failure + v.transient, kindError}} {
		if u < o.share {
			return o.kind
		}
		u -= o.share
	}
	return kindOK
}

// answer sends an answer back.
func (s *sim) answer(i, gen uint32, k kind, hint int64) {
	if s.server.hop.zero() {
		s.deliver(i, gen, k, hint)
		return
	}
	sl := &s.slots[i]
	if sl.gen&(generations-1) == gen && sl.state == flying {
		s.hints[i] = hint
	}
	s.q.push(at(saturating(s.now, s.hop(i, forHop3)), i, k, gen))
}

// The model of contention (AWS Architecture Blog, "Exponential Backoff And
// Jitter", 2015): an attempt reads the row's version, and writes if it is still
// the same.

func (s *sim) read(i, gen uint32) {
	s.server.arrived++
	s.server.versions[i] = s.server.version
	s.q.push(at(saturating(s.now, s.hop(i, forHop1)), i, kindVersion, gen))
}

func (s *sim) version(i, gen uint32) {
	s.q.push(at(saturating(s.now, s.hop(i, forHop2)), i, kindWrite, gen))
}

func (s *sim) write(i, gen uint32) {
	v := &s.server
	k := kindError
	if v.versions[i] == v.version {
		v.version++
		k = kindOK
	}
	s.q.push(at(saturating(s.now, s.hop(i, forHop3)), i, k, gen))
}

// Capacity returns how many requests the server takes per second, 0 if that is
// without bound or depends on the load.
func (s Server) Capacity() Rate {
	mean := s.Service.Mean()
	switch {
	case s.Rate > 0:
		return s.Rate
	case s.Workers == 0 || mean == 0 || s.PerConcurrent > 0:
		return 0
	}
	return Rate(float64(s.Workers) / mean.Seconds() * float64(PerSecond))
}

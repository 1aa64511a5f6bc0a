package fleet

import (
	"time"

	"github.com/retrykit/retrykit/retry"
)

// begin starts a call in a slot whose number has been set.
func (s *sim) begin(i uint32) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	sl.start = s.now
	if s.tables {
		s.sideTables(i)
	}
	if s.depth > 0 {
		for k := range g.outer {
			s.extra[int(i)*s.depth+k] = layer{attempt: 1, start: s.now}
		}
		*s.innerLayer(i) = layer{start: s.now}
	}
	if g.perCall != nil && int(i) < len(g.perCall) {
		g.perCall[i] = nil
	}
	s.counts[sl.group].Calls++
	s.first(i)
}

// first makes the first attempt of a call, or of the innermost layer's next
// call, if the limit allows it.
func (s *sim) first(i uint32) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	if l := s.limitOf(g, i); l != nil && !s.allowed(l, i, 1, retry.Classification{}) {
		if len(g.outer) > 0 {
			s.surface(i, retry.Transient(), retry.Refused) // as retry.RefusedError is
			return
		}
		s.counts[sl.group].Unstarted++
		s.end(i, false)
		return
	}
	s.try(i, 0)
}

// allowed asks a limit for an attempt, and keeps its permit.
func (s *sim) allowed(l retry.Limit, i uint32, number int, class retry.Classification) bool {
	permit, ok := l.Allow(s.time(), number, class)
	for int(i) >= len(s.permits) {
		s.permits = append(s.permits, 0)
	}
	if ok {
		s.permits[i] = permit
	}
	return ok
}

// permit returns what the limit said of the attempt; 0 of one that was made
// before there was a limit.
func (s *sim) permit(i uint32) retry.Permit {
	if int(i) >= len(s.permits) {
		return 0
	}
	return s.permits[i]
}

// inner is how many attempts the innermost layer has made in its present
// call: with layers around it starts again with each of their attempts.
func (s *sim) inner(i uint32) int {
	sl := &s.slots[i]
	if s.depth == 0 || len(s.groups[sl.group].outer) == 0 {
		return int(sl.attempt)
	}
	return s.innerLayer(i).attempt
}

// innerLayer is the last entry of the slot's layers: the innermost loop has
// its own counts where others are around it.
func (s *sim) innerLayer(i uint32) *layer { return &s.extra[int(i)*s.depth+s.depth-1] }

// try sends an attempt, after a delay that counts as part of its way.
func (s *sim) try(i uint32, delay int64) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	if sl.attempt == 0 {
		s.counts[sl.group].Tries++
	} else {
		s.counts[sl.group].Retries++
	}
	if sl.attempt < 1<<16-1 {
		sl.attempt++
	}
	if len(g.outer) > 0 {
		s.innerLayer(i).attempt++
	}
	sl.gen++
	sl.state = flying
	gen := sl.gen & (generations - 1)
	if g.paced {
		s.line(i)
	} else {
		s.send(i, delay)
	}
	sl = &s.slots[i]
	if sl.state != flying || sl.gen&(generations-1) != gen {
		return // it was answered on the spot
	}
	timeout := g.timeout
	if g.deadline > 0 {
		left := sl.start + g.deadline - s.now
		if timeout == 0 || left < timeout {
			timeout = left
		}
	}
	if timeout > 0 {
		s.q.push(at(saturating(s.now, saturating(delay, timeout)), i, kindTimeout, gen))
	}
}

// send puts the request on its way.
func (s *sim) send(i uint32, delay int64) {
	gen := s.slots[i].gen & (generations - 1)
	switch {
	case s.server.contention:
		s.q.push(at(saturating(s.now, saturating(delay, s.hop(i, forHop0))), i, kindRead, gen))
	case !s.server.hop.zero():
		s.q.push(at(s.now+s.hop(i, forHop0), i, kindReach, gen))
	default:
		s.reach(i, gen)
	}
}

// hop returns the time of one way through the network.
func (s *sim) hop(i uint32, p purpose) int64 {
	return s.server.hop.draw(s.stream(i).word(uint32(s.slots[i].attempt), p))
}

// deliver hands an answer to the client.
func (s *sim) deliver(i, gen uint32, k kind, hint int64) {
	sl := &s.slots[i]
	if sl.state != flying || sl.gen&(generations-1) != gen {
		if k == kindOK {
			s.late(i, gen)
		}
		return
	}
	c := &s.counts[sl.group]
	if k != kindOK {
		s.settlePace(i, -1)
	}
	switch k {
	case kindOK:
		s.succeeded(i)
		return
	case kindError:
		c.Failed++
		s.waste(i)
		sl.class = failTransient
	case kindPermanent:
		c.Permanent++
		sl.class = failPermanent
	case kindRejected:
		c.Refused++
		sl.class = failTransient
	case kindThrottled:
		c.Limited++
		sl.class = failThrottled
	}
	s.failed(i, hint)
}

// late is a good answer to an attempt that the client gave up on.
func (s *sim) late(i, gen uint32) {
	sl := &s.slots[i]
	c := &s.counts[sl.group]
	g := &s.groups[sl.group]
	behind := (sl.gen - gen) & (generations - 1)
	if g.LateCounts && sl.state != idle && behind < uint32(sl.attempt) {
		c.Late++
		s.succeeded(i)
	}
}

// succeeded ends the call with a result.
func (s *sim) succeeded(i uint32) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	c := &s.counts[sl.group]
	if l := s.limitOf(g, i); l != nil {
		var class retry.Classification
		if s.inner(i) > 1 {
			class = sl.class.classification()
		}
		l.Report(s.time(), s.permit(i), true, class)
	}
	c.Succeeded++
	in, out := s.tokens(i)
	s.settlePace(i, in+out)
	if in+out > 0 {
		c.TokensUsed += in + out
		c.Cost += in*g.prices.In + out*g.prices.Out
	}
	s.totals[sl.group].Latency.Add(time.Duration(s.now - sl.start))
	s.end(i, true)
}

// timedOut ends an attempt that took too long, or with it the call.
func (s *sim) timedOut(i uint32) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	if s.inLine(i) {
		s.unsent(i)
		return
	}
	s.counts[sl.group].TimedOut++
	s.settlePace(i, -1)
	if !s.server.dropExpired {
		s.waste(i)
	}
	if g.deadline > 0 && s.now-sl.start >= g.deadline {
		if l := s.limitOf(g, i); l != nil {
			l.Abandon(s.time(), s.permit(i))
		}
		s.counts[sl.group].Expired++
		s.end(i, false)
		return
	}
	sl.class = failTimedOut
	s.failed(i, noHint)
}

// waste counts the tokens of an attempt that is lost.
func (s *sim) waste(i uint32) {
	sl := &s.slots[i]
	if in, out := s.tokens(i); in+out > 0 {
		g := &s.groups[sl.group]
		s.counts[sl.group].TokensWasted += in + out
		s.counts[sl.group].CostWasted += in*g.prices.In + out*g.prices.Out
	}
}

// failed asks the innermost policy what follows the attempt.
func (s *sim) failed(i uint32, hint int64) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	class := sl.class.classification()
	if hint >= 0 {
		after := retry.TransientAfter(time.Duration(hint))
		if sl.class == failThrottled {
			after = after.Throttled()
		}
		class = after
	}
	n := s.inner(i)
	limit := s.limitOf(g, i)
	if limit != nil {
		limit.Report(s.time(), s.permit(i), false, class)
	}
	f := retry.Failure{Attempt: n, Class: class, Elapsed: time.Duration(s.now - sl.start)}
	if len(g.outer) > 0 {
		f.Elapsed = time.Duration(s.now - s.innerLayer(i).start)
	}
	if s.previous != nil {
		if n > 1 {
			f.Previous = time.Duration(s.previous[i])
		}
	}
	if g.jitter {
		s.words.word = s.stream(i).word(uint32(sl.attempt), forJitter)
	}
	d := g.policy.Decide(f, &s.words)
	if d.Retry() && !s.inTime(g, sl, d.Wait) {
		s.counts[sl.group].Expired++
		s.end(i, false)
		return
	}
	if d.Retry() && limit != nil && !s.allowed(limit, i, n+1, class) {
		d.Reason = retry.Refused
	}
	if !d.Retry() {
		s.surface(i, class, d.Reason)
		return
	}
	if s.previous != nil {
		s.previous[i] = int64(d.Wait)
	}
	s.wait(i, 0, int64(d.Wait))
}

// inTime reports whether an attempt after the wait would begin before the
// call's deadline.
func (s *sim) inTime(g *group, sl *slot, wait time.Duration) bool {
	return g.deadline == 0 || int64(wait) < sl.start+g.deadline-s.now
}

// surface hands a failed call of a layer to the one around it, from the
// innermost (0) outwards, until one makes another attempt or the call is over.
func (s *sim) surface(i uint32, class retry.Classification, reason retry.Reason) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	for k := range g.outer {
		l := &s.extra[int(i)*s.depth+k]
		s.words.word = s.stream(i).word(uint32(sl.attempt), forJitter+purpose(k)+1)
		d := g.outer[k].Decide(retry.Failure{
			Attempt: l.attempt, Class: class, Elapsed: time.Duration(s.now - l.start), Previous: time.Duration(l.previous),
		}, &s.words)
		if d.Retry() && !s.inTime(g, sl, d.Wait) {
			s.counts[sl.group].Expired++
			s.end(i, false)
			return
		}
		if d.Retry() {
			l.previous = int64(d.Wait)
			s.wait(i, uint8(k+1), int64(d.Wait))
			return
		}
		reason = d.Reason
	}
	s.gaveUp(i, reason)
}

// gaveUp ends a call without success.
func (s *sim) gaveUp(i uint32, reason retry.Reason) {
	c := &s.counts[s.slots[i].group]
	switch reason {
	case retry.NotTransient:
		c.Ended++
	case retry.ElapsedLimit:
		c.OutOfTime++
	case retry.LongRetryAfter:
		c.LongHint++
	case retry.Refused:
		c.Denied++
	default:
		c.Exhausted++
	}
	s.end(i, false)
}

// wait waits before the next attempt, which layer's it is.
func (s *sim) wait(i uint32, layer uint8, d int64) {
	sl := &s.slots[i]
	sl.layer = layer
	if s.server.contention && layer == 0 {
		s.try(i, d)
		return
	}
	sl.state = waiting
	s.q.push(at(saturating(s.now, d), i, kindRetry, sl.gen))
}

// again is the end of a wait.
func (s *sim) again(i uint32) {
	sl := &s.slots[i]
	if sl.layer == 0 {
		s.try(i, 0)
		return
	}
	layers := s.extra[int(i)*s.depth:][:s.depth]
	layers[sl.layer-1].attempt++
	for k := range sl.layer - 1 {
		layers[k] = layer{attempt: 1, start: s.now}
	}
	*s.innerLayer(i) = layer{start: s.now}
	s.first(i)
}

// end is the end of a call.
func (s *sim) end(i uint32, ok bool) {
	sl := &s.slots[i]
	if !ok {
		s.totals[sl.group].GaveUp.Add(time.Duration(s.now - sl.start))
	}
	s.lastEnd = s.now
	s.settlePace(i, -1)
	sl.state, sl.attempt = idle, 0
	s.next(i)
}

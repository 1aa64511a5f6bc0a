package fleet

import (
	"cmp"
	"math"
	"slices"

	"github.com/retrykit/retrykit/retry"
)

// control is a moment at which a fault or a change begins or ends.
type control struct {
	at   int64
	once func(*sim) // besides: what a change does when it begins
}

// addControls schedules every beginning and end.
func (s *sim) addControls() {
	sc := s.scenario
	for _, f := range sc.Faults {
		s.controls = append(s.controls, control{at: int64(f.From)}, control{at: int64(f.From + f.For)})
	}
	for k := range sc.Changes {
		c := &sc.Changes[k]
		s.controls = append(s.controls, control{at: int64(c.At), once: c.begin})
		if c.For > 0 {
			s.controls = append(s.controls, control{at: int64(c.At + c.For), once: c.end})
		}
	}
	slices.SortStableFunc(s.controls, func(a, b control) int { return cmp.Compare(a.at, b.at) })
	for k, c := range s.controls {
		s.q.push(at(c.at, 0, kindControl, uint32(k)))
	}
}

// control makes the weather of the present moment.
func (s *sim) control(k uint32) {
	if once := s.controls[k].once; once != nil {
		once(s)
	}
	v := &s.server
	v.account(s.now)
	v.weather = s.scenario.weatherAt(s.now, v.workers)
	base := s.scenario.Server
	if base.Rate > 0 { // capacity is the length of a turn there, not a number of workers
		share := s.scenario.capacityAt(s.now)
		v.limit = 1
		if share == 0 {
			v.limit = 0
		} else {
			v.service.a = uint64(share.per(gap(base.Rate)))
		}
	}
	s.drain()
}

// per returns n divided by the share, saturating.
func (s Share) per(n int64) int64 {
	if n > math.MaxInt64/million {
		return math.MaxInt64
	}
	return n * million / int64(s)
}

// capacityAt returns what is left of the capacity.
func (sc *Scenario) capacityAt(now int64) Share {
	share := Whole
	for _, f := range sc.Faults {
		if f.Kind == Brownout && during(int64(f.From), int64(f.For), now) {
			share = Share(f.Capacity.of(int64(share)))
		}
	}
	for _, c := range sc.Changes {
		if c.Kind == Scale && (during(int64(c.At), int64(c.For), now) || c.For == 0 && now >= int64(c.At)) {
			share = Share(c.Share.of(int64(share)))
		}
	}
	return share
}

func during(from, length, now int64) bool { return now >= from && now-from < length }

// weatherAt returns what the faults and changes in force make of the server.
func (sc *Scenario) weatherAt(now int64, workers int) weather {
	w := weather{slow: Whole, limit: workers}
	if share := sc.capacityAt(now); share != Whole && workers != math.MaxInt {
		w.limit = int(share.of(int64(workers)))
	} else if share == 0 {
		w.limit = 0
	}
	for _, f := range sc.Faults {
		if !during(int64(f.From), int64(f.For), now) {
			continue
		}
		switch f.Kind {
		case Outage:
			w.stopped = true
		case Refusal:
			w.refuse = true
		case Slow:
			w.slow = Share(f.Factor.of(int64(w.slow)))
		case Errors:
			w.transient += f.Transient
			w.throttled += f.Throttled
			w.permanent += f.Permanent
		}
	}
	for _, c := range sc.Changes {
		if !during(int64(c.At), int64(c.For), now) && (c.For > 0 || now < int64(c.At)) {
			continue
		}
		switch c.Kind {
		case Shed:
			w.shed, w.below = c.Share, c.Below
		case Ramp:
			w.admit.from, w.admit.until, w.admit.share = int64(c.At), int64(c.At+c.For), c.Share
		}
	}
	return w
}

// begin does what a change does once, when it comes.
func (c *Change) begin(s *sim) {
	if c.Kind == EmptyQueue {
		s.emptyQueue()
		return
	}
	for i := range s.groups {
		g := &s.groups[i]
		if c.Group != "" && c.Group != g.Name {
			continue
		}
		switch c.Kind {
		case SetPolicy:
			p := c.Policy
			p.AttemptTimeout = cmp.Or(p.AttemptTimeout, g.kept.AttemptTimeout)
			g.kept = p
			s.setPolicy(g, p)
		case SetLimit:
			s.setLimit(i, c.Limit)
		case RetriesOff:
			s.setPolicy(g, retry.Policy{AttemptTimeout: g.policy.AttemptTimeout})
			g.outer = nil
		}
	}
}

// end undoes what a change did for a while.
func (c *Change) end(s *sim) {
	for i := range s.groups {
		g := &s.groups[i]
		if c.Kind == RetriesOff && (c.Group == "" || c.Group == g.Name) {
			s.setPolicy(g, g.kept)
			g.outer = g.Outer
		}
	}
}

// emptyQueue turns every waiting request away.
func (s *sim) emptyQueue() {
	v := &s.server
	v.account(s.now)
	for n := v.waiting; n > 0; n-- {
		e := v.take()
		s.answer(e.slot, e.gen, kindRejected, s.hint(e.slot))
	}
}

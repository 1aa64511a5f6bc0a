package fleet

import (
	"math"

	"github.com/retrykit/retrykit/retry"
)

// pacer is a production pacer, and which attempts wait for it.
type pacer struct {
	*retry.Pacer
	line  map[*retry.Reservation]uint32 // slots of those in its queue
	next  int64                         // when it is asked again, if that is in the future
	asked bool                          // it is being asked now
}

func (s *sim) addPacers(g *group) {
	if g.Pace == (retry.Pace{}) {
		return
	}
	n := uint32(1)
	switch g.PaceBy {
	case PerClient:
		n = g.clients
	case PerProcess:
		n = (g.clients + uint32(g.PaceOf) - 1) / uint32(g.PaceOf)
	}
	g.paced, g.pacer = true, uint32(len(s.pacers))
	for range n {
		p, _ := retry.NewPacer(g.Pace) // the scenario is valid
		s.pacers = append(s.pacers, pacer{Pacer: p, line: make(map[*retry.Reservation]uint32), next: -1})
	}
}

// pacerOf returns the number of the pacer of a slot's call.
func (s *sim) pacerOf(i uint32) uint32 {
	g := &s.groups[s.slots[i].group]
	switch g.PaceBy {
	case PerClient:
		return g.pacer + s.client(g, i)
	case PerProcess:
		return g.pacer + s.client(g, i)/uint32(g.PaceOf)
	}
	return g.pacer
}

// line puts an attempt in the queue of its pacer.
func (s *sim) line(i uint32) {
	for int(i) >= len(s.reserved) {
		s.reserved = append(s.reserved, nil)
	}
	k := s.pacerOf(i)
	in, out := s.tokens(i)
	if most := s.groups[s.slots[i].group].MaxTokens; most > 0 {
		out = most
	}
	r, err := s.pacers[k].Reserve(s.now, in+out)
	if err != nil {
		s.unsent(i)
		return
	}
	s.reserved[i] = r
	s.pacers[k].line[r] = i
	s.pump(k)
}

// pump lets go what a pacer has room for, and asks it again when it says so.
func (s *sim) pump(k uint32) {
	p := &s.pacers[k]
	if p.asked {
		return // the loop below goes on asking
	}
	p.asked = true
	defer func() { p.asked = false }()
	for {
		r, at1 := p.Next(s.now)
		if r == nil {
			if at1 != math.MaxInt64 && (p.next <= s.now || at1 < p.next) {
				p.next = at1
				s.q.push(at(at1, k, kindPaced, 0))
			}
			return
		}
		i := p.line[r]
		delete(p.line, r)
		if r.Err() != nil {
			s.reserved[i] = nil
			s.unsent(i)
			continue
		}
		s.send(i, 0)
	}
}

// inLine reports whether a slot's attempt still waits for its pacer.
func (s *sim) inLine(i uint32) bool {
	if int(i) >= len(s.reserved) || s.reserved[i] == nil {
		return false
	}
	_, ok := s.pacers[s.pacerOf(i)].line[s.reserved[i]]
	return ok
}

// settlePace tells the pacer that an attempt is over and what it cost, less
// than 0 if that is not known.
func (s *sim) settlePace(i uint32, tokens int64) {
	if int(i) >= len(s.reserved) || s.reserved[i] == nil {
		return
	}
	r, k := s.reserved[i], s.pacerOf(i)
	s.reserved[i] = nil
	if _, ok := s.pacers[k].line[r]; ok {
		delete(s.pacers[k].line, r)
		r.Cancel(s.now)
	} else {
		r.Settle(s.now, tokens)
	}
	s.pump(k)
}

// unsent ends a call whose attempt the pacing did not let go: a
// [retry.QueueError] is not retried, and limits do not count it.
func (s *sim) unsent(i uint32) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	if l := s.limitOf(g, i); l != nil {
		l.Abandon(s.time(), s.permit(i))
	}
	s.counts[sl.group].Unsent++
	s.end(i, false)
}

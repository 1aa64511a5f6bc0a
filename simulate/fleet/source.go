package fleet

import (
	"math"
	"math/bits"
	"time"
)

// firstSource is the actor number of the first source of calls, above those of
// all slots.
const firstSource = math.MaxUint32 - maxSources + 1

const maxSources = 256

// source is an Arrival made ready to run.
type source struct {
	*Arrival
	group uint8
	first uint32 // closed loops and sessions: the slot of the first client; 0: open
	calls uint32 // begun so far by an open one
	draws uint32
	step  int // of the profile, the present one
	think sampler
	free  []uint32 // slots of an open one that are not in use

	sessions [][]int32 // records of each session
}

func (s *sim) addSource(i int, a *Arrival) {
	src := source{Arrival: a, group: uint8(i), think: a.Think.sampler()}
	n := uint8(len(s.sources))
	switch a.Kind {
	case Closed:
		src.first = uint32(len(s.slots))
		s.slots = append(make([]slot, 0, len(s.slots)+int(s.groups[i].clients)), s.slots...) // no more than is needed
		for range s.groups[i].clients {
			s.addSlot(slot{group: uint8(i), source: n})
		}
	case Sessions:
		src.first = uint32(len(s.slots))
		for k, r := range a.Log {
			for r.Session >= len(src.sessions) {
				src.sessions = append(src.sessions, nil)
				s.addSlot(slot{group: uint8(i), source: n})
			}
			src.sessions[r.Session] = append(src.sessions[r.Session], int32(k))
		}
	}
	s.sources = append(s.sources, src)
	switch a.Kind {
	case Closed:
		for k := range s.groups[i].clients {
			s.think(src.first+k, int64(a.From))
		}
	case Sessions:
		for k, records := range src.sessions {
			if len(records) > 0 {
				s.q.push(at(int64(a.Log[records[0]].At), src.first+uint32(k), kindThink, 0))
			}
		}
	default:
		s.schedule(uint32(n))
	}
}

// addSlot makes a slot.
func (s *sim) addSlot(sl slot) uint32 {
	i := uint32(len(s.slots))
	s.slots = append(s.slots, sl)
	return i
}

// sideTables are kept by slot where a scenario needs them.
func (s *sim) sideTables(i uint32) {
	if s.previous != nil {
		for int(i) >= len(s.previous) {
			s.previous = append(s.previous, 0)
		}
	}
	if !s.server.hop.zero() {
		for int(i) >= len(s.hints) {
			s.hints = append(s.hints, noHint)
		}
	}
	if s.server.contention {
		for int(i) >= len(s.server.versions) {
			s.server.versions = append(s.server.versions, 0)
		}
	}
	for s.depth > 0 && len(s.extra) < (int(i)+1)*s.depth {
		s.extra = append(s.extra, layer{})
	}
}

// think schedules a closed client's next call.
func (s *sim) think(i uint32, from int64) {
	sl := &s.slots[i]
	sl.call++
	src := &s.sources[sl.source]
	pause := src.think.draw(s.stream(i).word(0, forThink))
	s.q.push(at(saturating(from, pause), i, kindThink, 0))
}

// next is what a slot does after a call: the client thinks, the session goes
// on, or the slot is free.
func (s *sim) next(i uint32) {
	sl := &s.slots[i]
	src := &s.sources[sl.source]
	switch src.Kind {
	case Closed:
		s.think(i, s.now)
	case Sessions:
		records := src.sessions[i-src.first]
		sl.call++
		if int(sl.call) < len(records) {
			last, next := &src.Log[records[sl.call-1]], &src.Log[records[sl.call]]
			s.q.push(at(s.now+int64(max(next.At-last.At-last.Latency, 0)), i, kindThink, 0))
		}
	default:
		src.free = append(src.free, i)
	}
}

// open begins a call of an open source.
func (s *sim) open(n uint32) {
	src := &s.sources[n]
	var i uint32
	if last := len(src.free) - 1; last >= 0 {
		i = src.free[last]
		src.free = src.free[:last]
	} else {
		i = s.addSlot(slot{group: src.group, source: uint8(n)})
	}
	s.slots[i].call = src.calls
	src.calls++
	s.begin(i)
}

// arrive is the moment of an open source's next call, or its next burst.
func (s *sim) arrive(n uint32) {
	src := &s.sources[n]
	size := 1
	if src.Kind == Burst {
		size = src.Size
		if size == 0 {
			size = int(s.groups[src.group].clients)
		}
	}
	for range size {
		s.open(n)
	}
	s.schedule(n)
}

// schedule pushes the moment of an open source's next call.
func (s *sim) schedule(n uint32) {
	src := &s.sources[n]
	next := int64(-1)
	switch src.Kind {
	case Poisson, Uniform:
		next = s.nextInProfile(n)
	case Burst:
		switch {
		case src.calls == 0:
			next = int64(src.From)
		case src.Every > 0:
			next = saturating(s.now, int64(src.Every))
		}
	case Recorded:
		if int(src.calls) < len(src.Log) {
			next = int64(src.Log[src.calls].At)
		}
	}
	if next >= 0 && next < int64(s.scenario.Horizon) {
		s.q.push(at(next, firstSource+n, kindSource, 0))
	}
}

// nextInProfile returns when the next call of a rate profile begins. Where the
// rate is constant the time to it is drawn at that rate; a draw that leads past
// the step is made again from there, which an exponential variable does not
// notice. Where the rate moves, the time is drawn at the higher of the two
// rates, and kept with the share that the rate has of it. Even calls come
// whenever the area below the rate has grown by one.
func (s *sim) nextInProfile(n uint32) int64 {
	src := &s.sources[n]
	t := s.now
	need := uint64(time.Second) * million // of the area below the rate, until the next even one
	for {
		for src.step+1 < len(src.Steps) && t >= int64(src.Steps[src.step+1].At) {
			src.step++
		}
		step, end := src.Steps[src.step], int64(math.MaxInt64)
		to := step.Rate
		if src.step+1 < len(src.Steps) {
			end = int64(src.Steps[src.step+1].At)
			if step.Ramp {
				to = src.Steps[src.step+1].Rate
			}
		}
		t = max(t, int64(step.At))
		top := max(step.Rate, to)
		if top == 0 {
			if end == math.MaxInt64 {
				return -1
			}
			t = end
			continue
		}
		words := streamOf(s.seed, 1<<33+uint64(n), uint64(src.draws))
		src.draws++
		if src.Kind == Uniform {
			rate := uint64(max(rateAt(step, to, end, t), 1))
			next := saturating(t, int64(need/rate))
			if next <= end {
				return next
			}
			need -= rate * uint64(end-t) // less than need, or next were not behind the end
			t = end
			continue
		}
		t = saturating(t, scale(uint64(gap(top)), exponential(words.word(0, forArrival))))
		switch {
		case t >= end:
			t = end
		case step.Rate == to || uniform(uint64(top), words.word(1, forArrival)) < uint64(rateAt(step, to, end, t)):
			return t
		}
	}
}

// gap returns the mean time between two calls.
func gap(r Rate) int64 { return int64(time.Second) * million / int64(r) }

// rateAt returns the rate at a time between a step and the end of its ramp.
func rateAt(from Step, to Rate, end, t int64) Rate {
	if from.Rate == to {
		return to
	}
	change := uint64(max(to-from.Rate, from.Rate-to))
	hi, lo := bits.Mul64(change, uint64(t-int64(from.At)))
	moved, _ := bits.Div64(hi, lo, uint64(end-int64(from.At)))
	if to < from.Rate {
		return from.Rate - Rate(moved)
	}
	return from.Rate + Rate(moved)
}

// tokens returns how many tokens a slot's call has.
func (s *sim) tokens(i uint32) (in, out int64) {
	sl := &s.slots[i]
	src := &s.sources[sl.source]
	switch src.Kind {
	case Recorded:
		r := &src.Log[sl.call]
		return r.In, r.Out
	case Sessions:
		records := src.sessions[i-src.first]
		r := &src.Log[records[min(int(sl.call), len(records)-1)]] // a request given up on may outlive its session
		return r.In, r.Out
	}
	g := s.groups[sl.group].Group
	if g.TokensIn.High+g.TokensOut.High == 0 {
		return 0, 0
	}
	words := s.stream(i)
	return g.TokensIn.draw(words.word(0, forTokensIn)), g.TokensOut.draw(words.word(0, forTokensOut))
}

func (c Count) draw(word uint64) int64 {
	return c.Low + int64(uniform(uint64(c.High-c.Low+1), word))
}

package fleet

import "math/bits"

// limiter is a Limiter made ready to run, with one state for each key.
type limiter struct {
	Limiter
	window   int64
	burst    int64
	states   []limiterState
	first    []uint32 // by group: its first key
	rejected int64
}

// limiterState is what one key has used. Amounts are requests or tokens.
type limiterState struct {
	// A token bucket's debt in amount·window units: it shrinks by Limit each
	// nanosecond, and there is room while it is below the burst.
	debt int64
	at   int64 // of the debt; or the beginning of a fixed window
	used int64 // in the window
	log  []use // a sliding window's, the oldest first
	head int
}

type use struct{ at, amount int64 }

func makeLimiter(l Limiter, sc *Scenario) limiter {
	out := limiter{Limiter: l, window: int64(l.Window), burst: l.Burst}
	if out.burst == 0 {
		out.burst = l.Limit
	}
	keys := uint32(0)
	for i := range sc.Groups {
		switch l.Key {
		case ByAll:
			out.first = append(out.first, 0)
			keys = 1
		case ByGroup:
			out.first = append(out.first, uint32(i))
			keys++
		case ByClient:
			out.first = append(out.first, keys)
			keys += uint32(max(sc.Groups[i].Clients, 1))
		}
	}
	out.states = make([]limiterState, keys)
	return out
}

// admit asks every limiter, and charges all if none objects. Otherwise hint is
// when the one that objected has room.
func (s *sim) admit(i uint32) (ok bool, hint int64) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	refused := -1
	for k := range s.limiters {
		l := &s.limiters[k]
		st := l.state(s, i)
		l.advance(st, s.now)
		if !l.fits(st, l.amount(s, i, g)) {
			refused = k
			break
		}
	}
	for k := range s.limiters {
		l := &s.limiters[k]
		if refused < 0 || l.CountRejected {
			st := l.state(s, i)
			l.advance(st, s.now)
			l.charge(st, s.now, l.amount(s, i, g))
		}
	}
	if refused < 0 {
		return true, noHint
	}
	l := &s.limiters[refused]
	l.rejected++
	s.totals[sl.group].Limiters[refused]++
	if !l.Tell {
		return false, noHint
	}
	st := l.state(s, i)
	return false, l.until(st, s.now, l.amount(s, i, g))
}

// state returns the state of the key that a slot's requests belong to.
func (l *limiter) state(s *sim, i uint32) *limiterState {
	group := s.slots[i].group
	k := l.first[group]
	if l.Key == ByClient {
		k += s.client(&s.groups[group], i)
	}
	return &l.states[k]
}

// amount is what a request asks for at the door.
func (l *limiter) amount(s *sim, i uint32, g *group) int64 {
	if !l.Tokens {
		return 1
	}
	in, out := s.tokens(i)
	if !l.Reserve {
		return in
	}
	if g.MaxTokens > 0 {
		return in + g.MaxTokens
	}
	return in + out
}

// settle counts what was not known at the door, or gives back what was
// reserved and not used.
func (s *sim) settle(i uint32) {
	sl := &s.slots[i]
	g := &s.groups[sl.group]
	for k := range s.limiters {
		l := &s.limiters[k]
		if !l.Tokens {
			continue
		}
		in, out := s.tokens(i)
		if rest := in + out - l.amount(s, i, g); rest != 0 {
			st := l.state(s, i)
			l.advance(st, s.now)
			l.charge(st, s.now, rest)
		}
	}
}

// advance forgets what is over.
func (l *limiter) advance(st *limiterState, now int64) {
	switch l.Kind {
	case TokenBucket:
		hi, lo := bits.Mul64(uint64(now-st.at), uint64(l.Limit))
		if hi > 0 || lo > uint64(max(st.debt, 0)) {
			st.debt = min(st.debt, 0)
		} else {
			st.debt -= int64(lo)
		}
		st.at = now
	case FixedWindow:
		if begin := now - now%l.window; begin > st.at {
			st.at, st.used = begin, 0
		}
	case SlidingWindow:
		for st.head < len(st.log) && st.log[st.head].at <= now-l.window {
			st.used -= st.log[st.head].amount
			st.head++
		}
		if st.head > len(st.log)/2 && st.head > 64 {
			st.log = st.log[:copy(st.log, st.log[st.head:])]
			st.head = 0
		}
	}
}

// fits reports whether there is room for an amount.
func (l *limiter) fits(st *limiterState, amount int64) bool {
	if l.Kind == TokenBucket {
		return st.debt+amount*l.window <= l.burst*l.window
	}
	return st.used+amount <= l.Limit
}

func (l *limiter) charge(st *limiterState, now, amount int64) {
	switch l.Kind {
	case TokenBucket:
		st.debt = max(st.debt+amount*l.window, 0)
	case FixedWindow:
		st.used += amount
	case SlidingWindow:
		st.used += amount
		st.log = append(st.log, use{now, amount})
	}
}

// until returns how long it takes until there is room for an amount.
func (l *limiter) until(st *limiterState, now, amount int64) int64 {
	switch l.Kind {
	case TokenBucket:
		over := st.debt + amount*l.window - l.burst*l.window
		return max((over+l.Limit-1)/l.Limit, 0)
	case FixedWindow:
		return st.at + l.window - now
	}
	missing := st.used + amount - l.Limit
	for _, u := range st.log[st.head:] {
		if missing -= u.amount; missing <= 0 {
			return u.at + l.window - now
		}
	}
	return l.window
}

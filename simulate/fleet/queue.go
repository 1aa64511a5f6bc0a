package fleet

import "math/bits"

// queue holds the events to come.
type queue interface {
	push(event)
	// pop takes out the first event in the order of events; ok is false if
	// there is none.
	pop() (e event, ok bool)
	len() int
}

// radixQueue is a monotone radix heap (Ahuja, Mehlhorn, Orlin, Tarjan 1990):
// no event may be pushed that is earlier than the last one popped, which no
// simulation does. Bucket b > 0 holds the events whose time first differs from
// that of the last popped one in bit b-1; those of that very time are in a
// binary heap by id. Buckets are lists of blocks out of one pool, so that the
// queue takes little more than the 16 bytes of each event.
type radixQueue struct {
	last    int64
	size    int
	now     []uint64 // ids of the events at last, a heap
	used    uint64   // bit b-1: bucket b is not empty
	buckets [64]*block
	free    *block
}

const blockEvents = 127 // 2 KiB with the header

type block struct {
	next   *block
	n      int
	events [blockEvents]event
}

func (q *radixQueue) len() int { return q.size }

func (q *radixQueue) push(e event) {
	if e.at < q.last {
		panic("fleet: an event before the present")
	}
	q.size++
	q.add(e)
}

// add puts an event where it belongs.
func (q *radixQueue) add(e event) {
	b := bits.Len64(uint64(e.at ^ q.last))
	if b == 0 {
		q.pushNow(e.id)
		return
	}
	l := q.buckets[b&63] // times are not negative, so b < 64
	if l == nil || l.n == blockEvents {
		l = q.block(l)
		q.buckets[b&63] = l
		q.used |= 1 << (b - 1)
	}
	l.events[l.n] = e
	l.n++
}

// block takes an empty block from the pool and puts it before another.
func (q *radixQueue) block(next *block) *block {
	l := q.free
	if l == nil {
		l = new(block)
	} else {
		q.free = l.next
	}
	l.n, l.next = 0, next
	return l
}

func (q *radixQueue) pop() (event, bool) {
	if q.size == 0 {
		return event{}, false
	}
	q.size--
	if len(q.now) == 0 {
		if e, only := q.advance(); only {
			return e, true
		}
	}
	return event{q.last, q.popNow()}, true
}

// advance moves to the time of the earliest event and spreads the bucket that
// it was in. An event that is alone in its bucket is returned at once.
func (q *radixQueue) advance() (e event, only bool) {
	b := bits.TrailingZeros64(q.used) + 1
	head := q.buckets[b]
	q.buckets[b] = nil
	q.used &^= 1 << (b - 1)
	if head.n == 1 && head.next == nil {
		e = head.events[0]
		q.last = e.at
		head.next, q.free = q.free, head
		return e, true
	}
	earliest := head.events[0].at
	for l := head; l != nil; l = l.next {
		for _, e := range l.events[:l.n] {
			earliest = min(earliest, e.at)
		}
	}
	q.last = earliest
	for l := head; l != nil; {
		for _, e := range l.events[:l.n] {
			q.add(e)
		}
		next := l.next
		l.next, q.free = q.free, l
		l = next
	}
	return event{}, false
}

func (q *radixQueue) pushNow(id uint64) {
	q.now = append(q.now, id)
	h := q.now
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent] <= id {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = id
}

func (q *radixQueue) popNow() uint64 {
	h := q.now
	first := h[0]
	n := len(h) - 1
	id := h[n]
	q.now = h[:n]
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && h[child+1] < h[child] {
			child++
		}
		if id <= h[child] {
			break
		}
		h[i] = h[child]
		i = child
	}
	if n > 0 {
		h[i] = id
	}
	return first
}

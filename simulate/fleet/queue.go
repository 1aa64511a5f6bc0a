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
// simulation does. Times are numbers of 16 hexadecimal digits. An event is in
// the bucket of the highest digit in which its time differs from that of the
// last popped one, and of its value there; those of that very time are in a
// binary heap by id. Whenever the earliest bucket is opened, each of its events
// moves to a lower digit: five times or so in its life with a million of them,
// half as often as with binary digits. Buckets are lists of blocks out of one
// pool, so that the queue takes little more than the 16 bytes of each event.
type radixQueue struct {
	last    int64
	size    int
	now     []uint64    // ids of the events at last, a heap
	used    [4]uint64   // bit b: bucket b is not empty
	buckets [256]*block // by digit·16 + value
	free    *block
	slots   *[]slot // of the actors of a simulation, or nil
	touched uint32  // keeps the compiler from leaving out what touch does
}

const blockEvents = 63 // 1 KiB with the header

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
	differs := uint64(e.at ^ q.last)
	if differs == 0 {
		q.pushNow(e.id)
		return
	}
	digit := uint(bits.Len64(differs)-1) / 4
	b := uint8(digit<<4 | uint(e.at>>(4*digit))&15)
	l := q.buckets[b]
	if l == nil || l.n == blockEvents {
		l = q.block(l)
		q.buckets[b] = l
		q.used[b>>6] |= 1 << (b & 63)
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
	word := 0
	for q.used[word] == 0 {
		word++
	}
	b := word<<6 | bits.TrailingZeros64(q.used[word])
	head := q.buckets[b]
	q.buckets[b] = nil
	q.used[word] &^= 1 << (b & 63)
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
	if head.next == nil {
		q.touch(head)
	}
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

// touch reads the slots of the events in a block, which come next, unless all
// slots are in the processor's caches anyway. Memory is slow to answer, but can be
// asked for many things at a time: with a million clients that saves a third.
func (q *radixQueue) touch(l *block) {
	const cached = 1 << 14
	if q.slots == nil || len(*q.slots) < cached {
		return
	}
	slots := *q.slots
	for _, e := range l.events[:l.n] {
		if i := e.actor(); int(i) < len(slots) {
			q.touched += slots[i].gen
		}
	}
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

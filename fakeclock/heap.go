package fakeclock

import "math/bits"

// A key orders events: by instant, then by tie, then by arming.
type key struct {
	when int64  // nanoseconds since the start; -1 for what goes on before it: see readyFirst
	tie  uint64 // round of the instant in the high half; owner or random draw in the low half
	seq  uint64 // arming sequence, unique
}

// less returns 1 if k comes before l, and 0 otherwise: the borrow of a subtraction
// over all three words. There is no branch to mispredict, which halves the cost of
// a wait among many.
func (k *key) less(l *key) int {
	_, b := bits.Sub64(k.seq, l.seq, 0)
	_, b = bits.Sub64(k.tie, l.tie, b)
	_, b = bits.Sub64(uint64(k.when)+1, uint64(l.when)+1, b)
	return int(b)
}

func (k *key) before(l *key) bool { return k.less(l) == 1 }

// entry keeps the key beside the pointer, so that comparing does not touch the
// event.
type entry struct {
	key
	ev *event
}

// queue is a heap of armed events with four children per node, since a flat heap
// has fewer levels. Each event knows its place, so any one can be removed in
// O(log n).
type queue struct {
	heap []entry
	hole bool // heap[0] has been taken, and waits to be replaced
}

const arity = 4

func (q *queue) len() int {
	if q.hole {
		return len(q.heap) - 1
	}
	return len(q.heap)
}

// first returns the first event of a queue that is not empty.
func (q *queue) first() *event {
	if q.hole {
		q.fill()
	}
	return q.heap[0].ev
}

// take removes the first event. It leaves a hole: most events are goroutines about
// to sleep again, and to put one in the place of the other is half the work.
func (q *queue) take() *event {
	if q.hole {
		q.fill()
	}
	ev := q.heap[0].ev
	ev.place, q.hole = 0, true
	return ev
}

func (q *queue) push(ev *event) {
	if q.hole {
		q.hole = false
		q.heap[0] = entry{ev.key, ev}
		q.down(0)
		return
	}
	q.heap = append(q.heap, entry{ev.key, ev})
	q.up(len(q.heap) - 1)
}

// fill closes the hole.
func (q *queue) fill() {
	if q.hole {
		q.hole = false
		q.cut(0)
	}
}

func (q *queue) remove(ev *event) {
	q.fill()
	i := ev.place - 1
	ev.place = 0
	q.cut(i)
}

// cut replaces the entry at place i by the last one.
func (q *queue) cut(i int) {
	last := len(q.heap) - 1
	moved := q.heap[last]
	q.heap[last] = entry{}
	q.heap = q.heap[:last]
	if i == last {
		return
	}
	q.heap[i] = moved
	q.down(i)
	if moved.ev.place == i+1 {
		q.up(i)
	}
}

// all returns the entries in no order.
func (q *queue) all() []entry {
	q.fill()
	return q.heap
}

func (q *queue) up(i int) {
	h := q.heap
	e := h[i]
	for i > 0 {
		parent := (i - 1) / arity
		if !e.before(&h[parent].key) {
			break
		}
		h[i] = h[parent]
		h[i].ev.place = i + 1
		i = parent
	}
	h[i] = e
	e.ev.place = i + 1
}

func (q *queue) down(i int) {
	h := q.heap
	e := h[i]
	for {
		first := arity*i + 1
		if first >= len(h) {
			break
		}
		least := first
		if first+arity <= len(h) {
			four := h[first : first+arity : first+arity]
			a := four[1].less(&four[0].key)
			b := 2 + four[3].less(&four[2].key)
			least += a + (b-a)*four[b&3].less(&four[a&3].key)
		} else {
			for c := first + 1; c < len(h); c++ {
				least += (c - least) * h[c].less(&h[least].key)
			}
		}
		if !h[least].before(&e.key) {
			break
		}
		h[i] = h[least]
		h[i].ev.place = i + 1
		i = least
	}
	h[i] = e
	e.ev.place = i + 1
}

package fakeclock

// A key orders events: by instant, then by tie, then by arming.
type key struct {
	when int64  // nanoseconds since the start
	tie  uint64 // round of the instant in the high half; owner or random draw in the low half
	seq  uint64 // arming sequence, unique
}

func (k *key) before(l *key) bool {
	if k.when != l.when {
		return k.when < l.when
	}
	if k.tie != l.tie {
		return k.tie < l.tie
	}
	return k.seq < l.seq
}

// entry keeps the key beside the pointer, so that comparing does not touch the
// event.
type entry struct {
	key
	ev *event
}

// queue is a heap of armed events with four children per node, since most
// comparisons happen on the way down and a flat heap has fewer levels. Each
// event knows its place, so any one can be removed in O(log n).
type queue []entry

const arity = 4

func (q *queue) push(ev *event) {
	*q = append(*q, entry{ev.key, ev})
	q.up(len(*q) - 1)
}

// remove takes out the event at place i.
func (q *queue) remove(i int) {
	h := *q
	last := len(h) - 1
	h[i].ev.place = 0
	moved := h[last]
	h[last] = entry{}
	*q = h[:last]
	if i == last {
		return
	}
	h[i] = moved
	q.down(i)
	if moved.ev.place == i+1 {
		q.up(i)
	}
}

func (q *queue) up(i int) {
	h := *q
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
	h := *q
	e := h[i]
	for {
		first := arity*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, len(h)); c++ {
			if h[c].before(&h[least].key) {
				least = c
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

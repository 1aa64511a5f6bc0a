package fakeclock

import "math/bits"

// A key orders events: by instant, then by tie, then by arming.
type key struct {
	when int64  // nanoseconds since the start; before it, for what goes first at 0
	tie  uint64 // round of the instant in the high half; owner or random draw in the low half
	seq  uint64 // arming sequence, unique
}

// less returns 1 if k comes before l, and 0 otherwise: the borrow of a subtraction
// over all three words. There is no branch to mispredict, which halves the cost of
// a wait among many.
func (k *key) less(l *key) uint64 {
	_, b := bits.Sub64(k.seq, l.seq, 0)
	_, b = bits.Sub64(k.tie, l.tie, b)
	_, b = bits.Sub64(unsigned(k.when), unsigned(l.when), b)
	return b
}

// unsigned keeps the order of signed numbers.
func unsigned(t int64) uint64 { return uint64(t) ^ 1<<63 }

func (k *key) before(l *key) bool { return k.less(l) == 1 }

// last is the key of a leaf without an event.
var last = key{when: 1<<63 - 1, tie: 1<<64 - 1, seq: 1<<64 - 1}

// entry is an armed event and its key.
type entry struct {
	key
	ev *event
}

// queue is a tournament of the armed events: a binary tree, in each node of which
// stands the earlier of the two below. An event keeps its leaf while it is armed,
// so whatever changes is on the way from that leaf to the root. It is known before
// anything is compared; in a heap each step has to wait for the one before.
type queue struct {
	leaves []entry
	wins   []uint32 // by node, the root is 1: the leaf that wins; the second half are the leaves themselves
	free   []uint32 // leaves without an event
	n      int
	hole   uint32 // 1 + a leaf whose event has been taken, while that still stands in wins
}

func (q *queue) len() int { return q.n }

// first returns the first event of a queue that is not empty.
func (q *queue) first() *event {
	if q.hole != 0 {
		q.fill()
	}
	return q.leaves[q.wins[1]].ev
}

// isFirst reports whether an armed event is the first.
func (q *queue) isFirst(ev *event) bool {
	return q.hole == 0 && int(q.wins[1]) == ev.place-1
}

// take removes the first event. It leaves a hole: most events are goroutines about
// to sleep again, and to put one in the place of the other is half the work.
func (q *queue) take() *event {
	ev := q.first()
	q.hole = uint32(ev.place)
	ev.place = 0
	q.n--
	return ev
}

func (q *queue) push(ev *event) {
	leaf := q.hole
	if leaf != 0 {
		q.hole = 0
		leaf--
	} else {
		if len(q.free) == 0 {
			q.grow()
		}
		leaf = q.free[len(q.free)-1]
		q.free = q.free[:len(q.free)-1]
	}
	q.n++
	ev.place = int(leaf) + 1
	q.leaves[leaf] = entry{ev.key, ev}
	q.replay(leaf)
}

func (q *queue) remove(ev *event) {
	if q.hole != 0 {
		q.fill()
	}
	q.n--
	q.clear(uint32(ev.place) - 1)
	ev.place = 0
}

// fill closes the hole.
func (q *queue) fill() {
	q.clear(q.hole - 1)
	q.hole = 0
}

func (q *queue) clear(leaf uint32) {
	q.leaves[leaf] = entry{last, nil}
	q.free = append(q.free, leaf)
	q.replay(leaf)
}

// replay plays the matches of a leaf anew.
func (q *queue) replay(leaf uint32) {
	leaves, wins := q.leaves, q.wins
	e := &leaves[leaf].key
	win, when, tie, seq := leaf, unsigned(e.when), e.tie, e.seq
	for i := uint32(len(leaves)) + leaf; i > 1; i /= 2 {
		other := wins[i^1]
		o := &leaves[other].key
		_, b := bits.Sub64(o.seq, seq, 0)
		_, b = bits.Sub64(o.tie, tie, b)
		_, b = bits.Sub64(unsigned(o.when), when, b)
		won := -b // all ones if the other comes first
		win ^= (win ^ other) & uint32(won)
		when ^= (when ^ unsigned(o.when)) & won
		tie ^= (tie ^ o.tie) & won
		seq ^= (seq ^ o.seq) & won
		wins[i/2] = win
	}
}

// grow doubles the leaves.
func (q *queue) grow() {
	n := max(2*len(q.leaves), 4)
	old := q.leaves
	q.leaves, q.wins = make([]entry, n), make([]uint32, 2*n)
	copy(q.leaves, old)
	for i := n - 1; i >= len(old); i-- {
		q.leaves[i].key = last
		q.free = append(q.free, uint32(i))
	}
	for i := 2*n - 1; i > 0; i-- {
		if i >= n {
			q.wins[i] = uint32(i - n)
			continue
		}
		a, b := q.wins[2*i], q.wins[2*i+1]
		if q.leaves[b].before(&q.leaves[a].key) {
			a = b
		}
		q.wins[i] = a
	}
}

// all returns the entries in no order.
func (q *queue) all() []entry {
	out := make([]entry, 0, q.n)
	for _, e := range q.leaves {
		if e.ev != nil && e.ev.place != 0 {
			out = append(out, e)
		}
	}
	return out
}

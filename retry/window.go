package retry

import "time"

// windowSlots is the resolution of a sliding window.
const windowSlots = 10

// slidingWindow sums what was added during the last length, in slots of a
// tenth: a number is forgotten between 1 and 1.1 lengths after it was added.
// Time that goes backwards counts as standing still.
type slidingWindow struct {
	length time.Duration
	slots  [windowSlots + 1]int64
	first  time.Time // that it was told; a wall clock that is set does not move a Sub
	at     int64     // index of the newest slot, counted from first
}

func (w *slidingWindow) add(now time.Time, n int64) {
	w.advance(now)
	w.slots[w.at%int64(len(w.slots))] += n
}

func (w *slidingWindow) sum(now time.Time) int64 {
	w.advance(now)
	var total int64
	for _, n := range w.slots {
		total += n
	}
	return total
}

// advance forgets the slots that have left the window.
func (w *slidingWindow) advance(now time.Time) {
	if w.first.IsZero() {
		w.first = now
	}
	at := max(int64(now.Sub(w.first)), 0) / int64(w.length/windowSlots)
	if at-w.at >= int64(len(w.slots)) {
		clear(w.slots[:])
		w.at = at
	}
	for w.at < at {
		w.at++
		w.slots[w.at%int64(len(w.slots))] = 0
	}
}

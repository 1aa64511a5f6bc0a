package fleet

import (
	"container/heap"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// heapQueue is the simple queue that the radix heap is held against.
type heapQueue []event

func (q heapQueue) Len() int           { return len(q) }
func (q heapQueue) Less(i, j int) bool { return q[i].before(q[j]) }
func (q heapQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *heapQueue) Push(e any)        { *q = append(*q, e.(event)) }
func (q *heapQueue) Pop() any {
	e := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return e
}

func (q *heapQueue) len() int     { return len(*q) }
func (q *heapQueue) push(e event) { heap.Push(q, e) }
func (q *heapQueue) pop() (event, bool) {
	if len(*q) == 0 {
		return event{}, false
	}
	return heap.Pop(q).(event), true
}

// Both queues give every event in the same order: with many ties and with
// few, near and far, pushed at the present and later.
func TestQueuesAgree(t *testing.T) {
	for _, spread := range []int64{1, 3, 1000, 1e9, 1 << 50} {
		r := rand.New(rand.NewPCG(1, uint64(spread)))
		var radix radixQueue
		var simple heapQueue
		var now int64
		for range 200_000 {
			if r.IntN(100) < 50 {
				e := at(now+r.Int64N(spread), uint32(r.IntN(50)), kind(r.IntN(5)), uint32(r.IntN(3)))
				radix.push(e)
				simple.push(e)
			} else {
				want, ok := simple.pop()
				got, ok2 := radix.pop()
				require.Equal(t, ok, ok2)
				require.Equal(t, want, got)
				if ok {
					require.LessOrEqual(t, now, got.at)
					now = got.at
				}
			}
			require.Equal(t, simple.len(), radix.len())
		}
		for simple.len() > 0 {
			want, _ := simple.pop()
			got, _ := radix.pop()
			require.Equal(t, want, got)
		}
		_, ok := radix.pop()
		require.False(t, ok)
	}
}

func TestQueueRefusesThePast(t *testing.T) {
	var q radixQueue
	q.push(event{at: 5})
	q.pop()
	require.Panics(t, func() { q.push(event{at: 4}) })
}

// A queue that is warm allocates nothing.
func TestQueueAllocates0(t *testing.T) {
	var q radixQueue
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		q.push(event{r.Int64N(1e9), uint64(i)})
	}
	hold := func() {
		for range 1000 {
			e, _ := q.pop()
			e.at += r.Int64N(1e9)
			q.push(e)
		}
	}
	for range 100 {
		hold()
	}
	require.Zero(t, testing.AllocsPerRun(100, hold))
}

func BenchmarkQueue(b *testing.B) {
	for name, n := range map[string]int{"1e3": 1e3, "1e5": 1e5, "1e6": 1e6} {
		for kind, q := range map[string]queue{"radix": new(radixQueue), "heap": new(heapQueue)} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				for i := q.len(); i < n; i++ {
					q.push(event{r.Int64N(1e9), uint64(i)})
				}
				b.ReportAllocs()
				for b.Loop() {
					e, _ := q.pop()
					e.at += r.Int64N(1e9)
					q.push(e)
				}
			})
		}
	}
}

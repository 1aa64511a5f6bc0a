package retry

import "sync/atomic"

// memo remembers what was worked out for the few keys that a program uses. What
// it holds changes how fast an answer comes and not what it is. The zero memo is
// ready, and safe for concurrent use.
type memo[K comparable, V any] [64]atomic.Pointer[memory[K, V]]

type memory[K comparable, V any] struct {
	key   K
	value V
}

// get returns work(key), from memory if it is there. Keys are kept near a place
// that the caller derives from the key; when the four slots there are taken, the
// latest key takes the first.
func (m *memo[K, V]) get(key K, place uint64, work func(K) V) *V {
	const near = 4
	for i := range uint64(near) {
		found := m[(place+i)%uint64(len(m))].Load()
		if found == nil {
			place += i
			break
		}
		if found.key == key {
			return &found.value
		}
	}
	made := &memory[K, V]{key, work(key)}
	m[place%uint64(len(m))].Store(made)
	return &made.value
}

package fleet

// event is one thing that is going to happen: 16 bytes, a value. Events are
// totally ordered by (time, actor, kind, generation), so that the order does
// not depend on when they were scheduled or on the queue that held them.
type event struct {
	at int64  // nanoseconds since the start of the run
	id uint64 // actor << 32 | kind << 24 | generation
}

// generations count the attempts of an actor, modulo their number. An event
// whose generation is not the actor's is about an attempt that is over: it is
// ignored, so nothing ever has to be taken out of a queue.
const generations = 1 << 24

func at(t int64, actor uint32, k kind, generation uint32) event {
	return event{t, uint64(actor)<<32 | uint64(k)<<24 | uint64(generation&(generations-1))}
}

func (e event) actor() uint32      { return uint32(e.id >> 32) }
func (e event) kind() kind         { return kind(e.id >> 24) }
func (e event) generation() uint32 { return uint32(e.id) & (generations - 1) }

func (e event) before(f event) bool {
	return e.at < f.at || e.at == f.at && e.id < f.id
}

// kind says what an event is about. The order is that of simultaneous events
// of one actor.
type kind uint8

const (
	kindTick    kind = iota // actor 0: an interval of the series is over
	kindControl             // actor 0: a fault or an intervention
	kindSource              // the actor is a source of calls: its next one begins
	kindThink               // a client has thought and makes its next call
	kindDone                // a worker has finished the attempt
	kindReach               // the attempt's request reaches the server
	kindLatency             // the answer leaves the server
	kindOK                  // and these reach the client
	kindError
	kindRejected
	kindThrottled
	kindPermanent
	kindRetry   // a wait is over
	kindPaced   // the pacing lets the attempt go
	kindTimeout // the attempt, or with it the call, has run out of time
	kindRead    // contention: a read reaches the row
	kindVersion // contention: the version reaches the client
	kindWrite   // contention: a write reaches the row
)

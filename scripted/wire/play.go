package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// play is a run through the script, with the record of it.
type play struct {
	clock  clockwork.Clock
	start  time.Time
	player *scripted.Player

	mu       sync.Mutex
	events   trace.Trace
	requests int
	calls    map[place][]*call // that may get further attempts, in the order in which they last failed
	last     uint64            // number of the latest call
	over     int               // complete answers, and calls refused for good
}

// place is where the requests of a logical call get their turns.
type place struct {
	lane  string
	block int
}

// call is a logical call, as far as a server can tell one.
type call struct {
	number   uint64
	at       place
	body     string // hash of the first attempt's
	like     likeness
	attempts int
	busy     bool // an attempt is being answered
	complete bool // it got a complete answer: the next request begins another
	refused  bool // for good
}

func newPlay(s *scripted.Script, clock clockwork.Clock) *play {
	return &play{clock: clock, start: clock.Now(), player: scripted.NewPlayer(s), calls: make(map[place][]*call)}
}

func (p *play) copy() trace.Trace {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// attempt is a request as the record knows it.
type attempt struct {
	play   *play
	call   *call
	number int // in its call
	id     int // of all requests
}

// next counts a request, unless it has been counted.
func (p *play) next() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	return p.requests
}

// take gives the request its turn and records it. A request that is no call of
// the API takes no turn.
func (p *play) take(id int, valid bool, r scripted.Request, like likeness, seen trace.Event) (*attempt, scripted.Taken, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var taken scripted.Taken
	var err error
	if valid {
		taken, err = p.player.Take(r)
	}
	c := p.callOf(place{taken.Lane, taken.Block}, seen.Body, like)
	c.busy = true
	c.attempts++
	a := &attempt{play: p, call: c, number: c.attempts, id: id}
	seen.Kind, seen.Lane, seen.Differs = trace.Attempt, taken.Lane, like.differs(c.like)
	c.like = like
	p.add(a, seen)
	return a, taken, err
}

// callOf returns the logical call of a request: a call block's; or, of those of
// its lane that failed, one that sent the same request, else one with the same
// body, else any, of several the one that has waited longest; or a new one.
func (p *play) callOf(at place, body string, like likeness) *call {
	var found *call
	for _, c := range p.calls[at] {
		switch {
		case at.block > 0:
			return c
		case c.busy || c.complete:
		case c.body == body && len(like.differs(c.like)) == 0:
			return c
		case found == nil || c.body == body && found.body != body:
			found = c
		}
	}
	if found != nil {
		return found
	}
	p.last++
	c := &call{number: p.last, at: at, body: body, like: like}
	p.calls[at] = append(p.calls[at], c)
	return c
}

// release notes that an attempt was answered. The call goes to the end of the
// line, or away.
func (p *play) release(c *call) {
	c.busy = false
	if c.at.block > 0 {
		return
	}
	p.calls[c.at] = slices.DeleteFunc(p.calls[c.at], func(d *call) bool { return d == c })
	if !c.complete {
		p.calls[c.at] = append(p.calls[c.at], c)
	}
}

// add records an event of the attempt that happens now. The caller has locked
// p.
func (p *play) add(a *attempt, e trace.Event) {
	e.At, e.Call, e.Attempt = p.clock.Now().Sub(p.start), a.call.number, a.number
	p.events = append(p.events, e)
	switch e.Kind {
	case trace.Failed, trace.EOF, trace.Broken:
		p.release(a.call)
	}
}

// record records an event before the client can know of it, so that what the
// client does next comes after it. It returns its place.
func (a *attempt) record(e trace.Event) int {
	a.play.mu.Lock()
	defer a.play.mu.Unlock()
	a.play.add(a, e)
	return len(a.play.events) - 1
}

// left notes that the client had left when the event in that place happened.
func (a *attempt) left(i int) {
	a.play.mu.Lock()
	defer a.play.mu.Unlock()
	a.play.events[i].Gone = true
}

// completed notes that the answer is whole.
func (a *attempt) completed() {
	a.play.mu.Lock()
	defer a.play.mu.Unlock()
	a.call.complete = true
	a.play.over++
}

// refused notes a refusal for good, which counts once for a call.
func (a *attempt) refused() {
	a.play.mu.Lock()
	defer a.play.mu.Unlock()
	if !a.call.refused {
		a.call.refused = true
		a.play.over++
	}
}

// hash is never "": a retry that has lost its body must not look like a record
// that keeps none.
func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Texts of the record: what a server has to say of an attempt that is neither
// the provider's nor the script's.
const (
	textGone     = "the client has gone"
	textNoPath   = "unknown path"
	textInvalid  = "no valid request of the format"
	textTooLarge = "the body is too large"
	textSlow     = "the request did not come whole in time"
	textUsedUp   = "the script is used up"
	textNoLane   = "no lane of the script fits"
	textReset    = "reset"
	textCut      = "cut"
	textHung     = "nothing ended the wait"
)

// IsMisfit reports whether an event says that the script had no turn for a
// request: it was used up, or no lane fits.
func IsMisfit(e trace.Event) bool {
	return e.Kind == trace.Failed && (e.Error == textUsedUp || e.Error == textNoLane)
}

// misfit returns the text for a request for which the script has no turn.
func misfit(err error) string {
	if errors.As(err, new(*scripted.NoLaneError)) {
		return textNoLane
	}
	return textUsedUp
}

package scripted

import (
	"fmt"
	"strings"
	"sync"
)

// Player hands out the turns of a script, one a request. It is what a [Model]
// and a server have in common. It is safe for concurrent use: requests take
// turns in the order in which they call [Player.Take].
type Player struct {
	mu    sync.Mutex
	lanes []laneState
}

type laneState struct {
	Lane
	requests int
	cursor   cursor             // without blocks
	calls    map[uint64]*cursor // with blocks: by the number of the call
	blocks   []cursor
	begun    int // blocks that a call has taken
}

// cursor is a place in a list of turns.
type cursor struct {
	turns []Turn
	index int // of the next turn
	used  int // how often that turn was played already
	taken int // requests so far, refused ones included
}

// NewPlayer returns a player at the beginning of the script.
func NewPlayer(s *Script) *Player {
	p := new(Player)
	for _, l := range s.lanes() {
		state := laneState{Lane: l, cursor: cursor{turns: l.Turns}, calls: make(map[uint64]*cursor)}
		for _, b := range l.Blocks {
			state.blocks = append(state.blocks, cursor{turns: b.Turns})
		}
		p.lanes = append(p.lanes, state)
	}
	return p
}

// Request is what a lane and a call block ask of a request.
type Request struct {
	// Call is the number of the logical call, equal for all its attempts. The
	// k-th number that reaches a lane takes its k-th call block. 0: not known;
	// then a request whose block is used up begins the next one.
	Call        uint64
	Model, Path string
	Header      func(name string) string // nil: no headers
}

// value returns what the condition of that name is about.
func (r Request) value(name string) string {
	switch {
	case name == "model":
		return r.Model
	case name == "path":
		return r.Path
	case r.Header != nil:
		return r.Header(name)
	}
	return ""
}

// Taken is a turn that a request got, and where it stands.
type Taken struct {
	Turn
	Lane  string // "" outside lanes
	Block int    // the call block, from 1; 0 outside blocks
}

// Take returns the turn that the request gets, and its place, as far as that is
// known where there is an error. The error is a [*UsedUpError] or a
// [*NoLaneError]; neither is worth another attempt.
func (p *Player) Take(r Request) (Taken, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	lane := p.find(r)
	if lane == nil {
		return Taken{}, p.noLane(r)
	}
	taken := Taken{Lane: lane.Name}
	lane.requests++
	c, err := lane.at(r.Call)
	if err != nil {
		return taken, err
	}
	if len(lane.Blocks) > 0 {
		taken.Block = lane.indexOf(c) + 1
	}
	c.taken++
	t, ok := c.next()
	if !ok {
		e := &UsedUpError{Call: lane.requests, Turns: count(c.turns), Lane: lane.Name}
		if len(lane.Blocks) > 0 {
			e.Call, e.Block = c.taken, lane.Blocks[taken.Block-1].Pos
		}
		return taken, e
	}
	taken.Turn = t
	return taken, nil
}

// find returns the first lane that the request fits.
func (p *Player) find(r Request) *laneState {
	for i := range p.lanes {
		if p.lanes[i].fits(r) {
			return &p.lanes[i]
		}
	}
	return nil
}

// fits reports whether all conditions of the lane hold.
func (l Lane) fits(r Request) bool {
	for _, c := range l.When {
		got := r.value(c.Name)
		if prefix, open := strings.CutSuffix(c.Value, "*"); open {
			if !strings.HasPrefix(got, prefix) {
				return false
			}
		} else if got != c.Value {
			return false
		}
	}
	return true
}

// at returns the place where a request of the call reads.
func (l *laneState) at(call uint64) (*cursor, error) {
	switch {
	case len(l.Blocks) == 0:
		return &l.cursor, nil
	case l.calls[call] != nil && (call != 0 || !l.calls[call].done() || l.begun == len(l.blocks)):
		return l.calls[call], nil
	case l.begun == len(l.blocks):
		return nil, &UsedUpError{Call: l.begun + 1, Lane: l.Name, Blocks: len(l.blocks)}
	}
	c := &l.blocks[l.begun]
	l.begun++
	l.calls[call] = c
	return c, nil
}

func (l *laneState) indexOf(c *cursor) int {
	for i := range l.blocks {
		if c == &l.blocks[i] {
			return i
		}
	}
	panic("scripted: a cursor that is in no block")
}

func (c *cursor) done() bool { return c.index == len(c.turns) }

func (c *cursor) next() (t Turn, ok bool) {
	if c.done() {
		return Turn{}, false
	}
	t = c.turns[c.index]
	if c.used++; c.used == t.times() {
		c.index, c.used = c.index+1, 0
	}
	return t, true
}

// UsedUpError is the error of a request for which its lane or its call block
// has no turn left. It is permanent: asking again will not help.
type UsedUpError struct {
	Call   int    // the request's number in the lane or the block, from 1; with Blocks that of the call
	Turns  int    // how many the lane or the block has, repetitions counted
	Lane   string // "" outside lanes
	Block  Pos    // of the call block, zero outside blocks
	Blocks int    // how many the lane has if there is none for this call, else 0
}

// Error says which request it was, and what it found used up.
func (e *UsedUpError) Error() string {
	where := "the script"
	if e.Lane != "" {
		where = fmt.Sprintf("lane %q", e.Lane)
	}
	switch {
	case e.Blocks > 0:
		return fmt.Sprintf("scripted: call %d finds no block left in %s (it has %s)", e.Call, where, plural(e.Blocks, "call block"))
	case e.Block != Pos{}:
		return fmt.Sprintf("scripted: request %d is past its call block of line %d in %s (it has %s)", e.Call, e.Block.Line, where, plural(e.Turns, "turn"))
	}
	return fmt.Sprintf("scripted: call %d finds %s used up (it has %s)", e.Call, where, plural(e.Turns, "turn"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// NoLaneError is the error of a request that fits no lane. It is permanent.
type NoLaneError struct {
	Request string   // what the lanes asked for, such as model=gpt-4o
	Lanes   []string // the lanes, such as lane "writer" when model=gpt-4o
}

// Error names the request and the lanes.
func (e *NoLaneError) Error() string {
	return fmt.Sprintf("scripted: a request with %s fits no lane: there is %s", e.Request, strings.Join(e.Lanes, ", "))
}

func (p *Player) noLane(r Request) error {
	e := new(NoLaneError)
	seen := make(map[string]bool)
	var got []string
	for _, l := range p.lanes {
		e.Lanes = append(e.Lanes, l.title())
		for _, c := range l.When {
			if seen[c.Name] {
				continue
			}
			seen[c.Name] = true
			got = append(got, c.Name+"="+bare(r.value(c.Name)))
		}
	}
	e.Request = strings.Join(got, " ")
	return e
}

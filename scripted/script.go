package scripted

import (
	"cmp"
	"math"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Script is a parsed script: what a model does on each call, how the run is set
// up, and what must come of it. A Script may be built by hand as well; [Format]
// writes it, and what [Parse] says of that text holds for it. What plays or
// writes a script does not change it, so many may do so at once.
type Script struct {
	Name   string // of the file, for messages
	Member string // of the archive that the file is, "" if it is none

	Policy         *retry.Policy  // nil: not said
	Seed           *uint64        // nil: not said
	AttemptTimeout time.Duration  // bounds each attempt; 0: not said
	TotalTimeout   time.Duration  // the deadline of each call, from its start; 0: none
	Cancel         *time.Duration // nil: never; else when the callers' contexts end, from the start of the run
	Calls          int            // calls of each lane; 0: not said, one or as many as it has blocks
	AtOnce         bool           // the calls run at once, not one after another

	Turns   []Turn   // for requests that no lane claims
	Blocks  []Block  // instead of Turns: one for each call
	Lanes   []Lane   // in the order in which they are asked
	Expects []Expect // about every call, or about the fleet
	Decls   []Decl   // of a fleet scenario, which has no turns

	Comments []Comment
	layout   layout
}

// Lane is a list of turns for some of the requests: a parallel caller, or a
// hidden retry, has its own and cannot eat another's.
type Lane struct {
	Pos, End Pos // of the word lane and of the closing brace
	Name     string
	When     []Field // all must hold: model, path or a header; none: every request fits
	Turns    []Turn
	Blocks   []Block  // instead of Turns: one for each call
	Expects  []Expect // about every call of the lane
}

// Block groups the turns of one logical call.
type Block struct {
	Pos, End Pos
	Turns    []Turn
	Expects  []Expect // about this call
}

// Turn says what the model does on one request, or on several in a row.
type Turn struct {
	Pos    Pos
	Answer Answer        // not nil
	After  time.Duration // the latency: how long the request waits for its answer
	Repeat int           // how many requests in a row get it; 0 acts as 1
}

// Forever as a Repeat is without end.
const Forever = math.MaxInt

// times returns how many requests get the turn.
func (t Turn) times() int { return max(t.Repeat, 1) }

// Comment is a comment with its #. Lines of nothing but comments that follow
// one another are one Comment, their line ends included.
type Comment struct {
	Pos  Pos
	Text string
}

// Pos is a place in a script, both from 1; Col counts bytes. The zero Pos is
// that of a part which was not read from a text.
type Pos struct{ Line, Col int32 }

func (p Pos) compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// layout is what only Format needs to know: where the settings stood, and how
// the policy was written.
type layout struct {
	policy, seed, timeout, cancel, calls Pos
	policyText                           string
}

// Lanes as a reader of the script sees them: the named ones in their order,
// then the unnamed one if it has turns.
func (s *Script) lanes() []Lane {
	lanes := s.Lanes
	if len(s.Turns) > 0 || len(s.Blocks) > 0 {
		lanes = append(lanes[:len(lanes):len(lanes)], Lane{Turns: s.Turns, Blocks: s.Blocks})
	}
	return lanes
}

// count returns how many requests the turns answer.
func count(turns []Turn) int {
	n := 0
	for _, t := range turns {
		n += t.times()
	}
	return n
}

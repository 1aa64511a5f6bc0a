package simulate

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// FromTrace makes a scenario of what a trace recorded, so that an incident can
// be played again: each attempt becomes a turn that fails or answers as it did
// and takes as long, each call a call block, and what came of it an
// expectation. The policy is the one that the calls obeyed; a trace does not
// say.
//
// What a trace does not keep is made up: the text of an answer is x's of the
// recorded length, up to 1000 a delta, fewer and shorter where a line would get
// too long, and the error of an attempt that was not waited on is transient unless
// the recorder knew better or the call ended for it. Calls that overlapped come
// one after another, and the moment at which a context ended is kept of a single
// call only.
func FromTrace(events trace.Trace, policy retry.Policy) (*scripted.Script, error) {
	if err := policy.Validate(); err != nil {
		return nil, err
	}
	calls := splitCalls(events)
	if len(calls) == 0 {
		return nil, errors.New("simulate: the trace has no attempt to make a turn of")
	}
	s := &scripted.Script{Policy: &policy}
	for _, c := range calls {
		turns, expects := c.scenario()
		if len(calls) == 1 {
			s.Turns, s.Expects = turns, expects
		} else {
			s.Blocks = append(s.Blocks, scripted.Block{Turns: turns, Expects: expects})
		}
	}
	if at, ok := cancelled(events); ok && len(calls) == 1 && at >= calls[0].start {
		at -= calls[0].start
		s.Cancel = &at
	}
	return s, nil
}

// maxText is how much of a delta's length, or of a reason, a scenario keeps, in
// bytes: a line of a script is bounded.
const maxText = 1000

// maxTurn is how long a turn may be: the rest of the line is for its indent.
const maxTurn = scripted.MaxLine - 16

// incident is one call of a trace.
type incident struct {
	number uint64
	start  time.Duration
	events trace.Trace
}

// splitCalls returns the calls that made an attempt, in the order they began.
func splitCalls(events trace.Trace) []*incident {
	byNumber := make(map[uint64]*incident)
	var calls []*incident
	for _, e := range events {
		c := byNumber[e.Call]
		if c == nil {
			if e.Kind != trace.Attempt {
				continue
			}
			c = &incident{number: e.Call, start: e.At}
			byNumber[e.Call] = c
			calls = append(calls, c)
		}
		c.events = append(c.events, e)
	}
	return calls
}

// cancelled returns when the caller's context ended. Only a test knows that
// moment; a recorder in production sees when the wait or the call ended for it.
// A call that ended without the wait, because no time was left for it, is taken
// as cancelled a moment into the wait.
func cancelled(events trace.Trace) (at time.Duration, ok bool) {
	for _, e := range events {
		switch {
		case e.Kind == trace.Cancel, e.Kind == trace.Interrupted:
			return e.At, true
		case e.Kind == trace.End && outcomeOf(e.Reason) == scripted.Cancelled:
			return e.At + time.Millisecond, true
		}
	}
	return 0, false
}

// scenario folds the events of a call into its turns and what is expected.
func (c *incident) scenario() (turns []scripted.Turn, expects []scripted.Expect) {
	var began, last time.Duration // of the attempt; of the event before
	var stream scripted.Stream
	outcome := scripted.Exhausted
	complete := false
	for _, e := range c.events {
		turn := len(turns) - 1 // the first event is an attempt
		switch e.Kind {
		case trace.Attempt:
			began = e.At
			turns = append(turns, scripted.Turn{Answer: scripted.Hang{}}) // until it is known to have ended
		case trace.Failed:
			turns[turn].Answer, turns[turn].After = scripted.Transient{}, max(e.At-began, 0)
			if e.RetryAfter != nil {
				turns[turn].Answer = hinted(*e.RetryAfter)
			}
			if e.Class == permanent {
				turns[turn].Answer, outcome = scripted.Permanent{Reason: reasonOf(e.Error)}, scripted.Refused
			}
		case trace.Opened:
			turns[turn].Answer, turns[turn].After = stream, max(e.At-began, 0)
			outcome = scripted.Success
		case trace.Wait:
			if e.RetryAfter != nil {
				turns[turn].Answer = hinted(*e.RetryAfter)
			}
		case trace.End:
			if e.Reason == "" {
				break // seen from outside
			}
			outcome = outcomeOf(e.Reason)
			if outcome == scripted.Refused {
				turns[turn].Answer = scripted.Permanent{Reason: reasonOf(e.Error)}
			}
		case trace.Chunk:
			if e.At > last {
				stream.Items = append(stream.Items, scripted.Pause(e.At-last))
			}
			if e.Chunk == "finished" {
				complete = true
			} else {
				stream.Items = append(stream.Items, scripted.Text(strings.Repeat("x", min(max(e.Size, 0), maxText))))
			}
			turns[turn].Answer = stream
		case trace.EOF:
			if !complete {
				stream.End, outcome = scripted.EOF{}, scripted.Truncated
			}
			turns[turn].Answer = stream
		case trace.Broken:
			stream.End, outcome = scripted.Cut{}, scripted.Broken
			turns[turn].Answer = stream
		}
		last = e.At
	}
	for i := range turns {
		coarsen(&turns[i])
	}
	return fold(turns), []scripted.Expect{
		{Subject: scripted.SubjectOutcome, Op: scripted.Equal, Text: string(outcome)},
		{Subject: scripted.SubjectAttempts, Op: scripted.Equal, Number: int64(len(turns))},
	}
}

// permanent is the class of such a failure in a trace.
var permanent = retry.Permanent().String()

// hinted is a failure with a Retry-After as a turn can say it.
func hinted(after time.Duration) scripted.Answer {
	return scripted.Transient{Hinted: true, Wait: roundUp(max(after, 0), time.Millisecond)}
}

// coarsen makes a turn fit a line: it shortens the deltas of a stream to their
// share of half a line, and then makes of each two of them one, with the pauses
// of both before it, as often as it takes.
func coarsen(t *scripted.Turn) {
	for first := true; len(t.String()) > maxTurn; first = false {
		s := t.Answer.(scripted.Stream) // nothing else is that long
		if first {
			s.Items = shorten(s.Items, max(maxTurn/2/len(s.Items), 1))
		} else {
			s.Items = pair(s.Items)
		}
		t.Answer = s
	}
}

func shorten(items []scripted.Item, most int) []scripted.Item {
	out := slices.Clone(items)
	for i, item := range out {
		if text, ok := item.(scripted.Text); ok {
			out[i] = text[:min(len(text), most)]
		}
	}
	return out
}

func pair(items []scripted.Item) []scripted.Item {
	var out []scripted.Item
	var pause scripted.Pause
	var text scripted.Text
	texts := 0
	flush := func() {
		if pause > 0 {
			out = append(out, pause)
		}
		if texts > 0 {
			out = append(out, text)
		}
		pause, text, texts = 0, "", 0
	}
	for _, item := range items {
		switch i := item.(type) {
		case scripted.Pause:
			pause += i
		case scripted.Text:
			text += i
			if texts++; texts == 2 {
				flush()
			}
		}
	}
	flush()
	return out
}

// fold writes equal turns in a row as one that is repeated.
func fold(turns []scripted.Turn) []scripted.Turn {
	var out []scripted.Turn
	for _, t := range turns {
		if n := len(out) - 1; n >= 0 {
			once := out[n]
			once.Repeat = 0
			if once.String() == t.String() {
				out[n].Repeat = max(out[n].Repeat, 1) + 1
				continue
			}
		}
		out = append(out, t)
	}
	return out
}

// outcomeOf is the outcome of a call that ended for the reason, before its
// stream is read.
func outcomeOf(reason string) scripted.Outcome {
	switch reason {
	case retry.Succeeded.String():
		return scripted.Success
	case retry.NotTransient.String():
		return scripted.Refused
	case retry.Cancelled.String():
		return scripted.Cancelled
	}
	return scripted.Exhausted
}

// reasonOf is the text of a permanent error as a turn can say it.
func reasonOf(text string) string {
	text = strings.TrimSpace(strings.TrimPrefix(text, "permanent:"))
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return cmp.Or(text, "recorded")
}

// roundUp rounds to a multiple of unit, never down: a hint is a floor.
func roundUp(d, unit time.Duration) time.Duration {
	if rest := d % unit; rest > 0 {
		d += min(unit-rest, 1<<63-1-d)
	}
	return d
}

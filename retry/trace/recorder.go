package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/retrykit/retrykit/retry"
)

// Recorder is a [retry.Observer] that keeps what it is told as a [Trace]. Make
// one with [NewRecorder] or [NewWriter]: the zero Recorder has no clock. It is
// safe for concurrent use; the events of concurrent calls are kept in the order
// they arrive.
type Recorder struct {
	// ErrorText says what a trace keeps of an error. nil keeps only its Go
	// type, because the text of an error may quote a prompt or a key. Set it
	// before the first call.
	ErrorText func(error) string
	// Answer says which response of a server an error stands for: its status
	// and header, 0 and nil for none. nil keeps neither. For an error of
	// package retryhttp there is its function Answer. Set it before the first
	// call.
	Answer func(error) (status int, header map[string][]string)
	// Headers are the names of the header fields that are kept, in any case; a
	// name that ends in * stands for all that begin so. nil: [HeaderNames].
	Headers []string

	clock clockwork.Clock
	start time.Time

	mu     sync.Mutex
	events Trace
	out    *json.Encoder // instead of events
	err    error         // of out
}

var _ retry.Observer = (*Recorder)(nil)

// NewRecorder returns a recorder whose trace begins now on the given clock,
// the one that the observed calls use.
func NewRecorder(clock clockwork.Clock) *Recorder {
	return &Recorder{clock: clock, start: clock.Now()}
}

// NewWriter returns a recorder that keeps nothing but writes each event to w at
// once, as a line of JSON, for a process that runs for long. It writes the
// header now. What goes wrong is told by [Recorder.Err]; the observed calls go
// on.
func NewWriter(clock clockwork.Clock, w io.Writer) *Recorder {
	r := NewRecorder(clock)
	r.out = newEncoder(w)
	r.err = r.out.Encode(header{Schema})
	return r
}

// Err returns the first error of writing, nil for a recorder that keeps its
// events. After it nothing more is written.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Trace returns a copy of the events so far, nothing for one that writes them.
func (r *Recorder) Trace() Trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(Trace(nil), r.events...)
}

// Observe adds one event.
func (r *Recorder) Observe(event retry.Event) {
	switch e := event.(type) {
	case retry.AttemptStarted:
		r.add(e.Moment, Event{Kind: Attempt})
	case retry.AttemptEnded:
		if e.Err == nil {
			r.add(e.Moment, Event{Kind: Opened})
		} else {
			r.add(e.Moment, r.failed(e.Err))
		}
	case retry.WaitStarted:
		out := Event{Kind: Wait, Class: "permanent", Reason: e.Decision.Reason.String(), Wait: &e.Decision.Wait, Jitter: e.Decision.Jitter}
		if e.Class.IsTransient() {
			out.Class = "transient"
		}
		if after, ok := e.Class.RetryAfter(); ok {
			out.RetryAfter = &after
		}
		r.add(e.Moment, out)
	case retry.WaitEnded:
		if e.Err == nil {
			r.add(e.Moment, Event{Kind: Resumed})
		} else {
			r.add(e.Moment, Event{Kind: Interrupted, Error: r.text(e.Err)})
		}
	case retry.CallEnded:
		r.add(e.Moment, Event{Kind: End, Reason: e.Reason.String(), Elapsed: &e.Elapsed, Error: r.text(e.Err)})
	default:
		panic(fmt.Sprintf("trace: unknown event %T", event))
	}
}

// Cancel records that the context of a call ends now. The decorator does not
// see that moment, so whoever ends the context says so.
func (r *Recorder) Cancel(call uint64) {
	r.add(retry.Moment{Call: call, At: r.clock.Now()}, Event{Kind: Cancel})
}

func (r *Recorder) add(m retry.Moment, e Event) {
	e.At, e.Call, e.Attempt = m.At.Sub(r.start), m.Call, m.Attempt
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.out == nil:
		r.events = append(r.events, e)
	case r.err == nil:
		r.err = r.out.Encode(&e)
	}
}

// failed is an attempt that returned the error.
func (r *Recorder) failed(err error) Event {
	e := Event{Kind: Failed, Error: r.text(err)}
	if r.Answer != nil {
		status, header := r.Answer(err)
		e.Status, e.Header = status, Header(header, r.Headers)
	}
	return e
}

func (r *Recorder) text(err error) string {
	switch {
	case err == nil:
		return ""
	case r.ErrorText != nil:
		return r.ErrorText(err)
	default:
		return fmt.Sprintf("%T", err)
	}
}

// Stream returns s with its chunks and its end recorded as the consumer
// receives them, under the given call and attempt.
func (r *Recorder) Stream(call uint64, attempt int, s retry.Stream) retry.Stream {
	return &recordedStream{Stream: s, recorder: r, call: call, attempt: attempt}
}

type recordedStream struct {
	retry.Stream
	recorder *Recorder
	call     uint64
	attempt  int
	over     bool
}

// Recv records the first end only: asking again after it is no new event.
func (s *recordedStream) Recv() (retry.StreamChunk, error) {
	chunk, err := s.Stream.Recv()
	if s.over {
		return chunk, err
	}
	e := Event{}
	switch {
	case err == nil:
		e.Kind = Chunk
		e.Chunk, e.Size = Describe(chunk)
	case err == io.EOF:
		e.Kind, s.over = EOF, true
	default:
		e.Kind, s.over = Broken, true
		e.Error = s.recorder.text(err)
	}
	s.recorder.add(retry.Moment{Call: s.call, Attempt: s.attempt, At: s.recorder.clock.Now()}, e)
	return chunk, err
}

// Describe returns the kind of a chunk and the bytes of its content, as events
// of the kind [Chunk] have them.
func Describe(chunk retry.StreamChunk) (kind string, size int) {
	switch c := chunk.(type) {
	case retry.TextDelta:
		return "text", len(c.Delta)
	case retry.ToolCallStarted:
		return "tool-call", 0
	case retry.ToolCallArgsDelta:
		return "tool-call-args", len(c.Delta)
	case retry.ToolCallFinished:
		return "tool-call-finished", len(c.Args)
	case retry.ReasoningDelta:
		return "reasoning", len(c.Delta)
	case retry.ReasoningFinished:
		return "reasoning-finished", 0
	case retry.RedactedReasoning:
		return "redacted-reasoning", len(c.Data)
	case retry.TurnFinished:
		return "finished", 0
	default: // nil, from a stream that breaks its contract
		return fmt.Sprintf("%T", chunk), 0
	}
}

package scripted

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
)

// Patience is how long a hang and a stall wait for somebody to end them. Then
// they fail with a [*HungError], so that a clock that moves by itself never
// stops dead.
const Patience = 365 * 24 * time.Hour

// Model is a [retry.CompletionModel] that plays a script: each request takes
// the next turn of its lane. It is safe for concurrent use; concurrent callers
// take turns in the order in which they call ChatStream, which is that of the
// records, whatever time the answers take. It keeps a record of every request,
// with the chunks of its stream.
type Model struct {
	// Clock is what latency and pauses take time on. nil: the real clock. Set
	// it before the first request.
	Clock clockwork.Clock
	// Error maps the failure of a turn to an error of the caller's own type; e
	// is what it would be otherwise, and is where Error or its result is nil.
	// Set it before the first request.
	Error func(t Turn, e *Error) error

	id   string
	play *play
}

// play is what all models of one script share.
type play struct {
	player *Player

	mu      sync.Mutex
	records []*Record
}

// Record is one request and what became of it.
type Record struct {
	At      time.Time // when it came
	Call    uint64    // from [retry.WithCall], 0 without
	Model   string    // that was asked
	Request retry.ChatRequest
	Alive   bool // its context was alive
	Turn    Turn // that it got, zero if none
	Err     error
	Opened  bool                // it got a stream
	Chunks  []retry.StreamChunk // that were taken from the stream
	Closed  bool                // the stream was closed
}

var _ retry.CompletionModel = (*Model)(nil)

// NewModel returns a model at the beginning of the script.
func NewModel(s *Script) *Model {
	return &Model{id: "scripted", play: &play{player: NewPlayer(s)}}
}

// As returns the model under another id, with the Clock and the Error that m has
// now. Both play the same script, from the same place, and keep the same record.
func (m *Model) As(id string) *Model {
	return &Model{Clock: m.Clock, Error: m.Error, id: id, play: m.play}
}

// Name returns "scripted".
func (m *Model) Name() string { return "scripted" }

// Model returns the id: "scripted" unless [Model.As] gave another.
func (m *Model) Model() string { return m.id }

// Do plays the next turn to its end, as a plain function for retry code that
// knows no chat model. A refusal is the error, and so is what breaks a stream;
// a stream that ends without its terminal chunk fails as one that is cut.
func (m *Model) Do(ctx context.Context) error {
	s, err := m.request(ctx, retry.ChatRequest{})
	if err != nil {
		return err
	}
	for _, err := range retry.Chunks(s) {
		if err != nil {
			return err
		}
	}
	if _, short := s.end.(EOF); short {
		return m.failure(s.turn, s.end)
	}
	return nil
}

// ChatStream plays the next turn. A request whose context has ended returns
// the context's error and takes no turn, as a real client would before sending
// anything; it is recorded all the same. The logical call is that of
// [retry.WithCall], path and headers those of [WithRequest].
func (m *Model) ChatStream(ctx context.Context, req retry.ChatRequest) (retry.Stream, error) {
	s, err := m.request(ctx, req)
	if err != nil {
		return nil, err // and no stream: a nil *stream would be one
	}
	return s, nil
}

func (m *Model) request(ctx context.Context, req retry.ChatRequest) (*stream, error) {
	r, err := m.take(ctx, req)
	var s *stream
	if err == nil {
		s, err = m.open(ctx, r)
	}
	m.play.mu.Lock()
	defer m.play.mu.Unlock()
	r.Err, r.Opened = err, err == nil
	return s, err
}

// take records a request and gives it its turn, both at once: the order of the
// records is that of the turns.
func (m *Model) take(ctx context.Context, req retry.ChatRequest) (*Record, error) {
	dead := ended(ctx)
	r := &Record{At: m.clock().Now(), Model: m.id, Request: req.Clone(), Alive: dead == nil}
	r.Call, _ = retry.CallNumber(ctx)
	request, _ := ctx.Value(requestKey{}).(Request)
	request.Call, request.Model = r.Call, m.id
	m.play.mu.Lock()
	defer m.play.mu.Unlock()
	m.play.records = append(m.play.records, r)
	if dead != nil {
		return r, dead
	}
	taken, err := m.play.player.Take(request)
	r.Turn = taken.Turn
	return r, err
}

// open waits for the answer of a request's turn.
func (m *Model) open(ctx context.Context, r *Record) (*stream, error) {
	turn := r.Turn // which nobody writes any more
	if err := sleep(ctx, m.clock(), turn.After); err != nil {
		return nil, err
	}
	switch a := turn.Answer.(type) {
	case Hang:
		return nil, hang(ctx, m.clock(), "hang")
	case Stream:
		return &stream{model: m, ctx: ctx, record: r, turn: turn, steps: a.Steps(), end: a.end()}, nil
	default:
		return nil, m.failure(turn, a)
	}
}

type requestKey struct{}

// WithRequest returns a context whose requests have the path and the headers of
// r, for the conditions of lanes: a server sees them, a model has no other
// way to. Its other fields are not looked at.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// failure returns the error of a failure.
func (m *Model) failure(t Turn, f any) error {
	e := newError(f, m.clock().Now())
	if m.Error == nil {
		return e
	}
	if err := m.Error(t, e); err != nil {
		return err
	}
	return e
}

// newError returns the error of a failure that is received now.
func newError(f any, now time.Time) *Error {
	switch f := f.(type) {
	case Transient:
		if f.Hinted {
			return &Error{Class: retry.TransientAfter(f.Wait), Text: f.String()}
		}
		return &Error{Class: retry.Transient(), Text: f.String()}
	case Permanent:
		return &Error{Class: retry.Permanent(), Text: "permanent: " + f.Reason}
	case Status:
		e := f.received(now)
		return &Error{Class: e.Verdict.Class, Text: f.text(), Status: &f, Err: e}
	case Reset:
		return &Error{Class: retry.Transient(), Text: "reset: " + syscall.ECONNRESET.Error(), Err: syscall.ECONNRESET}
	case Cut:
		return &Error{Class: retry.Transient(), Text: "cut: " + io.ErrUnexpectedEOF.Error(), Err: io.ErrUnexpectedEOF}
	case EOF:
		return &Error{Class: retry.Transient(), Text: "eof: " + io.ErrUnexpectedEOF.Error(), Err: io.ErrUnexpectedEOF}
	}
	panic(fmt.Sprintf("scripted: a turn with the answer %T", f))
}

// received returns what package provider makes of the status, its headers and
// its body, whoever's they are.
func (s Status) received(now time.Time) *provider.Error {
	return provider.FromResponse("", s.Status, s.HTTPHeader(now), s.Body(), now)
}

// Body returns the body in the JSON that most providers send:
// {"error":{"type":...,"code":...,"message":...}}.
func (s Status) Body() []byte {
	type fields struct {
		Type    string `json:"type,omitempty"`
		Code    string `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
	body, err := json.Marshal(map[string]fields{"error": {s.Type, s.Code, s.Message}})
	if err != nil {
		panic(fmt.Sprintf("scripted: a body that JSON cannot hold: %v", err)) // it is made of strings
	}
	return body
}

func (m *Model) clock() clockwork.Clock {
	if m.Clock == nil {
		return clockwork.NewRealClock()
	}
	return m.Clock
}

// HungError is the error of a hang or a stall that nobody ended within
// [Patience]. It is permanent.
type HungError struct{ Turn string } // "hang" or "stall"

// Error says what would end it.
func (e *HungError) Error() string {
	return fmt.Sprintf("scripted: nothing ended the %s in %d days (a timeout or a cancel would)", e.Turn, Patience/(24*time.Hour))
}

// hang waits for the context to end and returns its error.
func hang(ctx context.Context, clock clockwork.Clock, what string) error {
	if err := sleep(ctx, clock, Patience); err != nil {
		return err
	}
	return &HungError{what}
}

// sleep is the one place where this package waits. It returns ctx's error,
// which wins when both end together. A clock that can wait for a context
// itself is asked to, because one that moves by itself must know what else
// could end the wait.
func sleep(ctx context.Context, clock clockwork.Clock, d time.Duration) error {
	if d <= 0 {
		return ended(ctx)
	}
	if c, ok := clock.(interface {
		SleepContext(context.Context, time.Duration) error
	}); ok {
		if err := c.SleepContext(ctx, d); err != nil && ctx.Err() == nil {
			return err // the clock's own
		}
		return ended(ctx)
	}
	timer := clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.Chan():
	}
	return ended(ctx)
}

// ended returns nil while ctx lives, and then its error: that of a timeout if
// one was the cause, even of a cancellation, as clients of HTTP say it.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err == nil || context.Cause(ctx) != context.DeadlineExceeded {
		return err
	}
	return context.DeadlineExceeded
}

// Calls returns how many requests there were: calls of ChatStream and Do.
func (m *Model) Calls() int {
	m.play.mu.Lock()
	defer m.play.mu.Unlock()
	return len(m.play.records)
}

// Records returns a copy of the record of each request, in the order in which
// they came.
func (m *Model) Records() []Record {
	m.play.mu.Lock()
	defer m.play.mu.Unlock()
	out := make([]Record, len(m.play.records))
	for i, r := range m.play.records {
		out[i] = *r
		out[i].Request = r.Request.Clone()
		out[i].Chunks = slices.Clone(r.Chunks)
		for j, chunk := range r.Chunks {
			out[i].Chunks[j] = cloneChunk(chunk)
		}
	}
	return out
}

// Open returns how many streams were opened and not closed.
func (m *Model) Open() int {
	m.play.mu.Lock()
	defer m.play.mu.Unlock()
	n := 0
	for _, r := range m.play.records {
		if r.Opened && !r.Closed {
			n++
		}
	}
	return n
}

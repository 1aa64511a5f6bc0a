package explore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// asking is a request as it is made, and its digest.
type asking struct {
	retry.ChatRequest
	digest string
	again  func() retry.ChatRequest // makes another that is equal and shares nothing
}

// full is what calls ask, each a request of its own: something in every field,
// and a block of every kind. Attempts scribble on theirs.
var full = newAsking(func() retry.ChatRequest {
	parallel, temperature, topP, topK := true, 0.5, 0.9, 40
	return retry.ChatRequest{
		Messages: []retry.Message{{
			Role: retry.RoleUser,
			Blocks: []retry.Block{
				retry.Text{Text: "hello", Cache: cache},
				retry.Image{Media: retry.Media{Type: "image/png", Data: "aGk="}, Cache: cache},
				retry.Document{Media: retry.Media{FileID: "f"}, Cache: cache},
			},
		}, {
			Role: retry.RoleAssistant,
			Blocks: []retry.Block{
				retry.Reasoning{Text: "hm", Signature: "s"}, retry.RedactedReasoning{Data: "r"},
				retry.ToolCall{ID: "1", Name: "search", Args: json.RawMessage(`{}`), Cache: cache},
			},
		}, {
			Role:   retry.RoleUser,
			Blocks: []retry.Block{retry.ToolResult{CallID: "1", Blocks: []retry.Block{retry.Text{Text: "found"}}, IsError: true, Cache: cache}},
		}},
		System:           []retry.SystemBlock{{Text: "be brief", Cache: cache}},
		Tools:            []retry.Tool{{Name: "search", Description: "looks it up", InputSchema: json.RawMessage(`{}`), Tags: []string{"safe"}, Cache: cache}},
		ToolChoice:       retry.ToolChoice{Mode: retry.ToolNamed, Name: "search"},
		ParallelToolUse:  &parallel,
		MaxTokens:        1000,
		Temperature:      &temperature,
		TopP:             &topP,
		TopK:             &topK,
		StopSequences:    []string{"stop"},
		AdditionalParams: json.RawMessage(`{}`),
	}
})

var cache = retry.CacheControl{Ephemeral: true, TTL: time.Hour}

// bare is a request that says no more than it must.
var bare = newAsking(func() retry.ChatRequest {
	return retry.ChatRequest{Messages: []retry.Message{retry.UserText("hello")}}
})

func newAsking(again func() retry.ChatRequest) *asking {
	r := again()
	return &asking{r, digestRequest(r), again}
}

// scribble is what an attempt may do to its own copy of the request.
func scribble(r retry.ChatRequest) {
	for _, m := range r.Messages {
		for i, b := range m.Blocks {
			switch b := b.(type) {
			case retry.ToolCall:
				scrawl(b.Args)
			case retry.ToolResult:
				if len(b.Blocks) > 0 {
					b.Blocks[0] = retry.Text{Text: "scribbled"}
				}
			default:
				m.Blocks[i] = retry.Text{Text: "scribbled"}
			}
		}
	}
	for i := range r.System {
		r.System[i].Text = "scribbled"
	}
	for _, t := range r.Tools {
		scrawl(t.InputSchema)
		for i := range t.Tags {
			t.Tags[i] = "scribbled"
		}
	}
	for i := range r.StopSequences {
		r.StopSequences[i] = "scribbled"
	}
	scrawl(r.AdditionalParams)
	overwrite(r.ParallelToolUse, false)
	overwrite(r.Temperature, 2)
	overwrite(r.TopP, 2)
	overwrite(r.TopK, 2)
}

// scrawl spoils raw JSON where it is.
func scrawl(raw json.RawMessage) {
	if len(raw) > 0 {
		raw[0] = '!'
	}
}

func overwrite[T any](p *T, v T) {
	if p != nil {
		*p = v
	}
}

// digest returns the SHA-256 of a text, in hexadecimal.
func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// digestRequest takes a list that is nil for one that is empty.
func digestRequest(r retry.ChatRequest) string {
	r.System, r.Tools, r.StopSequences = orNil(r.System), orNil(r.Tools), orNil(r.StopSequences)
	r.AdditionalParams = orNil(r.AdditionalParams)
	text, err := json.Marshal(r)
	if err != nil { // raw JSON that is none
		text = fmt.Append(nil, r)
	}
	return digest(text)
}

func orNil[S ~[]E, E any](s S) S {
	if len(s) == 0 {
		return nil
	}
	return s
}

// hash returns the digest of a request. Most are as they were made, which is
// quick to see.
func (a *asking) hash(r retry.ChatRequest) string {
	if a.untouched(r) {
		return a.digest
	}
	return digestRequest(r)
}

// untouched reports whether a request is as it was made: reflection would cost
// more than an attempt.
func (a *asking) untouched(r retry.ChatRequest) bool {
	return slices.EqualFunc(r.Messages, a.Messages, func(got, want retry.Message) bool {
		return got.Role == want.Role && slices.EqualFunc(got.Blocks, want.Blocks, sameBlock)
	}) && slices.EqualFunc(r.Tools, a.Tools, func(got, want retry.Tool) bool {
		return got.Name == want.Name && got.Description == want.Description && got.Cache == want.Cache &&
			slices.Equal(got.Tags, want.Tags) && string(got.InputSchema) == string(want.InputSchema)
	}) && slices.Equal(r.System, a.System) && slices.Equal(r.StopSequences, a.StopSequences) &&
		string(r.AdditionalParams) == string(a.AdditionalParams) && r.ToolChoice == a.ToolChoice && r.MaxTokens == a.MaxTokens &&
		samePointee(r.ParallelToolUse, a.ParallelToolUse) && samePointee(r.Temperature, a.Temperature) &&
		samePointee(r.TopP, a.TopP) && samePointee(r.TopK, a.TopK)
}

// sameBlock compares a block of a request with that of the one that was made.
func sameBlock(got, want retry.Block) bool {
	switch want := want.(type) {
	case retry.ToolCall:
		got, ok := got.(retry.ToolCall)
		return ok && got.ID == want.ID && got.Name == want.Name && got.Cache == want.Cache && string(got.Args) == string(want.Args)
	case retry.ToolResult:
		got, ok := got.(retry.ToolResult)
		return ok && got.CallID == want.CallID && got.IsError == want.IsError && got.Cache == want.Cache &&
			slices.EqualFunc(got.Blocks, want.Blocks, sameBlock)
	}
	return got == want
}

func samePointee[T comparable](p, q *T) bool {
	if p == nil || q == nil {
		return p == q
	}
	return *p == *q
}

// describe returns the kind of a chunk, and size and hash of its content.
func describe(chunk retry.StreamChunk) (kind string, size int, body string) {
	switch c := chunk.(type) {
	case retry.TextDelta:
		return "text", len(c.Delta), digest([]byte(c.Delta))
	case retry.TurnFinished:
		kind = "finished"
	default:
		kind = fmt.Sprintf("%T", chunk)
	}
	return kind, 0, digest(fmt.Append(nil, chunk))
}

// watchedModel is the model under a decorator: it plays the script and notes
// what is asked of it.
type watchedModel struct{ *playing }

func (m *watchedModel) Name() string  { return m.inner.Name() }
func (m *watchedModel) Model() string { return m.inner.Model() }

func (m *watchedModel) ChatStream(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
	c := m.callerOf(ctx)
	n := m.attempt(ctx, c, m.asks.hash(r))
	s, err := m.model(c).ChatStream(ctx, r)
	scribble(r)
	if err := m.ended(ctx, c, n, err); err != nil {
		return nil, err
	}
	return &watchedStream{Stream: s, playing: m.playing, ctx: ctx, caller: c, attempt: n}, nil
}

// operation is one attempt of a subject that calls a function.
func (p *playing) operation(ctx context.Context, c *caller) error {
	n := p.attempt(ctx, c, "")
	err := p.model(c).Do(retry.WithCall(ctx, c.number))
	return p.ended(ctx, c, n, err)
}

// callerOf returns the call that an attempt belongs to. If its context does not
// say, it is the first whose context lives.
func (p *playing) callerOf(ctx context.Context) *caller {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c
	}
	for _, c := range p.calls {
		if c.ctx != nil && c.ctx.Err() == nil {
			return c
		}
	}
	return p.calls[0]
}

// attempt notes that an attempt begins, and returns its number.
func (p *playing) attempt(ctx context.Context, c *caller, body string) int {
	p.mu.Lock()
	c.attempts++
	n := c.attempts
	c.endless = n > p.most
	p.mu.Unlock()
	switch {
	case n > p.most && p.concurrent:
		runtime.Goexit() // the goroutine may be the subject's, where a panic would be the end
	case n > p.most:
		panic(tooMany{})
	}
	// A context that has no end of its own, where the caller's has one, is not the
	// caller's either.
	detached := ctx.Value(callerKey{}) != c || ctx.Done() == nil
	p.add(c, trace.Event{Attempt: n, Kind: trace.Attempt, Body: body, Detached: detached})
	if n == piled+1 {
		p.piles(c, n)
	}
	if n <= piled && !p.concurrent {
		c.starts = append(c.starts, p.clock.Elapsed())
	}
	if ctx.Done() != c.ctx.Done() && !detached {
		p.mu.Lock()
		c.derived = append(c.derived, derived{ctx, n})
		p.mu.Unlock()
	}
	return n
}

// ended notes how the n-th attempt ended, and returns the error for the subject.
func (p *playing) ended(ctx context.Context, c *caller, n int, err error) error {
	e := trace.Event{Attempt: n, Kind: trace.Opened}
	if err != nil {
		e.Class, e.RetryAfter = p.class(ctx, c, err)
		e.Detached = ctx.Err() != nil && c.ctx.Err() == nil
		err = disguise(n+p.shift(c), err)
		e.Kind, e.Error = trace.Failed, err.Error()
	}
	p.mu.Lock()
	c.failures = append(c.failures, err)
	p.mu.Unlock()
	both := (err != nil || !p.stream) && c.cancel != nil && p.clock.Elapsed() == *p.script.Cancel
	if both && c.goroutine != goroutine() {
		c.cancel() // what came of it has a way to go yet, and either may come first
	}
	p.add(c, e)
	if both {
		c.cancel() // what came of it was first
	}
	return err
}

// piled is of how many attempts in a row something must be left, while the call
// goes on, to count as a pile: less may be of the call, or of the last attempt.
const piled = 3

// piles notes what each of the attempts before the n-th has left behind.
func (p *playing) piles(c *caller, n int) {
	if p.concurrent || len(p.calls) > 1 {
		return // what is left may be another's
	}
	note := func(what string) {
		p.add(c, trace.Event{Attempt: n, Kind: trace.Leaked, Error: fmt.Sprintf("at attempt %d each of the %d before it has left a %s, which stays while the call goes on", n, piled, what)})
	}
	held := make(map[<-chan struct{}]bool)
	for _, d := range c.derived {
		if d.Err() == nil {
			held[d.Done()] = true
		}
	}
	if len(held) >= piled {
		note("context")
		return
	}
	after := make(map[int]bool)
	for _, w := range p.clock.Pending() {
		if w.Owner != "suite" && w.Armed < p.clock.Elapsed() {
			i, _ := slices.BinarySearch(c.starts, w.Armed+1)
			after[i] = true
		}
	}
	if len(after) >= piled {
		note("timer")
	}
}

// goroutine tells the goroutines that run apart: "goroutine 7 ".
func goroutine() string {
	var header [32]byte
	id, _, _ := strings.Cut(string(header[:runtime.Stack(header[:], false)]), "[")
	return id
}

// class says what an attempt failed with, as far as its error and the contract
// tell: a context that ended says nothing of the server, unless it was the
// attempt's own timeout.
func (p *playing) class(ctx context.Context, c *caller, err error) (string, *time.Duration) {
	if ctx.Err() != nil {
		if c.ctx.Err() == nil && p.policy.AttemptTimeout > 0 && errors.Is(err, context.DeadlineExceeded) {
			return "transient", nil
		}
		return "", nil
	}
	class := retry.Classify(err)
	var hint *time.Duration
	if d, ok := class.RetryAfter(); ok {
		hint = &d
	}
	switch {
	case !class.IsTransient():
		return "permanent", nil
	case class.IsThrottled():
		return "throttled", hint
	}
	return "transient", hint
}

// shift is 3 for calls that begin with a turn that takes time, of those which
// have a script of their own: each failure is disguised an attempt later, so that
// any two that follow each other say the same in some call.
func (p *playing) shift(c *caller) int {
	turns := p.script.Turns
	if n := int(c.number); n <= len(p.script.Blocks) {
		turns = p.script.Blocks[n-1].Turns
	}
	if len(turns) > 0 && turns[0].After > latency {
		return 3
	}
	return 0
}

// disguise wraps the errors of some attempts, as libraries do: a class must
// survive it.
func disguise(n int, err error) error {
	switch n % 4 {
	case 2:
		return fmt.Errorf(disguised+"%w", err)
	case 3:
		return &joined{err}
	}
	return err
}

// disguised is how the text of an error that is wrapped begins.
const disguised = "model: "

// joined is an error with another beside it, as [errors.Join] makes them.
type joined struct{ err error }

func (e *joined) Error() string   { return disguised + e.err.Error() }
func (e *joined) Unwrap() []error { return []error{errBeside, e.err} }

var errBeside = errors.New("another error")

// Reasons of a permanent failure whose error is of another kind: errors that
// nobody can classify, which makes them permanent too.
const (
	unclassified = "unclassified"
	canceled     = "context canceled"
)

// Others have the class they say, which is not that of what they wrap: a failure
// that may pass, and one that matches the error of a context.
const (
	givenUp  = "given up"
	timedOut = "upstream timed out"
)

// unlike returns an error without a class for the reasons that ask for one, and
// one and the same value for every reset.
func unlike(t scripted.Turn, e *scripted.Error) error {
	switch a := t.Answer.(type) {
	case scripted.Reset:
		return errReset
	case scripted.Permanent:
		switch a.Reason {
		case unclassified:
			return errors.New(unclassified)
		case canceled:
			return fmt.Errorf("the server's own: %w", context.Canceled)
		case givenUp:
			return &scripted.Error{Class: e.Class, Text: e.Text, Err: errReset}
		}
	case scripted.Status:
		if a.Message == timedOut {
			return &scripted.Error{Class: e.Class, Text: e.Text, Status: e.Status, Err: context.DeadlineExceeded}
		}
	}
	return e
}

// errReset is a sentinel, as many libraries have them.
var errReset = &scripted.Error{Class: retry.Transient(), Text: "reset: " + syscall.ECONNRESET.Error(), Err: syscall.ECONNRESET}

// model returns the scripted model, whose latencies take the time of a call's
// clock.
func (p *playing) model(c *caller) *scripted.Model {
	m := p.inner.As(p.inner.Model())
	m.Clock = c.clock
	return m
}

// watchedStream notes what the stream under a decorator hands out.
type watchedStream struct {
	retry.Stream
	*playing
	ctx     context.Context // of the attempt
	caller  *caller
	attempt int
	over    bool
}

func (s *watchedStream) Recv() (retry.StreamChunk, error) {
	chunk, err := s.Stream.Recv()
	if s.over {
		return chunk, err
	}
	e := trace.Event{Attempt: s.attempt, Kind: trace.Sent}
	switch {
	case err == nil:
		e.Chunk, e.Size, e.Body = describe(chunk)
	case err == io.EOF:
		e.Chunk, s.over = "eof", true
	case s.ctx.Err() != nil && s.caller.ctx.Err() == nil: // the subject ended it, and not the server
		e.Chunk, s.over = "abandoned", true
	default:
		e.Chunk, e.Error, s.over = "broken", err.Error(), true
		s.caller.broke = err
	}
	s.add(s.caller, e)
	return chunk, err
}

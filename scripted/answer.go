package scripted

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Answer is what a request gets: [Transient], [Permanent], [Status], [Reset],
// [Hang] or [Stream].
type Answer interface{ answer() }

// Ending is how a [Stream] ends: [Finish], [Transient], [Permanent], [Status],
// [Cut], [EOF] or [Stall]. nil is the zero Finish.
type Ending interface{ ending() }

// Transient is a failure that may pass.
type Transient struct {
	Hinted bool          // the server says how long to wait
	Wait   time.Duration // how long, in whole milliseconds
}

// Permanent is a failure that will not pass.
type Permanent struct{ Reason string }

// Status is a failure with an HTTP status. As an [Ending] it is the error event
// of a stream, whose status and headers were sent before.
type Status struct {
	Status              int    // 300 to 599
	Type, Code, Message string // of the body; empty: left out
	Header              []Field
	Stall               bool // the body of the refusal never ends
}

// Field is a header of a [Status], or a condition of a [Lane].
type Field struct{ Name, Value string }

// HTTPHeader returns the header of a refusal that is sent now. A Retry-After of
// date+30s or date-30s becomes that date, in whole seconds, rounded down.
func (s Status) HTTPHeader(now time.Time) http.Header {
	h := make(http.Header)
	for _, f := range s.Header {
		if d, ok := dateOffset(f.Value); ok && f.Name == "retry-after" {
			f.Value = now.Add(d).UTC().Format(http.TimeFormat)
		}
		h.Add(f.Name, f.Value)
	}
	return h
}

// dateOffset reads date+30s or date-30s, as a [Field] has it.
func dateOffset(s string) (time.Duration, bool) {
	text, ok := strings.CutPrefix(s, "date")
	if !ok || text == "" || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	d, ok := parseDuration(text[1:])
	if !ok || text[1:] != d.String() {
		return 0, false
	}
	if text[0] == '-' {
		d = -d
	}
	return d, true
}

// Reset is a connection that breaks before any answer.
type Reset struct{}

// Hang is a request that is never answered.
type Hang struct{}

// Stream is an answer that arrives in pieces.
type Stream struct {
	Items []Item
	End   Ending
}

// Finish ends a complete answer with its terminal chunk.
type Finish struct {
	Reason retry.FinishReason // "": tool_use after a tool call, else end_turn
	Usage  retry.Usage
}

// Cut is a connection that is lost in the middle of an answer.
type Cut struct{}

// EOF ends a stream cleanly, but without the terminal chunk.
type EOF struct{}

// Stall is a stream from which nothing comes any more, not even its end.
type Stall struct{}

func (Transient) answer() {}
func (Permanent) answer() {}
func (Status) answer()    {}
func (Reset) answer()     {}
func (Hang) answer()      {}
func (Stream) answer()    {}

func (Finish) ending()    {}
func (Transient) ending() {}
func (Permanent) ending() {}
func (Status) ending()    {}
func (Cut) ending()       {}
func (EOF) ending()       {}
func (Stall) ending()     {}

// Item is a piece of a [Stream]: [Text], [Pause], [Tool], [Interleaved],
// [Reasoning] or [Redacted].
type Item interface{ item() }

// Text is a piece of the answer's text, or of a [Tool]'s arguments or a
// [Reasoning], where it is the part.
type Text string

// Pause is a time in which nothing comes.
type Pause time.Duration

// Tool is a tool call. If the parts do not add up to JSON, the call is not
// finished: it, or the [Interleaved] that it is one of, is the last item of a
// stream that is not finished either.
type Tool struct {
	ID    string // "": call_1 for the first tool call of the stream, and so on
	Name  string
	Parts []Item // of the arguments' JSON, Text and Pause; none: {}
}

// Interleaved are tool calls, two at least, that arrive at once, as those of
// Azure OpenAI may: all begin, then come their parts, the first of each, the
// second of each and so on, then all are finished.
type Interleaved []Tool

// Reasoning is a block of visible reasoning.
type Reasoning struct {
	Parts     []Item // Text and Pause
	Signature string
}

// Redacted is a block of reasoning that the provider encrypted.
type Redacted string

func (Text) item()        {}
func (Pause) item()       {}
func (Tool) item()        {}
func (Interleaved) item() {}
func (Reasoning) item()   {}
func (Redacted) item()    {}

// Error is the error of a scripted failure. It is a [retry.Retryable].
type Error struct {
	Class  retry.Classification
	Text   string  // such as "transient:50" or "529 overloaded_error: try later"
	Status *Status // of a failure with an HTTP status, else nil
	// Err is what lies below: of a status a [*provider.Error], of a reset
	// [syscall.ECONNRESET], of a cut, and of an eof where [Model.Do] meets one,
	// [io.ErrUnexpectedEOF], else nil.
	Err error
}

var _ retry.Retryable = (*Error)(nil)

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// RetryClassification returns the class.
func (e *Error) RetryClassification() retry.Classification { return e.Class }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// String returns the failure as a script has it.
func (t Transient) String() string {
	if !t.Hinted {
		return "transient"
	}
	return fmt.Sprintf("transient:%d", t.Wait.Milliseconds())
}

// text returns what an error says of the status and its body, such as
// "529 overloaded_error: try later".
func (s Status) text() string {
	words := []string{fmt.Sprint(s.Status)}
	for _, w := range []string{s.Type, s.Code} {
		if w != "" {
			words = append(words, w)
		}
	}
	text := strings.Join(words, " ")
	if s.Message != "" {
		text += ": " + s.Message
	}
	return text
}

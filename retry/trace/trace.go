// Package trace writes down what happened in retried calls, as an ordered list
// of events that any other part of the kit can check, draw, compare or replay.
//
// As text a trace is JSON lines: a header that names the format, then one
// event a line, keys in a fixed order, times and durations in integer
// nanoseconds, the former since the trace began. What does not apply to an
// event is left out. The same run gives the same bytes.
//
//	{"schema":"retrykit.trace/v1"}
//	{"at_ns":0,"call":1,"attempt":1,"event":"attempt"}
//	{"at_ns":0,"call":1,"attempt":1,"event":"failed","error":"transient:50"}
//	{"at_ns":0,"call":1,"attempt":1,"event":"wait","class":"transient","retry_after_ns":50000000,"reason":"retry-after","wait_ns":50000000}
//	{"at_ns":50000000,"call":1,"attempt":1,"event":"resumed"}
//	{"at_ns":50000000,"call":1,"attempt":2,"event":"attempt"}
//	{"at_ns":50000000,"call":1,"attempt":2,"event":"opened"}
//	{"at_ns":50000000,"call":1,"attempt":2,"event":"end","reason":"succeeded","elapsed_ns":50000000}
//	{"at_ns":50000000,"call":1,"attempt":2,"event":"chunk","chunk":"text","size":2}
//	{"at_ns":50000000,"call":1,"attempt":2,"event":"eof"}
//
// A trace holds no request and no content of an answer: of a chunk it keeps the
// kind and the size, of a header the fields on a list. The text of errors enters
// only through [Recorder.ErrorText].
package trace

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Schema names the format, in the first line of every trace.
const Schema = "retrykit.trace/v1"

// Kind says what an event is.
type Kind string

const (
	Attempt     Kind = "attempt"     // a call to the inner model began
	Failed      Kind = "failed"      // it returned an error
	Opened      Kind = "opened"      // it returned a result
	Wait        Kind = "wait"        // a wait for the next attempt began
	Resumed     Kind = "resumed"     // the wait lasted to its end
	Interrupted Kind = "interrupted" // the context ended the wait
	End         Kind = "end"         // the retried call returned
	Chunk       Kind = "chunk"       // the consumer received a chunk
	EOF         Kind = "eof"         // the stream ended
	Broken      Kind = "broken"      // the stream ended with an error
	Cancel      Kind = "cancel"      // the caller's context ended

	// What only a test harness around the code sees.
	Begin    Kind = "begin"    // the retried call was entered
	Sent     Kind = "sent"     // the inner model's stream handed out a chunk, or ended
	Leaked   Kind = "leaked"   // something was left behind, by attempts of the call or when all was over
	Panicked Kind = "panicked" // the code panicked
	Stuck    Kind = "stuck"    // the code neither went on nor returned
	Strayed  Kind = "strayed"  // the code took time from another clock than the one it was given
	Notice   Kind = "notice"   // the code announced a retry after the attempt
)

// Event is one line of a trace. Its zero fields do not apply.
type Event struct {
	At      time.Duration `json:"at_ns"` // since the trace began
	Call    uint64        `json:"call"`
	Attempt int           `json:"attempt,omitempty"` // running or last one; 0 before the first, and of Cancel
	Kind    Kind          `json:"event"`

	Class      string         `json:"class,omitempty"`          // Failed and Wait: "transient" or "permanent"; of Failed only where the recorder knows
	RetryAfter *time.Duration `json:"retry_after_ns,omitempty"` // the same: what the server asked for, nil if it did not
	Reason     string         `json:"reason,omitempty"`         // Wait and End: a [retry.Reason]; of End "" where the recorder saw the call from outside
	Wait       *time.Duration `json:"wait_ns,omitempty"`        // Wait and Notice: how long
	Jitter     time.Duration  `json:"jitter_ns,omitempty"`      // Wait: the part of it that chance added
	Elapsed    *time.Duration `json:"elapsed_ns,omitempty"`     // End: since the call began
	Chunk      string         `json:"chunk,omitempty"`          // Chunk and Sent: the kind of chunk; of Sent also "eof", "broken", and "abandoned" where the code ended the context of its attempt
	Size       int            `json:"size,omitempty"`           // Chunk and Sent: bytes of content; Attempt: of the request's body
	Error      string         `json:"error,omitempty"`          // Failed, Interrupted, End, Broken, and what a harness has to say

	// What a harness sees.
	Deadline *time.Duration `json:"deadline_ns,omitempty"` // Begin: of the caller's context, nil if it has none
	Detached bool           `json:"detached,omitempty"`    // Attempt: its context is no descendant of the caller's; Failed: its context had ended, and the caller's had not
	Is       []Identity     `json:"is,omitempty"`          // End and Broken: what the error is, where the recorder looked

	// What a server sees.
	Lane        string            `json:"lane,omitempty"`        // Attempt: the lane of the script that answers
	Body        string            `json:"body_sha256,omitempty"` // Attempt: of the request's body, in hexadecimal; Begin and End: of the caller's request; Chunk and Sent: of the content
	Header      map[string]string `json:"header,omitempty"`      // Attempt: of the request; Failed and Opened: of the answer. Allow-listed names, in lower case
	Differs     []string          `json:"differs,omitempty"`     // Attempt: what of the request, beside its body, is another than in the attempt before: "method", "path", "query" or names of header fields, in lower case
	Status      int               `json:"status,omitempty"`      // Failed and Opened: of the answer
	Connections int               `json:"connections,omitempty"` // Attempt: that are open
	Gone        bool              `json:"gone,omitempty"`        // Failed, Opened, EOF and Broken: the client had left before
}

// Identity is what the error of an End is.
type Identity string

const (
	IsSame    Identity = "same"    // the error of the last attempt itself: == holds
	IsLast    Identity = "last"    // it matches that error: errors.Is holds
	IsEarlier Identity = "earlier" // it matches the error of an earlier attempt and not of the last
	IsContext Identity = "context" // it matches the error of the caller's context
	IsCause   Identity = "cause"   // it matches the cause of the caller's context
	IsOther   Identity = "other"   // it is none of these
)

// Trace is a list of events in the order they happened.
type Trace []Event

// Write writes the trace as JSON lines.
func (t Trace) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	e := newEncoder(b)
	if err := e.Encode(header{Schema}); err != nil {
		return err
	}
	for i := range t {
		if err := e.Encode(&t[i]); err != nil {
			return err
		}
	}
	return b.Flush()
}

func newEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// Bytes returns the trace as JSON lines.
func (t Trace) Bytes() []byte {
	var b bytes.Buffer
	if err := t.Write(&b); err != nil {
		panic(fmt.Sprintf("trace: an event that JSON cannot hold: %v", err)) // events are numbers and strings
	}
	return b.Bytes()
}

// Digest returns the SHA-256 of the trace as JSON lines, in hexadecimal. Equal
// digests mean equal traces.
func (t Trace) Digest() string {
	sum := sha256.Sum256(t.Bytes())
	return hex.EncodeToString(sum[:])
}

type header struct {
	Schema string `json:"schema"`
}

// Read reads what [Trace.Write] wrote. Keys it does not know are skipped, so
// that a newer writer of the same schema can add some. A line of 1 MiB or more is
// refused. An error names the line.
func Read(r io.Reader) (Trace, error) {
	var t Trace
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		n++
		if n == 1 {
			var h header
			if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Schema != Schema {
				return nil, fmt.Errorf("trace: line 1: want the header {\"schema\":%q}", Schema)
			}
			continue
		}
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("trace: line %d: %w", n, err)
		}
		t = append(t, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("trace: line %d: %w", n+1, err)
	}
	if n == 0 {
		return nil, fmt.Errorf("trace: empty input, want the header {\"schema\":%q}", Schema)
	}
	return t, nil
}

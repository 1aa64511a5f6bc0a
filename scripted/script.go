package scripted

import (
	"fmt"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// MaxRepeat is the largest N of a repetition xN.
const MaxRepeat = 1_000_000

// Script is a parsed script: what a model does on each call, and how the run
// is set up and judged.
type Script struct {
	Name    string // of the file, for messages
	Turns   []Turn
	Policy  *retry.Policy  // nil: not said
	Seed    *uint64        // nil: not said
	Cancel  *time.Duration // nil: never; else when the caller's context ends
	Expects []Expect
}

// Turn says what the model does on a call: it refuses with Refusal, or opens a
// stream of Chunks that ends with Break, or with io.EOF if that is nil.
type Turn struct {
	Pos     Pos
	Repeat  int // how many calls in a row get this turn, at least 1
	Refusal *Error
	Chunks  []retry.StreamChunk
	Break   *Error
}

// Expect is a condition on the finished run.
type Expect struct {
	Pos     Pos
	Subject Subject
	Op      Op
	Outcome Outcome // when Subject is SubjectOutcome
	Number  int     // when Subject is SubjectAttempts
}

// String returns the condition as it is written, without "expect".
func (e Expect) String() string {
	if e.Subject == SubjectOutcome {
		return fmt.Sprintf("%s %s %s", e.Subject, e.Op, e.Outcome)
	}
	return fmt.Sprintf("%s %s %d", e.Subject, e.Op, e.Number)
}

// Subject is what an [Expect] is about.
type Subject string

const (
	SubjectOutcome  Subject = "outcome"
	SubjectAttempts Subject = "attempts"
)

// Outcome says how a call ended for its caller.
type Outcome string

const (
	Success   Outcome = "success"   // a stream was opened and read to its end
	Exhausted Outcome = "exhausted" // the policy permits no further attempt
	Permanent Outcome = "permanent" // an attempt failed for good
	Cancelled Outcome = "cancelled" // the context ended the call
	Broken    Outcome = "broken"    // a stream was opened and ended in an error
)

var outcomes = []string{string(Success), string(Exhausted), string(Permanent), string(Cancelled), string(Broken)}

// Op compares.
type Op string

const (
	Equal          Op = "=="
	NotEqual       Op = "!="
	Less           Op = "<"
	LessOrEqual    Op = "<="
	Greater        Op = ">"
	GreaterOrEqual Op = ">="
)

// Compare reports whether "got op want" holds.
func (o Op) Compare(got, want int) bool {
	switch o {
	case Equal:
		return got == want
	case NotEqual:
		return got != want
	case Less:
		return got < want
	case LessOrEqual:
		return got <= want
	case Greater:
		return got > want
	case GreaterOrEqual:
		return got >= want
	}
	panic(fmt.Sprintf("scripted: unknown operator %q", string(o)))
}

// Pos is a place in a script, both from 1; Col counts bytes.
type Pos struct{ Line, Col int }

// Error is the error of a scripted turn. It is a [retry.Retryable].
type Error struct {
	Class retry.Classification
	Text  string // as the script has it, such as "transient:50"
}

var _ retry.Retryable = (*Error)(nil)

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// RetryClassification returns the class.
func (e *Error) RetryClassification() retry.Classification { return e.Class }

package scripted

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Expect is a condition on a finished call.
type Expect struct {
	Pos     Pos
	Subject Subject
	Index   int // of a wait or start, from 1; 0: every one of them
	Op      Op
	Open    bool   // the value is ?, to be filled in
	Text    string // the value of an outcome, error, text or verdict
	Number  int64  // the value of the others, times in nanoseconds; with In the lower bound
	High    int64  // with In the upper bound, included

	value span // of the value in its line
}

type span struct{ from, to int32 } // columns, from 1, the latter excluded

// Subject is what an [Expect] is about.
type Subject string

const (
	SubjectOutcome  Subject = "outcome"  // an [Outcome]
	SubjectAttempts Subject = "attempts" // how many were made
	SubjectWait     Subject = "wait"     // the time between an attempt's failure and the next one
	SubjectStart    Subject = "start"    // when an attempt began, from the start of the call
	SubjectTotal    Subject = "total"    // from the start of the call to the end of its stream
	SubjectError    Subject = "error"    // the text of what the caller got, empty on success
	SubjectChunks   Subject = "chunks"   // how many the caller received
	SubjectText     Subject = "text"     // the text deltas that the caller received, joined
	SubjectVerdict  Subject = "no"       // a fault, one of [Verdicts]

	// These are about a fleet.
	SubjectRecovery      Subject = "recovery"      // from the end of the last fault; longer than any time if it does not come
	SubjectSuccesses     Subject = "successes"     // the share of the calls begun
	SubjectGaveUp        Subject = "gave-up"       // the share of the calls begun
	SubjectAmplification Subject = "amplification" // attempts per call begun
	SubjectWasted        Subject = "wasted"        // the share of the served requests that nobody waited for, or that failed
	SubjectP50           Subject = "p50"           // of the time to success
	SubjectP90           Subject = "p90"
	SubjectP99           Subject = "p99"
	SubjectP999          Subject = "p999"
	SubjectPeak          Subject = "peak"  // the most attempts of an interval
	SubjectQueue         Subject = "queue" // the most that waited at the end of an interval
	SubjectCost          Subject = "cost"  // of all tokens, in the currency of the prices
)

// fleetSubjects are about a fleet.
var fleetSubjects = []Subject{SubjectRecovery, SubjectSuccesses, SubjectGaveUp, SubjectAmplification, SubjectWasted,
	SubjectP50, SubjectP90, SubjectP99, SubjectP999, SubjectPeak, SubjectQueue, SubjectCost}

func (s Subject) ofFleet() bool { return slices.Contains(fleetSubjects, s) }

var subjects = []Subject{SubjectOutcome, SubjectAttempts, SubjectWait, SubjectStart, SubjectTotal,
	SubjectError, SubjectChunks, SubjectText, SubjectVerdict}

// value is the kind of value that a subject is compared with.
type valueKind uint8

const (
	isWord valueKind = iota // compared with == and !=
	isText                  // and with contains
	isNumber
	isTime
	isShare // in millionths, written as a percentage
	isRatio // in millionths, written as a decimal number
)

func (s Subject) kind() valueKind {
	switch s {
	case SubjectAttempts, SubjectChunks, SubjectPeak, SubjectQueue:
		return isNumber
	case SubjectWait, SubjectStart, SubjectTotal, SubjectRecovery, SubjectP50, SubjectP90, SubjectP99, SubjectP999:
		return isTime
	case SubjectSuccesses, SubjectGaveUp, SubjectWasted:
		return isShare
	case SubjectAmplification, SubjectCost:
		return isRatio
	case SubjectError, SubjectText:
		return isText
	}
	return isWord
}

// Outcome says how a call ended for its caller.
type Outcome string

const (
	Success   Outcome = "success"   // a stream was opened and read to its terminal chunk
	Exhausted Outcome = "exhausted" // the policy permits no further attempt
	Refused   Outcome = "permanent" // an attempt failed for good
	Cancelled Outcome = "cancelled" // the context ended the call
	Broken    Outcome = "broken"    // a stream was opened and ended in an error
	Truncated Outcome = "truncated" // a stream was opened and ended without its terminal chunk
)

var outcomes = []Outcome{Success, Exhausted, Refused, Cancelled, Broken, Truncated}

// Verdicts are the faults that "expect no" can name. Package
// propertytest/verdict decides them and explains each.
var Verdicts = []string{
	"early-retry",
	"over-wait",
	"hammer",
	"overran-limit",
	"extra-attempt",
	"retried-permanent",
	"gave-up-early",
	"ignored-timeout",
	"nested-retry",
	"slept-after-last",
	"wrong-clock",
	"leaked",
	"started-after-cancel",
	"ignored-cancel",
	"slept-to-deadline",
	"lost-cancel",
	"lost-error",
	"invented-success",
	"lost-result",
	"body-mutated",
	"lost-context",
	"retried-after-content",
	"duplicate-chunk",
	"lost-chunk",
	"accepted-truncation",
	"late-chunk",
	"wrong-notice",
	"panicked",
	"stuck",
}

// Op compares.
type Op string

const (
	Equal          Op = "=="
	NotEqual       Op = "!="
	Less           Op = "<"
	LessOrEqual    Op = "<="
	Greater        Op = ">"
	GreaterOrEqual Op = ">="
	In             Op = "in"       // both bounds included
	Contains       Op = "contains" // a text that is not empty
)

// Compare reports whether "got op number" holds, or for [In] whether got lies
// in [number, high].
func (e Expect) Compare(got int64) bool {
	switch e.Op {
	case Equal:
		return got == e.Number
	case NotEqual:
		return got != e.Number
	case Less:
		return got < e.Number
	case LessOrEqual:
		return got <= e.Number
	case Greater:
		return got > e.Number
	case GreaterOrEqual:
		return got >= e.Number
	case In:
		return e.Number <= got && got <= e.High
	}
	panic(fmt.Sprintf("scripted: %q compares no numbers", string(e.Op)))
}

// String returns the condition as it is written, without "expect".
func (e Expect) String() string {
	if e.Subject == SubjectVerdict {
		return "no " + e.Text
	}
	return fmt.Sprintf("%s %s %s", e.subject(), e.Op, e.wanted())
}

// subject returns the subject with its index, such as wait[2].
func (e Expect) subject() string {
	switch {
	case e.Subject != SubjectWait && e.Subject != SubjectStart:
		return string(e.Subject)
	case e.Index == 0:
		return string(e.Subject) + "[*]"
	}
	return fmt.Sprintf("%s[%d]", e.Subject, e.Index)
}

func (e Expect) wanted() string {
	if e.Open {
		return "?"
	}
	show := e.Show
	switch e.Subject.kind() {
	case isWord:
		return e.Text
	case isText:
		return quote(e.Text)
	}
	if e.Op == In {
		return show(e.Number) + ".." + show(e.High)
	}
	return show(e.Number)
}

// Show writes a number as a value of the subject: a time as a duration.
func (e Expect) Show(number int64) string {
	switch e.Subject.kind() {
	case isTime:
		return time.Duration(number).String()
	case isShare:
		return decimal(number, 4) + "%"
	case isRatio:
		return decimal(number, 6)
	}
	return fmt.Sprint(number)
}

// decimal writes n·10^-digits.
func decimal(n int64, digits int) string {
	s := fmt.Sprintf("%0*d", digits+1, n)
	whole, fraction := s[:len(s)-digits], strings.TrimRight(s[len(s)-digits:], "0")
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

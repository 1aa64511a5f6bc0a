package provider

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Verdict is what a failure means, and why. It is comparable; the zero Verdict
// is permanent, by no rule.
type Verdict struct {
	Kind Kind
	// Class is the kind with the wait that the server asked for. A failure
	// that is not transient has none, even if the server named one.
	Class retry.Classification
	// Rule says in a few words what decided, such as "code slow_down", "type
	// overloaded_error" or "status 503". It is for people; its spelling may
	// change.
	Rule string
}

// String returns the verdict in one line, such as "transient, retry after 5s
// (status 429)".
func (v Verdict) String() string {
	s := v.Kind.String()
	if wait, hinted := v.Class.RetryAfter(); hinted {
		s += fmt.Sprintf(", retry after %v", wait)
	}
	if v.Rule != "" {
		s += " (" + v.Rule + ")"
	}
	return s
}

// Error is a provider's refusal of a call, or its report that one failed. Its
// words come from the provider, are printable, and are cut short: Message to
// 512 bytes, the others to 128. Nothing else of a request or a response is
// kept: no body, no header, no key, and of a prompt only what the provider
// itself quotes in its message.
type Error struct {
	Provider  Provider
	Status    int    // of HTTP; in a stream what the event names in its place, 0 if nothing
	Type      string // such as "overloaded_error", "UNAVAILABLE" or "ThrottlingException"
	Code      string // such as "insufficient_quota"; of several the one that decided
	Message   string
	RequestID string
	Verdict   Verdict
}

var _ retry.Retryable = (*Error)(nil)

// RetryClassification returns e.Verdict.Class.
func (e *Error) RetryClassification() retry.Classification { return e.Verdict.Class }

// Error returns one line of what is known, such as
//
//	provider: anthropic: 529 overloaded_error: Overloaded (request req_011C)
func (e *Error) Error() string {
	s := "provider: "
	if e.Provider != "" {
		s += string(e.Provider) + ": "
	}
	var what []string
	if e.Status != 0 {
		what = append(what, fmt.Sprint(e.Status))
	}
	if e.Type != "" {
		what = append(what, e.Type)
	}
	if e.Code != "" && e.Code != e.Type && e.Code != fmt.Sprint(e.Status) {
		what = append(what, e.Code)
	}
	if len(what) == 0 {
		what = append(what, "failed")
	}
	s += strings.Join(what, " ")
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.RequestID != "" {
		s += " (request " + e.RequestID + ")"
	}
	return s
}

// requestIDs are the headers by which providers name a request.
var requestIDs = []string{
	"Request-Id",       // Anthropic
	"X-Request-Id",     // OpenAI, Azure OpenAI
	"Apim-Request-Id",  // Azure OpenAI
	"X-Amzn-Requestid", // Bedrock
}

// FromResponse classifies a refusal by its HTTP status, header and body, any of
// which may be missing. now is when the header arrived.
//
// A code in the body decides before a type, a type before the status; where
// failures of two kinds share all of them, a part of the message tells. A code
// from 400 to 599, as a number or the text of one, is a status and replaces
// HTTP's. A body that is not JSON, of an unknown shape or longer than [MaxBody]
// leaves the decision to the status, and so do codes and types that no rule
// knows. At last an X-Should-Retry header, true or false, overrules everything
// but a spent quota, as it does in the SDKs of OpenAI and Anthropic.
//
// The wait is the longest of [RetryAfter] and the body's RetryInfo; of a 429
// with neither, it is that of [Reset]. A failure that is not transient has none.
// The header of a 2xx, whose body reports a failure, speaks of a success:
// neither its wait nor its X-Should-Retry counts. The time it takes is linear in
// the size of header and body.
func FromResponse(p Provider, status int, h http.Header, body []byte, now time.Time) *Error {
	r := read(readObject(body))
	if name, _, _ := strings.Cut(h.Get("X-Amzn-Errortype"), ":"); name != "" {
		r.typ = firstWord(afterLast(name, "#")) // Bedrock: Name:http://...
	}
	e := classify(p, status, r)
	e.Status = status
	for _, name := range requestIDs {
		if e.RequestID == "" {
			e.RequestID = clean(h.Get(name), maxWord)
		}
	}
	if 200 <= status && status <= 299 { // the header speaks of a success
		e.classify(r.wait, r.hinted)
		return e
	}
	transient := e.Verdict.Kind.Classification().IsTransient()
	switch should := h.Get("X-Should-Retry"); {
	case transient && should == "false":
		e.Verdict = Verdict{Kind: Permanent, Rule: "x-should-retry: false"}
	case e.Verdict.Kind == Permanent && should == "true":
		e.Verdict = Verdict{Kind: Transient, Rule: "x-should-retry: true"}
	}
	wait, hinted := RetryAfter(h, now)
	if r.hinted {
		wait, hinted = max(wait, r.wait), true
	}
	if !hinted && status == http.StatusTooManyRequests {
		wait, hinted = Reset(p, h, now)
	}
	e.classify(wait, hinted)
	return e
}

// classify makes an error of a report, without the wait.
func classify(p Provider, status int, r report) *Error {
	if r.status != 0 {
		status = r.status
	}
	kind, by, code := decide(p, status, r)
	if code == "" && len(r.codes) > 0 {
		code = r.codes[0]
	}
	return &Error{
		Provider:  p,
		Status:    status,
		Type:      r.typ,
		Code:      code,
		Message:   r.message,
		RequestID: r.requestID,
		Verdict:   Verdict{Kind: kind, Rule: by},
	}
}

// classify sets the class to that of the kind, with the wait if there is one,
// and as throttled if the provider said that the caller asks too much.
func (e *Error) classify(wait time.Duration, hinted bool) {
	v := &e.Verdict
	v.Class = v.Kind.Classification()
	if hinted && v.Class.IsTransient() {
		v.Class = retry.TransientAfter(wait)
	}
	if v.Kind == Overloaded || e.Status == http.StatusTooManyRequests {
		v.Class = v.Class.Throttled()
	}
}

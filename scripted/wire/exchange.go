package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// exchange is a request and its answer.
type exchange struct {
	server *Server
	play   *play
	w      http.ResponseWriter
	r      *http.Request

	protocol protocol
	request  request
	attempt  *attempt
	broken   bool // writing failed
	slow     bool // the request did not come whole in time
}

// serve reads the request, gives it a turn and answers.
func (x *exchange) serve() {
	x.request = request{
		id: x.play.next(), created: x.server.clock.Now().Unix(),
		path: x.r.URL.Path, query: x.r.URL.Query(),
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, x.server.config.MaxBody))
	if x.slow = errors.Is(err, os.ErrDeadlineExceeded); !x.slow {
		http.NewResponseController(x.w).SetReadDeadline(time.Time{}) // one for reading the request would count as the client's leaving
	}
	wrong, text := x.check(body, err)
	turn, err := x.take(body, err == nil, wrong == nil)
	switch {
	case wrong != nil && x.gone():
		x.attempt.record(trace.Event{Kind: trace.Failed, Error: textGone, Gone: true})
	case wrong != nil:
		x.refuse(*wrong, text)
	case err != nil:
		x.refuse(scripted.Status{Status: http.StatusBadRequest, Message: err.Error(), Header: []scripted.Field{{Name: "x-should-retry", Value: "false"}}}, misfit(err))
	default:
		x.answer(turn)
	}
}

// check returns the refusal of a request that is no call of the API, and what
// the record says of it.
func (x *exchange) check(body []byte, err error) (wrong *scripted.Status, text string) {
	format := x.server.config.Format
	x.protocol = format.protocolOf(x.request.path)
	if x.protocol == nil {
		x.protocol = format.fallback()
		return &scripted.Status{Status: http.StatusNotFound, Message: fmt.Sprintf("unknown path %s: this server answers %s", x.request.path, format.paths())}, textNoPath
	}
	large := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &large):
		return &scripted.Status{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the body has more than %d bytes", large.Limit)}, textTooLarge
	case x.slow:
		return &scripted.Status{Status: http.StatusRequestTimeout, Message: "the request did not come whole in the time that it may take"}, textSlow
	case err != nil:
		x.broken = true
		return &scripted.Status{Status: http.StatusBadRequest}, textGone
	}
	var fields object
	err = json.Unmarshal(body, &fields)
	if _, ok := x.protocol.(plain); !ok {
		switch {
		case x.r.Method != http.MethodPost:
			return &scripted.Status{Status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("method %s is not allowed: use POST", x.r.Method)}, textInvalid
		case err != nil:
			return invalid("the body is no JSON object: " + err.Error()), textInvalid
		}
	}
	return x.protocol.decode(&x.request, x.r.Header, fields), textInvalid
}

// take gives the request its turn. Of a body that did not come whole there is
// nothing to compare.
func (x *exchange) take(body []byte, whole, valid bool) (scripted.Turn, error) {
	seen := trace.Event{Size: len(body), Header: trace.Header(x.r.Header, nil), Connections: x.server.Connections()}
	if whole {
		seen.Body = hash(body)
	}
	a, taken, err := x.play.take(x.request.id, valid, scripted.Request{Model: x.request.model, Path: x.request.path, Header: x.r.Header.Get}, likenessOf(x.r), seen)
	x.attempt = a
	return taken.Turn, err
}

// answer does what the turn says.
func (x *exchange) answer(turn scripted.Turn) {
	if !x.wait(turn.After+x.server.config.Latency, nil) {
		x.attempt.record(trace.Event{Kind: trace.Failed, Error: textGone, Gone: true})
		return
	}
	switch a := turn.Answer.(type) {
	case scripted.Reset:
		x.attempt.record(trace.Event{Kind: trace.Failed, Error: textReset, Gone: x.gone(), Class: classOf(retry.Transient())})
		x.reset()
	case scripted.Hang:
		x.hang(nil)
		x.attempt.record(trace.Event{Kind: trace.Failed, Error: x.silence(), Gone: x.gone()})
		panic(http.ErrAbortHandler)
	case scripted.Stream:
		steps := a.Steps()
		if n := len(steps); n > 0 {
			if f, ok := steps[n-1].Chunk.(retry.TurnFinished); ok {
				x.request.finish = &f
			}
		}
		if x.request.stream {
			x.stream(steps, a.End)
		} else {
			x.whole(steps, a.End)
		}
	default:
		x.refuse(refusalOf(x.protocol, a), "")
	}
}

// refuse sends a refusal. The text is what the record says of it, if not what
// the script does.
func (x *exchange) refuse(s scripted.Status, text string) {
	s = x.protocol.complete(s)
	now := x.server.clock.Now()
	header := s.HTTPHeader(now)
	var h hint
	h.wait, h.given = provider.RetryAfter(header, now)
	contentType, body := x.protocol.errorBody(s, x.request, h)
	if _, ok := x.protocol.(azure); ok {
		azureHint(header)
	}
	e := trace.Event{Kind: trace.Failed, Status: s.Status, Header: trace.Header(header, nil), Error: text}
	if text == "" { // it is the script's
		e.Error = s.String()
		verdict := provider.FromResponse(x.protocol.provider(), s.Status, header, body, now).Verdict
		e.Class = classOf(verdict.Class)
		if wait, ok := verdict.Class.RetryAfter(); ok {
			if date, err := http.ParseTime(header.Get("Retry-After")); err == nil {
				wait = max(date.Sub(now), 0) // of what a Date header says it has the seconds only
			}
			e.RetryAfter = &wait
		}
	}
	maps.Copy(x.w.Header(), header)
	if s.Status == http.StatusNotModified {
		body = nil
	} else {
		x.w.Header().Set("Content-Type", contentType)
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if e.Class != classOf(retry.Transient()) && !x.slow {
		x.attempt.refused()
	}
	i := x.attempt.record(e)
	x.head(s.Status)
	stall := s.Stall && x.r.Method != http.MethodHead // which has no body to stall
	if stall {
		x.write(body[:len(body)/2])
	} else {
		x.write(body)
	}
	if x.gone() {
		x.attempt.left(i)
	}
	if stall {
		x.hang(nil)
		panic(http.ErrAbortHandler)
	}
}

func classOf(c retry.Classification) string {
	if c.IsTransient() {
		return "transient"
	}
	return "permanent"
}

// head sends the status and the header.
func (x *exchange) head(status int) {
	h := x.w.Header()
	maps.Copy(h, x.protocol.header(x.request))
	if x.server.config.Close {
		h.Set("Connection", "close")
	}
	if h.Get("Date") == "" {
		h.Set("Date", x.server.clock.Now().UTC().Format(http.TimeFormat))
	}
	x.w.WriteHeader(status)
	x.flush()
}

// tell records events, and returns the place of the last.
func (x *exchange) tell(events []trace.Event) (last int) {
	for _, e := range events {
		last = x.attempt.record(e)
	}
	return last
}

func (x *exchange) write(b []byte) {
	if len(b) == 0 {
		return
	}
	if _, err := x.w.Write(b); err != nil {
		x.broken = true
		return
	}
	x.flush()
}

func (x *exchange) flush() {
	if err := http.NewResponseController(x.w).Flush(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		x.broken = true
	}
}

// gone reports whether the client has left. net/http ends the context of a
// request also when that does not come in time.
func (x *exchange) gone() bool { return x.broken || !x.slow && x.r.Context().Err() != nil }

// silence says why a hang ended.
func (x *exchange) silence() string {
	if x.gone() {
		return textGone
	}
	return textHung
}

// wait is the one place where this package waits. It returns false if the
// client left before d was over. Meanwhile something meaningless goes out from
// time to time, if there is anything.
func (x *exchange) wait(d time.Duration, keepAlive func() []byte) bool {
	every := x.server.config.KeepAlive
	if keepAlive == nil {
		every = 0
	}
	for d > 0 && !x.gone() {
		next := d
		if every > 0 {
			next = min(d, every)
		}
		timer := x.server.clock.NewTimer(next)
		select {
		case <-timer.Chan():
		case <-x.r.Context().Done():
			timer.Stop()
		}
		if d -= next; d > 0 && !x.gone() {
			x.write(keepAlive())
		}
	}
	return !x.gone()
}

// hang waits until the client leaves.
func (x *exchange) hang(keepAlive func() []byte) { x.wait(scripted.Patience, keepAlive) }

// reset breaks the connection before any answer.
func (x *exchange) reset() {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has streams to break, and no connection
	}
	if c, ok := conn.(interface{ SetLinger(int) error }); ok {
		c.SetLinger(0) // nothing lingers: the other end sees a reset
	}
	conn.Close()
}

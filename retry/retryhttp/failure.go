package retryhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
)

// StatusError is what a [*retry.CancelledError] carries of the response that
// was being waited on when the context ended. Its body is gone.
type StatusError struct {
	StatusCode int
	Header     http.Header
}

// Error returns the status, such as "429 Too Many Requests".
func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode)))
}

// Answer returns the status and the header of the response that an error of an
// attempt or of a call stands for, 0 and nil if it stands for none. It fits
// trace.Recorder, which sees the attempts of a [Transport] as errors.
func Answer(err error) (status int, header map[string][]string) {
	var e *StatusError
	if errors.As(err, &e) {
		return e.StatusCode, e.Header
	}
	return 0, nil
}

// refusal is a response that may be tried again. While it is not replaced its
// body is unread, for the caller.
type refusal struct {
	StatusError
	class     retry.Classification
	resp      *http.Response
	transport *Transport
}

var (
	_ retry.Retryable = (*refusal)(nil)
	_ retry.Leftover  = (*refusal)(nil)
)

func (r *refusal) RetryClassification() retry.Classification { return r.class }

// Unwrap lets errors.As find the exported part.
func (r *refusal) Unwrap() error { return &r.StatusError }

func (r *refusal) Hold(release func()) { releaseWithBody(r.resp, release) }

// Discard drains the body so that the connection can be used again, as far as
// the limits allow, and closes it.
func (r *refusal) Discard() {
	body, c := r.resp.Body, &r.transport.config
	if c.DrainBytes > 0 {
		timer := r.transport.clock.AfterFunc(c.DrainTime, func() { body.Close() })
		_, _ = io.CopyN(io.Discard, body, c.DrainBytes)
		timer.Stop()
	}
	body.Close()
}

// broken is an attempt without a response. It states its class, so that a
// timeout does not make a request that must not be sent twice transient.
type broken struct {
	error
	class retry.Classification
}

var _ retry.Retryable = (*broken)(nil)

func (b *broken) RetryClassification() retry.Classification { return b.class }
func (b *broken) Unwrap() error                             { return b.error }

// kindOf says what an error of a round trip means: transient if the request
// did not leave, ambiguous if it may have, permanent if the network has no part
// in it.
func kindOf(err error) provider.Kind {
	var operation *net.OpError
	var lookup *net.DNSError
	var network net.Error
	var errno syscall.Errno
	var stream streamError
	switch {
	case errors.As(err, &operation) && operation.Op == "dial", errors.As(err, &lookup),
		errors.As(err, &stream) && stream.Code == refusedStream:
		return provider.Transient
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &errno), errors.As(err, &network), errors.As(err, &stream), isBroken(err):
		return provider.Ambiguous
	}
	return provider.Permanent
}

// streamError is what an error of net/http's HTTP/2 turns into, by its method
// As: the server, or the client, ended the stream of the request.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "stream error" }

// refusedStream says that the server did nothing (RFC 9113, section 8.7).
const refusedStream = 7

// isBroken finds the errors of a connection whose types net/http does not
// export, by their texts.
func isBroken(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		if strings.HasPrefix(text, "http2: ") || strings.HasPrefix(text, "connection error: ") || text == "http: server closed idle connection" {
			return true
		}
	}
	return false
}

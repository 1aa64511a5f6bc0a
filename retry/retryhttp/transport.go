// Package retryhttp is the retry decision of package retry as an
// [http.RoundTripper], for clients and SDKs whose own retries are off or bad.
//
//	transport, err := retryhttp.New(retryhttp.Config{
//		Retry: retry.Config{Policy: retry.Default()},
//	})
//	client := &http.Client{Transport: transport}
//
// A refusal by a status that [provider.Status] calls transient or overloaded, such
// as 429, 500 or 503, is retried for every method: it counts as the server's word
// that it did not do the work. Where a 500 may come after the work was done,
// [Config.Classify] says so. After an ambiguous failure (a connection that
// broke, a timeout, a gateway's 502 or 504) the work may have been done: it is
// retried for the methods that RFC 9110, section 9.2.2, calls idempotent, for a
// request that carries an Idempotency-Key or an X-Idempotency-Key, and for the
// others only if [Config.RetryAmbiguous] says so. A request whose body cannot be
// sent again, because it has no GetBody, is tried once.
//
// When the attempts end on a response, that response is returned, its body
// unread, with a nil error: a status is not an error here, as it is none in
// net/http. A response that is replaced by another attempt is drained first, so
// that its connection can be used again, but only so far and so long; then it
// is closed.
package retryhttp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
)

// Config is what a [Transport] is made from. The zero Config makes one attempt.
type Config struct {
	// Base makes the attempts. nil: [http.DefaultTransport].
	Base http.RoundTripper
	// Retry is the policy and what goes with it. Its Classify is not used:
	// the transport classifies by itself.
	Retry retry.Config
	// Classify says what a response means. It must not read the body. nil:
	// the status decides, by [provider.Status], and the header how long to
	// wait, by [provider.RetryAfter].
	Classify func(*http.Response) provider.Kind
	// RetryAmbiguous tries requests that are not idempotent again after an
	// ambiguous failure: the work may then be done, and paid for, twice.
	RetryAmbiguous bool
	// DrainBytes is how much of the body of a replaced response is read at
	// the most. 0 means 64 KiB; a negative number, that it is closed unread.
	DrainBytes int64
	// DrainTime is how long that may take, on the clock of Retry. 0 means
	// 100 ms. Then the body is closed, which ends a Read of the bodies of
	// net/http. With a Base whose bodies do not bear that, or a connection
	// that is not worth the time, make DrainBytes negative.
	DrainTime time.Duration
}

// Transport is an [http.RoundTripper] that tries again. It is safe for
// concurrent use.
type Transport struct {
	config  Config
	clock   clockwork.Clock
	retrier *retry.Retrier
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a transport, or the error of an invalid policy or a negative
// DrainTime.
func New(c Config) (*Transport, error) {
	if c.DrainTime < 0 {
		return nil, fmt.Errorf("retryhttp: DrainTime is negative: %v (use 0 for 100 ms, or a negative DrainBytes for no draining)", c.DrainTime)
	}
	if c.Base == nil {
		c.Base = http.DefaultTransport
	}
	if c.Classify == nil {
		c.Classify = func(resp *http.Response) provider.Kind { return provider.Status(resp.StatusCode) }
	}
	if c.DrainBytes == 0 {
		c.DrainBytes = 64 << 10
	}
	if c.DrainTime == 0 {
		c.DrainTime = 100 * time.Millisecond
	}
	if c.Retry.Clock == nil {
		c.Retry.Clock = clockwork.NewRealClock()
	}
	c.Retry.Classify = nil // every failure carries its class
	r, err := retry.New(c.Retry)
	if err != nil {
		return nil, err
	}
	return &Transport{config: c, clock: c.Retry.Clock, retrier: r}, nil
}

// Retrier returns what decides and waits for the transport.
func (t *Transport) Retrier() *retry.Retrier { return t.retrier }

// CloseIdleConnections closes those of the base, where it has such a method, on
// behalf of [http.Client.CloseIdleConnections].
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.config.Base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// RoundTrip sends the request, as often as the policy allows. It returns the
// last response or the last error of the base, the same value. When the
// request's context ended in a wait, or would before the next attempt, it returns
// a [*retry.CancelledError], in which [errors.As] finds the [*StatusError] of the
// response that was being waited on; when a limit refused the first attempt, a
// [*retry.RefusedError].
//
// [errors.As]: https://pkg.go.dev/errors#As
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	attempts := 0
	resp, err := retry.Open(req.Context(), t.retrier, func(ctx context.Context) (*http.Response, error) {
		attempts++
		return t.attempt(ctx, req, attempts)
	}, releaseWithBody)
	switch failure := err.(type) {
	case nil:
		return resp, nil
	case *refusal:
		return failure.resp, nil
	case *broken:
		return nil, failure.error
	}
	if attempts == 0 && req.Body != nil {
		req.Body.Close() // a RoundTripper closes the body even if it sends nothing
	}
	return nil, err
}

// attempt sends the request once.
func (t *Transport) attempt(ctx context.Context, req *http.Request, number int) (*http.Response, error) {
	again := req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
	sent := req.Clone(ctx) // what a base does to it reaches neither the caller nor the next attempt
	if number > 1 && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, &broken{err, retry.Permanent()}
		}
		sent.Body = body
	}
	resp, err := t.config.Base.RoundTrip(sent)
	if err != nil {
		kind := kindOf(err)
		return nil, &broken{err, t.permitted(kind.Classification(), kind, again, req)}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody // as some doubles answer, and http.Client bears with
	}
	kind := t.config.Classify(resp)
	if !kind.Classification().IsTransient() {
		return resp, nil // an answer
	}
	return nil, &refusal{
		StatusError: StatusError{StatusCode: resp.StatusCode, Header: resp.Header},
		class:       t.permitted(classOf(kind, resp, t.clock.Now()), kind, again, req),
		resp:        resp,
		transport:   t,
	}
}

// permitted returns the class of a failure of the kind, as one not to be
// retried if the request may not or cannot be sent again.
func (t *Transport) permitted(class retry.Classification, kind provider.Kind, again bool, req *http.Request) retry.Classification {
	if !again || kind == provider.Ambiguous && !t.config.RetryAmbiguous && !isIdempotent(req) {
		return class.WithoutRetry()
	}
	return class
}

// isIdempotent reports whether sending the request twice is as good as once.
func isIdempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	for _, key := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if _, ok := req.Header[key]; ok {
			return true
		}
	}
	return false
}

// classOf is the class of a refusal, with the wait that its header asks for.
func classOf(kind provider.Kind, resp *http.Response, now time.Time) retry.Classification {
	class := retry.Transient()
	if wait, ok := provider.RetryAfter(resp.Header, now); ok {
		class = retry.TransientAfter(wait)
	}
	if resp.StatusCode == http.StatusTooManyRequests || kind == provider.Overloaded {
		class = class.Throttled()
	}
	return class
}

// releaseWithBody ties the end of the attempt's context to the end of the body.
func releaseWithBody(resp *http.Response, release func()) *http.Response {
	bound := &boundBody{resp.Body, release}
	resp.Body = bound
	if w, ok := bound.ReadCloser.(io.Writer); ok { // of a 101, which switched protocols
		resp.Body = struct {
			*boundBody
			io.Writer
		}{bound, w}
	}
	return resp
}

type boundBody struct {
	io.ReadCloser
	release func()
}

func (b *boundBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.release()
	}
	return n, err
}

func (b *boundBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

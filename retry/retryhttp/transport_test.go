package retryhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/retry/retryhttp"
	"github.com/retrykit/retrykit/retry/trace"
)

// body is a response body that knows what became of it.
type body struct {
	io.Reader
	read   int
	closed int
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *body) Close() error { b.closed++; return nil }

// server plays the answers, one a request; it is a base transport.
type server struct {
	clock   *fakeclock.Clock
	answers []any // *http.Response or error
	at      []time.Duration
	bodies  []string // of the requests
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	s.at = append(s.at, s.clock.Elapsed())
	text := ""
	if req.Body != nil {
		b, _ := io.ReadAll(req.Body)
		req.Body.Close()
		text = string(b)
	}
	s.bodies = append(s.bodies, text)
	answer := s.answers[0]
	s.answers = s.answers[1:]
	if err, ok := answer.(error); ok {
		return nil, err
	}
	return answer.(*http.Response), nil
}

func answer(status int, header ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: &body{Reader: strings.NewReader(fmt.Sprint("status ", status))}}
}

func transport(t *testing.T, clock *fakeclock.Clock, base http.RoundTripper, change ...func(*retryhttp.Config)) *retryhttp.Transport {
	t.Helper()
	c := retryhttp.Config{
		Base: base,
		Retry: retry.Config{
			Policy: retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 30 * time.Second},
			Clock:  clock,
		},
	}
	for _, f := range change {
		f(&c)
	}
	tr, err := retryhttp.New(c)
	require.NoError(t, err)
	return tr
}

func request(t *testing.T, method, text string) *http.Request {
	t.Helper()
	var b io.Reader
	if text != "" {
		b = strings.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://example.com/", b)
	require.NoError(t, err)
	return req
}

var (
	refused = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	reset   = &net.OpError{Op: "read", Err: syscall.ECONNRESET}
)

// http2Error turns into another type of its shape, as net/http's does.
type http2Error struct {
	StreamID, Code uint32
	Cause          error
}

func (e *http2Error) Error() string { return fmt.Sprintf("stream error: code %d", e.Code) }

func (e *http2Error) As(target any) bool {
	to := reflect.ValueOf(target).Elem()
	from := reflect.ValueOf(*e)
	if to.Kind() != reflect.Struct || to.NumField() != from.NumField() {
		return false
	}
	for i := range from.NumField() {
		if to.Type().Field(i).Name != from.Type().Field(i).Name {
			return false
		}
		to.Field(i).Set(from.Field(i))
	}
	return true
}

func TestWhatIsTriedAgain(t *testing.T) {
	key := func(r *http.Request) { r.Header["Idempotency-Key"] = nil }
	unrewindable := func(r *http.Request) { r.GetBody = nil }
	tests := []struct {
		name     string
		method   string
		change   func(*http.Request)
		first    any
		attempts int
	}{
		{"GET 200", "GET", nil, answer(200), 1},
		{"GET 404", "GET", nil, answer(404), 1},
		{"GET 503", "GET", nil, answer(503), 2},
		{"POST 503: the server did nothing", "POST", nil, answer(503), 2},
		{"POST 429", "POST", nil, answer(429), 2},
		{"POST 500", "POST", nil, answer(500), 2},
		{"POST 504: it may have", "POST", nil, answer(504), 1},
		{"GET 504", "GET", nil, answer(504), 2},
		{"PUT 504", "PUT", nil, answer(504), 2},
		{"PATCH 502", "PATCH", nil, answer(502), 1},
		{"POST 504 with a key", "POST", key, answer(504), 2},
		{"POST 504 with the other key", "POST", func(r *http.Request) { r.Header.Set("X-Idempotency-Key", "k") }, answer(504), 2},
		{"POST, connection refused: it was not sent", "POST", nil, refused, 2},
		{"POST, name not found", "POST", nil, &net.DNSError{Err: "no such host", IsTemporary: true}, 2},
		{"POST, connection reset", "POST", nil, reset, 1},
		{"POST, connection reset, with a key", "POST", key, reset, 2},
		{"GET, connection reset", "GET", nil, reset, 2},
		{"GET, connection closed early", "GET", nil, io.ErrUnexpectedEOF, 2},
		{"GET, connection closed", "GET", nil, fmt.Errorf("read: %w", io.EOF), 2},
		{"GET, HTTP/2 gave up", "GET", nil, errors.New("http2: server sent GOAWAY and closed the connection"), 2},
		{"GET, HTTP/2 broke", "GET", nil, fmt.Errorf("read: %w", errors.New("connection error: PROTOCOL_ERROR")), 2},
		{"POST, HTTP/2 broke", "POST", nil, errors.New("connection error: PROTOCOL_ERROR"), 1},
		{"GET, the stream was reset", "GET", nil, &http2Error{Code: 2}, 2},
		{"POST, the stream was reset", "POST", nil, &http2Error{Code: 2}, 1},
		{"POST, the stream was refused: the server did nothing", "POST", nil, &http2Error{Code: 7}, 2},
		{"GET, an idle connection was closed", "GET", nil, errors.New("http: server closed idle connection"), 2},
		{"POST, an idle connection was closed", "POST", nil, errors.New("http: server closed idle connection"), 1},
		{"GET, an error of the request's own", "GET", nil, errors.New("unsupported protocol scheme"), 1},
		{"POST 503, a body that cannot be sent again", "POST", unrewindable, answer(503), 1},
		{"GET, reset, a body that cannot be sent again", "GET", unrewindable, reset, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
			s := &server{clock: clock, answers: []any{tt.first, answer(201)}}
			req := request(t, tt.method, "hello")
			if tt.change != nil {
				tt.change(req)
			}
			resp, err := transport(t, clock, s).RoundTrip(req)
			assert.Len(t, s.at, tt.attempts)
			for _, b := range s.bodies {
				assert.Equal(t, "hello", b, "every attempt sends the body")
			}
			switch first := tt.first.(type) {
			case error:
				if tt.attempts == 1 {
					assert.Nil(t, resp)
					assert.True(t, err == first, "the error is the base's, the same value")
					return
				}
			case *http.Response:
				if tt.attempts == 1 {
					require.NoError(t, err)
					assert.Same(t, first, resp)
					assert.Zero(t, first.Body.(*body).read, "the body is for the caller")
					return
				}
				assert.Equal(t, 1, first.Body.(*body).closed, "a replaced response is closed")
			}
			require.NoError(t, err)
			assert.Equal(t, 201, resp.StatusCode)
			assert.Equal(t, []time.Duration{0, time.Second}, s.at)
		})
	}
}

func TestEveryAttemptGetsAnEqualRequest(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	s := &server{clock: clock, answers: []any{answer(503), answer(503), answer(200)}}
	req := request(t, "POST", "hello")
	req.Header.Set("X-Mine", "1")
	_, err := transport(t, clock, roundTripper(func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, http.Header{"X-Mine": {"1"}}, r.Header)
		r.Header.Set("X-Base", "spoilt")
		return s.RoundTrip(r)
	})).RoundTrip(req)
	require.NoError(t, err)
	assert.Len(t, s.at, 3)
	assert.Equal(t, http.Header{"X-Mine": {"1"}}, req.Header, "the caller's request is as it was")
}

func TestRetryAmbiguous(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	s := &server{clock: clock, answers: []any{reset, answer(504), answer(200)}}
	tr := transport(t, clock, s, func(c *retryhttp.Config) { c.RetryAmbiguous = true })
	resp, err := tr.RoundTrip(request(t, "POST", "hello"))
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
}

func TestTheLastResponseIsReturnedUnread(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Minute} {
		clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
		s := &server{clock: clock, answers: []any{answer(503), answer(503), answer(503)}}
		last := s.answers[2].(*http.Response).Body.(*body)
		tr := transport(t, clock, s, func(c *retryhttp.Config) { c.Retry.Policy.AttemptTimeout = timeout })
		resp, err := tr.RoundTrip(request(t, "GET", ""))
		require.NoError(t, err, "a status is no error")
		assert.Equal(t, 503, resp.StatusCode)
		assert.Zero(t, last.read+last.closed)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "status 503", string(text))
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 1, last.closed)
		assert.Equal(t, 3*time.Second, clock.Elapsed(), "at once after the last attempt")
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	tests := []struct {
		name  string
		first *http.Response
		wait  time.Duration
		kind  retry.Classification
	}{
		{"seconds", answer(429, "Retry-After", "7"), 7 * time.Second, retry.TransientAfter(7 * time.Second).Throttled()},
		{"milliseconds", answer(503, "Retry-After-Ms", "250"), 250 * time.Millisecond, retry.TransientAfter(250 * time.Millisecond).Throttled()},
		{"a date on the clock", answer(503, "Retry-After", "Sat, 01 Jan 2000 00:01:00 GMT"), time.Minute, retry.TransientAfter(time.Minute).Throttled()},
		{"none", answer(500), time.Second, retry.Transient()},
		{"none, throttled", answer(429), time.Second, retry.Transient().Throttled()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
			var class retry.Classification
			s := &server{clock: clock, answers: []any{tt.first, answer(200)}}
			tr := transport(t, clock, s, func(c *retryhttp.Config) {
				c.Retry.Observer = retry.ObserverFunc(func(e retry.Event) {
					if w, ok := e.(retry.WaitStarted); ok {
						class = w.Class
					}
				})
			})
			_, err := tr.RoundTrip(request(t, "GET", ""))
			require.NoError(t, err)
			assert.Equal(t, []time.Duration{0, tt.wait}, s.at)
			assert.Equal(t, tt.kind, class)
		})
	}
}

func TestAClassifierOfOnesOwn(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	s := &server{clock: clock, answers: []any{answer(418), answer(503)}}
	tr := transport(t, clock, s, func(c *retryhttp.Config) {
		c.Classify = func(resp *http.Response) provider.Kind {
			if resp.StatusCode == 418 {
				return provider.Transient
			}
			return provider.Permanent
		}
	})
	resp, err := tr.RoundTrip(request(t, "GET", ""))
	require.NoError(t, err)
	assert.Equal(t, 503, resp.StatusCode)
}

func TestDrainingIsBoundedInBytes(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	huge := &body{Reader: endless{}}
	first := answer(503)
	first.Body = huge
	s := &server{clock: clock, answers: []any{first, answer(200)}}
	_, err := transport(t, clock, s).RoundTrip(request(t, "GET", ""))
	require.NoError(t, err)
	assert.Equal(t, 64<<10, huge.read)
	assert.Equal(t, 1, huge.closed)
}

// A body that nothing ends is not read, where that is asked for.
func TestNoDraining(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	first := answer(503)
	forever := &body{Reader: blocking{}}
	first.Body = forever
	s := &server{clock: clock, answers: []any{first, answer(200)}}
	tr := transport(t, clock, s, func(c *retryhttp.Config) { c.DrainBytes = -1 })
	_, err := tr.RoundTrip(request(t, "GET", ""))
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{0, time.Second}, s.at)
	assert.Equal(t, 1, forever.closed)
	assert.Empty(t, clock.Pending(), "timers left")
}

type blocking struct{}

func (blocking) Read([]byte) (int, error) { select {} }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// stalled is a body that says nothing until it is closed.
type stalled struct{ done chan struct{} }

func (s stalled) Read([]byte) (int, error) { <-s.done; return 0, net.ErrClosed }
func (s stalled) Close() error {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	return nil
}

func TestDrainingIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		tr, err := retryhttp.New(retryhttp.Config{
			Base: roundTripper(func(*http.Request) (*http.Response, error) {
				at = append(at, time.Since(start))
				if len(at) == 2 {
					return answer(200), nil
				}
				resp := answer(503)
				resp.Body = stalled{make(chan struct{})}
				return resp, nil
			}),
			Retry: retry.Config{Policy: retry.Policy{MaxAttempts: 2, BaseDelay: time.Second}},
		})
		require.NoError(t, err)
		_, err = tr.RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
		assert.Equal(t, []time.Duration{0, 1100 * time.Millisecond}, at, "100 ms of draining, then the wait")
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestACancelInTheWaitTellsTheStatus(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := fakeclock.WithCancel(t.Context(), clock)
	defer clock.AfterFunc(2*time.Second, cancel).Stop()
	first := answer(429, "Retry-After", "60")
	s := &server{clock: clock, answers: []any{first}}
	resp, err := transport(t, clock, s).RoundTrip(request(t, "GET", "").WithContext(ctx))
	assert.Nil(t, resp)
	assert.ErrorIs(t, err, context.Canceled)
	var status *retryhttp.StatusError
	require.ErrorAs(t, err, &status)
	assert.Equal(t, 429, status.StatusCode)
	assert.Equal(t, "60", status.Header.Get("Retry-After"))
	assert.EqualError(t, err, "retry: cancelled in wait 1 after 2s: context canceled (last failure: 429 Too Many Requests)")
	assert.Equal(t, 1, first.Body.(*body).closed)
}

func TestACancelledRequestIsNotSentAndItsBodyClosed(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sent := &body{Reader: strings.NewReader("hello")}
	req := request(t, "POST", "").WithContext(ctx)
	req.Body = sent
	_, err := transport(t, clock, &server{clock: clock}).RoundTrip(req)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, sent.closed)
}

// hang answers when the request's context ends, as a server that never does.
func hang(clock *fakeclock.Clock, next http.RoundTripper) http.RoundTripper {
	first := true
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if !first {
			return next.RoundTrip(req)
		}
		first = false
		return nil, fakeclock.SleepContext(req.Context(), clock, time.Hour)
	})
}

func TestAttemptTimeouts(t *testing.T) {
	for method, attempts := range map[string]int{"GET": 1, "POST": 0} {
		t.Run(method, func(t *testing.T) {
			clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
			s := &server{clock: clock, answers: []any{answer(200)}}
			tr := transport(t, clock, hang(clock, s), func(c *retryhttp.Config) { c.Retry.Policy.AttemptTimeout = 5 * time.Second })
			resp, err := tr.RoundTrip(request(t, method, "hello"))
			assert.Len(t, s.at, attempts)
			if attempts == 0 {
				assert.Equal(t, context.Canceled, err, "a request that may have been done is not sent twice")
				assert.Equal(t, 5*time.Second, clock.Elapsed())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, []time.Duration{6 * time.Second}, s.at)
			require.NoError(t, resp.Body.Close())
		})
	}
}

func TestABodyOutlivesTheAttemptTimeout(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	var ctx context.Context
	tr := transport(t, clock, roundTripper(func(req *http.Request) (*http.Response, error) {
		ctx = req.Context()
		return answer(200), nil
	}), func(c *retryhttp.Config) { c.Retry.Policy.AttemptTimeout = time.Second })
	for _, finish := range []func(io.ReadCloser){
		func(b io.ReadCloser) { _ = b.Close() },
		func(b io.ReadCloser) { _, _ = io.ReadAll(b) },
	} {
		resp, err := tr.RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
		clock.Sleep(time.Hour)
		require.NoError(t, ctx.Err())
		finish(resp.Body)
		assert.Error(t, ctx.Err(), "released at the end of the body")
	}
}

func TestABodyThatCannotBeMadeAnew(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	s := &server{clock: clock, answers: []any{answer(503)}}
	req := request(t, "POST", "hello")
	gone := errors.New("file is gone")
	req.GetBody = func() (io.ReadCloser, error) { return nil, gone }
	_, err := transport(t, clock, s).RoundTrip(req)
	assert.True(t, err == gone)
}

// To a limit a failure is a failure, whether it may be retried or not.
func TestLimitsSeeWhatIsNotRetried(t *testing.T) {
	for name, fail := range map[string]func() any{
		"an ambiguous status": func() any { return answer(502) },
		"a broken connection": func() any { return error(reset) },
		"not to be rewound":   func() any { return answer(503) },
	} {
		t.Run(name, func(t *testing.T) {
			clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
			circuit, err := retry.NewCircuit(retry.Breaker{Failures: 2, OpenFor: time.Hour})
			require.NoError(t, err)
			var counters retry.Counters
			s := &server{clock: clock}
			tr := transport(t, clock, s, func(c *retryhttp.Config) { c.Retry.Limit, c.Retry.Observer = circuit, &counters })
			for range 20 {
				s.answers = append(s.answers, fail())
				req := request(t, "POST", "hello")
				if name == "not to be rewound" {
					req.GetBody = nil
				}
				resp, err := tr.RoundTrip(req)
				if err == nil {
					require.NoError(t, resp.Body.Close())
				}
			}
			assert.Len(t, s.at, 2, "the circuit opens after two")
			for name, n := range counters.All() {
				if name == "retry.calls.succeeded" {
					assert.Zero(t, n)
				}
			}
		})
	}
}

// When the context leaves no time for the wait, the response is let go of.
func TestARefusalThatTheContextOverrulesIsClosed(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Minute} {
		clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
		ctx, cancel := fakeclock.WithTimeout(t.Context(), clock, 30*time.Second)
		defer cancel()
		first := answer(503, "Retry-After", "60")
		inner := first.Body.(*body)
		tr := transport(t, clock, &server{clock: clock, answers: []any{first}}, func(c *retryhttp.Config) { c.Retry.Policy.AttemptTimeout = timeout })
		_, err := tr.RoundTrip(request(t, "GET", "").WithContext(ctx))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, inner.closed)
	}
}

func TestAResponseWithoutABody(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	s := &server{clock: clock, answers: []any{&http.Response{StatusCode: 503}, &http.Response{StatusCode: 200}}}
	resp, err := transport(t, clock, s).RoundTrip(request(t, "GET", ""))
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
}

func TestInvalidConfig(t *testing.T) {
	_, err := retryhttp.New(retryhttp.Config{Retry: retry.Config{Policy: retry.Policy{BaseDelay: -1}}})
	assert.ErrorContains(t, err, "BaseDelay")
	_, err = retryhttp.New(retryhttp.Config{DrainTime: -1})
	assert.EqualError(t, err, "retryhttp: DrainTime is negative: -1ns (use 0 for 100 ms, or a negative DrainBytes for no draining)")
	tr, err := retryhttp.New(retryhttp.Config{})
	require.NoError(t, err)
	assert.Equal(t, retry.Policy{}, tr.Retrier().Policy())
}

type closing struct {
	http.RoundTripper
	closed int
}

func (c *closing) CloseIdleConnections() { c.closed++ }

func TestIdleConnectionsAreClosedByTheBase(t *testing.T) {
	base := &closing{}
	for _, b := range []http.RoundTripper{base, &server{}} {
		tr, err := retryhttp.New(retryhttp.Config{Base: b})
		require.NoError(t, err)
		(&http.Client{Transport: tr}).CloseIdleConnections()
	}
	assert.Equal(t, 1, base.closed)
}

// Over a real connection: what is drained can be used again.
func TestADrainedConnectionIsUsedAgain(t *testing.T) {
	var requests, connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if requests.Add(1) < 3 {
			w.WriteHeader(503)
			fmt.Fprint(w, strings.Repeat("busy ", 1000))
			return
		}
		fmt.Fprintf(w, "got %s", text)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	tr, err := retryhttp.New(retryhttp.Config{
		Base:  server.Client().Transport,
		Retry: retry.Config{Policy: retry.Policy{MaxAttempts: 3}},
	})
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: tr}).Post(server.URL, "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "got hello", string(text))
	assert.Equal(t, int64(3), requests.Load())
	assert.Equal(t, int64(1), connections.Load())
}

func ExampleTransport() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	tr, err := retryhttp.New(retryhttp.Config{
		Base:  &server{clock: clock, answers: []any{answer(503), answer(429, "Retry-After", "20"), answer(200)}},
		Retry: retry.Config{Policy: retry.Policy{MaxAttempts: 5, BaseDelay: time.Second}, Clock: clock},
	})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: tr}
	resp, err := client.Get("http://example.com/")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", clock.Elapsed())
	// Output: 200 after 21s
}

// What the server had said before the caller stopped waiting.
func ExampleStatusError() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := fakeclock.WithTimeout(context.Background(), clock, 10*time.Second)
	defer cancel()
	tr, err := retryhttp.New(retryhttp.Config{
		Base:  &server{clock: clock, answers: []any{answer(429, "Retry-After", "60")}},
		Retry: retry.Config{Policy: retry.Policy{MaxAttempts: 5}, Clock: clock},
	})
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://example.com/", nil)
	if err != nil {
		panic(err)
	}
	_, err = tr.RoundTrip(req)
	var status *retryhttp.StatusError
	if errors.As(err, &status) {
		fmt.Println(status.StatusCode, status.Header.Get("Retry-After"), clock.Elapsed())
	}
	// Output: 429 60 0s
}

// A recorder in production sees what the server said, and nothing secret.
func TestAnswerForATrace(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	recorder := trace.NewRecorder(clock)
	recorder.Answer = retryhttp.Answer
	base := &server{clock: clock, answers: []any{
		answer(429, "Retry-After", "2", "Request-Id", "req_1", "Set-Cookie", "secret"), io.ErrUnexpectedEOF, answer(200),
	}}
	tr := transport(t, clock, base, func(c *retryhttp.Config) { c.Retry.Observer = recorder })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com?key=secret", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "secret")
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	resp.Body.Close()
	var failed []trace.Event
	for _, e := range recorder.Trace() {
		if e.Kind == trace.Failed {
			failed = append(failed, e)
		}
	}
	require.Len(t, failed, 2)
	assert.Equal(t, 429, failed[0].Status)
	assert.Equal(t, map[string]string{"retry-after": "2", "request-id": "req_1"}, failed[0].Header)
	assert.Zero(t, failed[1].Status)
	assert.Empty(t, failed[1].Header)
	assert.NotContains(t, string(recorder.Trace().Bytes()), "secret")
}

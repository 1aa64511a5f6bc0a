package retryhttp_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/retryhttp"
)

// pipes is a network of one server, in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// visit is a request as the server saw it.
type visit struct {
	at     time.Duration
	method string
	path   string
	body   string
	conn   string
}

// net1and2 runs a test in a bubble, in front of a real server of HTTP/1.1 and
// of HTTP/2, each request answered by the handler of its number.
func net1and2(t *testing.T, policy retry.Policy, f func(t *testing.T, h *harness)) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("HTTP/%d", version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var protocols http.Protocols
				protocols.SetHTTP1(version == 1)
				protocols.SetUnencryptedHTTP2(version == 2)
				network := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				h := &harness{begin: time.Now(), version: version}
				server := &http.Server{Handler: h, Protocols: &protocols, ErrorLog: quiet}
				var serving sync.WaitGroup
				serving.Go(func() { _ = server.Serve(network) })
				base := &http.Transport{DialContext: network.dial, Protocols: &protocols, ExpectContinueTimeout: time.Hour}
				tr, err := retryhttp.New(retryhttp.Config{Base: base, Retry: retry.Config{Policy: policy}})
				require.NoError(t, err)
				h.transport, h.client = tr, &http.Client{Transport: tr}
				defer serving.Wait()
				defer server.Close()
				defer h.client.CloseIdleConnections() // by way of the transport
				f(t, h)
			})
		})
	}
}

type harness struct {
	begin     time.Time
	version   int
	transport *retryhttp.Transport
	client    *http.Client
	handlers  []http.HandlerFunc
	unread    bool // the handlers read the requests' bodies themselves

	mu     sync.Mutex
	visits []visit
}

func (h *harness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	n := len(h.visits)
	h.visits = append(h.visits, visit{at: time.Since(h.begin), method: r.Method, path: r.URL.Path, conn: r.RemoteAddr})
	h.mu.Unlock()
	if !h.unread {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.visits[n].body = string(body)
		h.mu.Unlock()
	}
	h.handlers[n](w, r)
}

func (h *harness) times() (all []time.Duration) {
	for _, v := range h.visits {
		all = append(all, v.at)
	}
	return all
}

// status answers so, with a body.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, "status %d", code)
	}
}

// abort ends the connection, or of HTTP/2 the stream, without an answer.
func abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// stallIn begins its body and does not go on until the client is gone.
func stallIn(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "sta")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

var seconds = retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 10 * time.Second}

func (h *harness) send(t *testing.T, method string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(t.Context(), method, "http://server/path", body)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return h.client.Do(req)
}

func text(t *testing.T, resp *http.Response, err error) string {
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(body)
}

func TestServerRefusesThenAnswers(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{status(503), status(429, "Retry-After", "7"), status(200)}
		resp, err := h.send(t, http.MethodPost, strings.NewReader("question"))
		assert.Equal(t, "status 200", text(t, resp, err))
		assert.Equal(t, h.version, resp.ProtoMajor)
		assert.Equal(t, []time.Duration{0, time.Second, 8 * time.Second}, h.times())
		for _, v := range h.visits {
			assert.Equal(t, "question", v.body)
			assert.Equal(t, h.visits[0].conn, v.conn, "one connection, used again")
		}
	})
}

func TestServerWhoseLastRefusalIsReturnedUnread(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{status(503), status(503), status(503)}
		resp, err := h.send(t, http.MethodGet, nil)
		assert.Equal(t, "status 503", text(t, resp, err))
		assert.Equal(t, 3*time.Second, time.Since(h.begin), "and no wait behind it")
	})
}

// A refusal whose body stalls costs the drain's time, and its connection.
func TestServerThatStallsInARefusal(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{stallIn(503), status(200)}
		resp, err := h.send(t, http.MethodGet, nil)
		assert.Equal(t, "status 200", text(t, resp, err))
		assert.Equal(t, []time.Duration{0, 1100 * time.Millisecond}, h.times())
	})
}

// A connection that ends without an answer is ambiguous: a GET is sent again, a
// POST is not, unless it has a key.
func TestServerThatAborts(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{abort, status(200)}
		resp, err := h.send(t, http.MethodGet, nil)
		assert.Equal(t, "status 200", text(t, resp, err))
		assert.Equal(t, []time.Duration{0, time.Second}, h.times())
	})
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{abort}
		_, err := h.send(t, http.MethodPost, strings.NewReader("question"))
		require.Error(t, err)
		assert.Len(t, h.visits, 1)
		assert.Zero(t, time.Since(h.begin))
	})
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{abort, status(200)}
		resp, err := h.send(t, http.MethodPost, strings.NewReader("question"), "Idempotency-Key", "k")
		assert.Equal(t, "status 200", text(t, resp, err))
		require.Len(t, h.visits, 2)
		assert.Equal(t, "question", h.visits[1].body)
	})
}

func TestServerThatClosesItsConnections(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{status(503, "Connection", "close"), status(503, "Connection", "close"), status(200)}
		resp, err := h.send(t, http.MethodPost, strings.NewReader("question"))
		assert.Equal(t, "status 200", text(t, resp, err))
		assert.Equal(t, []time.Duration{0, time.Second, 3 * time.Second}, h.times())
	})
}

// Informational responses are neither refusals nor answers.
func TestServerWithInformationalResponses(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		early := func(code int) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "99")
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Del("Retry-After")
				status(code)(w, r)
			}
		}
		h.handlers = []http.HandlerFunc{early(503), early(200)}
		resp, err := h.send(t, http.MethodGet, nil)
		assert.Equal(t, "status 200", text(t, resp, err))
		assert.Equal(t, []time.Duration{0, time.Second}, h.times())
	})
}

// A server that refuses before it asks for the body gets it when it does.
func TestServerThatIsAskedFirst(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		var got string
		h.unread = true
		h.handlers = []http.HandlerFunc{status(503), func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = string(body)
			status(200)(w, r)
		}}
		resp, err := h.send(t, http.MethodPost, strings.NewReader("question"), "Expect", "100-continue")
		assert.Equal(t, "status 200", text(t, resp, err))
		assert.Equal(t, "question", got)
		assert.Equal(t, []time.Duration{0, time.Second}, h.times())
	})
}

// Each hop of a redirect is a call of its own.
func TestServerThatRedirects(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{
			status(503), status(307, "Location", "/there"), status(429, "Retry-After", "5"), status(503), status(200),
		}
		resp, err := h.send(t, http.MethodPost, strings.NewReader("question"))
		assert.Equal(t, "status 200", text(t, resp, err))
		assert.Equal(t, []time.Duration{0, time.Second, time.Second, 6 * time.Second, 8 * time.Second}, h.times())
		for i, v := range h.visits {
			assert.Equal(t, "question", v.body)
			assert.Equal(t, []string{"/path", "/path", "/there", "/there", "/there"}[i], v.path)
		}
	})
}

// A body that cannot be made anew is sent once.
func TestServerAndABodyWithoutGetBody(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{status(503)}
		resp, err := h.send(t, http.MethodPost, io.MultiReader(strings.NewReader("question")))
		assert.Equal(t, "status 503", text(t, resp, err))
		assert.Equal(t, "question", h.visits[0].body)
	})
}

// An attempt timeout ends what hangs; the answer's body lives on.
func TestServerThatHangs(t *testing.T) {
	policy := seconds
	policy.AttemptTimeout = 10 * time.Second
	net1and2(t, policy, func(t *testing.T, h *harness) {
		hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		slow := func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			time.Sleep(time.Minute)
			_, _ = io.WriteString(w, "slow")
		}
		h.handlers = []http.HandlerFunc{hang, slow}
		resp, err := h.send(t, http.MethodGet, nil)
		assert.Equal(t, "slow", text(t, resp, err))
		assert.Equal(t, []time.Duration{0, 11 * time.Second}, h.times())
		assert.Equal(t, 71*time.Second, time.Since(h.begin))
	})
}

// A connection that switched protocols is for reading and writing, and outlives
// the attempt timeout.
func TestServerThatSwitchesProtocols(t *testing.T) {
	policy := seconds
	policy.AttemptTimeout = 10 * time.Second
	net1and2(t, policy, func(t *testing.T, h *harness) {
		if h.version == 2 {
			return // which has no such thing
		}
		h.handlers = []http.HandlerFunc{status(503), func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if !assert.NoError(t, err) {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			line, _ := buffered.ReadString('\n')
			_, _ = io.WriteString(conn, "echo "+line)
		}}
		resp, err := h.send(t, http.MethodGet, nil, "Connection", "Upgrade", "Upgrade", "echo")
		require.NoError(t, err)
		assert.Equal(t, 101, resp.StatusCode)
		time.Sleep(time.Minute)
		both, ok := resp.Body.(io.ReadWriteCloser)
		require.True(t, ok)
		_, err = io.WriteString(both, "hello\n")
		require.NoError(t, err)
		assert.Equal(t, "echo hello\n", text(t, resp, nil))
	})
}

// The client's own timeout covers attempts and waits, and a wait that it leaves
// no time for is not begun. Either way it is a timeout to who asks.
func TestClientTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{2500 * time.Millisecond, 500 * time.Millisecond} {
		net1and2(t, seconds, func(t *testing.T, h *harness) {
			h.handlers = []http.HandlerFunc{status(503), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
			h.client.Timeout = timeout
			_, err := h.send(t, http.MethodGet, nil)
			var network net.Error
			require.ErrorAs(t, err, &network)
			assert.True(t, network.Timeout(), "%v", err)
			if timeout < time.Second {
				var refused *retryhttp.StatusError
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, 503, refused.StatusCode)
				assert.Zero(t, time.Since(h.begin))
			}
		})
	}
}

// A call that ends in the wait leaves neither a timer nor a connection in use.
func TestACancelInTheWaitForAServer(t *testing.T) {
	net1and2(t, seconds, func(t *testing.T, h *harness) {
		h.handlers = []http.HandlerFunc{status(503, "Retry-After", "3600"), status(200)}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://server/path", strings.NewReader("question"))
		require.NoError(t, err)
		_, err = h.client.Do(req)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, time.Minute, time.Since(h.begin))
		resp, err := h.send(t, http.MethodGet, nil)
		assert.Equal(t, "status 200", text(t, resp, err))
		assert.Equal(t, h.visits[0].conn, h.visits[1].conn)
	})
}

// quiet takes what a server has to say of handlers that abort.
var quiet = log.New(io.Discard, "", 0)

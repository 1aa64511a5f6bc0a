package wire

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// TB is the part of a test that [Client] needs. *testing.T and *rapid.T
// satisfy it.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Cleanup(func())
}

// Local is a server that is reached without a network. In a bubble of
// testing/synctest everything about it is on virtual time.
type Local struct {
	*Server
	HTTP *http.Client // reaches the server whatever host is asked for, and whether by http or https, which is not encrypted
	URL  string       // of the server; paths go behind it. HTTP alone gets there: nothing can listen at its port, which is 0

	network *network
	http    *http.Server
	stop    context.CancelFunc
	served  chan struct{}
	close   sync.Once
}

// nowhere refuses whoever asks the network for it, at once and without a name to
// look up, which ends the process in a bubble.
const nowhere = "http://127.0.0.1:0"

// Client starts a server that plays the script until the test ends. A script
// with a mistake fails the test. At its end the test logs each request that got
// no answer of the script, since an SDK's error may not tell why: the script was
// used up, no lane fitted, or the request was no call of the API.
func Client(t TB, script string, c Config) *Local {
	t.Helper()
	s, err := scripted.Parse("script", script)
	if err != nil {
		t.Fatalf("wire: %v", err)
	}
	l := Start(s, c)
	t.Cleanup(func() {
		l.Close()
		for _, e := range l.Trace() {
			if e.Kind == trace.Failed && e.Status > 0 && e.Class == "" {
				t.Logf("wire: attempt %d of call %d got a %d at %v: %s", e.Attempt, e.Call, e.Status, e.At, e.Error)
			}
		}
	})
	return l
}

// Start starts a server that plays the script until it is closed. In a bubble
// it must be closed in the bubble.
func Start(s *scripted.Script, c Config) *Local {
	ctx, stop := context.WithCancel(context.Background())
	l := &Local{Server: Handler(s, c), URL: nowhere, network: newNetwork(), stop: stop, served: make(chan struct{})}
	l.http = &http.Server{
		Handler:     l.Server,
		ConnState:   l.ConnState,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	l.HTTP = &http.Client{Transport: &http.Transport{DialContext: l.DialContext, DialTLSContext: l.DialContext, DisableCompression: true}}
	go func() {
		defer close(l.served)
		l.http.Serve(l.network)
	}()
	return l
}

// DialContext connects to the server, whatever the address, for clients that
// make their own [http.Transport].
func (l *Local) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.network.dial(ctx)
}

// Close ends the server, its connections and its requests.
func (l *Local) Close() {
	l.close.Do(func() {
		l.HTTP.CloseIdleConnections()
		l.stop()
		l.http.Close()
		<-l.served
		l.drained() // net/http waits for 500 ms before it closes some connections
	})
}

package wire

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// Config says how a script is served. The zero Config serves every provider by
// its paths, on the real clock, which in a bubble of testing/synctest is
// virtual.
type Config struct {
	Format Format
	// Clock is what latencies and pauses take time on, and what dates are
	// made from. nil: the real clock.
	Clock clockwork.Clock
	// Latency comes before every answer, in addition to the script's.
	Latency time.Duration
	// KeepAlive is how often a stream sends something meaningless while it
	// has nothing to say, even while it stalls. 0: never.
	KeepAlive time.Duration
	// Close ends the connection after every answer.
	Close bool
	// MaxBody is how many bytes a request's body may have. 0 means 32 MiB.
	MaxBody int64
}

// maxBody is the default of Config.MaxBody: what the largest of the providers
// takes.
const maxBody = 32 << 20

// Server is an [http.Handler] that plays a script, and keeps a record of what
// it saw, which grows with every request until [Server.Reset]. It is safe for
// concurrent use.
type Server struct {
	script *scripted.Script
	config Config
	clock  clockwork.Clock

	mu    sync.Mutex
	left  *sync.Cond // a connection has closed
	conns map[net.Conn]struct{}
	play  *play
}

var _ http.Handler = (*Server)(nil)

// Handler returns a server at the beginning of the script. A format that does
// not exist is a panic.
func Handler(s *scripted.Script, c Config) *Server {
	if c.Format != "" {
		if _, err := ParseFormat(string(c.Format)); err != nil {
			panic(err.Error())
		}
	}
	server := &Server{script: s, config: c, clock: c.Clock, conns: make(map[net.Conn]struct{})}
	server.left = sync.NewCond(&server.mu)
	if c.Clock == nil {
		server.clock = clockwork.NewRealClock()
	}
	if c.MaxBody == 0 {
		server.config.MaxBody = maxBody
	}
	server.Reset()
	return server
}

// Reset goes back to the beginning of the script and begins a new record.
// Requests that are being answered end in the old one.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.play = newPlay(s.script, s.clock)
}

// Script returns the script.
func (s *Server) Script() *scripted.Script { return s.script }

// Trace returns a copy of the record so far.
func (s *Server) Trace() trace.Trace { return s.current().copy() }

func (s *Server) current() *play {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.play
}

// Over returns how many calls are over as far as the server can tell: the
// number of complete answers, and of logical calls that were refused for good.
func (s *Server) Over() int {
	p := s.current()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// ConnState counts open connections. It is for the field of that name of an
// [http.Server]; without it the record has no connections.
func (s *Server) ConnState(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
		s.left.Broadcast()
	}
}

// drained waits until no connection is open.
func (s *Server) drained() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		s.left.Wait()
	}
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// ServeHTTP answers a request with the next turn.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{server: s, play: s.current(), w: w, r: r}
	x.serve()
}

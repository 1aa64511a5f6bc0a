package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	rules "github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/scripted/wire"
	"github.com/spf13/cobra"
)

type serveFlags struct {
	format    string
	addr      string
	exposed   bool
	policy    string
	calls     int
	keepAlive time.Duration
	limit     time.Duration
}

func newServe() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve PATH",
		Short: "Play scripts as the HTTP API of a model provider, in real time",
		Long: `Play scripts as the HTTP API of a model provider, for clients in any language. This is the
one command that takes real time: hints of milliseconds keep a test short.

PATH is a script, or a folder of which every *.retry and *.txtar is served. Each script has a
base URL and a state of its own, /s/NAME, so that parallel tests share one server; a single
one is served at / too. When the server is ready it prints one line of JSON, which says where.

  GET  /s/NAME/report   what came so far: the schedule, the verdicts and the trace
  POST /s/NAME/reset    back to the beginning of the script

On SIGINT, SIGTERM, or once --calls are over, the report of every script is printed. The exit
status is 1 if a client broke a rule or asked for more than its script has.`,
		Example: `  retrysim serve testdata/flaky.retry --format anthropic
  retrysim serve testdata --addr 127.0.0.1:8080
  retrysim serve flaky.retry --calls 1 --policy exp:base=1s,jitter=additive,attempts=3`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	formats := make([]string, 0, len(wire.Formats()))
	for _, format := range wire.Formats() {
		formats = append(formats, string(format))
	}
	c.Flags().StringVar(&f.format, "format", "", "serve only this format: "+strings.Join(formats, ", ")+" (default: by the path of each request)")
	c.Flags().StringVar(&f.addr, "addr", "127.0.0.1:0", "listen here; port 0 is any free one")
	c.Flags().BoolVar(&f.exposed, "allow-remote-clients", false, "listen where other machines can reach it, and answer whatever Host and Origin they name")
	c.Flags().StringVarP(&f.policy, "policy", "p", "", "what the client promises; without it only what any client should do is judged")
	c.Flags().IntVar(&f.calls, "calls", 0, "end when so many calls got a complete answer or were refused for good (0: on a signal)")
	c.Flags().DurationVar(&f.keepAlive, "keep-alive", 0, "send something meaningless this often while a stream has nothing to say (0: never)")
	c.Flags().DurationVar(&f.limit, "limit", 10*time.Minute, "end any one answer after this time")
	return c
}

// The limits of the server besides those of the command line.
const (
	maxConnections = 4096
	maxHeader      = 64 << 10
	idleTime       = 2 * time.Minute
	stopTime       = 3 * time.Second // for answers to end when the server does
)

// What a client may take. Variables for tests.
var (
	headerTime  = 10 * time.Second // for its header
	requestTime = time.Minute      // for its whole request
)

func (f *serveFlags) run(c *cobra.Command, path string) error {
	d, err := f.dispatcher(c, path)
	if err != nil {
		return err
	}
	if d.spec, err = f.spec(); err != nil {
		return err
	}
	listener, err := f.listen(d.connections.turnedAway)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := output(c, d.ready(listener.Addr())); err != nil {
		listener.Close()
		return err
	}
	d.serve(ctx, listener)
	return d.finish(c)
}

// spec is what the client is judged by.
func (f *serveFlags) spec() (rules.Spec, error) {
	if f.policy == "" {
		return rules.LooseSpec(), nil
	}
	p, err := scripted.ParsePolicy("--policy", f.policy)
	return rules.Spec{Policy: p, Lacks: rules.LooseSpec().Lacks}, err
}

// listen listens on a loopback address, or on any if it may, and tells of each
// connection that is one too many.
func (f *serveFlags) listen(turnedAway func()) (net.Listener, error) {
	host, _, err := net.SplitHostPort(f.addr)
	if err != nil {
		return nil, fmt.Errorf("serve: --addr %s: want HOST:PORT, such as 127.0.0.1:0", f.addr)
	}
	if !f.exposed && !isLoopback(host) {
		return nil, fmt.Errorf("serve: --addr %s is not loopback: other machines could reach it (say --allow-remote-clients if they shall)", f.addr)
	}
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	return &limitedListener{Listener: l, free: make(chan struct{}, maxConnections), turnedAway: turnedAway}, nil
}

func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// bound ends an answer after the limit: a hang is not for ever here.
func (f *serveFlags) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, f.limit)
}

// dispatcher reads the scripts.
func (f *serveFlags) dispatcher(c *cobra.Command, path string) (*dispatcher, error) {
	var format wire.Format
	if f.format != "" {
		var err error
		if format, err = wire.ParseFormat(f.format); err != nil {
			return nil, fmt.Errorf("serve: --format: %s", strings.TrimPrefix(err.Error(), "wire: "))
		}
	}
	if f.calls < 0 || f.keepAlive < 0 || f.limit <= 0 {
		return nil, fmt.Errorf("serve: --calls and --keep-alive are 0 or more, --limit more than 0")
	}
	files, err := expand([]string{path})
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	d := &dispatcher{flags: f, connections: newConnections(), done: make(chan struct{})}
	for _, file := range files {
		name, text, err := readFile(c, file.name)
		if err != nil {
			return nil, fmt.Errorf("serve: %w", err)
		}
		scripts, err := scripted.ParseFile(name, text)
		if err != nil {
			return nil, err
		}
		for _, s := range scripts {
			d.scripts = append(d.scripts, &served{
				name:   nameOf(path, file.name, s),
				Server: wire.Handler(s, wire.Config{Format: format, KeepAlive: f.keepAlive}),
			})
		}
	}
	slices.SortFunc(d.scripts, func(a, b *served) int { return cmp.Compare(a.name, b.name) })
	for i, s := range d.scripts[1:] {
		if s.name == d.scripts[i].name {
			return nil, fmt.Errorf("serve: two scripts are called %s (rename one)", s.name)
		}
	}
	return d, nil
}

// nameOf returns the name of a script in URLs: its path below the folder that is
// served, without the suffix, slashes as dots.
func nameOf(path, file string, s *scripted.Script) string {
	name := filepath.Base(file)
	if below, err := filepath.Rel(path, file); err == nil && below != "." && !strings.HasPrefix(below, "..") {
		name = below
	}
	name = strings.TrimSuffix(name, filepath.Ext(name))
	if s.Member != "" {
		name += "." + strings.TrimSuffix(s.Member, ".retry")
	}
	name = strings.ReplaceAll(filepath.ToSlash(name), "/", ".")
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_.~", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, name)
}

// finish prints the report of every script and says how the command ends.
func (d *dispatcher) finish(c *cobra.Command) error {
	var b bytes.Buffer
	failed := false
	for _, s := range d.scripts {
		r := s.report(d.spec)
		r.write(&b)
		failed = failed || r.failed()
	}
	d.connections.counts().write(&b)
	if err := output(c, b.Bytes()); err != nil {
		return err
	}
	if failed {
		return errFailed
	}
	return nil
}

// ready is the line that says where the server is.
func (d *dispatcher) ready(addr net.Addr) []byte {
	type script struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	out := struct {
		Schema  string   `json:"schema"`
		Addr    string   `json:"addr"`
		URL     string   `json:"url"`
		Scripts []script `json:"scripts"`
	}{Schema: "retrykit.serve/v1", Addr: addr.String(), URL: "http://" + addr.String()}
	for _, s := range d.scripts {
		out.Scripts = append(out.Scripts, script{s.name, out.URL + "/s/" + s.name})
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(fmt.Sprintf("retrysim: %v", err))
	}
	return append(b, '\n')
}

// serve serves until the context ends or enough calls are over, and then lets
// running answers end.
func (d *dispatcher) serve(ctx context.Context, l net.Listener) {
	base, abort := context.WithCancel(context.Background())
	defer abort()
	server := &http.Server{
		Handler: d, ConnState: d.connState, ConnContext: d.connections.context,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(l)
	}()
	select {
	case <-ctx.Done():
	case <-d.done:
	case <-served:
	}
	wait, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if server.Shutdown(wait) != nil {
		abort()
		server.Close()
	}
	<-served
}

// limitedListener closes connections that are too many at once.
type limitedListener struct {
	net.Listener
	free       chan struct{} // holds a token for each open connection
	turnedAway func()
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			return &limitedConn{Conn: c, listener: l}, nil
		default:
			c.Close()
			l.turnedAway()
		}
	}
}

type limitedConn struct {
	net.Conn
	listener *limitedListener
	once     sync.Once
}

func (c *limitedConn) Close() error {
	c.once.Do(func() { <-c.listener.free })
	return c.Conn.Close()
}

// SetLinger is that of [net.TCPConn].
func (c *limitedConn) SetLinger(seconds int) error {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		return t.SetLinger(seconds)
	}
	return nil
}

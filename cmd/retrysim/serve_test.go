package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serving is a running serve command.
type serving struct {
	t     *testing.T
	line  string // the first of its output
	ready struct {
		Schema, Addr, URL string
		Scripts           []struct{ Name, URL string }
	}
	out    *bufio.Reader
	msg    *bytes.Buffer
	status chan int
}

// serve starts the command and waits until it is ready.
func serve(t *testing.T, args ...string) *serving {
	t.Helper()
	r, w := io.Pipe()
	s := &serving{t: t, out: bufio.NewReader(r), msg: new(bytes.Buffer), status: make(chan int, 1)}
	go func() {
		s.status <- run(append([]string{"serve"}, args...), strings.NewReader(""), w, s.msg)
		w.Close()
	}()
	line, err := s.out.ReadString('\n')
	require.NoError(t, err, s.msg)
	require.NoError(t, json.Unmarshal([]byte(line), &s.ready), line)
	s.line = line
	return s
}

// report returns the report of the script of that number, as it is now.
func (s *serving) report(script int) string {
	s.t.Helper()
	status, text := s.do("GET", s.ready.Scripts[script].URL+"/report", "")
	require.Equal(s.t, http.StatusOK, status)
	return text
}

// end returns the exit status and what was printed at the end.
func (s *serving) end() (status int, report string) {
	s.t.Helper()
	rest, err := io.ReadAll(s.out)
	require.NoError(s.t, err)
	return <-s.status, string(rest)
}

func (s *serving) do(method, url, body string, header ...string) (status int, answer string) {
	s.t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(s.t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func script(t *testing.T, name, text string) string {
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
	return file
}

const chat = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

func TestServe(t *testing.T) {
	s := serve(t, script(t, "flaky.retry", `429 retry-after-ms=20; ok "Hello"; 503 retry-after-ms=0; ok "again"`), "--format", "openai-chat", "--calls", "2")
	assert.Equal(t, "retrykit.serve/v1", s.ready.Schema)
	require.Len(t, s.ready.Scripts, 1)
	url := s.ready.Scripts[0].URL
	assert.Equal(t, s.ready.URL+"/s/flaky", url)

	status, _ := s.do("POST", url+"/v1/chat/completions", chat)
	assert.Equal(t, 429, status)
	time.Sleep(25 * time.Millisecond)
	status, text := s.do("POST", s.ready.URL+"/v1/chat/completions", chat) // a single script is at / too
	assert.Equal(t, 200, status)
	assert.Contains(t, text, "Hello")

	status, text = s.do("GET", url+"/report", "")
	assert.Equal(t, 200, status)
	var report servedReport
	require.NoError(t, json.Unmarshal([]byte(text), &report))
	assert.Equal(t, []int{1, 2, 0, 0}, []int{report.Calls, report.Attempts, len(report.Findings), len(report.Misfits)})
	assert.NotEmpty(t, report.Trace)

	status, _ = s.do("POST", url+"/v1/chat/completions", chat)
	assert.Equal(t, 503, status)
	status, _ = s.do("POST", url+"/v1/chat/completions", chat)
	assert.Equal(t, 200, status)
	code, out := s.end()
	assert.Equal(t, exitOK, code, out)
	assert.Contains(t, out, "flaky: 2 calls, 4 attempts")
	assert.Contains(t, out, `{"schema":"retrykit.trace/v1"}`)
}

func TestServeFindsViolations(t *testing.T) {
	s := serve(t, script(t, "slow.retry", `429 retry-after=1h; ok "Hello"`), "--calls", "1")
	s.do("POST", s.ready.URL+"/v1/chat/completions", chat)
	s.do("POST", s.ready.URL+"/v1/chat/completions", chat)
	code, out := s.end()
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, out, "✗ early-retry (violation): call 1: attempt 2 came after")

	s = serve(t, script(t, "short.retry", `401`), "--calls", "1", "--format", "plain")
	s.do("POST", s.ready.URL, "")
	code, out = s.end()
	assert.Equal(t, exitOK, code, out)
}

func TestServeAFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "deep"), 0o777))
	for name, text := range map[string]string{"a.retry": `ok "A"`, "deep/b c.retry": `ok "B" x100`, "many.txtar": "-- one.retry --\nok \"C\"\n-- two.retry --\nok \"D\"\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	s := serve(t, dir, "--calls", "103")
	urls := make(map[string]string)
	for _, x := range s.ready.Scripts {
		urls[x.Name] = x.URL
	}
	require.Equal(t, 4, len(urls))
	for name, want := range map[string]string{"a": "A", "many.one": "C", "many.two": "D"} {
		_, text := s.do("POST", urls[name]+"/v1/chat/completions", chat)
		assert.Contains(t, text, want)
	}
	status, text := s.do("POST", s.ready.URL+"/v1/chat/completions", chat)
	assert.Equal(t, 404, status)
	assert.Contains(t, text, "/s/deep.b-c")

	status, _ = s.do("POST", urls["a"]+"/v1/chat/completions", chat)
	assert.Equal(t, 400, status, "past the script")
	status, _ = s.do("POST", urls["a"]+"/reset", "")
	assert.Equal(t, 204, status)

	var wait sync.WaitGroup // parallel tests share one process
	for range 100 {
		wait.Go(func() { s.do("POST", urls["deep.b-c"]+"/v1/chat/completions", chat) })
	}
	wait.Wait()
	status, _ = s.do("POST", urls["a"]+"/v1/chat/completions", chat)
	assert.Equal(t, 200, status)
	code, _ := s.end()
	assert.Equal(t, exitOK, code)
}

func TestServeAnswersThisMachineOnly(t *testing.T) {
	s := serve(t, script(t, "a.retry", `ok "Hello"`), "--calls", "1")
	for _, h := range [][]string{{"Host", "evil.example"}, {"Host", "evil.example:80"}, {"Host", "127.0.0.1.evil.example"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		status, _ := s.do("POST", s.ready.URL+"/v1/chat/completions", chat, h...)
		assert.Equal(t, 403, status, "%v", h)
	}
	status, _ := s.do("POST", s.ready.URL+"/v1/chat/completions", chat, "Host", "localhost:1", "Origin", "http://[::1]:3000")
	assert.Equal(t, 200, status)
	code, _ := s.end()
	assert.Equal(t, exitOK, code)
}

func TestServeMistakes(t *testing.T) {
	file := script(t, "a.retry", "ok")
	for want, args := range map[string][]string{
		`serve: --format: unknown format "antropic" (did you mean "anthropic"?)`: {file, "--format", "antropic"},
		`is not loopback: other machines could reach it`:                         {file, "--addr", "0.0.0.0:0"},
		`want HOST:PORT, such as 127.0.0.1:0`:                                    {file, "--addr", "here"},
		`--limit more than 0`:                                                    {file, "--limit", "0s"},
		`no such file`:                                                           {filepath.Join(t.TempDir(), "none.retry")},
		`unknown policy`:                                                         {file, "--policy", "nonsense"},
		`did you mean "transient"?`:                                              {script(t, "b.retry", "trasient")},
	} {
		var out, msg bytes.Buffer
		assert.Equal(t, exitUsage, run(append([]string{"serve"}, args...), strings.NewReader(""), &out, &msg))
		assert.Contains(t, msg.String(), want)
	}
}

func TestServeKeepsStreamsAlive(t *testing.T) {
	for _, tt := range []struct{ format, path, body, sign string }{
		{"openai-chat", "/v1/chat/completions", chat, ": keep-alive"},
		{"anthropic", "/v1/messages", chat[:len(chat)-1] + `,"max_tokens":9}`, "event: ping"},
	} {
		s := serve(t, script(t, "a.retry", `ok "Hel" pause 300ms "lo"`), "--format", tt.format, "--keep-alive", "20ms", "--calls", "1")
		status, text := s.do("POST", s.ready.URL+tt.path, tt.body[:len(tt.body)-1]+`,"stream":true}`, "anthropic-version", "2023-06-01")
		assert.Equal(t, 200, status)
		before, after, _ := strings.Cut(text, "Hel")
		assert.NotContains(t, before, tt.sign)
		assert.Contains(t, after, tt.sign)
		s.end()
	}
}

func TestServeAnswersOtherMachinesIfItMay(t *testing.T) {
	s := serve(t, script(t, "a.retry", `ok "Hello" x2`), "--addr", "0.0.0.0:0", "--allow-remote-clients", "--calls", "2")
	_, port, err := net.SplitHostPort(s.ready.Addr)
	require.NoError(t, err)
	url := "http://127.0.0.1:" + port + "/v1/chat/completions"
	for _, h := range [][]string{{"Host", "model.example"}, {"Origin", "https://app.example"}} {
		status, text := s.do("POST", url, chat, h...)
		assert.Equal(t, 200, status)
		assert.Contains(t, text, "Hello")
	}
	code, out := s.end()
	assert.Equal(t, exitOK, code, out)
}

// What is no call of the API gets an error in the provider's words, and the
// trace says which kind it was.
func TestServeSaysWhatWasWrong(t *testing.T) {
	s := serve(t, script(t, "a.retry", `ok "Hello"`), "--format", "openai-chat", "--calls", "3") // refused for good, answered, refused for good
	var want []string
	for _, tt := range []struct {
		method, path, body string
		status             int
		says, trace        string
	}{
		{"POST", "/v9/nothing", chat, 404, "unknown path /v9/nothing", "unknown path"},
		{"GET", "/v1/chat/completions", "", 405, "use POST", "no valid request of the format"},
		{"POST", "/v1/chat/completions", "{", 400, "no JSON object", "no valid request of the format"},
		{"POST", "/v1/chat/completions", chat, 200, "Hello", "eof"},
		{"POST", "/v1/chat/completions", chat, 400, "finds the script used up", "the script is used up"},
	} {
		status, text := s.do(tt.method, s.ready.URL+tt.path, tt.body)
		assert.Equal(t, tt.status, status)
		assert.Contains(t, text, tt.says)
		if status != 200 {
			var e struct {
				Error struct{ Message, Type string }
			}
			require.NoError(t, json.Unmarshal([]byte(text), &e), text)
			assert.NotEmpty(t, e.Error.Type)
		}
		want = append(want, tt.trace)
	}
	code, out := s.end()
	assert.Equal(t, exitFailed, code, "a client asked for more than there is")
	for _, text := range want {
		assert.Contains(t, out, text)
	}
}

// Abuse: clients that send a byte now and then, clients that vanish, more
// connections than anybody needs. The server goes on for those who behave.
func TestServeUnderAbuse(t *testing.T) {
	s := serve(t, script(t, "a.retry", `ok "Hello" pause 500ms "you" x1000`), "--calls", "1", "--format", "openai-chat")
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.ready.Addr)
		if err != nil {
			return nil
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	var conns []net.Conn
	for range 10_000 {
		if c := dial(); c != nil {
			conns = append(conns, c)
		}
	}
	refused := 0
	deadline := time.Now().Add(time.Second)
	for _, c := range slices.Backward(conns) { // those that are open wait for the deadline
		c.SetReadDeadline(deadline)
		if _, err := c.Read(make([]byte, 1)); err != nil && !os.IsTimeout(err) {
			refused++
		}
	}
	if len(conns) > maxConnections {
		assert.GreaterOrEqual(t, refused, len(conns)-maxConnections-1, "connections past the limit are closed")
	}
	for _, c := range conns {
		c.Close()
	}
	require.Eventually(t, func() bool { // until it has noticed that they went
		resp, err := http.Get(s.ready.URL + "/s/a/report")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	slow := dial()
	require.NotNil(t, slow)
	fmt.Fprint(slow, "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
	for range 20 { // they go in the middle of an answer, which takes longer than a busy machine takes to hang up
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		r, err := http.NewRequestWithContext(ctx, "POST", s.ready.URL+"/v1/chat/completions", strings.NewReader(chat[:len(chat)-1]+`,"stream":true}`))
		require.NoError(t, err)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		cancel()
	}
	_, text := s.do("GET", s.ready.URL+"/s/a/report", "")
	assert.Contains(t, text, `"gone":true`)
	status, text := s.do("POST", s.ready.URL+"/v1/chat/completions", chat)
	assert.Equal(t, 200, status)
	assert.Contains(t, text, "Helloyou")
	slow.Close()
	_, out := s.end()
	assert.Equal(t, refused > 0, strings.Contains(out, " connections came while 4096 were open, and were closed"))
}

// Clients that send a byte now and then, or go in the middle of their request:
// each gets what it deserves, and the report says what that was.
func TestServeSaysWhoWasTooSlow(t *testing.T) {
	header, request := headerTime, requestTime
	headerTime, requestTime = 50*time.Millisecond, 300*time.Millisecond
	defer func() { headerTime, requestTime = header, request }()
	s := serve(t, script(t, "a.retry", `ok "Hello"`), "--calls", "1", "--format", "openai-chat")
	begin := func(text string) net.Conn {
		c, err := net.Dial("tcp", s.ready.Addr)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		fmt.Fprint(c, text)
		return c
	}
	const half = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{\"model\""
	got, err := io.ReadAll(begin("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"))
	assert.NoError(t, err)
	assert.Contains(t, string(got), "HTTP/1.1 400 Bad Request", "of net/http, which does not know that it only took too long")
	got, err = io.ReadAll(begin(half))
	assert.NoError(t, err)
	assert.Contains(t, string(got), "HTTP/1.1 408 Request Timeout")
	assert.Contains(t, string(got), `"the request did not come whole in the time that it may take"`)
	begin(half).Close()
	var report servedReport
	require.Eventually(t, func() bool { // until the server has noticed
		_, text := s.do("GET", s.ready.URL+"/s/a/report", "")
		require.NoError(t, json.Unmarshal([]byte(text), &report))
		return strings.Contains(text, `"error":"the client has gone"`) && report.Connections.Incomplete == 1
	}, 20*time.Second, 10*time.Millisecond)
	assert.Equal(t, 2, report.Attempts)
	status, _ := s.do("POST", s.ready.URL+"/v1/chat/completions", chat)
	assert.Equal(t, 200, status)
	code, out := s.end()
	assert.Equal(t, exitOK, code, out)
	assert.Contains(t, out, "refused: the request did not come whole in time")
	assert.Contains(t, out, "– 1 connection ended, or took too long, before a whole request had come")
}

// A key and a prompt are in no report, on no line of output and in no message.
func TestServeWritesNoSecretDown(t *testing.T) {
	s := serve(t, script(t, "a.retry", `lane "x" when x-key=other { ok }; lane "y" when path=/v1/* { 429 retry-after=1h; ok "Hello" }`), "--calls", "2", "--format", "openai-chat")
	url := s.ready.Scripts[0].URL
	body := strings.ReplaceAll(chat, "hi", canary)
	header := []string{"Authorization", "Bearer " + canary, "X-Key", canary, "Cookie", canary}
	s.do("POST", url+"/"+canary, body, header...)
	s.do("POST", url+"/"+canary+"/chat/completions?key="+canary, body, header...)
	s.do("POST", url+"/v1/chat/completions?key="+canary, "{"+canary, header...)
	s.do("POST", url+"/v1/chat/completions?key="+canary, body, header...)
	report := s.report(0)
	s.do("POST", url+"/v1/chat/completions?key="+canary, body, header...)
	code, out := s.end()
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, out, "early-retry")
	assert.Contains(t, report, "no lane of the script fits")
	for _, text := range []string{report, out, s.msg.String()} {
		assert.NotContains(t, text, canary)
	}
}

package wire_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// ask is a request that is a valid call of the format.
type ask struct {
	format wire.Format
	path   string
	body   string
	stream string // the path of a stream, if it differs
}

var asks = []ask{
	{wire.Anthropic, "/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, ""},
	{wire.OpenAIChat, "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream_options":{"include_usage":true}}`, ""},
	{wire.OpenAIResponses, "/v1/responses", `{"model":"m","input":"hi"}`, ""},
	{wire.AzureOpenAI, "/openai/deployments/m/chat/completions?api-version=2024-10-21", `{"messages":[{"role":"user","content":"hi"}],"stream_options":{"include_usage":true}}`, ""},
	{wire.Gemini, "/v1beta/models/m:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`, "/v1beta/models/m:streamGenerateContent?alt=sse"},
	{wire.Cohere, "/v2/chat", `{"model":"m","messages":[{"role":"user","content":"hi"}]}`, ""},
	{wire.Plain, "/anything", "", ""},
}

// request returns the call, as a stream or not.
func (a ask) request(ctx context.Context, url string, stream bool) *http.Request {
	path, body := a.path, a.body
	if stream && a.stream != "" {
		path = a.stream
	} else if stream && body != "" {
		body = body[:len(body)-1] + `,"stream":true}`
	}
	r, err := http.NewRequestWithContext(ctx, "POST", url+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	return r
}

// answer is what a client saw.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the request or of its body
	took   time.Duration
}

func do(server *wire.Local, r *http.Request) answer {
	begin := time.Now()
	resp, err := server.HTTP.Do(r)
	if err != nil {
		return answer{err: err, took: time.Since(begin)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body), err, time.Since(begin)}
}

// The whole wire of every format, in golden files: answers and refusals,
// streams and not.
func TestWire(t *testing.T) {
	const script = `
ok reasoning signature=c2ln("Let me ") redacted "Yg==" "Hel" "lo" tool search id=toolu_7("{\"q\":" "\"go\"}") tool stop("{}") "Done." usage(in=9 out=7 cached=4 cache-write=3 reasoning=2)
ok "4" 529 type=overloaded_error
ok permanent: filtered
ok "4" transient
429 retry-after=5s
transient:50
529 code=busy message="try later"
permanent: bad auth
`
	for _, a := range asks {
		t.Run(string(a.format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := wire.Client(t, script+script, wire.Config{Format: a.format})
				var b strings.Builder
				for n := range 16 {
					got := do(server, a.request(t.Context(), server.URL, n < 8))
					fmt.Fprintf(&b, "-- %d --\n%d %s", n+1, got.status, got.header.Get("Content-Type"))
					for _, name := range []string{"Retry-After", "Retry-After-Ms", "Request-Id", "X-Request-Id", "Apim-Request-Id"} {
						if v := got.header.Get(name); v != "" {
							fmt.Fprintf(&b, " %s=%s", strings.ToLower(name), v)
						}
					}
					fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(got.body, "\r\n", "\\r\\n\n"))
					if got.err != nil {
						fmt.Fprintf(&b, "error: %v\n", got.err)
					}
				}
				golden := filepath.Join("testdata", string(a.format)+".txt")
				if *update {
					require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o666))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				assert.Equal(t, string(want), b.String())
			})
		})
	}
}

func TestWhatBreaks(t *testing.T) {
	for _, a := range asks {
		for _, stream := range []bool{true, false} {
			if !stream && a.format == wire.Plain {
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", a.format, stream), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := wire.Client(t, `reset; ok "Hello" "you" cut; ok "Hello" "you" eof; ok "Hello" stall; hang; 503 message="come later" stall after 2s; ok "Hello" pause 3s "you" after 1s`,
						wire.Config{Format: a.format})
					ask := func(timeout time.Duration) answer {
						ctx, cancel := context.WithTimeout(t.Context(), timeout)
						defer cancel()
						return do(server, a.request(ctx, server.URL, stream))
					}
					assert.ErrorIs(t, ask(time.Hour).err, syscall.ECONNRESET, "reset")

					cut := ask(time.Hour)
					assert.ErrorIs(t, cut.err, io.ErrUnexpectedEOF, "cut")
					assert.NotEmpty(t, cut.body)

					eof := ask(time.Hour)
					assert.NoError(t, eof.err, "a clean early end is no error")
					assert.NotContains(t, eof.body, "[DONE]")
					if !stream {
						assert.False(t, json.Valid([]byte(eof.body)), "half of it came")
					}

					stall := ask(time.Minute)
					assert.Equal(t, 200, stall.status)
					assert.ErrorIs(t, stall.err, context.DeadlineExceeded, "stall")
					assert.Equal(t, time.Minute, stall.took)

					hang := ask(time.Minute)
					assert.ErrorIs(t, hang.err, context.DeadlineExceeded, "hang")
					assert.Zero(t, hang.status)

					body := ask(time.Minute)
					assert.Equal(t, 503, body.status)
					assert.ErrorIs(t, body.err, context.DeadlineExceeded, "a body that stalls")
					assert.NotEmpty(t, body.body, "half of it came")

					good := ask(time.Minute)
					assert.NoError(t, good.err)
					assert.Equal(t, 4*time.Second, good.took, "latency and pause")
				})
			})
		}
	}
}

func TestTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := wire.Client(t, `429 retry-after=5s; ok "Hel" pause 1s "lo" cut; ok "x"; ok stall`, wire.Config{Format: wire.OpenAIChat, Latency: time.Millisecond})
		for range 3 {
			do(server, asks[1].request(t.Context(), server.URL, true))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		do(server, asks[1].request(ctx, server.URL, true))
		synctest.Wait()
		var got []string
		for _, e := range server.Trace() {
			line := fmt.Sprintf("%v call %d #%d %s", e.At, e.Call, e.Attempt, e.Kind)
			switch e.Kind {
			case trace.Attempt:
				assert.Len(t, e.Body, 64)
				assert.Positive(t, e.Size)
				assert.Equal(t, "application/json", e.Header["content-type"])
				line += fmt.Sprintf(" open=%d", e.Connections)
			case trace.Failed:
				line += fmt.Sprintf(" %d %s after=%v %s %v", e.Status, e.Class, *e.RetryAfter, e.Error, e.Header)
			case trace.Opened:
				line += fmt.Sprintf(" %d", e.Status)
			case trace.Chunk:
				line += fmt.Sprintf(" %s %d", e.Chunk, e.Size)
			case trace.Broken:
				line += fmt.Sprintf(" %s gone=%v", e.Error, e.Gone)
			}
			got = append(got, line)
		}
		assert.Equal(t, []string{
			"0s call 1 #1 attempt open=1",
			"1ms call 1 #1 failed 429 transient after=5s 429 type=rate_limit_error code=rate_limit_exceeded message=\"Too Many Requests\" retry-after=5s map[retry-after:5]",
			"1ms call 1 #2 attempt open=1",
			"2ms call 1 #2 opened 200",
			"2ms call 1 #2 chunk text 3",
			"1.002s call 1 #2 chunk text 2",
			"1.002s call 1 #2 broken cut gone=false",
			"1.002s call 1 #3 attempt open=1",
			"1.003s call 1 #3 opened 200",
			"1.003s call 1 #3 chunk text 1",
			"1.003s call 1 #3 chunk finished 0",
			"1.003s call 1 #3 eof",
			"1.003s call 2 #1 attempt open=1",
			"1.004s call 2 #1 opened 200",
			"2.003s call 2 #1 broken the client has gone gone=true",
		}, got)
		again := server.Trace()
		server.Reset()
		assert.Empty(t, server.Trace())
		assert.NotEmpty(t, again)
		assert.Equal(t, 429, do(server, asks[1].request(t.Context(), server.URL, true)).status, "from the beginning")
	})
}

func TestRequestsThatAreNone(t *testing.T) {
	for _, a := range asks {
		if a.format == wire.Plain {
			continue
		}
		t.Run(string(a.format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := wire.Client(t, `ok "fine"`, wire.Config{Format: a.format, MaxBody: 1000})
				send := func(method, path, body string) answer {
					r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
					require.NoError(t, err)
					return do(server, r)
				}
				shape := func(got answer, status int, says string) {
					t.Helper()
					assert.Equal(t, status, got.status)
					var body map[string]any
					require.NoError(t, json.Unmarshal([]byte(got.body), &body), got.body)
					message, _ := body["message"].(string)
					if e, ok := body["error"].(map[string]any); ok {
						message, _ = e["message"].(string)
					}
					assert.Contains(t, message, says)
				}
				shape(send("POST", "/v9/nothing", a.body), 404, "unknown path /v9/nothing")
				shape(send("GET", a.path, ""), 405, "use POST")
				shape(send("POST", a.path, "{"), 400, "no JSON object")
				shape(send("POST", a.path, `{"model":7}`), 400, "")
				shape(send("POST", a.path, `{"x":"`+strings.Repeat("x", 1000)+`"}`), 413, "more than 1000 bytes")
				assert.Equal(t, 200, do(server, a.request(t.Context(), server.URL, false)).status, "none of them took a turn")
				past := do(server, a.request(t.Context(), server.URL, false))
				shape(past, 400, "finds the script used up")
				assert.Equal(t, "false", past.header.Get("X-Should-Retry"))
				var texts []string
				for _, e := range server.Trace() {
					if e.Kind == trace.Failed {
						assert.Empty(t, e.Class, "it is no answer of the script's")
						texts = append(texts, e.Error)
					}
				}
				assert.Equal(t, []string{"unknown path", "no valid request of the format", "no valid request of the format", "no valid request of the format", "the body is too large", "the script is used up"}, texts)
			})
		})
	}
}

// Callers that run at once in a lane are told apart by what they send, and of
// equal ones that which failed first comes first.
func TestWhoseRequestItIs(t *testing.T) {
	for _, tt := range []struct {
		script string
		sends  string // a caller for each request; A sends what a sends, with another key
		want   string // call and attempt of each, and what differs
	}{
		{`503 x2; ok x2`, "abba", "1#1 2#1 2#2 1#2"},
		{`503 x2; ok x2`, "aaaa", "1#1 2#1 1#2 2#2"},
		{`503 x2; ok x2`, "aAAa", "1#1 2#1 2#2 1#2"},
		{`503 x2; ok x2`, "abAb", "1#1 2#1 1#2 idempotency-key 2#2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := wire.Client(t, tt.script, wire.Config{Format: wire.Plain, Latency: time.Second})
			var wait sync.WaitGroup
			for i, c := range tt.sends {
				begin := time.Duration(i/2)*time.Minute + time.Duration(i)*time.Millisecond // in pairs, each of which is served at once
				wait.Go(func() {
					time.Sleep(begin)
					r, err := http.NewRequest("POST", server.URL, strings.NewReader(strings.ToLower(string(c))))
					require.NoError(t, err)
					r.Header.Set("Idempotency-Key", string(c))
					do(server, r)
				})
			}
			wait.Wait()
			var got []string
			for _, e := range server.Trace() {
				if e.Kind == trace.Attempt {
					got = append(append(got, fmt.Sprintf("%d#%d", e.Call, e.Attempt)), e.Differs...)
				}
			}
			assert.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

// Without a format every provider is served, each request in its own.
func TestAnyFormatAndLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := wire.Client(t, `
lane "claude" when path=/v1/messages { 429; ok "claude" }
lane "gemini" when path=/v1beta/* { ok "gemini" }
lane "gpt" when model=m x-agent=a* { ok "gpt" x2 }`, wire.Config{})
		var got []string
		for _, i := range []int{0, 1, 4, 0, 5, 6} {
			r := asks[i].request(t.Context(), server.URL, false)
			r.Header.Set("X-Agent", "a1")
			a := do(server, r)
			got = append(got, fmt.Sprintf("%d %v %v", a.status, strings.Contains(a.body, "claude"), strings.Contains(a.body, "fits no lane")))
		}
		assert.Equal(t, []string{"429 false false", "200 false false", "200 false false", "200 true false", "200 false false", "404 false false"}, got, "Cohere's fits the lane of the model")
		var lanes []string
		for _, e := range server.Trace() {
			if e.Kind == trace.Attempt {
				lanes = append(lanes, fmt.Sprintf("%s %d#%d", e.Lane, e.Call, e.Attempt))
			}
		}
		assert.Equal(t, []string{"claude 1#1", "gpt 2#1", "gemini 3#1", "claude 1#2", "gpt 4#1", " 5#1"}, lanes)
	})
}

func TestKeepAlive(t *testing.T) {
	for _, a := range asks {
		synctest.Test(t, func(t *testing.T) {
			server := wire.Client(t, `ok "a" pause 35s "b"`, wire.Config{Format: a.format, KeepAlive: 10 * time.Second})
			got := do(server, a.request(t.Context(), server.URL, true))
			require.NoError(t, got.err)
			want := map[wire.Format]int{wire.Plain: 0}
			n, ok := want[a.format]
			if !ok {
				n = 3
			}
			assert.Equal(t, n, strings.Count(got.body, ": keep-alive")+strings.Count(got.body, "event: ping"), "%s: %s", a.format, got.body)
			assert.Equal(t, 35*time.Second, got.took)
		})
	}
}

// Tool calls at once are what the chat formats of OpenAI can send; the others
// get them one after another.
func TestInterleavedToolCalls(t *testing.T) {
	const script = "ok \"t\" interleaved(tool a id=A(\"[1,\" pause 1s \"2]\") tool b id=B(\"[3,\" \"4]\" \" \")) tool c id=C(\"[5]\") \"u\"; "
	piece := regexp.MustCompile(`\[1,|2\]|\[3,|4\]|\[5\]`)
	for _, a := range asks {
		want := []string{"[1,", "2]", "[3,", "4]", "[5]"}
		switch a.format {
		case wire.OpenAIChat, wire.AzureOpenAI:
			want = []string{"[1,", "[3,", "4]", "2]", "[5]"}
		case wire.Plain: // has no tools
			want = nil
		}
		synctest.Test(t, func(t *testing.T) {
			server := wire.Client(t, script+script, wire.Config{Format: a.format})
			got := do(server, a.request(t.Context(), server.URL, true))
			assert.Equal(t, time.Second, got.took)
			assert.Equal(t, want, firsts(piece.FindAllString(got.body, -1)), a.format)
			whole := do(server, a.request(t.Context(), server.URL, false))
			assert.Equal(t, 200, whole.status)
			if a.format == wire.OpenAIChat {
				assert.Regexp(t, `\[1,.*"index":0.*\[3,.*"index":1.*4\].*"index":1.*2\].*"index":0.*\[5\].*"index":2`, strings.ReplaceAll(got.body, "\n", " "))
				assert.Regexp(t, `\[1,2\].*"A".*\[3,4\] .*"B".*\[5\].*"C"`, whole.body)
			}
		})
	}
}

// firsts leaves out what stood already.
func firsts(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func TestDatesAreOnTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := wire.Client(t, `503 retry-after=date+30s after 1500ms`, wire.Config{Format: wire.Plain})
		got := do(server, asks[6].request(t.Context(), server.URL, false))
		assert.Equal(t, "Sat, 01 Jan 2000 00:00:31 GMT", got.header.Get("Retry-After"))
		assert.Equal(t, "Sat, 01 Jan 2000 00:00:01 GMT", got.header.Get("Date"))
	})
}

// A client that sends half of its request and goes leaves a record, and the
// server goes on.
func TestAClientThatDisappears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := wire.Client(t, `ok "fine"`, wire.Config{Format: wire.OpenAIChat})
		conn, err := server.DialContext(t.Context(), "", "")
		require.NoError(t, err)
		fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"model\"")
		synctest.Wait()
		require.NoError(t, conn.Close())
		synctest.Wait()
		assert.Zero(t, server.Connections())
		assert.Equal(t, 200, do(server, asks[1].request(t.Context(), server.URL, false)).status)
		events := server.Trace()
		require.GreaterOrEqual(t, len(events), 3)
		assert.Equal(t, trace.Failed, events[1].Kind)
		assert.True(t, events[1].Gone)
		assert.Empty(t, events[0].Body, "half a body cannot be compared with a whole one")
	})
}

func TestFormats(t *testing.T) {
	for _, f := range wire.Formats() {
		got, err := wire.ParseFormat(string(f))
		assert.NoError(t, err)
		assert.Equal(t, f, got)
	}
	_, err := wire.ParseFormat("antropic")
	assert.EqualError(t, err, `wire: unknown format "antropic" (did you mean "anthropic"?)`)
	_, err = wire.ParseFormat("carrier pigeon")
	assert.ErrorContains(t, err, "known: anthropic, openai-chat")
	assert.Panics(t, func() { wire.Handler(nil, wire.Config{Format: "x"}) })
}

type failing struct {
	said    string
	cleanup func()
}

func (f *failing) Helper()          {}
func (f *failing) Cleanup(g func()) { f.cleanup = g }
func (f *failing) Logf(format string, args ...any) {
	f.said += fmt.Sprintf(format, args...) + "\n"
}
func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	panic(errStop)
}

var errStop = errors.New("stop")

// What the script has no answer for is in the log of the test.
func TestRequestsThatAreNoneAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f failing
		server := wire.Client(&f, `429; ok after 1s`, wire.Config{Format: wire.OpenAIChat})
		for range 3 {
			do(server, asks[1].request(t.Context(), server.URL, false))
		}
		r := asks[1].request(t.Context(), server.URL, false)
		r.URL.Path = "/secret"
		do(server, r)
		f.cleanup()
		assert.Equal(t, "wire: attempt 1 of call 2 got a 400 at 1s: the script is used up\nwire: attempt 2 of call 2 got a 404 at 1s: unknown path\n", f.said)
	})
}

func TestAScriptWithAMistake(t *testing.T) {
	var f failing
	assert.PanicsWithValue(t, errStop, func() { wire.Client(&f, "trasient", wire.Config{}) })
	assert.Contains(t, f.said, `did you mean "transient"?`)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/retry/retryhttp"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted/wire"

	"github.com/jonboulle/clockwork"
)

const canary = "canary-5dfe3c"

// indiscreet is a provider that quotes the prompt and the key wherever it can:
// in what it refuses with, and then in the error of its stream.
type indiscreet struct{ asked int }

func (m *indiscreet) Name() string  { return "indiscreet" }
func (m *indiscreet) Model() string { return canary }

func (m *indiscreet) ChatStream(_ context.Context, r retry.ChatRequest) (retry.Stream, error) {
	prompt := r.Messages[0].Blocks[0].(retry.Text).Text
	m.asked++
	status := map[int]int{1: http.StatusTooManyRequests, 3: http.StatusUnauthorized}[m.asked]
	if status == 0 {
		return &indiscreetStream{text: prompt}, nil
	}
	body := `{"error":{"type":"` + canary + `","code":"` + canary + `","message":"` + prompt + `"}}`
	return nil, provider.FromResponse(provider.OpenAI, status, http.Header{"X-Key": {canary}}, []byte(body), time.Now())
}

type indiscreetStream struct{ text string }

func (s *indiscreetStream) Close() error { return nil }

func (s *indiscreetStream) Recv() (retry.StreamChunk, error) {
	if text := s.text; text != "" {
		s.text = ""
		return retry.TextDelta{Delta: text}, nil
	}
	return nil, errors.New("broken after " + canary)
}

// RoundTrip is the same provider as a server.
func (m *indiscreet) RoundTrip(r *http.Request) (*http.Response, error) {
	m.asked++
	status := http.StatusUnauthorized
	if m.asked == 1 {
		return nil, fmt.Errorf("sending %s: %w", canary, syscall.ECONNRESET)
	} else if m.asked == 2 {
		status = http.StatusServiceUnavailable
	}
	return &http.Response{
		StatusCode: status, Status: canary, Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Retry-After": {"1"}, "Set-Cookie": {canary}, "Location": {"/" + canary}, "X-Key": {canary}},
		Body:   io.NopCloser(strings.NewReader(canary)),
	}, nil
}

// send sends the canary in every place where a client may put a secret.
func send(t *testing.T, client *http.Client, url string) error {
	body := strings.ReplaceAll(chat, "hi", canary)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/v1/chat/completions?key="+canary, strings.NewReader(body))
	require.NoError(t, err)
	for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "User-Agent", "X-Anything"} {
		r.Header.Set(name, canary)
	}
	resp, err := client.Do(r)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// recordings are the same indiscretions through every recorder there is.
func recordings(t *testing.T) map[string]trace.Trace {
	out := make(map[string]trace.Trace)
	config := func(r *trace.Recorder) retry.Config {
		return retry.Config{Policy: retry.Policy{MaxAttempts: 4, BaseDelay: time.Second}, Observer: r}
	}
	synctest.Test(t, func(t *testing.T) {
		r := trace.NewRecorder(clockwork.NewRealClock())
		m, err := retry.NewModel(new(indiscreet), config(r))
		require.NoError(t, err)
		s, err := m.ChatStream(t.Context(), retry.ChatRequest{Messages: []retry.Message{retry.UserText(canary)}})
		require.NoError(t, err)
		for _, err = range retry.Chunks(r.Stream(1, 2, s)) {
		}
		require.ErrorContains(t, err, canary)
		out["model"] = r.Trace()
		r = trace.NewRecorder(clockwork.NewRealClock())
		_, err = m.ChatStream(retry.WithObserver(t.Context(), r), retry.ChatRequest{Messages: []retry.Message{retry.UserText(canary)}})
		require.ErrorContains(t, err, canary)
		out["refusal"] = r.Trace()
	})
	synctest.Test(t, func(t *testing.T) {
		r := trace.NewRecorder(clockwork.NewRealClock())
		r.Answer = retryhttp.Answer
		transport, err := retryhttp.New(retryhttp.Config{Base: new(indiscreet), Retry: config(r)})
		require.NoError(t, err)
		require.NoError(t, send(t, &http.Client{Transport: transport}, "http://"+canary))
		out["transport"] = r.Trace()
	})
	synctest.Test(t, func(t *testing.T) {
		server := wire.Client(t, `503; permanent: "no such model"; ok "Hello"`, wire.Config{Format: wire.Plain})
		for range 4 { // once more than the script has
			require.NoError(t, send(t, server.HTTP, server.URL))
		}
		out["server"] = server.Trace()
	})
	return out
}

// A key and a prompt that went through a recorder are in nothing that is made of
// its trace: no scenario, no report for people or for machines, and nothing that
// the terminal shows when it fails.
func TestNoSecretReachesAReport(t *testing.T) {
	for name, events := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := func(name string) string { return filepath.Join(dir, name) }
			var said bytes.Buffer // all that is printed
			command := func(status int, args ...string) string {
				var out bytes.Buffer
				assert.Equal(t, status, run(args, nil, io.MultiWriter(&out, &said), &said), "%v", args)
				return out.String()
			}
			require.NoError(t, os.WriteFile(file("t.jsonl"), events.Bytes(), 0o666))
			scenario := command(exitOK, "import", "trace", file("t.jsonl"), "--policy", "exp:base=1s,attempts=4")
			require.NoError(t, os.WriteFile(file("s.retry"), []byte(scenario+"\nexpect attempts == 99\nexpect error == \"\"\nexpect text == \"\"\n"), 0o666))
			command(exitFailed, "check", file("s.retry"), "--report", "junit="+file("junit.xml"), "--report", "github")
			command(exitFailed, "replay", file("t.jsonl"), "--policy", "off")
			command(exitFailed, "run", file("s.retry"), "-o", file("run.html"), "-o", file("run.json"))
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, left, 5)
			for _, f := range left {
				text, err := os.ReadFile(file(f.Name()))
				require.NoError(t, err)
				assert.False(t, bytes.Contains(text, []byte(canary)), "%s holds it", f.Name())
			}
			assert.NotContains(t, said.String(), canary)
			junit, err := os.ReadFile(file("junit.xml"))
			require.NoError(t, err)
			assert.Contains(t, string(junit), "<failure", "there is something to tell")
		})
	}
}

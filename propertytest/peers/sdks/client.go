package sdks

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted/wire"
)

// dialect is what a small client has to know of a format.
type dialect struct {
	provider provider.Provider
	path     string
	body     string
	text     func(event []byte) string            // of an event
	finished func(name string, event []byte) bool // it is the last
}

// client is a [retry.CompletionModel] over one format: what of it matters to
// retries, which is how it fails, and no more than the text of what succeeds.
type client struct {
	dialect
	http *http.Client
	url  string
}

func (c *client) Name() string  { return "client" }
func (c *client) Model() string { return "m" }

func (c *client) ChatStream(ctx context.Context, _ retry.ChatRequest) (retry.Stream, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+c.path, strings.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, &unsent{err}
	}
	if resp.StatusCode != http.StatusOK {
		arrived := time.Now()
		return nil, provider.FromResponse(c.provider, resp.StatusCode, resp.Header, errorBody(resp.Body), arrived)
	}
	return &events{client: c, body: resp.Body, lines: bufio.NewReader(resp.Body)}, nil
}

// errorBody reads the body of a refusal, but does not wait for one that does not
// come: the status says enough.
func errorBody(r io.ReadCloser) []byte {
	timer := time.AfterFunc(time.Second, func() { r.Close() })
	defer timer.Stop()
	defer r.Close()
	body, _ := io.ReadAll(io.LimitReader(r, provider.MaxBody))
	return body
}

// unsent is a connection that broke before an answer. Asking again costs
// nothing but the tokens that may have been used.
type unsent struct{ err error }

func (e *unsent) Error() string                             { return e.err.Error() }
func (e *unsent) Unwrap() error                             { return e.err }
func (e *unsent) RetryClassification() retry.Classification { return retry.Transient() }

// events reads server-sent events.
type events struct {
	*client
	body  io.ReadCloser
	lines *bufio.Reader
	over  bool
}

func (s *events) Close() error { return s.body.Close() }

func (s *events) Recv() (retry.StreamChunk, error) {
	if s.over {
		return nil, io.EOF
	}
	name := ""
	for {
		line, err := s.lines.ReadBytes('\n')
		if err != nil {
			return nil, err // io.EOF, and no terminal chunk came
		}
		line = bytes.TrimSpace(line)
		if n, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			name = string(n)
			continue
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		if e, failed := provider.FromEvent(s.provider, name, data); failed {
			return nil, e
		}
		if s.finished(name, data) {
			s.over = true
			return retry.TurnFinished{Reason: retry.EndTurn}, nil
		}
		if text := s.text(data); text != "" {
			return retry.TextDelta{Delta: text}, nil
		}
	}
}

// at returns the string at a path of keys and of the first elements of lists.
func at(data []byte, path ...string) string {
	var v any
	if json.Unmarshal(data, &v) != nil {
		return ""
	}
	for _, key := range path {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		o, _ := v.(map[string]any)
		v = o[key]
	}
	s, _ := v.(string)
	return s
}

func textAt(path ...string) func([]byte) string {
	return func(data []byte) string { return at(data, path...) }
}

func isName(name string) func(string, []byte) bool {
	return func(n string, _ []byte) bool { return n == name }
}

func isDone(_ string, data []byte) bool { return string(data) == "[DONE]" }

var dialects = map[wire.Format]dialect{
	wire.OpenAIChat: {provider.OpenAI, "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}`,
		textAt("choices", "delta", "content"), isDone},
	wire.AzureOpenAI: {provider.AzureOpenAI, "/openai/deployments/m/chat/completions?api-version=2024-10-21", `{"stream":true,"messages":[{"role":"user","content":"hello"}]}`,
		textAt("choices", "delta", "content"), isDone},
	wire.OpenAIResponses: {provider.OpenAI, "/v1/responses", `{"model":"m","stream":true,"input":"hello"}`,
		func(data []byte) string {
			if at(data, "type") != "response.output_text.delta" {
				return ""
			}
			return at(data, "delta")
		}, isName("response.completed")},
	wire.Anthropic: {provider.Anthropic, "/v1/messages", `{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hello"}]}`,
		textAt("delta", "text"), isName("message_stop")},
	wire.Gemini: {provider.Gemini, "/v1beta/models/m:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"hello"}]}]}`,
		func(data []byte) string {
			var r struct {
				Candidates []struct {
					Content struct{ Parts []struct{ Text string } }
				}
			}
			json.Unmarshal(data, &r)
			if len(r.Candidates) == 0 || len(r.Candidates[0].Content.Parts) == 0 {
				return ""
			}
			return r.Candidates[0].Content.Parts[0].Text
		},
		func(_ string, data []byte) bool { return at(data, "candidates", "finishReason") != "" }},
	wire.Cohere: {provider.Cohere, "/v2/chat", `{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}`,
		textAt("delta", "message", "content", "text"), isName("message-end")},
}

// ourModel is retry.Model over the small client of a format. A stream that
// ends without its terminal chunk is an error to its caller.
func ourModel(f wire.Format) propertytest.HTTPCall {
	return func(ctx context.Context, h *http.Client, url string) (string, error) {
		m, err := retry.NewModel(&client{dialect: dialects[f], http: h, url: url}, retry.Config{Policy: retry.Default()})
		if err != nil {
			return "", err
		}
		s, err := m.ChatStream(ctx, retry.ChatRequest{})
		if err != nil {
			return "", err
		}
		text, whole := "", false
		for chunk, err := range retry.Chunks(s) {
			switch c := chunk.(type) {
			case retry.TextDelta:
				text += c.Delta
			case retry.TurnFinished:
				whole = true
			}
			if err != nil {
				return text, err
			}
		}
		if !whole {
			return text, io.ErrUnexpectedEOF
		}
		return text, nil
	}
}

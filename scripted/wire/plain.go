package wire

import (
	"net/http"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted"
)

// plain is HTTP and nothing more: any method and path, and the text of the
// answer as the body.
type plain struct{}

func (plain) provider() provider.Provider { return "" }

func (plain) header(request) http.Header { return nil }

func (plain) decode(r *request, _ http.Header, body object) *scripted.Status {
	r.model, r.stream = textOf(body, "model"), true
	return nil
}

func (plain) complete(s scripted.Status) scripted.Status { return s }

// errorBody is the message, or JSON if there is a type or a code.
func (plain) errorBody(s scripted.Status, _ request, _ hint) (string, []byte) {
	if s.Type != "" || s.Code != "" {
		return jsonType, s.Body()
	}
	fill(&s.Message, reasonOf(s.Status))
	return textType, []byte(s.Message)
}

func (plain) answer(_ request, m message) []byte { return []byte(m.text()) }

func (plain) stream(request) (string, encoder) { return textType, plainStream{} }

type plainStream struct{}

func (plainStream) open() []byte { return nil }

func (plainStream) chunk(chunk retry.StreamChunk) []byte {
	if c, ok := chunk.(retry.TextDelta); ok {
		return []byte(c.Delta)
	}
	return nil
}

func (plainStream) fail(scripted.Status) []byte { return nil }

func (plainStream) keepAlive() []byte { return nil }

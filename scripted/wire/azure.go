package wire

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted"
)

// azure is Azure OpenAI: either API of OpenAI with paths, errors and headers of
// its own.
type azure struct{ protocol }

func (azure) provider() provider.Provider { return provider.AzureOpenAI }

func (azure) header(r request) http.Header {
	return http.Header{"Apim-Request-Id": {requestID("", r)}, "X-Request-Id": {requestID("", r)}}
}

// decode reads the model from the path of a deployment.
func (a azure) decode(r *request, header http.Header, body object) *scripted.Status {
	if _, rest, ok := strings.Cut(r.path, "/deployments/"); ok {
		r.model, _, _ = strings.Cut(rest, "/")
		if r.query.Get("api-version") == "" {
			return &scripted.Status{Status: http.StatusNotFound, Message: "Resource not found (the query has no api-version)"}
		}
	}
	return a.protocol.decode(r, header, body)
}

// complete gives an error that the script says nothing more of the number of
// its status as its code.
func (azure) complete(s scripted.Status) scripted.Status {
	if s.Type == "" && s.Code == "" {
		s.Code = strconv.Itoa(s.Status)
	}
	fill(&s.Message, reasonOf(s.Status))
	return s
}

func (azure) errorBody(s scripted.Status, _ request, _ hint) (string, []byte) {
	return jsonType, encode(azureError(s))
}

func azureError(s scripted.Status) object {
	e := object{"message": s.Message}
	if s.Type != "" {
		e["type"] = s.Type
	}
	if s.Code != "" {
		e["code"] = s.Code
	}
	return object{"error": e}
}

// azureHint adds the header for milliseconds, which Azure sends with the other.
func azureHint(h http.Header) {
	seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32)
	if err == nil && h.Get("Retry-After-Ms") == "" {
		h.Set("Retry-After-Ms", strconv.FormatInt((time.Duration(seconds)*time.Second).Milliseconds(), 10))
	}
}

func (a azure) stream(r request) (string, encoder) {
	contentType, inner := a.protocol.stream(r)
	return contentType, &azureStream{inner}
}

type azureStream struct{ encoder }

// open begins a chat with what the content filter says of the prompt.
func (s *azureStream) open() []byte {
	c, ok := s.encoder.(*chatStream)
	if !ok {
		return s.encoder.open()
	}
	first := c.object([]any{})
	first["prompt_filter_results"] = []any{object{"prompt_index": 0, "content_filter_results": object{}}}
	return append(event("", encode(first)), c.open()...)
}

func (s *azureStream) fail(status scripted.Status) []byte {
	if _, ok := s.encoder.(*chatStream); ok {
		return event("", encode(azureError(status)))
	}
	return s.encoder.fail(status)
}

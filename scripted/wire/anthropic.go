package wire

import (
	"encoding/json"
	"net/http"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted"
)

// anthropic is the Messages API.
type anthropic struct{}

func (anthropic) provider() provider.Provider { return provider.Anthropic }

func (anthropic) header(r request) http.Header {
	return http.Header{"Request-Id": {requestID("req_", r)}}
}

func (anthropic) decode(r *request, header http.Header, body object) *scripted.Status {
	r.model = textOf(body, "model")
	r.stream, _ = body["stream"].(bool)
	tokens, _ := body["max_tokens"].(float64)
	switch {
	case header.Get("Anthropic-Version") == "":
		return invalid("anthropic-version: header is required")
	case r.model == "":
		return invalid("model: Field required")
	case tokens < 1:
		return invalid("max_tokens: Field required, at least 1")
	case !nonempty(body, "messages"):
		return invalid("messages: at least one message is required")
	}
	return nil
}

var anthropicTypes = map[int]string{
	400: "invalid_request_error",
	401: "authentication_error",
	402: "billing_error",
	403: "permission_error",
	404: "not_found_error",
	409: "conflict_error",
	413: "request_too_large",
	429: "rate_limit_error",
	500: "api_error",
	504: "timeout_error",
	529: "overloaded_error",
}

func (anthropic) complete(s scripted.Status) scripted.Status {
	fill(&s.Type, byStatus(anthropicTypes, s.Status))
	fill(&s.Message, reasonOf(s.Status))
	return s
}

func (anthropic) errorBody(s scripted.Status, r request, _ hint) (string, []byte) {
	return jsonType, encode(anthropicError(s, r))
}

func anthropicError(s scripted.Status, r request) object {
	e := object{"type": s.Type, "message": s.Message}
	if s.Code != "" {
		e["details"] = object{"error_code": s.Code}
	}
	return object{"type": "error", "error": e, "request_id": requestID("req_", r)}
}

// anthropicUsage counts what was read from the cache and written to it apart
// from the rest of the input.
func anthropicUsage(u retry.Usage) object {
	return object{
		"input_tokens":                max(u.InputTokens-u.CachedInputTokens, 0),
		"output_tokens":               u.OutputTokens,
		"cache_read_input_tokens":     u.CachedInputTokens,
		"cache_creation_input_tokens": max(u.CacheCreationInputTokens, u.CacheCreation5mTokens+u.CacheCreation1hTokens),
		"cache_creation": object{
			"ephemeral_5m_input_tokens": u.CacheCreation5mTokens,
			"ephemeral_1h_input_tokens": u.CacheCreation1hTokens,
		},
	}
}

func anthropicMessage(r request) object {
	return object{
		"id": requestID("msg_", r), "type": "message", "role": "assistant", "model": r.model,
		"content": []any{}, "stop_reason": nil, "stop_sequence": nil,
	}
}

func (anthropic) answer(r request, m message) []byte {
	content := []any{}
	for _, b := range m.blocks {
		switch b.kind {
		case textBlock:
			content = append(content, object{"type": "text", "text": b.text})
		case toolBlock:
			content = append(content, object{"type": "tool_use", "id": b.id, "name": b.name, "input": json.RawMessage(b.text)})
		case reasoningBlock:
			content = append(content, object{"type": "thinking", "thinking": b.text, "signature": b.signature})
		case redactedBlock:
			content = append(content, object{"type": "redacted_thinking", "data": b.text})
		}
	}
	out := anthropicMessage(r)
	out["content"], out["stop_reason"], out["usage"] = content, m.reason, anthropicUsage(m.usage)
	return encode(out)
}

func (anthropic) stream(r request) (string, encoder) {
	return eventType, &anthropicStream{request: r, index: -1}
}

type anthropicStream struct {
	request
	index int       // of the last block
	kind  blockKind // of the open one, 0 if none is
}

func (s *anthropicStream) event(kind string, fields object) []byte {
	fields["type"] = kind
	return event(kind, encode(fields))
}

func (s *anthropicStream) open() []byte {
	m := anthropicMessage(s.request)
	usage := s.usageOf()
	usage.OutputTokens = 0
	m["usage"] = anthropicUsage(usage)
	return s.event("message_start", object{"message": m})
}

func (s *anthropicStream) start(kind blockKind, block object) []byte {
	out := s.stop()
	s.index++
	s.kind = kind
	return append(out, s.event("content_block_start", object{"index": s.index, "content_block": block})...)
}

// in starts a block of the kind unless one is open.
func (s *anthropicStream) in(kind blockKind, block object) []byte {
	if s.kind == kind {
		return nil
	}
	return s.start(kind, block)
}

func (s *anthropicStream) stop() []byte {
	if s.kind == 0 {
		return nil
	}
	s.kind = 0
	return s.event("content_block_stop", object{"index": s.index})
}

func (s *anthropicStream) delta(kind, field, value string) []byte {
	return s.event("content_block_delta", object{"index": s.index, "delta": object{"type": kind, field: value}})
}

func (s *anthropicStream) chunk(chunk retry.StreamChunk) []byte {
	thinking := object{"type": "thinking", "thinking": "", "signature": ""}
	switch c := chunk.(type) {
	case retry.TextDelta:
		return append(s.in(textBlock, object{"type": "text", "text": ""}), s.delta("text_delta", "text", c.Delta)...)
	case retry.ToolCallStarted:
		out := s.start(toolBlock, object{"type": "tool_use", "id": c.ID, "name": c.Name, "input": object{}})
		return append(out, s.delta("input_json_delta", "partial_json", "")...)
	case retry.ToolCallArgsDelta:
		return s.delta("input_json_delta", "partial_json", c.Delta)
	case retry.ToolCallFinished:
		return s.stop()
	case retry.ReasoningDelta:
		return append(s.in(reasoningBlock, thinking), s.delta("thinking_delta", "thinking", c.Delta)...)
	case retry.ReasoningFinished:
		out := s.in(reasoningBlock, thinking)
		if c.Signature != "" {
			out = append(out, s.delta("signature_delta", "signature", c.Signature)...)
		}
		return append(out, s.stop()...)
	case retry.RedactedReasoning:
		out := s.start(redactedBlock, object{"type": "redacted_thinking", "data": c.Data})
		return append(out, s.stop()...)
	case retry.TurnFinished:
		out := append(s.stop(), s.event("message_delta", object{
			"delta": object{"stop_reason": c.Reason, "stop_sequence": nil},
			"usage": anthropicUsage(c.Usage),
		})...)
		return append(out, s.event("message_stop", object{})...)
	}
	return nil
}

func (s *anthropicStream) fail(status scripted.Status) []byte {
	return event("error", encode(anthropicError(status, s.request)))
}

func (s *anthropicStream) keepAlive() []byte { return s.event("ping", object{}) }

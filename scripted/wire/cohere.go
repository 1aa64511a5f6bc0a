package wire

import (
	"fmt"
	"net/http"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted"
)

// cohere is version 2 of the Chat API.
type cohere struct{}

func (cohere) provider() provider.Provider { return provider.Cohere }

func (cohere) header(request) http.Header { return nil }

func (cohere) decode(r *request, _ http.Header, body object) *scripted.Status {
	r.model = textOf(body, "model")
	r.stream, _ = body["stream"].(bool)
	switch {
	case r.model == "":
		return invalid("invalid request: model is required")
	case !nonempty(body, "messages"):
		return invalid("invalid request: messages must have one message or more")
	}
	return nil
}

func (cohere) complete(s scripted.Status) scripted.Status {
	fill(&s.Message, reasonOf(s.Status))
	return s
}

func (cohere) errorBody(s scripted.Status, r request, _ hint) (string, []byte) {
	out := object{"id": requestID("", r), "message": s.Message}
	if s.Type != "" {
		out["type"] = s.Type
	}
	if s.Code != "" {
		out["code"] = s.Code
	}
	return jsonType, encode(out)
}

func cohereReason(f retry.FinishReason) string {
	switch f {
	case retry.EndTurn:
		return "COMPLETE"
	case retry.ToolUse:
		return "TOOL_CALL"
	case retry.MaxTokens:
		return "MAX_TOKENS"
	case retry.StopSequence:
		return "STOP_SEQUENCE"
	}
	return string(f)
}

func cohereUsage(u retry.Usage) object {
	tokens := object{"input_tokens": u.InputTokens, "output_tokens": u.OutputTokens}
	return object{"billed_units": tokens, "tokens": tokens, "cached_tokens": u.CachedInputTokens}
}

func (cohere) answer(r request, m message) []byte {
	content, tools := []any{}, []any{}
	for _, b := range m.blocks {
		switch b.kind {
		case textBlock:
			content = append(content, object{"type": "text", "text": b.text})
		case reasoningBlock:
			content = append(content, object{"type": "thinking", "thinking": b.text})
		case toolBlock:
			tools = append(tools, object{"id": b.id, "type": "function", "function": object{"name": b.name, "arguments": b.text}})
		}
	}
	out := object{"role": "assistant"}
	if len(content) > 0 {
		out["content"] = content
	}
	if len(tools) > 0 {
		out["tool_calls"] = tools
	}
	return encode(object{"id": requestID("", r), "message": out, "finish_reason": cohereReason(m.reason), "usage": cohereUsage(m.usage)})
}

func (cohere) stream(r request) (string, encoder) {
	return eventType, &cohereStream{request: r, content: -1, tool: -1}
}

type cohereStream struct {
	request
	content, tool int // index of the last block of each sort
	kind          blockKind
	args          bool
}

func (s *cohereStream) event(kind string, fields object) []byte {
	fields["type"] = kind
	return event(kind, encode(fields))
}

func (s *cohereStream) open() []byte {
	return s.event("message-start", object{"id": requestID("", s.request), "delta": object{"message": object{
		"role": "assistant", "content": []any{}, "tool_plan": "", "tool_calls": []any{}, "citations": []any{}}}})
}

// in starts a block of text or of reasoning unless one is open.
func (s *cohereStream) in(kind blockKind, word string) []byte {
	if s.kind == kind {
		return nil
	}
	out := s.stop()
	s.kind = kind
	s.content++
	return append(out, s.event("content-start", object{"index": s.content, "delta": object{"message": object{
		"content": object{"type": word, word: ""}}}})...)
}

func (s *cohereStream) stop() []byte {
	kind := s.kind
	s.kind = 0
	switch kind {
	case textBlock, reasoningBlock:
		return s.event("content-end", object{"index": s.content})
	case toolBlock:
		return s.event("tool-call-end", object{"index": s.tool})
	}
	return nil
}

func (s *cohereStream) delta(word, text string) []byte {
	return s.event("content-delta", object{"index": s.content, "delta": object{"message": object{"content": object{word: text}}}})
}

func (s *cohereStream) call(kind string, fields object) []byte {
	return s.event(kind, object{"index": s.tool, "delta": object{"message": object{"tool_calls": fields}}})
}

func (s *cohereStream) chunk(chunk retry.StreamChunk) []byte {
	switch c := chunk.(type) {
	case retry.TextDelta:
		return append(s.in(textBlock, "text"), s.delta("text", c.Delta)...)
	case retry.ReasoningDelta:
		return append(s.in(reasoningBlock, "thinking"), s.delta("thinking", c.Delta)...)
	case retry.ReasoningFinished:
		return s.stop()
	case retry.ToolCallStarted:
		out := s.stop()
		s.kind, s.args = toolBlock, false
		s.tool++
		return append(out, s.call("tool-call-start", object{"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": ""}})...)
	case retry.ToolCallArgsDelta:
		s.args = true
		return s.call("tool-call-delta", object{"function": object{"arguments": c.Delta}})
	case retry.ToolCallFinished:
		var out []byte
		if !s.args {
			out = s.call("tool-call-delta", object{"function": object{"arguments": string(c.Args)}})
		}
		return append(out, s.stop()...)
	case retry.TurnFinished:
		return append(s.stop(), s.end(object{"finish_reason": cohereReason(c.Reason), "usage": cohereUsage(c.Usage)})...)
	}
	return nil
}

func (s *cohereStream) end(delta object) []byte {
	out := s.event("message-end", object{"id": requestID("", s.request), "delta": delta})
	return append(out, event("", []byte("[DONE]"))...)
}

func (s *cohereStream) fail(status scripted.Status) []byte {
	return s.end(object{"finish_reason": "ERROR", "error": fmt.Sprintf("%d: %s", status.Status, status.Message)})
}

func (s *cohereStream) keepAlive() []byte { return comment }

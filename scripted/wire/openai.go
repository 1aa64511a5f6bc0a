package wire

import (
	"net/http"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted"
)

// openAI is what Chat Completions and Responses share.
type openAI struct{}

func (openAI) provider() provider.Provider { return provider.OpenAI }

func (openAI) header(r request) http.Header {
	return http.Header{"X-Request-Id": {requestID("req_", r)}}
}

// words are the type and the code of an error.
type words struct{ typ, code string }

var openAIWords = map[int]words{
	400: {"invalid_request_error", ""},
	401: {"invalid_request_error", "invalid_api_key"},
	403: {"permission_error", ""},
	404: {"invalid_request_error", "not_found"},
	409: {"conflict_error", ""},
	429: {"rate_limit_error", "rate_limit_exceeded"},
	500: {"server_error", ""},
	503: {"service_unavailable_error", "server_is_overloaded"},
}

// complete leaves the code out if the script has a type: they belong together.
func (openAI) complete(s scripted.Status) scripted.Status {
	w := byStatus(openAIWords, s.Status)
	if s.Type == "" && s.Code == "" {
		s.Code = w.code
	}
	fill(&s.Type, w.typ)
	fill(&s.Message, reasonOf(s.Status))
	return s
}

func (openAI) errorBody(s scripted.Status, _ request, _ hint) (string, []byte) {
	return jsonType, encode(openAIError(s))
}

func openAIError(s scripted.Status) object {
	return object{"error": object{"message": s.Message, "type": s.Type, "code": orNull(s.Code), "param": nil}}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// openAIChat is the Chat Completions API.
type openAIChat struct{ openAI }

func (openAIChat) decode(r *request, _ http.Header, body object) *scripted.Status {
	if r.model == "" {
		r.model = textOf(body, "model")
	}
	r.stream, _ = body["stream"].(bool)
	options, _ := body["stream_options"].(object)
	r.usage, _ = options["include_usage"].(bool)
	switch {
	case r.model == "":
		return invalid("you must provide a model parameter")
	case !nonempty(body, "messages"):
		return invalid("Missing required parameter: 'messages', with one message or more")
	}
	return nil
}

func chatReason(f retry.FinishReason) string {
	switch f {
	case retry.EndTurn, retry.StopSequence:
		return "stop"
	case retry.ToolUse:
		return "tool_calls"
	case retry.MaxTokens:
		return "length"
	}
	return string(f)
}

func chatUsage(u retry.Usage) object {
	return object{
		"prompt_tokens": u.InputTokens, "completion_tokens": u.OutputTokens, "total_tokens": u.InputTokens + u.OutputTokens,
		"prompt_tokens_details":     object{"cached_tokens": u.CachedInputTokens},
		"completion_tokens_details": object{"reasoning_tokens": u.ReasoningTokens},
	}
}

func (openAIChat) answer(r request, m message) []byte {
	out := object{"role": "assistant", "content": orNull(m.text()), "refusal": nil}
	var tools []any
	for _, b := range m.blocks {
		switch b.kind {
		case toolBlock:
			tools = append(tools, object{"id": b.id, "type": "function", "function": object{"name": b.name, "arguments": b.text}})
		case reasoningBlock:
			before, _ := out["reasoning_content"].(string)
			out["reasoning_content"] = before + b.text
		}
	}
	if tools != nil {
		out["tool_calls"] = tools
	}
	return encode(object{
		"id": requestID("chatcmpl-", r), "object": "chat.completion", "created": r.created, "model": r.model,
		"choices": []any{object{"index": 0, "message": out, "finish_reason": chatReason(m.reason), "logprobs": nil}},
		"usage":   chatUsage(m.usage),
	})
}

func (openAIChat) stream(r request) (string, encoder) {
	return eventType, &chatStream{request: r, calls: make(map[string]*chatCall)}
}

type chatStream struct {
	request
	tools int                  // so far
	calls map[string]*chatCall // by id; the last one of it
}

type chatCall struct {
	index int
	args  bool // came in pieces
}

func (s *chatStream) object(choices []any) object {
	return object{
		"id": requestID("chatcmpl-", s.request), "object": "chat.completion.chunk",
		"created": s.created, "model": s.model, "choices": choices,
	}
}

func (s *chatStream) delta(delta object, reason any) []byte {
	return event("", encode(s.object([]any{object{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": nil}})))
}

func (s *chatStream) open() []byte {
	return s.delta(object{"role": "assistant", "content": ""}, nil)
}

func (s *chatStream) chunk(chunk retry.StreamChunk) []byte {
	call := func(id string, fields object) []byte {
		fields["index"] = s.calls[id].index
		return s.delta(object{"tool_calls": []any{fields}}, nil)
	}
	switch c := chunk.(type) {
	case retry.TextDelta:
		return s.delta(object{"content": c.Delta}, nil)
	case retry.ReasoningDelta: // as the servers have it that speak this format and show their reasoning
		return s.delta(object{"reasoning_content": c.Delta}, nil)
	case retry.ToolCallStarted:
		s.calls[c.ID] = &chatCall{index: s.tools}
		s.tools++
		return call(c.ID, object{"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": ""}})
	case retry.ToolCallArgsDelta:
		s.calls[c.ID].args = true
		return call(c.ID, object{"function": object{"arguments": c.Delta}})
	case retry.ToolCallFinished:
		if !s.calls[c.ID].args {
			return call(c.ID, object{"function": object{"arguments": string(c.Args)}})
		}
	case retry.TurnFinished:
		out := s.delta(object{}, chatReason(c.Reason))
		if s.usage {
			last := s.object([]any{})
			last["usage"] = chatUsage(c.Usage)
			out = append(out, event("", encode(last))...)
		}
		return append(out, event("", []byte("[DONE]"))...)
	}
	return nil
}

func (s *chatStream) fail(status scripted.Status) []byte {
	return event("", encode(openAIError(status)))
}

func (s *chatStream) keepAlive() []byte { return comment }

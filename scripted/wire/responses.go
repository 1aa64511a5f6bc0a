package wire

import (
	"fmt"
	"net/http"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// openAIResponses is the Responses API.
type openAIResponses struct{ openAI }

func (openAIResponses) decode(r *request, _ http.Header, body object) *scripted.Status {
	r.model = textOf(body, "model")
	r.stream, _ = body["stream"].(bool)
	switch {
	case r.model == "":
		return invalid("you must provide a model parameter")
	case textOf(body, "input") == "" && !nonempty(body, "input"):
		return invalid("Missing required parameter: 'input'")
	}
	return nil
}

func (openAIResponses) answer(r request, m message) []byte {
	output := []any{}
	for i, b := range m.blocks {
		output = append(output, responsesItem(r, i, b))
	}
	return encode(responsesObject(r, m.reason, m.usage, output))
}

// responsesItem returns the i-th part of an answer.
func responsesItem(r request, i int, b block) object {
	id := fmt.Sprintf("%s_%d", requestID("", r), i)
	switch b.kind {
	case toolBlock:
		return object{"id": "fc_" + id, "type": "function_call", "status": "completed", "call_id": b.id, "name": b.name, "arguments": b.text}
	case reasoningBlock:
		summary := []any{}
		if b.text != "" {
			summary = append(summary, object{"type": "summary_text", "text": b.text})
		}
		return object{"id": "rs_" + id, "type": "reasoning", "summary": summary, "encrypted_content": orNull(b.signature)}
	case redactedBlock:
		return object{"id": "rs_" + id, "type": "reasoning", "summary": []any{}, "encrypted_content": b.text}
	}
	return object{"id": "msg_" + id, "type": "message", "role": "assistant", "status": "completed", "content": []any{responsesText(b.text)}}
}

func responsesText(text string) object {
	return object{"type": "output_text", "text": text, "annotations": []any{}}
}

// responsesObject returns the response as it is at its end, or without a
// reason before that.
func responsesObject(r request, reason retry.FinishReason, u retry.Usage, output []any) object {
	out := object{
		"id": requestID("resp_", r), "object": "response", "created_at": r.created, "model": r.model,
		"status": "in_progress", "output": output, "error": nil, "incomplete_details": nil,
		"parallel_tool_calls": true, "tool_choice": "auto", "tools": []any{},
	}
	switch reason {
	case "":
		return out
	case retry.MaxTokens:
		out["status"], out["incomplete_details"] = "incomplete", object{"reason": "max_output_tokens"}
	case "content_filter":
		out["status"], out["incomplete_details"] = "incomplete", object{"reason": "content_filter"}
	default:
		out["status"] = "completed"
	}
	out["usage"] = object{
		"input_tokens": u.InputTokens, "output_tokens": u.OutputTokens, "total_tokens": u.InputTokens + u.OutputTokens,
		"input_tokens_details":  object{"cached_tokens": u.CachedInputTokens},
		"output_tokens_details": object{"reasoning_tokens": u.ReasoningTokens},
	}
	return out
}

func (openAIResponses) stream(r request) (string, encoder) {
	return eventType, &responsesStream{request: r}
}

type responsesStream struct {
	request
	sequence int
	opened   bool
	output   []any // items that are done
	block          // the open one, without a kind if none is
}

func (s *responsesStream) event(kind string, fields object) []byte {
	fields["type"], fields["sequence_number"] = kind, s.sequence
	s.sequence++
	return event(kind, encode(fields))
}

func (s *responsesStream) open() []byte {
	s.opened = true
	response := responsesObject(s.request, "", retry.Usage{}, []any{})
	return append(s.event("response.created", object{"response": response}), s.event("response.in_progress", object{"response": response})...)
}

// at adds what names the open item to the fields of an event.
func (s *responsesStream) at(fields object) object {
	fields["output_index"] = len(s.output)
	fields["item_id"] = responsesItem(s.request, len(s.output), s.block)["id"]
	switch s.kind {
	case textBlock:
		fields["content_index"] = 0
	case reasoningBlock:
		fields["summary_index"] = 0
	}
	return fields
}

// start opens an item, which it is in progress.
func (s *responsesStream) start(b block) []byte {
	out := s.stop()
	s.block = b
	item := responsesItem(s.request, len(s.output), b)
	if b.kind == textBlock {
		item["content"] = []any{}
	}
	if b.kind == textBlock || b.kind == toolBlock {
		item["status"] = "in_progress"
	}
	out = append(out, s.event("response.output_item.added", object{"output_index": len(s.output), "item": item})...)
	switch b.kind {
	case textBlock:
		out = append(out, s.event("response.content_part.added", s.at(object{"part": responsesText("")}))...)
	case reasoningBlock:
		out = append(out, s.event("response.reasoning_summary_part.added", s.at(object{"part": object{"type": "summary_text", "text": ""}}))...)
	}
	return out
}

// stop closes the open item.
func (s *responsesStream) stop() []byte {
	var out []byte
	switch s.kind {
	case 0:
		return nil
	case textBlock:
		out = s.event("response.output_text.done", s.at(object{"text": s.text, "logprobs": []any{}}))
		out = append(out, s.event("response.content_part.done", s.at(object{"part": responsesText(s.text)}))...)
	case toolBlock:
		out = s.event("response.function_call_arguments.done", s.at(object{"arguments": s.text, "name": s.name}))
	case reasoningBlock:
		out = s.event("response.reasoning_summary_text.done", s.at(object{"text": s.text}))
		out = append(out, s.event("response.reasoning_summary_part.done", s.at(object{"part": object{"type": "summary_text", "text": s.text}}))...)
	}
	item := responsesItem(s.request, len(s.output), s.block)
	out = append(out, s.event("response.output_item.done", object{"output_index": len(s.output), "item": item})...)
	s.output = append(s.output, item)
	s.block = block{}
	return out
}

func (s *responsesStream) chunk(chunk retry.StreamChunk) []byte {
	var out []byte
	in := func(kind blockKind) {
		if s.kind != kind {
			out = s.start(block{kind: kind})
		}
	}
	switch c := chunk.(type) {
	case retry.TextDelta:
		in(textBlock)
		s.text += c.Delta
		return append(out, s.event("response.output_text.delta", s.at(object{"delta": c.Delta, "logprobs": []any{}}))...)
	case retry.ToolCallStarted:
		return s.start(block{kind: toolBlock, id: c.ID, name: c.Name})
	case retry.ToolCallArgsDelta:
		s.text += c.Delta
		return s.event("response.function_call_arguments.delta", s.at(object{"delta": c.Delta}))
	case retry.ToolCallFinished:
		s.text = string(c.Args)
		return s.stop()
	case retry.ReasoningDelta:
		in(reasoningBlock)
		s.text += c.Delta
		return append(out, s.event("response.reasoning_summary_text.delta", s.at(object{"delta": c.Delta}))...)
	case retry.ReasoningFinished:
		in(reasoningBlock)
		s.signature = c.Signature
		return append(out, s.stop()...)
	case retry.RedactedReasoning:
		out = s.start(block{kind: redactedBlock, text: c.Data})
		return append(out, s.stop()...)
	case retry.TurnFinished:
		out = s.stop()
		if s.output == nil {
			s.output = []any{}
		}
		response := responsesObject(s.request, c.Reason, c.Usage, s.output)
		return append(out, s.event(fmt.Sprintf("response.%s", response["status"]), object{"response": response})...)
	}
	return nil
}

// fail is an error event where nothing came before, and else the failure of
// the response.
func (s *responsesStream) fail(status scripted.Status) []byte {
	code := status.Code
	if code == "" {
		code = status.Type
	}
	if !s.opened {
		return s.event("error", object{"code": code, "message": status.Message, "param": nil})
	}
	response := responsesObject(s.request, "", retry.Usage{}, []any{})
	response["status"], response["error"] = "failed", object{"code": code, "message": status.Message}
	return s.event("response.failed", object{"response": response})
}

func (s *responsesStream) keepAlive() []byte { return comment }

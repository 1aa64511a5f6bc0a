package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted"
)

// gemini is generateContent and streamGenerateContent.
type gemini struct{}

func (gemini) provider() provider.Provider { return provider.Gemini }

func (gemini) header(request) http.Header { return nil }

func (gemini) decode(r *request, _ http.Header, body object) *scripted.Status {
	name, verb, _ := strings.Cut(r.path[strings.LastIndex(r.path, "/")+1:], ":")
	r.model, r.stream = name, verb == "streamGenerateContent"
	switch {
	case name == "":
		return invalid("the path names no model")
	case !nonempty(body, "contents"):
		return invalid("* GenerateContentRequest.contents: contents is not specified")
	}
	return nil
}

var geminiStatuses = map[int]string{
	400: "INVALID_ARGUMENT",
	401: "UNAUTHENTICATED",
	402: "RESOURCE_EXHAUSTED",
	403: "PERMISSION_DENIED",
	404: "NOT_FOUND",
	409: "ABORTED",
	429: "RESOURCE_EXHAUSTED",
	499: "CANCELLED",
	500: "INTERNAL",
	501: "UNIMPLEMENTED",
	503: "UNAVAILABLE",
	504: "DEADLINE_EXCEEDED",
}

func (gemini) complete(s scripted.Status) scripted.Status {
	fill(&s.Type, byStatus(geminiStatuses, s.Status))
	fill(&s.Message, reasonOf(s.Status))
	return s
}

func (gemini) errorBody(s scripted.Status, _ request, hint hint) (string, []byte) {
	return jsonType, encode(geminiError(s, hint))
}

// geminiError says in the body how long to wait: the API has no header for it.
func geminiError(s scripted.Status, hint hint) object {
	e := object{"code": s.Status, "message": s.Message, "status": s.Type}
	var details []any
	if s.Code != "" {
		details = append(details, object{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": s.Code, "domain": "googleapis.com"})
	}
	if hint.given {
		details = append(details, object{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": protoDuration(hint.wait)})
	}
	if details != nil {
		e["details"] = details
	}
	return object{"error": e}
}

// protoDuration returns a duration in the JSON of protocol buffers: decimal
// seconds.
func protoDuration(d time.Duration) string {
	text := fmt.Sprintf("%d", d/time.Second)
	if part := d % time.Second; part != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%09d", part), "0")
	}
	return text + "s"
}

func geminiReason(f retry.FinishReason) string {
	switch f {
	case retry.EndTurn, retry.ToolUse, retry.StopSequence:
		return "STOP"
	}
	return strings.ToUpper(string(f))
}

func geminiUsage(u retry.Usage) object {
	return object{
		"promptTokenCount":        u.InputTokens,
		"candidatesTokenCount":    max(u.OutputTokens-u.ReasoningTokens, 0),
		"thoughtsTokenCount":      u.ReasoningTokens,
		"cachedContentTokenCount": u.CachedInputTokens,
		"totalTokenCount":         u.InputTokens + u.OutputTokens,
	}
}

// geminiParts returns a block as parts of an answer.
func geminiParts(b block) []any {
	switch b.kind {
	case toolBlock:
		return []any{object{"functionCall": object{"id": b.id, "name": b.name, "args": json.RawMessage(b.text)}}}
	case reasoningBlock:
		part := object{"text": b.text, "thought": true}
		if b.signature != "" {
			part["thoughtSignature"] = base64Of(b.signature)
		}
		return []any{part}
	case redactedBlock:
		return []any{object{"text": "", "thought": true, "thoughtSignature": base64Of(b.text)}}
	}
	return []any{object{"text": b.text}}
}

// geminiChunk returns a response, of a stream or whole; without a reason it is
// not the last.
func geminiChunk(r request, parts []any, finish *retry.TurnFinished) object {
	candidate := object{"index": 0, "content": object{"role": "model", "parts": parts}}
	out := object{"candidates": []any{candidate}, "modelVersion": r.model, "responseId": requestID("resp_", r)}
	if finish != nil {
		candidate["finishReason"] = geminiReason(finish.Reason)
		out["usageMetadata"] = geminiUsage(finish.Usage)
	}
	return out
}

func (gemini) answer(r request, m message) []byte {
	parts := []any{}
	for _, b := range m.blocks {
		parts = append(parts, geminiParts(b)...)
	}
	return encode(geminiChunk(r, parts, &retry.TurnFinished{Reason: m.reason, Usage: m.usage}))
}

// stream is server-sent events if the query asks for them, else one list in
// JSON.
func (gemini) stream(r request) (string, encoder) {
	if r.query.Get("alt") == "sse" {
		return eventType, &geminiStream{request: r}
	}
	return jsonType, &geminiStream{request: r, list: true}
}

type geminiStream struct {
	request
	list bool // not server-sent events
	n    int  // responses so far
}

func (s *geminiStream) open() []byte { return nil }

// send returns one response of the stream.
func (s *geminiStream) send(o object, last bool) []byte {
	s.n++
	if !s.list {
		return []byte("data: " + string(encode(o)) + "\r\n\r\n")
	}
	before, after := ",\r\n", ""
	if s.n == 1 {
		before = "["
	}
	if last {
		after = "]"
	}
	return []byte(before + string(encode(o)) + after)
}

// chunk holds the arguments of a tool call back: the API sends them whole.
func (s *geminiStream) chunk(chunk retry.StreamChunk) []byte {
	var b block
	switch c := chunk.(type) {
	case retry.TextDelta:
		b = block{kind: textBlock, text: c.Delta}
	case retry.ToolCallFinished:
		b = block{kind: toolBlock, id: c.ID, name: c.Name, text: string(c.Args)}
	case retry.ReasoningDelta:
		b = block{kind: reasoningBlock, text: c.Delta}
	case retry.ReasoningFinished:
		if c.Signature == "" {
			return nil
		}
		b = block{kind: reasoningBlock, signature: c.Signature}
	case retry.RedactedReasoning:
		b = block{kind: redactedBlock, text: c.Data}
	case retry.TurnFinished:
		return s.send(geminiChunk(s.request, []any{object{"text": ""}}, &c), true)
	default:
		return nil
	}
	return s.send(geminiChunk(s.request, geminiParts(b), nil), false)
}

func (s *geminiStream) fail(status scripted.Status) []byte {
	return s.send(geminiError(status, hint{}), true)
}

func (s *geminiStream) keepAlive() []byte {
	if s.list {
		return []byte("\r\n") // blanks between the elements of the list
	}
	return comment
}

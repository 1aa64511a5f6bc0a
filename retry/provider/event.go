package provider

import (
	"bytes"
	"strings"
)

// errorEvents are the names of events, or the types in their data, that report
// a failure. Without one of them an event reports it by an error field.
var errorEvents = map[string]bool{
	"error":           true, // Anthropic; OpenAI Responses; Gemini Interactions
	"response.failed": true, // OpenAI Responses
	"stream-error":    true, // Cohere v1
}

// FromEvent classifies an event of an open stream that reports a failure; ok is
// false for every other event. The name is that of a server-sent event, or the
// exception type of an AWS event stream; it may be empty. data is the JSON of
// the event, of which at most [MaxBody] bytes are read; data that is not JSON
// is a failure only by its name.
//
// The rules are those of [FromResponse], without a status unless the event
// names one; a failure that no rule knows is permanent. Whether the work may
// have been done already is the caller's to judge as well: it knows what the
// stream had delivered. An event without a failure costs one search through
// data.
func FromEvent(p Provider, name string, data []byte) (e *Error, ok bool) {
	exception := strings.HasSuffix(name, "Exception") // Bedrock: throttlingException
	named := exception || errorEvents[name]
	if !named && !suspicious(data) {
		return nil, false
	}
	top := readObject(data)
	failed := top.object("delta").text("finish_reason") == "ERROR" // Cohere v2, message-end
	if !named && !errorEvents[top.text("type")] && !top.has("error") && !failed {
		return nil, false
	}
	r := read(top)
	if exception {
		r.typ = clean(name, maxWord)
	}
	e = classify(p, 0, r)
	e.classify(r.wait, r.hinted)
	return e, true
}

// suspicious reports whether data may be an error event, without parsing it:
// most events are pieces of an answer.
func suspicious(data []byte) bool {
	if bytes.Contains(data, []byte(`"ERROR"`)) {
		return true
	}
	for name := range errorEvents {
		if bytes.Contains(data, []byte(`"`+name+`"`)) {
			return true
		}
	}
	return false
}

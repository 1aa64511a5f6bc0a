package provider

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxBody is how many bytes of a body or an event are read at most. A longer
// one is not an error report of any provider and counts as unreadable, so a
// transport need keep no more than MaxBody+1 bytes of a refusal.
const MaxBody = 1 << 20

// The words of a report are cut to so many bytes.
const (
	maxMessage = 512
	maxWord    = 128
)

// report is what a body or an event says of the failure. The zero report says
// nothing.
type report struct {
	codes     []string // most telling first
	typ       string
	message   string
	requestID string
	status    int // an HTTP status, 400 to 599, in the place of a code; 0 if there is none
	wait      time.Duration
	hinted    bool
}

// object is a JSON object whose fields may hold anything. Reading one that is
// absent or of another type yields the zero value, never an error.
type object map[string]json.RawMessage

func parseObject(data []byte) object {
	var o object
	if json.Unmarshal(data, &o) != nil {
		return nil
	}
	return o
}

func (o object) object(key string) object { return parseObject(o[key]) }

// array returns the elements of a list, of which 64 are read.
func (o object) array(key string) (list [64]object) {
	var raw [len(list)]json.RawMessage // Unmarshal drops what does not fit
	if json.Unmarshal(o[key], &raw) == nil {
		for i, r := range raw {
			list[i] = parseObject(r)
		}
	}
	return list
}

func (o object) text(key string) string {
	var s string
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}

// has reports whether the field is there and not null.
func (o object) has(key string) bool {
	raw, found := o[key]
	return found && string(raw) != "null"
}

// readObject returns the outermost object of data, nil if data is longer than
// [MaxBody] or something else than JSON. Gemini wraps an error in an array
// where its stream would have been one.
func readObject(data []byte) object {
	if len(data) > MaxBody {
		return nil
	}
	data = bytes.TrimSpace(data)
	if len(data) > 0 && data[0] == '[' {
		var first [1]json.RawMessage
		if json.Unmarshal(data, &first) != nil {
			return nil
		}
		data = first[0]
	}
	return parseObject(data)
}

// read returns what the outermost object of a body or an event reports. The
// shapes of the providers differ enough to be told apart without knowing whose
// they are:
//
//	{"error": {"code", "type", "message", "status", "details"}}  most
//	{"error": "message"}                                         some gateways
//	{"response": {"error": {"code", "message"}}}                 OpenAI Responses, response.failed
//	{"delta": {"finish_reason": "ERROR", "error": "message"}}    Cohere, message-end
//	{"code", "type", "message"}                                  Mistral, OpenAI Responses, Bedrock, Cohere
func read(top object) report {
	inner := top
	switch {
	case top.object("error") != nil:
		inner = top.object("error")
	case top.object("response").object("error") != nil:
		inner = top.object("response").object("error")
	case top.object("delta").text("finish_reason") == "ERROR":
		delta := top.object("delta")
		return report{typ: "ERROR", message: clean(delta.text("error"), maxMessage)}
	}
	var r report
	r.readCode(inner)
	r.readDetails(inner)
	r.typ = firstWord(inner.text("type"), afterLast(inner.text("__type"), "#"), inner.text("status"))
	if errorEvents[r.typ] { // the type of an event, not of the failure
		r.typ = ""
	}
	for _, text := range []string{inner.text("message"), inner.text("Message"), top.text("error"), inner.text("detail")} {
		if r.message == "" {
			r.message = clean(text, maxMessage)
		}
	}
	r.requestID = clean(top.text("request_id"), maxWord)
	return r
}

// readCode reads a code that is a word, or an HTTP status as a number or in
// the text of one.
func (r *report) readCode(o object) {
	code := o.text("code")
	if code == "" {
		var number json.Number
		if json.Unmarshal(o["code"], &number) != nil {
			return
		}
		code = number.String()
	}
	if n, err := strconv.Atoi(code); err == nil && 400 <= n && n <= 599 {
		r.status = n
	}
	r.addCode(code)
}

func (r *report) addCode(code string) {
	if code = clean(code, maxWord); code != "" {
		r.codes = append(r.codes, code)
	}
}

// readDetails reads Anthropic's details, an object, and those of google.rpc, a
// list of objects that name their type.
func (r *report) readDetails(o object) {
	r.addCode(o.object("details").text("error_code"))
	for _, detail := range o.array("details") {
		switch afterLast(detail.text("@type"), "/") {
		case "google.rpc.QuotaFailure":
			for _, violation := range detail.array("violations") {
				r.addCode(violation.text("quotaId"))
			}
		case "google.rpc.ErrorInfo":
			r.addCode(detail.text("reason"))
		case "google.rpc.RetryInfo":
			if wait, err := parseDuration(detail.text("retryDelay"), time.Time{}); err == nil {
				r.wait, r.hinted = max(r.wait, wait), true
			}
		}
	}
}

// firstWord returns the first of the words that is not empty, made fit to
// print.
func firstWord(words ...string) string {
	for _, w := range words {
		if w = clean(w, maxWord); w != "" {
			return w
		}
	}
	return ""
}

func afterLast(s, sep string) string { return s[strings.LastIndex(s, sep)+1:] }

// clean returns s in one line of printable characters, cut to at most so many
// bytes. It looks at no more of s than it needs.
func clean(s string, most int) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s[:min(len(s), 4*most)]))
	if len(s) <= most {
		return s
	}
	const dots = "…"
	end := most - len(dots)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + dots
}

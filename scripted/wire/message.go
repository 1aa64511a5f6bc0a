package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// message is a whole answer.
type message struct {
	blocks []block
	reason retry.FinishReason
	usage  retry.Usage
}

// block is a part of an answer.
type block struct {
	kind      blockKind
	text      string // of a tool call the arguments' JSON
	id, name  string // of a tool call
	signature string // of reasoning
}

type blockKind int

const (
	textBlock blockKind = iota + 1
	toolBlock
	reasoningBlock
	redactedBlock
)

// collect puts the chunks of an answer together. Text that was not
// interrupted is one block.
func collect(steps []scripted.Step) message {
	var m message
	open := blockKind(0) // of the last block, 0 once it is closed
	last := func(kind blockKind) *block {
		if open != kind {
			m.blocks = append(m.blocks, block{kind: kind})
			open = kind
		}
		return &m.blocks[len(m.blocks)-1]
	}
	for _, s := range steps {
		switch c := s.Chunk.(type) {
		case retry.TextDelta:
			last(textBlock).text += c.Delta
		case retry.ToolCallStarted:
			open = 0
			b := last(toolBlock)
			b.id, b.name = c.ID, c.Name
		case retry.ToolCallArgsDelta:
			last(toolBlock).text += c.Delta
		case retry.ToolCallFinished:
			last(toolBlock).text, open = string(c.Args), 0
		case retry.ReasoningDelta:
			last(reasoningBlock).text += c.Delta
		case retry.ReasoningFinished:
			last(reasoningBlock).signature, open = c.Signature, 0
		case retry.RedactedReasoning:
			open = 0
			last(redactedBlock).text, open = c.Data, 0
		case retry.TurnFinished:
			m.reason, m.usage = c.Reason, c.Usage
		}
	}
	for i := range m.blocks { // a call that broke off
		if b := &m.blocks[i]; b.kind == toolBlock && !json.Valid([]byte(b.text)) {
			b.text = "{}"
		}
	}
	return m
}

// text returns the text of the answer, its blocks joined.
func (m message) text() string {
	var s strings.Builder
	for _, b := range m.blocks {
		if b.kind == textBlock {
			s.WriteString(b.text)
		}
	}
	return s.String()
}

// object is a JSON object. Its keys are written in alphabetical order.
type object = map[string]any

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("wire: what JSON cannot hold: %v", err)) // it is made of strings and numbers
	}
	return b
}

// event returns a server-sent event; without a name it has only data.
func event(name string, data []byte) []byte {
	var b bytes.Buffer
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// comment is a server-sent event that says nothing.
var comment = []byte(": keep-alive\n\n")

const (
	jsonType  = "application/json"
	eventType = "text/event-stream; charset=utf-8"
	textType  = "text/plain; charset=utf-8"
)

// hint is how long a refusal asks to wait.
type hint struct {
	wait  time.Duration
	given bool
}

// hintHeader returns the header that asks for a wait, which is whole
// milliseconds.
func hintHeader(d time.Duration) []scripted.Field {
	if d%time.Second == 0 {
		return []scripted.Field{{Name: "retry-after", Value: strconv.FormatInt(int64(d/time.Second), 10)}}
	}
	return []scripted.Field{{Name: "retry-after-ms", Value: strconv.FormatInt(d.Milliseconds(), 10)}}
}

// nonempty reports whether the body has a list of that name with something in
// it.
func nonempty(body object, name string) bool {
	list, ok := body[name].([]any)
	return ok && len(list) > 0
}

func textOf(body object, name string) string {
	s, _ := body[name].(string)
	return s
}

// fill sets what is empty.
func fill(s *string, to string) {
	if *s == "" {
		*s = to
	}
}

// byStatus returns what the table has for the status; a client's mistake or a
// server's failure that it has not is that of 400 or of 500.
func byStatus[T any](table map[int]T, status int) T {
	if t, ok := table[status]; ok {
		return t
	}
	if status < 500 {
		return table[http.StatusBadRequest]
	}
	return table[http.StatusInternalServerError]
}

// requestID is a name for a request, the same on every run.
func requestID(prefix string, r request) string { return fmt.Sprintf("%s%06d", prefix, r.id) }

// usageOf returns the usage that the answer ends with.
func (r request) usageOf() retry.Usage {
	if r.finish == nil {
		return retry.Usage{}
	}
	return r.finish.Usage
}

// invalid is the refusal of a request that is no call of the API.
func invalid(message string) *scripted.Status {
	return &scripted.Status{Status: http.StatusBadRequest, Message: message}
}

// base64Of returns s as base64, which it may be already.
func base64Of(s string) string {
	if _, err := base64.StdEncoding.DecodeString(s); err == nil {
		return s
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

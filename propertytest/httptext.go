package propertytest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// received compares the text that a call returned with that of the answer, and
// reports whether the code returns such text. Where it is too little or too much
// of the answers, the run tells it in place of what the server believes that the
// caller received. Of any other text nothing is said: the code may return
// something else than what it read.
func (r *httpRun) received(got httpResult, at time.Duration) bool {
	texts := r.texts()
	if got.err != nil || got.text == "" || len(texts) == 0 || r.trace[len(r.trace)-1].Kind != trace.EOF {
		return false
	}
	answer := texts[len(texts)-1]
	again := len(got.text) / max(len(answer), 1)
	var chunks []string
	switch {
	case got.text == answer:
		return true
	case again > 1 && got.text == strings.Repeat(answer, again):
		chunks = slices.Repeat([]string{answer}, again)
	case got.text == strings.Join(texts, "") || strings.Contains(answer, got.text):
		chunks = []string{got.text}
	default:
		return false
	}
	last := r.attempts()
	r.trace = slices.DeleteFunc(r.trace, func(e trace.Event) bool { return e.Kind == trace.Chunk && e.Attempt == last })
	r.text(trace.Sent, lastOf(r.trace), answer)
	for _, c := range chunks {
		r.text(trace.Chunk, at, c)
	}
	return true
}

// texts returns the texts of the answers that the attempts got, in order, empty
// where one got none. It returns nothing if the script was used up.
func (r *httpRun) texts() (texts []string) {
	var turns []scripted.Turn
	for _, t := range r.script.Turns {
		if t.Repeat == scripted.Forever {
			return nil // it never answers
		}
		turns = append(turns, slices.Repeat([]scripted.Turn{t}, max(t.Repeat, 1))...)
	}
	if r.attempts() > len(turns) {
		return nil
	}
	for _, t := range turns[:r.attempts()] {
		var text strings.Builder
		if s, ok := t.Answer.(scripted.Stream); ok {
			for _, step := range s.Steps() {
				if d, ok := step.Chunk.(retry.TextDelta); ok {
					text.WriteString(d.Delta)
				}
			}
		}
		texts = append(texts, text.String())
	}
	return texts
}

// text adds a chunk of text.
func (r *httpRun) text(kind trace.Kind, at time.Duration, text string) {
	sum := sha256.Sum256([]byte(text))
	r.trace = append(r.trace, trace.Event{At: at, Call: 1, Attempt: r.attempts(), Kind: kind, Chunk: "text", Size: len(text), Body: hex.EncodeToString(sum[:])})
}

package wire

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// stream sends an answer piece by piece. What has no pause between goes out
// together.
func (x *exchange) stream(steps []scripted.Step, end scripted.Ending) {
	contentType, e := x.protocol.stream(x.request)
	if !interleaves(e) {
		steps = inTurn(steps)
	}
	x.w.Header().Set("Content-Type", contentType)
	x.w.Header().Set("Cache-Control", "no-cache")
	x.head(http.StatusOK)
	x.attempt.record(trace.Event{Kind: trace.Opened, Status: http.StatusOK, Gone: x.gone()})
	var out []byte
	var sent []trace.Event
	send := func() {
		x.write(out)
		if x.gone() {
			x.broke(textGone)
		}
		for _, e := range sent {
			x.attempt.record(e)
		}
		out, sent = nil, nil
	}
	if !failsAtOnce(steps, end) {
		out = e.open()
	}
	for _, s := range steps {
		if s.Pause > 0 {
			send()
			x.wait(s.Pause, e.keepAlive)
		}
		if s.Chunk != nil {
			out, sent = append(out, e.chunk(s.Chunk)...), append(sent, chunkEvent(s.Chunk))
		}
	}
	send()
	x.end(end, e)
}

// interleaves reports whether the format can send tool calls at once.
func interleaves(e encoder) bool {
	if a, ok := e.(*azureStream); ok {
		e = a.encoder
	}
	_, ok := e.(*chatStream)
	return ok
}

// inTurn returns the steps with the tool calls that come at once one after
// another. The pauses keep their places.
func inTurn(steps []scripted.Step) []scripted.Step {
	out := slices.Clone(steps)
	for begin := 0; begin < len(out); begin++ {
		end, order := begin, make(map[string]int)
		for ; end < len(out); end++ {
			id, ok := toolOf(out[end].Chunk)
			if !ok {
				break
			}
			if _, seen := order[id]; !seen {
				order[id] = len(order)
			}
		}
		run := make([]retry.StreamChunk, 0, end-begin)
		for _, s := range out[begin:end] {
			run = append(run, s.Chunk)
		}
		slices.SortStableFunc(run, func(a, b retry.StreamChunk) int {
			x, _ := toolOf(a)
			y, _ := toolOf(b)
			return order[x] - order[y]
		})
		for i, chunk := range run {
			out[begin+i].Chunk = chunk
		}
		begin = end
	}
	return out
}

// toolOf returns the id of the tool call that a chunk is of.
func toolOf(chunk retry.StreamChunk) (id string, ok bool) {
	switch c := chunk.(type) {
	case retry.ToolCallStarted:
		return c.ID, true
	case retry.ToolCallArgsDelta:
		return c.ID, true
	case retry.ToolCallFinished:
		return c.ID, true
	}
	return "", false
}

// failsAtOnce reports whether the first event of the stream is its failure.
func failsAtOnce(steps []scripted.Step, end scripted.Ending) bool {
	for _, s := range steps {
		if s.Chunk != nil {
			return false
		}
	}
	switch end.(type) {
	case scripted.Transient, scripted.Permanent, scripted.Status:
		return true
	}
	return false
}

// broke records how a stream broke, and breaks the connection.
func (x *exchange) broke(text string) {
	x.attempt.record(trace.Event{Kind: trace.Broken, Error: text, Gone: x.gone()})
	panic(http.ErrAbortHandler)
}

// end ends a stream as the script says.
func (x *exchange) end(end scripted.Ending, e encoder) {
	switch end := end.(type) {
	case nil, scripted.Finish:
		x.attempt.record(trace.Event{Kind: trace.EOF, Gone: x.gone()})
		x.attempt.completed()
	case scripted.EOF:
		x.attempt.record(trace.Event{Kind: trace.EOF, Gone: x.gone()})
	case scripted.Cut:
		x.broke(textCut)
	case scripted.Stall:
		x.hang(e.keepAlive)
		x.broke(x.silence())
	default:
		s := refusalOf(x.protocol, end)
		event := e.fail(s)
		if event == nil {
			x.broke(s.String())
		}
		x.write(event)
		x.attempt.record(trace.Event{Kind: trace.Broken, Error: s.String(), Gone: x.gone()})
	}
}

// whole sends an answer in one piece. One that breaks does so half-way.
func (x *exchange) whole(steps []scripted.Step, end scripted.Ending) {
	var pauses time.Duration
	for _, s := range steps {
		pauses += s.Pause
	}
	if !x.wait(pauses, nil) {
		x.attempt.record(trace.Event{Kind: trace.Failed, Error: textGone, Gone: true})
		return
	}
	switch end.(type) {
	case scripted.Transient, scripted.Permanent, scripted.Status:
		x.refuse(refusalOf(x.protocol, end), "")
		return
	}
	m := collect(inTurn(steps))
	body := x.protocol.answer(x.request, m)
	_, early := end.(scripted.EOF)
	complete := end == nil
	if _, ok := end.(scripted.Finish); ok {
		complete = true
	}
	if !early {
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if !complete {
		body = body[:len(body)/2]
	}
	x.w.Header().Set("Content-Type", jsonType)
	x.head(http.StatusOK)
	x.attempt.record(trace.Event{Kind: trace.Opened, Status: http.StatusOK, Gone: x.gone()})
	x.write(body)
	if !complete {
		x.end(end, plainStream{})
		return
	}
	if x.gone() {
		x.broke(textGone)
	}
	for _, s := range steps {
		if s.Chunk != nil {
			x.attempt.record(chunkEvent(s.Chunk))
		}
	}
	x.end(end, plainStream{})
}

// chunkEvent is a chunk as the record has it.
func chunkEvent(chunk retry.StreamChunk) trace.Event {
	e := trace.Event{Kind: trace.Chunk}
	e.Chunk, e.Size = trace.Describe(chunk)
	return e
}

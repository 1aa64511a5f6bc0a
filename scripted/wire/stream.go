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
	x.attempt.record(trace.Event{Kind: trace.Opened, Status: http.StatusOK})
	x.head(http.StatusOK)
	var out []byte
	var events []trace.Event
	if !failsAtOnce(steps, end) {
		out = e.open()
	}
	for _, s := range steps {
		if s.Pause > 0 {
			x.tell(events)
			x.write(out)
			x.wait(s.Pause, e.keepAlive)
			if x.gone() {
				x.broke(textGone)
			}
			out, events = nil, nil
		}
		if s.Chunk != nil {
			out, events = append(out, e.chunk(s.Chunk)...), append(events, chunkEvent(s.Chunk))
		}
	}
	if event, ok := x.failing(end, e); ok {
		out = append(out, event...)
	}
	x.end(out, events, end, e)
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

// failing returns the event by which a stream says that it failed. It is nil
// where the format has none; ok is false if the stream does not end so.
func (x *exchange) failing(end scripted.Ending, e encoder) (event []byte, ok bool) {
	switch end.(type) {
	case scripted.Transient, scripted.Permanent, scripted.Status:
		return e.fail(refusalOf(x.protocol, end)), true
	}
	return nil, false
}

// end sends the last bytes of a stream and ends it as the script says.
func (x *exchange) end(out []byte, events []trace.Event, end scripted.Ending, e encoder) {
	last := trace.Event{Kind: trace.Broken}
	abort := false
	switch end := end.(type) {
	case nil, scripted.Finish:
		x.attempt.completed()
		last.Kind = trace.EOF
	case scripted.EOF:
		last.Kind = trace.EOF
	case scripted.Cut:
		last.Error, abort = textCut, true
	case scripted.Stall:
		x.tell(events)
		x.write(out)
		x.hang(e.keepAlive)
		x.broke(x.silence())
	default:
		event, _ := x.failing(end, e)
		last.Error, abort = refusalOf(x.protocol, end).String(), event == nil
	}
	i := x.tell(append(events, last))
	x.write(out)
	if x.gone() {
		x.attempt.left(i)
	}
	if abort {
		panic(http.ErrAbortHandler)
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
	var events []trace.Event
	if complete {
		for _, s := range steps {
			if s.Chunk != nil {
				events = append(events, chunkEvent(s.Chunk))
			}
		}
	} else {
		body = body[:len(body)/2]
	}
	x.w.Header().Set("Content-Type", jsonType)
	x.attempt.record(trace.Event{Kind: trace.Opened, Status: http.StatusOK})
	x.head(http.StatusOK)
	x.end(body, events, end, plainStream{})
}

// chunkEvent is a chunk as the record has it.
func chunkEvent(chunk retry.StreamChunk) trace.Event {
	e := trace.Event{Kind: trace.Chunk}
	e.Chunk, e.Size = trace.Describe(chunk)
	return e
}

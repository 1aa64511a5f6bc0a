package verdict

import (
	"slices"
	"strconv"

	"github.com/retrykit/retrykit/retry/trace"
)

func retriedAfterContent(c *call) (out []Finding) {
	for i, next := range c.retries() {
		if a := c.attempts[i]; a.chunks > 0 {
			out = append(out, finding(next, "attempt %d, and attempt %d had delivered %d of its answer's chunks", next.number, a.number, a.chunks))
		}
	}
	return out
}

// sent returns the chunks that the stream handed out, and what it ended with,
// nil if it was not seen to end. ok is false if nobody watched it.
func (c *call) sent() (chunks []*trace.Event, end *trace.Event, ok bool) {
	for _, e := range c.streamed {
		switch e.Chunk {
		case "eof", "broken":
			end = e
		case "abandoned":
		default:
			chunks = append(chunks, e)
		}
	}
	return chunks, end, len(c.streamed) > 0
}

func same(a, b *trace.Event) bool { return a.Chunk == b.Chunk && a.Size == b.Size && a.Body == b.Body }

// astray returns the first chunk that the caller received and that was not the
// one to come. twice reports whether it was the one before.
func (c *call) astray(sent []*trace.Event) (e *trace.Event, twice bool) {
	for i, got := range c.got {
		if i < len(sent) && same(got, sent[i]) {
			continue
		}
		return got, i > 0 && same(got, c.got[i-1]) || slices.ContainsFunc(sent[:min(i, len(sent))], func(s *trace.Event) bool { return same(got, s) })
	}
	return nil, false
}

func duplicateChunk(c *call) []Finding {
	sent, _, ok := c.sent()
	if e, twice := c.astray(sent); ok && e != nil && twice {
		return []Finding{{Attempt: e.Attempt, At: e.At, What: "the caller received a chunk (" + e.Chunk + ") again"}}
	}
	return nil
}

func lostChunk(c *call) []Finding {
	sent, end, ok := c.sent()
	if !ok {
		return nil
	}
	if e, twice := c.astray(sent); e != nil {
		if twice {
			return nil
		}
		return []Finding{{Attempt: e.Attempt, At: e.At, What: "the caller received a chunk (" + e.Chunk + ") that was not the next one sent"}}
	}
	if c.over == nil {
		return nil
	}
	f := Finding{Attempt: c.over.Attempt, At: c.over.At}
	switch {
	case len(c.got) < len(sent):
		f.What = "the caller received " + strconv.Itoa(len(c.got)) + " of " + strconv.Itoa(len(sent)) + " chunks"
	case end == nil && c.over.Kind == trace.EOF:
		f.What = "the stream ended for the caller before it was at its end"
	case end == nil && c.cancel == nil:
		f.What = "the stream was not at its end, and broke for the caller with the error " + c.over.Error
	case end != nil && end.Chunk == "eof" && c.over.Kind == trace.Broken:
		f.What = "the stream ended as it should, and for the caller with the error " + c.over.Error
	default:
		return nil
	}
	return []Finding{f}
}

// lateChunk looks at chunks that are the ones sent; others are other rules'.
func lateChunk(c *call) []Finding {
	sent, _, ok := c.sent()
	if e, _ := c.astray(sent); !ok || e != nil {
		return nil
	}
	for i, e := range c.got {
		if late := e.At - sent[i].At; late > 0 {
			return []Finding{{Attempt: e.Attempt, At: e.At, What: "the caller received a chunk (" + e.Chunk + ") " + late.String() + " after it was sent"}}
		}
	}
	return nil
}

func acceptedTruncation(c *call) []Finding {
	if _, end, ok := c.sent(); ok {
		if end != nil && end.Chunk == "broken" && c.over != nil && c.over.Kind == trace.EOF {
			return []Finding{{Attempt: end.Attempt, At: c.over.At, What: "the stream broke, and ended for the caller as if it were whole"}}
		}
		return nil
	}
	a, ok := c.last()
	if !ok || a.broken == nil || c.end == nil || c.end.Error != "" || c.end.At < a.broken.At || c.end.Reason != "" {
		return nil
	}
	return []Finding{{Attempt: a.number, At: c.end.At, What: "the stream of attempt " + strconv.Itoa(a.number) + " did not reach its end, and the call returned no error"}}
}

package scripted

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/retrykit/retrykit/retry"
)

var streamWords = []string{"pause", "tool", "interleaved", "reasoning", "redacted", "usage", "finish",
	"cut", "eof", "stall", "transient", "permanent", "after", "forever"}

// stream reads what follows ok, and the modifiers of the turn.
func (p *parser) stream(begin int) bool {
	p.items = p.items[:0]
	var s Stream
	var openTool int // where the arguments of a tool call that is not finished stand, plus 1
	for s.End == nil && !p.atEnd() {
		at := p.pos
		if openTool > 0 && !endsStream(p.peek()) {
			break
		}
		if p.isQuote() {
			text, ok := p.str()
			if !ok {
				return false
			}
			p.items = append(p.items, Text(text))
			continue
		}
		word := p.word()
		if word == "after" || word == "forever" || isRepeat(word) {
			p.pos = at
			break
		}
		ok := false
		switch word {
		case "pause":
			ok = p.pause()
		case "tool", "interleaved":
			read, whole := p.tool, false
			if word == "interleaved" {
				read = p.interleaved
			}
			if whole, ok = read(); !whole {
				openTool = at + 1
			}
		case "reasoning":
			ok = p.reasoning()
		case "redacted":
			var data string
			data, ok = p.str()
			p.items = append(p.items, Redacted(data))
		default:
			s.End, ok = p.ending(at, word)
		}
		if !ok {
			return false
		}
	}
	if !p.endFits(s.End, openTool) {
		return false
	}
	if len(p.items) > 0 {
		s.Items = slices.Clone(p.items)
	}
	return p.turn(begin, s)
}

// endFits reports whether a stream may end like this, and fails where it may
// not.
func (p *parser) endFits(end Ending, openTool int) bool {
	_, finished := end.(Finish)
	if finished && !p.atEnd() && endsStream(p.peek()) {
		return p.fail(p.pos, len(p.peek()), "usage and finish come with the terminal chunk, which a stream that breaks has not")
	}
	if openTool > 0 && (end == nil || finished) {
		p.lexer.pos = openTool - 1
		return p.fail(p.pos, len(p.peek()), "the arguments of this tool call are not JSON: it must be the last in a stream that breaks (cut, eof, stall or an error)")
	}
	return true
}

func endsStream(word string) bool {
	kind, _, _ := strings.Cut(word, ":")
	return slices.Contains([]string{"cut", "eof", "stall", "pause", "transient", "permanent"}, kind) || isDigits(word)
}

// ending reads the end of a stream, whose first word was read.
func (p *parser) ending(at int, word string) (Ending, bool) {
	if failure, ok, is := p.failure(at, word); is {
		if s, isStatus := failure.(Status); isStatus && len(s.Header) > 0 {
			return nil, p.fail(at, p.pos-at, "an error in a stream has no headers: they were sent before it")
		} else if isStatus && s.Stall {
			return nil, p.fail(at, p.pos-at, "a stream ends once: in an error, or with stall")
		}
		return failure, ok
	}
	switch word {
	case "cut":
		return Cut{}, true
	case "eof":
		return EOF{}, true
	case "stall":
		return Stall{}, true
	case "usage", "finish":
		return p.finishing(word)
	case "":
		return nil, p.fail(at, p.oddLen(), fmt.Sprintf("unexpected %s in a stream", p.odd()))
	}
	if slices.Contains(statements, word) {
		return nil, p.fail(at, len(word), fmt.Sprintf("%q begins a statement: it needs a new line or a ;", word))
	}
	msg := fmt.Sprintf("unknown word %q in a stream%s", word, suggest(word, streamWords))
	if _, near := Nearest(word, streamWords); !near {
		msg += "; text stands in double quotes or backquotes, without commas"
	}
	return nil, p.fail(at, len(word), msg)
}

func (p *parser) pause() bool {
	at, word := p.wordAfterBlanks()
	d, ok := parseDuration(word)
	if !ok || d == 0 {
		return p.fail(at, len(word), "pause needs a duration above 0, such as: pause 200ms")
	}
	p.items = append(p.items, Pause(d))
	return true
}

// tool reads a tool call. whole says that its arguments are JSON.
func (p *parser) tool() (whole, ok bool) {
	var t Tool
	begin, word := p.wordAfterBlanks()
	switch {
	case word != "":
		t.Name = word
	case !p.isQuote():
		return true, p.fail(begin, 0, `want the name of a tool and its arguments, such as: tool search("{\"q\":" "1}")`)
	default:
		if t.Name, ok = p.str(); !ok {
			return true, false
		}
	}
	if t.ID, ok = p.attribute("id"); !ok {
		return true, false
	}
	if t.Parts, ok = p.parts(); !ok {
		return true, false
	}
	p.items = append(p.items, t)
	_, whole = t.args()
	return whole, true
}

// interleaved reads tool calls in parentheses. whole says that the arguments of
// all are JSON.
func (p *parser) interleaved() (whole, ok bool) {
	const want = "want tool calls in parentheses, two at least, such as interleaved(tool a(`{` `}`) tool b())"
	if p.atEnd() || p.next() != '(' {
		return true, p.fail(p.pos, len(p.peek()), want)
	}
	open := p.pos
	p.pos++
	var tools Interleaved
	for whole = true; ; {
		switch p.blanks(); {
		case p.next() == ')' && len(tools) > 1:
			p.pos++
			p.items = append(p.items, tools)
			return whole, true
		case p.peek() == "tool":
			p.word()
			one, ok := p.tool()
			if !ok {
				return true, false
			}
			whole = whole && one
			last := len(p.items) - 1
			tools = append(tools, p.items[last].(Tool))
			p.items = p.items[:last]
		case p.atEnd():
			return true, p.fail(open, 1, "this ( has no )")
		default:
			p.fail(p.pos, max(len(p.peek()), p.oddLen()), want)
			p.skipParens()
			return true, false
		}
	}
}

func (p *parser) reasoning() bool {
	var r Reasoning
	var ok bool
	if r.Signature, ok = p.attribute("signature"); !ok {
		return false
	}
	if r.Parts, ok = p.parts(); !ok {
		return false
	}
	p.items = append(p.items, r)
	return true
}

// attribute reads key=value if it is there.
func (p *parser) attribute(key string) (string, bool) {
	if p.atEnd() || !strings.Contains(p.peek(), "=") {
		return "", true
	}
	begin := p.pos
	got, value, _, ok := p.field()
	switch {
	case !ok:
		return "", false
	case got != key:
		return "", p.fail(begin, len(got), fmt.Sprintf("unknown key %q%s", got, suggest(got, []string{key})))
	case value == "":
		return "", p.fail(begin, p.pos-begin, fmt.Sprintf("an empty %s is none: leave it out", key))
	}
	return value, true
}

// parts reads strings and pauses in parentheses.
func (p *parser) parts() ([]Item, bool) {
	if p.atEnd() || p.next() != '(' {
		return nil, p.fail(p.pos, len(p.peek()), `want strings in parentheses, such as ("a" "b")`)
	}
	open := p.pos
	p.pos++
	outer := len(p.items)
	defer func() { p.items = p.items[:outer] }()
	for {
		switch p.blanks(); {
		case p.next() == ')':
			p.pos++
			if len(p.items) == outer {
				return nil, true
			}
			return slices.Clone(p.items[outer:]), true
		case p.isQuote():
			text, ok := p.str()
			if !ok {
				return nil, false
			}
			p.items = append(p.items, Text(text))
		case p.peek() == "pause":
			p.word()
			if !p.pause() {
				return nil, false
			}
		case p.atEnd():
			return nil, p.fail(open, 1, "this ( has no )")
		default:
			p.fail(p.pos, max(len(p.peek()), p.oddLen()), "want strings in the parentheses, such as (`{\"q\":` `1}`), and perhaps pause DURATION between them")
			p.skipParens()
			return nil, false
		}
	}
}

// skipParens moves behind the parenthesis that closes what is wrong.
func (p *parser) skipParens() {
	if i := strings.IndexByte(p.src[p.pos:], ')'); i >= 0 {
		p.pos += i + 1
	} else {
		p.pos = len(p.src)
	}
}

// usageKeys are the fields of a usage, in canonical order.
var usageKeys = []string{"in", "out", "cached", "cache-write", "cache-write-5m", "cache-write-1h", "reasoning"}

func usageFields(u *retry.Usage) []*int64 {
	return []*int64{&u.InputTokens, &u.OutputTokens, &u.CachedInputTokens, &u.CacheCreationInputTokens,
		&u.CacheCreation5mTokens, &u.CacheCreation1hTokens, &u.ReasoningTokens}
}

// finishing reads usage(...) and finish REASON, one or both, the first word of
// which was read.
func (p *parser) finishing(word string) (Ending, bool) {
	var f Finish
	for read := 0; ; {
		ok := false
		if word == "usage" {
			ok = p.usage(&f.Usage)
		} else {
			ok = p.finishReason(&f.Reason)
		}
		read++
		next := ""
		if !p.atEnd() {
			next = p.peek()
		}
		if !ok || read == 2 || next == word || next != "usage" && next != "finish" {
			return f, ok
		}
		word = p.word()
	}
}

func (p *parser) finishReason(reason *retry.FinishReason) bool {
	if !p.atEnd() && p.isQuote() {
		begin := p.pos
		text, ok := p.str()
		if ok && text == "" {
			return p.fail(begin, p.pos-begin, "an empty reason is none: leave finish out")
		}
		*reason = retry.FinishReason(text)
		return ok
	}
	begin, word := p.wordAfterBlanks()
	if word == "" {
		return p.fail(begin, 0, "finish needs a reason, such as: finish max_tokens")
	}
	*reason = retry.FinishReason(word)
	if !slices.Contains(finishReasons, *reason) {
		return p.fail(begin, len(word), fmt.Sprintf("unknown finish reason %q%s; put another provider's in quotes", word, suggest(word, finishReasons)))
	}
	return true
}

var finishReasons = []retry.FinishReason{retry.EndTurn, retry.ToolUse, retry.MaxTokens, retry.StopSequence, retry.Aborted}

func (p *parser) usage(u *retry.Usage) bool {
	open := p.pos
	if p.next() != '(' {
		return p.fail(open, len(p.peek()), "want counts of tokens, such as: usage(in=12 out=3)")
	}
	p.pos++
	fields := usageFields(u)
	seen := false
	for {
		if p.blanks(); p.next() == ')' {
			p.pos++
			if !seen {
				return p.fail(open, 2, "want counts of tokens, such as: usage(in=12 out=3)")
			}
			return true
		}
		if p.atEnd() {
			return p.fail(open, 1, "this ( has no )")
		}
		begin := p.pos
		key, value, _ := strings.Cut(p.word(), "=")
		i := slices.Index(usageKeys, key)
		if i < 0 {
			return p.fail(begin, max(len(key), 1), fmt.Sprintf("unknown count %q%s", key, suggest(key, usageKeys)))
		}
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case strings.HasSuffix(value, ","):
			return p.fail(p.pos-1, 1, "counts stand apart by blanks, without commas")
		case err != nil || !isDigits(value) || n == 0:
			return p.fail(min(begin+len(key)+1, p.pos), len(value), "want a number of tokens, in digits, from 1")
		case *fields[i] != 0:
			return p.fail(begin, len(key), fmt.Sprintf("repeated key %q", key))
		}
		*fields[i], seen = n, true
	}
}

// args returns the arguments of a tool call, all parts together, and whether
// they are JSON. No parts are {}.
func (t Tool) args() (args []byte, whole bool) {
	var b []byte
	for _, part := range t.Parts {
		if text, ok := part.(Text); ok {
			b = append(b, text...)
		}
	}
	if len(b) == 0 {
		return []byte("{}"), true
	}
	return b, json.Valid(b)
}

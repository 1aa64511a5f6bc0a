package scripted

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// failure reads a failure that may refuse a request or break a stream. Its
// first word was read, from begin. is says that it is one, ok that it has no
// error.
func (p *parser) failure(begin int, word string) (failure interface {
	Answer
	Ending
}, ok, is bool) {
	kind, arg, colon := strings.Cut(word, ":")
	switch {
	case kind == "transient" && !colon:
		return Transient{}, true, true
	case kind == "transient":
		wait, ok := p.milliseconds(begin+len("transient:"), arg)
		return Transient{Hinted: true, Wait: wait}, ok, true
	case kind == "permanent" && !colon:
		return nil, p.fail(begin, len(word), "permanent needs a colon and a reason, such as: permanent: bad auth"), true
	case kind == "permanent":
		p.pos = begin + len("permanent:")
		reason, ok := p.reason()
		return Permanent{Reason: reason}, ok, true
	case isDigits(word):
		status, ok := p.status(begin, word)
		return status, ok, true
	}
	return nil, false, false
}

// milliseconds reads the N of transient:N, which stands at begin.
func (p *parser) milliseconds(begin int, arg string) (time.Duration, bool) {
	const most = math.MaxInt64 / int64(time.Millisecond)
	if d, ok := parseDuration(arg); ok && !isDigits(arg) {
		return 0, p.fail(begin, len(arg), fmt.Sprintf("transient:N counts milliseconds, in digits: write transient:%d", d.Milliseconds()))
	}
	if !isDigits(arg) {
		return 0, p.fail(begin, len(arg), "transient: must be followed at once by milliseconds, in digits, such as transient:50")
	}
	ms, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || ms > most {
		return 0, p.fail(begin, len(arg), fmt.Sprintf("%s ms is more than a duration holds (at most %d)", arg, most))
	}
	return time.Duration(ms) * time.Millisecond, true
}

// reason reads the text of permanent:, quoted or up to ; or #.
func (p *parser) reason() (string, bool) {
	p.blanks()
	if p.isQuote() {
		return p.str()
	}
	begin := p.pos
	end := len(p.src)
	if i := strings.IndexAny(p.src[begin:], ";#"); i >= 0 {
		end = begin + i
	}
	p.pos = end
	reason := strings.TrimRight(p.src[begin:end], " \t")
	if reason == "" {
		return "", p.fail(begin, 0, "permanent: needs a reason, such as: permanent: bad auth")
	}
	if (p.block != nil || p.lane != nil) && strings.HasSuffix(reason, "}") && strings.Count(reason, "{") < strings.Count(reason, "}") {
		p.pos = begin + len(reason) - 1 // it was meant to close the block
		return "", p.fail(p.pos, 1, "this } is part of the reason, not the end of the block: put a ; before it, or the reason in quotes")
	}
	if at := modifiersAt(reason); at >= 0 {
		return "", p.fail(begin+at, len(reason)-at, fmt.Sprintf("is this text, or does it change the turn? write permanent: %s, or quote all of it",
			quote(strings.TrimRight(reason[:at], " \t"))+" "+reason[at:]))
	}
	return reason, true
}

// modifiersAt returns where in a bare reason something begins that reads like
// the modifiers of a turn, or -1.
func modifiersAt(reason string) int {
	at := -1
	for end := len(reason); ; {
		rest := strings.TrimRight(reason[:end], " \t")
		last := strings.LastIndexAny(rest, " \t") + 1
		word := rest[last:]
		switch {
		case last == 0:
			return at
		case isRepeat(word) || word == "forever":
			at, end = last, last
			continue
		}
		if _, ok := parseDuration(word); !ok {
			return at
		}
		rest = strings.TrimRight(rest[:last], " \t")
		after := strings.LastIndexAny(rest, " \t") + 1
		if after == 0 || rest[after:] != "after" {
			return at
		}
		at, end = after, after
	}
}

// str reads a string.
func (p *parser) str() (string, bool) {
	begin := p.pos
	if p.atEnd() || !p.isQuote() {
		return "", p.fail(begin, len(p.peek()), `want a string, such as "hello"`)
	}
	text, ok := p.quoted()
	if !ok {
		if at, length := p.badEscape(); at >= 0 {
			p.pos = len(p.src)
			return "", p.fail(at, length, fmt.Sprintf("%s is no escape: those of a string are Go's, such as \\n, \\\" and \\\\", p.src[at:at+length]))
		}
		p.pos = len(p.src)
		return "", p.fail(begin, len(p.src)-begin, `a string ends on its line, with the quote it began with`)
	}
	return text, true
}

var statusKeys = []string{"type", "code", "message", "retry-after", "retry-after-ms", "date"}

// status reads an HTTP status, whose digits were read from begin, and its
// fields.
func (p *parser) status(begin int, word string) (Status, bool) {
	code, err := strconv.Atoi(word)
	switch {
	case err != nil || len(word) != 3:
		return Status{}, p.fail(begin, len(word), "an HTTP status has three digits, such as 429")
	case code >= 200 && code < 300:
		return Status{}, p.fail(begin, len(word), fmt.Sprintf("%s is no failure (did you mean %q?)", word, "ok"))
	case code < 300 || code > 599:
		return Status{}, p.fail(begin, len(word), "a status that fails is 300 to 599")
	}
	s, ok := Status{Status: code}, true
	for !p.atEnd() && strings.Contains(p.peek(), "=") {
		begin := p.pos
		key, value, quoted, read := p.field()
		ok = read && p.statusField(&s, begin, key, value, quoted) && ok
	}
	if word := p.peek(); word == "stall" {
		p.word()
		s.Stall = true
	} else if near, is := Nearest(word, []string{"stall"}); is {
		return s, p.fail(p.pos, len(word), fmt.Sprintf("unknown word %q (did you mean %q?)", word, near))
	}
	return s, ok
}

// field reads name=value, with no blank in it.
func (p *parser) field() (key, value string, quoted, ok bool) {
	key, value, _ = strings.Cut(p.word(), "=")
	if value == "" && p.isQuote() {
		value, ok = p.str()
		return key, value, true, ok
	}
	return key, value, false, true
}

// statusField sets a field of a status that was read from begin.
func (p *parser) statusField(s *Status, begin int, key, value string, quoted bool) bool {
	at := begin + len(key) + len("=")
	if !quoted && value == "" {
		return p.fail(at, 0, fmt.Sprintf("%s has no value", key))
	}
	var text *string
	switch key {
	case "type":
		text = &s.Type
	case "code":
		text = &s.Code
	case "message":
		text = &s.Message
	}
	if text != nil {
		if *text != "" {
			return p.fail(begin, len(key), fmt.Sprintf("repeated key %q", key))
		}
		if value == "" {
			return p.fail(at, p.pos-at, fmt.Sprintf("an empty %s is none: leave it out", key))
		}
		*text = value
		return true
	}
	if !p.headerName(begin, key, statusKeys) {
		return false
	}
	for _, f := range s.Header {
		if f.Name == key {
			return p.fail(begin, len(key), fmt.Sprintf("repeated header %q", key))
		}
	}
	if len(s.Header) == MaxFields {
		return p.fail(begin, len(key), fmt.Sprintf("a status has at most %d headers", MaxFields))
	}
	if !quoted {
		wire, problem := headerValue(key, value)
		if problem != "" {
			return p.fail(at, len(value), problem)
		}
		value = wire
	}
	s.Header = append(s.Header, Field{key, value})
	return true
}

// headerName checks the name of a header. One is told from a misspelt key by
// its hyphen.
func (p *parser) headerName(begin int, name string, known []string) bool {
	switch {
	case name == "":
		return p.fail(begin, 1, "want a key before the =")
	case name == "date" || name == "retry-after" || name == "retry-after-ms":
		return true
	case strings.ToLower(name) != name:
		return p.fail(begin, len(name), fmt.Sprintf("keys and headers are in lower case: write %s", strings.ToLower(name)))
	case strings.Contains(name, "-") && !strings.HasPrefix(name, "x-"):
		if near, ok := Nearest(name, []string{"retry-after", "retry-after-ms"}); ok {
			return p.fail(begin, len(name), fmt.Sprintf("unknown header %q (did you mean %q?)", name, near))
		}
	case !strings.Contains(name, "-"):
		return p.fail(begin, len(name), fmt.Sprintf("unknown key %q%s; any other header has a hyphen in its name", name, suggest(name, known)))
	}
	if http.CanonicalHeaderKey(name) == name {
		return p.fail(begin, len(name), fmt.Sprintf("%q cannot be the name of a header", name))
	}
	return true
}

// headerValue returns the text on the wire of a value without quotes, or what
// is wrong with it.
func headerValue(name, value string) (wire, problem string) {
	switch name {
	case "retry-after":
		d, ok := parseDuration(value)
		if sign := strings.TrimPrefix(value, "date"); sign != value && (strings.HasPrefix(sign, "+") || strings.HasPrefix(sign, "-")) {
			if d, ok = parseDuration(sign[1:]); !ok {
				return "", `want a duration behind the sign, such as date+30s`
			}
			return "date" + sign[:1] + d.String(), ""
		}
		switch {
		case isDigits(value):
			return value, ""
		case !ok:
			return "", `want a duration of whole seconds, such as 1s, or in quotes what the header says`
		case d%time.Second != 0:
			return "", fmt.Sprintf("the header counts whole seconds: write retry-after-ms=%d, or in quotes what it says", d.Milliseconds())
		}
		return strconv.FormatInt(int64(d/time.Second), 10), ""
	case "retry-after-ms":
		if d, ok := parseDuration(value); ok && !isDigits(value) {
			return "", fmt.Sprintf("the header counts milliseconds, in digits: write retry-after-ms=%d", d.Milliseconds())
		}
		if !isDigits(value) {
			return "", "want milliseconds, in digits, or in quotes what the header says"
		}
	}
	return value, ""
}

func isRepeat(word string) bool { return len(word) > 1 && word[0] == 'x' && isDigits(word[1:]) }

// turn reads the modifiers of a turn and adds it.
func (p *parser) turn(begin int, answer Answer) bool {
	t := Turn{Pos: p.at(begin), Answer: answer}
	after := false
	for !p.atEnd() {
		begin := p.pos
		word := p.word()
		switch {
		case word == "after" && !after:
			after = true
			at, word := p.wordAfterBlanks()
			d, ok := parseDuration(word)
			if !ok {
				return p.fail(at, len(word), "after needs a duration, such as: after 200ms")
			}
			t.After = d
		case (word == "forever" || isRepeat(word)) && t.Repeat == 0:
			n, ok := p.repetition(begin, word)
			if !ok {
				return false
			}
			t.Repeat = n
		default:
			p.pos = begin
			return p.oddInTurn(answer, word)
		}
	}
	t.Repeat = max(t.Repeat, 1)
	return p.add(t)
}

// oddInTurn reports what stands at the cursor, behind a turn.
func (p *parser) oddInTurn(answer Answer, word string) bool {
	known := []string{"after", "forever"}
	_, status := answer.(Status)
	key := strings.ToLower(strings.TrimSuffix(word, ":"))
	switch {
	case answer == (Transient{}) && isDigits(word):
		return p.fail(p.pos, len(word), fmt.Sprintf("write transient:%s, without a blank", word))
	case status && (slices.Contains(statusKeys, key) || strings.Contains(key, "-") && word != key):
		return p.fail(p.pos, len(word), fmt.Sprintf("a field is name=value without blanks, such as %s=x", key))
	case word == "after":
		return p.fail(p.pos, len(word), "a second latency for one turn")
	case word == "forever" || isRepeat(word):
		return p.fail(p.pos, len(word), "a second repetition for one turn")
	case strings.Contains(word, "="):
		return p.fail(p.pos, len(word), fmt.Sprintf("%q: keys and headers belong to a status, such as: 429 retry-after=1s", word))
	case word != "":
		if near, ok := Nearest(word, known); ok {
			return p.fail(p.pos, len(word), fmt.Sprintf("unknown word %q (did you mean %q?)", word, near))
		}
	}
	return p.end()
}

// repetition reads the N of xN, or forever.
func (p *parser) repetition(begin int, word string) (int, bool) {
	if word == "forever" {
		return Forever, true
	}
	n, err := strconv.Atoi(word[1:])
	if err != nil || n < 1 || n > MaxRepeat {
		return 0, p.fail(begin, len(word), fmt.Sprintf("a repetition is x1 to x%d", MaxRepeat))
	}
	return n, true
}

// add puts a turn where it belongs.
func (p *parser) add(t Turn) bool {
	turns, blocks := p.queue()
	col := int(t.Pos.Col) - 1
	length := len(strings.TrimRight(p.src[col:p.pos], " \t")) // a comment may come behind it
	switch {
	case p.block == nil && len(*blocks) > 0:
		return p.fail(col, length, "the turns stand all in call blocks or all outside (this is one outside)")
	case len(*turns) > 0 && (*turns)[len(*turns)-1].Repeat == Forever:
		return p.fail(col, length, fmt.Sprintf("never reached: the turn in line %d goes on forever", (*turns)[len(*turns)-1].Pos.Line))
	}
	n := t.Repeat
	if n == Forever {
		n = 1
	}
	if p.total += n; p.total > MaxTurns {
		p.total -= n
		return p.fail(col, length, fmt.Sprintf("a script has at most %d turns, repetitions counted", MaxTurns))
	}
	*turns = append(*turns, t)
	return true
}

// queue returns the lists to which a turn or a block is added.
func (p *parser) queue() (turns *[]Turn, blocks *[]Block) {
	turns, blocks = &p.script.Turns, &p.script.Blocks
	if p.lane != nil {
		turns, blocks = &p.lane.Turns, &p.lane.Blocks
	}
	if p.block != nil {
		turns = &p.block.Turns
	}
	return turns, blocks
}

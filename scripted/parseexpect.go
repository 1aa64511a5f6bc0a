package scripted

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// expect reads a condition.
func (p *parser) expect(begin int) bool {
	e := Expect{Pos: p.at(begin)}
	if !p.subject(&e) {
		return false
	}
	if e.Subject == SubjectVerdict {
		at, word := p.wordAfterBlanks()
		if word == "" {
			return p.fail(at, 0, "no what?"+suggest("", Verdicts))
		}
		if !slices.Contains(Verdicts, word) {
			return p.fail(at, len(word), fmt.Sprintf("unknown verdict %q%s", word, suggest(word, Verdicts)))
		}
		e.Text = word
	} else if !p.op(&e) || !p.value(&e) {
		return false
	}
	if !p.end() {
		return false
	}
	expects := &p.script.Expects
	switch {
	case p.clients != nil:
		expects = &p.clients.Expects
	case p.block != nil:
		expects = &p.block.Expects
	case p.lane != nil:
		expects = &p.lane.Expects
	}
	*expects = append(*expects, e)
	return true
}

// subject reads what the condition is about, with its index.
func (p *parser) subject(e *Expect) bool {
	p.blanks()
	begin := p.pos
	for c := p.next(); c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c >= '0' && c <= '9' && p.pos > begin; c = p.next() {
		p.pos++
	}
	word := p.src[begin:p.pos]
	if !slices.Contains(subjects, Subject(word)) && !Subject(word).ofFleet() {
		known := subjects
		if p.script.IsFleet() || p.clients != nil {
			known = fleetSubjects
		}
		p.pos = begin
		if word == "" {
			word = p.peek()
		}
		switch {
		case word == "":
			return p.fail(begin, 0, "expect what?"+suggest("", known))
		case slices.Contains(outcomes, Outcome(word)):
			return p.fail(begin, len(word), fmt.Sprintf("unknown subject %q (did you mean outcome == %s?)", word, word))
		case slices.Contains(Verdicts, word):
			return p.fail(begin, len(word), fmt.Sprintf("unknown subject %q (did you mean no %s?)", word, word))
		}
		return p.fail(begin, len(word), fmt.Sprintf("unknown subject %q%s", word, suggest(word, known)))
	}
	e.Subject = Subject(word)
	indexed := e.Subject == SubjectWait || e.Subject == SubjectStart
	if !indexed {
		if p.next() == '[' {
			return p.fail(p.pos, len(p.peek()), "only wait and start have a number, as in wait[2]")
		}
		return true
	}
	at := p.pos
	index, _, closed := strings.Cut(p.src[p.pos:], "]")
	index, opened := strings.CutPrefix(index, "[")
	n, err := strconv.Atoi(index)
	switch {
	case !opened || !closed:
		return p.fail(at, len(p.peek()), fmt.Sprintf("which one? such as %s[1], or %s[*] for every one", word, word))
	case index == "*":
	case err != nil || !isDigits(index) || n < 1:
		return p.fail(at+1, len(index), fmt.Sprintf("the first is %s[1], and %s[*] is every one", word, word))
	default:
		e.Index = n
	}
	p.pos += len(index) + 2
	return true
}

// op reads a comparison that the subject has.
func (p *parser) op(e *Expect) bool {
	if p.atEnd() {
		return p.fail(p.pos, 0, "want a comparison, such as ==")
	}
	begin := p.pos
	for strings.IndexByte("=!<>", p.next()) >= 0 && p.next() != 0 {
		p.pos++
	}
	if p.pos == begin {
		p.word()
	}
	word := p.src[begin:p.pos]
	e.Op = Op(word)
	switch e.Op {
	case Equal, NotEqual:
		return true
	case Less, LessOrEqual, Greater, GreaterOrEqual, In:
		if e.Subject.kind() >= isNumber {
			return true
		}
		return p.fail(begin, len(word), fmt.Sprintf("%s is compared with %s", e.Subject, e.Subject.ops()))
	case Contains:
		if e.Subject.kind() == isText {
			return true
		}
		return p.fail(begin, len(word), fmt.Sprintf("%s is compared with %s", e.Subject, e.Subject.ops()))
	}
	if word == "" { // a string, or a bracket
		return p.fail(begin, 0, "want a comparison here: "+e.Subject.ops())
	}
	return p.fail(begin, len(word), fmt.Sprintf("want a comparison, not %q: %s", word, e.Subject.ops()))
}

// ops lists the comparisons that a subject has.
func (s Subject) ops() string {
	switch s.kind() {
	case isWord:
		return "== or !="
	case isText:
		return "==, != or contains"
	}
	return "==, !=, <, <=, >, >= or in A..B"
}

// value reads what the subject is compared with.
func (p *parser) value(e *Expect) bool {
	p.blanks()
	begin := p.pos
	defer func() { e.value = span{int32(begin + 1), int32(p.pos + 1)} }()
	if e.Subject.kind() == isText && p.next() != '?' {
		text, ok := p.str()
		if ok && text == "" && e.Op == Contains {
			return p.fail(begin, p.pos-begin, "every text contains the empty one")
		}
		e.Text = text
		return ok
	}
	_, word := p.wordAfterBlanks()
	if word == "" && p.isQuote() {
		return p.fail(begin, 0, fmt.Sprintf("the value of %s stands without quotes", e.Subject))
	}
	if word == "?" {
		if e.Open = e.Op == Equal; !e.Open {
			return p.fail(begin, 1, "only == has a value to fill in")
		}
		return true
	}
	if e.Subject == SubjectOutcome {
		if word == "" {
			return p.fail(begin, 0, "which outcome?"+suggest("", outcomes))
		}
		if !slices.Contains(outcomes, Outcome(word)) {
			return p.fail(begin, len(word), fmt.Sprintf("unknown outcome %q%s", word, suggest(word, outcomes)))
		}
		e.Text = word
		return true
	}
	low, high, ranged := strings.Cut(word, "..")
	if ranged != (e.Op == In) {
		if ranged {
			return p.fail(begin, len(word), "a range goes with in, such as: "+string(e.Subject)+" in "+word)
		}
		return p.fail(begin, len(word), "want a range, such as: in 1..3, or: in 5s..5.5s")
	}
	if ranged && (low == "" || high == "") {
		return p.fail(begin, len(word), fmt.Sprintf("a range has both its ends: write %s >= A or %s <= B for an open one", e.subject(), e.subject()))
	}
	var ok bool
	if e.Number, ok = p.number(e, begin, low); !ok {
		return false
	}
	if ranged {
		if e.High, ok = p.number(e, begin+len(low)+len(".."), high); !ok {
			return false
		}
		if e.High < e.Number {
			return p.fail(begin, len(word), "nothing lies in this range: its end is before its beginning")
		}
	}
	return true
}

func (p *parser) number(e *Expect, at int, word string) (int64, bool) {
	if e.Subject.kind() == isTime {
		d, ok := parseDuration(word)
		if !ok {
			p.fail(at, len(word), "want a duration, such as 1.5s"+not(word))
		}
		return int64(d), ok
	}
	if kind := e.Subject.kind(); kind == isShare || kind == isRatio {
		read, example := readShare, "a percentage, such as 99.5%"
		if kind == isRatio {
			read, example = readFactor, "a number, such as 1.1"
		}
		values, ok := read(word)
		if !ok {
			p.fail(at, len(word), "want "+example+not(word))
		}
		return first(values), ok
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || !isDigits(word) {
		return 0, p.fail(at, len(word), "want a whole number"+not(word))
	}
	return n, true
}

// not ends a message with the word that stands where another was wanted.
func not(word string) string {
	if word == "" {
		return ""
	}
	return fmt.Sprintf(", not %q", word)
}

func first(values []int64) int64 {
	if len(values) == 0 {
		return 0
	}
	return values[0]
}

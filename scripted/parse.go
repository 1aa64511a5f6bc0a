package scripted

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/retrykit/retrykit/retry"
)

// The limits of a script.
const (
	MaxLine   = 1 << 16    // bytes of a line
	MaxRepeat = 1_000_000  // N of xN
	MaxTurns  = 10_000_000 // requests that all turns of a script answer; forever counts as one
	MaxCalls  = 10_000     // N of calls N
	MaxLanes  = 1000       // lanes of a script
	MaxFields = 64         // headers of a status, conditions of a lane
	MaxErrors = 100        // errors reported of one script
)

// Parse reads a script. The name is that of the file, for messages. On an
// error, which is of type [SyntaxErrors], the script is nil. It takes time and
// memory in proportion to the length of the text, of which the script keeps
// parts.
func Parse(name, text string) (*Script, error) {
	return parse(name, text, 0)
}

// parse is Parse of a text that begins behind some lines of its file.
func parse(name, text string, before int) (*Script, error) {
	p := &parser{script: &Script{Name: name}, seen: make(map[string]int32)}
	p.row, p.first = int32(before), int32(before+1)
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		p.text, p.row = text, p.first
		p.src = p.lineAt(Pos{p.first, 1})
		p.fail(0, 2, "this is UTF-16: a script is UTF-8")
		return nil, p.errs
	}
	text = strings.TrimPrefix(text, "\ufeff")
	for rest := text; rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		p.offset = len(text) - len(rest)
		p.text = text
		p.line(strings.TrimSuffix(line, "\r"))
		rest = after
	}
	p.finish()
	if p.dropped > 0 {
		p.errs[MaxErrors].Msg = fmt.Sprintf("%d more errors from here on are not shown", p.dropped+1)
	}
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b *SyntaxError) int { return a.Pos.compare(b.Pos) })
		return nil, p.errs
	}
	return p.script, nil
}

// parser reads statements from one line at a time. Its methods that read a
// part of a statement return false after they have reported an error; the rest
// of the statement is then skipped.
type parser struct {
	lexer
	script  *Script
	errs    SyntaxErrors
	dropped int              // errors beyond MaxErrors and one
	seen    map[string]int32 // setting, or lane and its name: its line

	lane     *Lane  // open, else nil
	block    *Block // open, else nil
	stray    int    // braces open that no statement opened
	owed     bool   // a lane or a call ended its line without its brace
	headless bool   // the head of the lane has a mistake
	clients  *Decl  // open, else nil
	total    int    // requests that the turns so far answer

	text    string // whole
	first   int32  // number of its first line
	offset  int    // of the line in text
	comment int    // offset in text of the last comment
	lone    int32  // last line of the last comment that fills its lines, 0 before it

	items []Item // scratch
}

// line reads the statements of a line.
func (p *parser) line(src string) {
	p.row++
	p.src, p.pos = src, 0
	if len(src) > MaxLine {
		p.fail(MaxLine, 0, fmt.Sprintf("the line has %d bytes, %d are allowed", len(src), MaxLine))
		return
	}
	if i := badByte(src); i >= 0 {
		r, size := utf8.DecodeRuneInString(src[i:])
		what := fmt.Sprintf("%U", r)
		if r < utf8.RuneSelf || r == utf8.RuneError {
			what = fmt.Sprintf("byte 0x%02x", src[i])
		}
		p.fail(i, size, what+" is no text: a script is UTF-8 without control characters")
		return
	}
	for {
		p.blanks()
		switch p.next() {
		case 0:
			return
		case '#':
			p.addComment()
			return
		case ';':
			p.pos++
		case '}':
			p.closeBlock()
		default:
			if owed := p.owed; p.next() == '{' && owed {
				p.owed = false
				p.strayBrace()
				continue
			}
			p.owed = false
			if !p.statement() {
				p.skip()
			}
			if p.next() == '{' { // of a bad statement, or none that may have one
				p.strayBrace()
			}
		}
	}
}

// addComment keeps a comment, as one with those that fill the lines above.
func (p *parser) addComment() {
	at := p.pos
	p.pos = len(p.src)
	end := p.offset + len(strings.TrimRight(p.src, " \t"))
	if at == len(p.src)-len(strings.TrimLeft(p.src, " \t")) {
		if p.lone != 0 && p.lone == p.row-1 {
			p.lone = p.row
			p.script.Comments[len(p.script.Comments)-1].Text = p.text[p.comment:end]
			return
		}
		p.lone = p.row
	}
	p.comment = p.offset + at
	p.script.Comments = append(p.script.Comments, Comment{Pos: p.at(at), Text: p.text[p.comment:end]})
}

var statements = []string{"transient", "permanent", "reset", "hang", "ok", "lane", "call",
	"policy", "seed", "timeout", "cancel", "calls", "expect"}

func (p *parser) statement() bool {
	begin := p.pos
	word := p.word()
	if p.isFleetWord(word) {
		return p.declare(begin, word)
	}
	if p.clients != nil && word != "expect" && word != "" {
		return p.fail(begin, len(word), fmt.Sprintf("%s does not belong to clients%s", word, suggest(word, clientWords())))
	}
	if answer, ok, is := p.failure(begin, word); is {
		return ok && p.turn(begin, answer)
	}
	switch word {
	case "ok":
		return p.stream(begin)
	case "reset":
		return p.turn(begin, Reset{})
	case "hang":
		return p.turn(begin, Hang{})
	case "lane":
		return p.openLane(begin)
	case "call":
		return p.openBlock(begin)
	case "expect":
		return p.expect(begin)
	case "":
		return p.fail(p.pos, p.oddLen(), fmt.Sprintf("a statement begins with a word, not with %s", p.odd()))
	}
	if read, ok := settings[word]; ok {
		return p.setting(begin, word) && read(p) && p.end()
	}
	if kind, arg, colon := strings.Cut(word, ":"); colon {
		if near, ok := Nearest(kind, []string{"transient", "permanent"}); ok {
			return p.fail(begin, len(word), fmt.Sprintf("unknown word %q (did you mean %q?)", word, near+":"+arg))
		}
	}
	known := statements
	if len(p.script.Decls) > 0 {
		known = fleetWords()
	} else if _, ok := Nearest(word, statements); !ok {
		if near, ok := Nearest(word, fleetWords()); ok {
			known = []string{near}
		}
	}
	return p.fail(begin, len(word), fmt.Sprintf("unknown word %q%s", word, suggest(word, known)))
}

// settings are the statements that may stand once, outside lanes and blocks.
var settings = map[string]func(*parser) bool{
	"policy":  (*parser).policy,
	"seed":    (*parser).seed,
	"timeout": (*parser).timeout,
	"cancel":  (*parser).cancel,
	"calls":   (*parser).calls,
}

// setting checks that the statement may stand here.
func (p *parser) setting(begin int, word string) bool {
	if line, ok := p.seen[word]; ok {
		return p.fail(begin, len(word), fmt.Sprintf("%s is already set in line %d", word, line))
	}
	if p.lane != nil || p.block != nil || p.clients != nil {
		return p.fail(begin, len(word), fmt.Sprintf("%s is for the whole script: it stands outside lanes and calls", word))
	}
	p.seen[word] = p.row
	return true
}

func (p *parser) policy() bool {
	at := p.statementPos("policy")
	p.blanks()
	begin := p.pos
	if i := strings.IndexAny(p.src[begin:], " \t;"); i >= 0 {
		p.pos += i
	} else {
		p.pos = len(p.src)
	}
	word := p.src[begin:p.pos]
	if word == "" {
		return p.fail(begin, 0, "which policy? such as: policy exp:base=1s,cap=30s,attempts=3")
	}
	policy, err := retry.ParsePolicy(word)
	if err != nil {
		var bad *retry.PolicyError
		if !errors.As(err, &bad) {
			panic(fmt.Sprintf("scripted: ParsePolicy returned %T, which is no *PolicyError", err))
		}
		return p.fail(begin+bad.Offset, len(bad.Word), policyProblem(bad))
	}
	p.script.Policy = &policy
	p.script.layout.policy, p.script.layout.policyText = at, word
	return true
}

// statementPos returns where the statement began whose first word was read.
func (p *parser) statementPos(word string) Pos { return p.at(p.pos - len(word)) }

// ParsePolicy is [retry.ParsePolicy] with an error that shows the place and
// the nearest word that would do; name says where the text came from, such as
// "--policy". The error is a [*SyntaxError].
func ParsePolicy(name, text string) (retry.Policy, error) {
	policy, err := retry.ParsePolicy(text)
	var bad *retry.PolicyError
	if errors.As(err, &bad) {
		err = &SyntaxError{Name: name, Pos: Pos{Line: 1, Col: int32(bad.Offset + 1)}, Len: len(bad.Word), Source: text, Msg: policyProblem(bad)}
	}
	return policy, err
}

func policyProblem(e *retry.PolicyError) string {
	msg := fmt.Sprintf("%s %q", e.Problem, e.Word)
	if len(e.Known) == 0 {
		return msg
	}
	return msg + suggest(e.Word, e.Known)
}

func (p *parser) seed() bool {
	at := p.statementPos("seed")
	begin, word := p.wordAfterBlanks()
	seed, err := strconv.ParseUint(word, 10, 64)
	if err != nil || !isDigits(word) {
		return p.fail(begin, len(word), fmt.Sprintf("a seed is a whole number from 0 to %d, such as: seed 42", uint64(math.MaxUint64)))
	}
	p.script.Seed, p.script.layout.seed = &seed, at
	return true
}

func (p *parser) timeout() bool {
	p.script.layout.timeout = p.statementPos("timeout")
	ok := true
	for !p.atEnd() {
		begin := p.pos
		key, value, _ := strings.Cut(p.word(), "=")
		d, valid := parseDuration(value)
		field := &p.script.AttemptTimeout
		switch key {
		case "attempt":
		case "total":
			field = &p.script.TotalTimeout
		default:
			return p.fail(begin, max(len(key), 1), fmt.Sprintf("unknown key %q%s: write timeout attempt=1s total=10s, or one of the two", key, suggest(key, []string{"attempt", "total"})))
		}
		switch {
		case !valid || d == 0:
			ok = p.fail(min(begin+len(key)+1, p.pos), len(value), fmt.Sprintf("want a duration above 0, such as %s=1s", key))
		case *field != 0:
			ok = p.fail(begin, len(key), fmt.Sprintf("repeated key %q", key))
		default:
			*field = d
		}
	}
	if ok && p.script.AttemptTimeout == 0 && p.script.TotalTimeout == 0 {
		return p.fail(p.pos, 0, "want attempt=DURATION, total=DURATION or both")
	}
	return ok
}

func (p *parser) cancel() bool {
	const want = "want a time since the start of the run, such as: cancel at 1.5s"
	pos := p.statementPos("cancel")
	if begin, word := p.wordAfterBlanks(); word != "at" {
		return p.fail(begin, len(word), want)
	}
	begin, word := p.wordAfterBlanks()
	d, ok := parseDuration(word)
	if !ok {
		return p.fail(begin, len(word), want)
	}
	p.script.Cancel, p.script.layout.cancel = &d, pos
	return true
}

func (p *parser) calls() bool {
	pos := p.statementPos("calls")
	begin, word := p.wordAfterBlanks()
	n, err := strconv.Atoi(word)
	if err != nil || !isDigits(word) || n < 1 || n > MaxCalls {
		return p.fail(begin, len(word), fmt.Sprintf("want a number of calls from 1 to %d, such as: calls 3, or: calls 3 at once", MaxCalls))
	}
	p.script.Calls, p.script.layout.calls = n, pos
	if p.atEnd() {
		return true
	}
	begin, word = p.wordAfterBlanks()
	if _, once := p.wordAfterBlanks(); word != "at" || once != "once" {
		return p.fail(begin, len(strings.TrimRight(p.src[begin:p.pos], " \t")), "after the number of calls comes nothing, or: at once")
	}
	p.script.AtOnce = true
	return true
}

// end checks that nothing is left of the statement.
func (p *parser) end() bool {
	if p.atEnd() {
		return true
	}
	begin := p.pos
	if p.next() == '{' {
		return p.fail(begin, 1, "only lane and call open a block")
	}
	p.skip()
	rest := strings.TrimRight(p.src[begin:p.pos], " \t")
	return p.fail(begin, len(rest), fmt.Sprintf("unexpected %s (a new statement needs a new line or a ;)", quoteRest(rest)))
}

func quoteRest(rest string) string {
	if strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "`") {
		return "string " + rest
	}
	return strconv.Quote(rest)
}

// fail reports an error and returns false.
func (p *parser) fail(at, length int, msg string) bool {
	if len(p.errs) > MaxErrors {
		p.dropped++
		return false
	}
	p.errs = append(p.errs, &SyntaxError{Name: p.script.Name, Pos: p.at(at), Len: length, Source: p.src, Msg: msg})
	return false
}

// failAt is fail for a place that was read before.
func (p *parser) failAt(pos Pos, length int, source, msg string) {
	if p.fail(0, length, msg); p.dropped == 0 {
		e := p.errs[len(p.errs)-1]
		e.Pos, e.Source = pos, source
	}
}

func (p *parser) at(i int) Pos { return Pos{Line: p.row, Col: int32(i + 1)} }

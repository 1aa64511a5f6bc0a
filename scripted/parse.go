package scripted

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/retrykit/retrykit/retry"
)

// Parse reads a script. The name is that of the file, for messages. On an
// error, which is of type [SyntaxErrors], the script is nil.
func Parse(name, text string) (*Script, error) {
	p := &parser{script: &Script{Name: name}, seen: make(map[string]int)}
	text = strings.TrimPrefix(text, "\ufeff")
	for number := 1; text != ""; number++ {
		line, rest, _ := strings.Cut(text, "\n")
		p.line(number, strings.TrimSuffix(line, "\r"))
		text = rest
	}
	if len(p.script.Turns) == 0 && len(p.errs) == 0 {
		p.start(1, "")
		p.fail(0, 0, `no turns: a script says what the model does on each call, such as: transient:50; ok "hi"`)
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return p.script, nil
}

// parser reads statements from one line at a time. Its methods that read a
// part of a statement return false after they have reported an error; the rest
// of the statement is then skipped.
type parser struct {
	script *Script
	errs   SyntaxErrors
	seen   map[string]int // statement that may stand once: its line

	number int // of the line
	src    string
	pos    int // byte in src
}

func (p *parser) start(number int, src string) { p.number, p.src, p.pos = number, src, 0 }

// line reads the statements of a line.
func (p *parser) line(number int, src string) {
	p.start(number, src)
	if i := badByte(src); i >= 0 {
		p.fail(i, 1, fmt.Sprintf("byte 0x%02x is no text: a script is UTF-8 without control characters", src[i]))
		return
	}
	for {
		if !p.atEnd() && !p.statement() {
			p.skip()
		}
		if p.pos >= len(p.src) || p.src[p.pos] != ';' {
			return
		}
		p.pos++
	}
}

// badByte returns the index of the first byte that no script may hold, or -1.
func badByte(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
		if r < ' ' && r != '\t' || r == 0x7f {
			return i
		}
	}
	return -1
}

var statements = []string{"transient", "permanent", "ok", "policy", "seed", "cancel", "expect"}

func (p *parser) statement() bool {
	begin := p.pos
	word := p.word()
	if class, isError := p.errorWord(begin, word); isError {
		return class != nil && p.turn(Turn{Pos: p.at(begin), Refusal: class})
	}
	switch word {
	case "ok":
		return p.stream(begin)
	case "policy":
		return p.once(begin, word) && p.policy()
	case "seed":
		return p.once(begin, word) && p.seed()
	case "cancel":
		return p.once(begin, word) && p.cancel()
	case "expect":
		return p.expect(begin)
	case "":
		return p.fail(p.pos, 1, "a statement begins with a word, not with a string")
	}
	return p.fail(begin, len(word), fmt.Sprintf("unknown word %q%s", word, suggest(word, statements)))
}

// errorWord reads transient, transient:N or permanent: text, the first word of
// which has been read from begin. It returns nil, true after an error.
func (p *parser) errorWord(begin int, word string) (e *Error, isError bool) {
	kind, arg, colon := strings.Cut(word, ":")
	switch {
	case kind == "transient" && !colon:
		return &Error{Class: retry.Transient(), Text: word}, true
	case kind == "transient":
		ms, ok := p.milliseconds(begin+len("transient:"), arg)
		if !ok {
			return nil, true
		}
		return &Error{Class: retry.TransientAfter(ms), Text: word}, true
	case kind == "permanent" && !colon:
		p.fail(begin, len(word), "permanent needs a reason, such as: permanent: bad auth")
		return nil, true
	case kind == "permanent":
		p.pos = begin + len("permanent:")
		reason, ok := p.reason()
		if !ok {
			return nil, true
		}
		return &Error{Class: retry.Permanent(), Text: "permanent: " + reason}, true
	}
	return nil, false
}

// milliseconds reads the N of transient:N, which stands at begin.
func (p *parser) milliseconds(begin int, arg string) (time.Duration, bool) {
	const most = math.MaxInt64 / int64(time.Millisecond)
	if d, err := time.ParseDuration(arg); err == nil && !digits(arg) {
		return 0, p.fail(begin, len(arg), fmt.Sprintf("transient:N counts milliseconds, in digits: write transient:%d", d.Milliseconds()))
	}
	if !digits(arg) {
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
	if p.next() == '"' {
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
	return reason, true
}

// stream reads what follows ok.
func (p *parser) stream(begin int) bool {
	t := Turn{Pos: p.at(begin)}
	for !p.atEnd() {
		if p.next() == '"' {
			text, ok := p.str()
			if !ok {
				return false
			}
			t.Chunks = append(t.Chunks, retry.TextDelta{Delta: text})
			continue
		}
		at := p.pos
		word := p.word()
		if e, isError := p.errorWord(at, word); isError {
			t.Break = e
			return e != nil && p.turn(t)
		}
		if isRepeat(word) {
			p.pos = at
			break
		}
		return p.fail(at, len(word), fmt.Sprintf(`after ok come strings, then perhaps transient or permanent:, then perhaps xN, not %q`, word))
	}
	t.Chunks = append(t.Chunks, retry.TurnFinished{Reason: retry.EndTurn})
	return p.turn(t)
}

// turn reads an optional xN and adds the turn.
func (p *parser) turn(t Turn) bool {
	t.Repeat = 1
	if !p.atEnd() {
		begin := p.pos
		word := p.word()
		if !isRepeat(word) {
			p.pos = begin
			return p.end()
		}
		n, err := strconv.Atoi(word[1:])
		if err != nil || n < 1 || n > MaxRepeat {
			return p.fail(begin, len(word), fmt.Sprintf("a repetition is x1 to x%d", MaxRepeat))
		}
		t.Repeat = n
	}
	if !p.end() {
		return false
	}
	p.script.Turns = append(p.script.Turns, t)
	return true
}

func isRepeat(word string) bool { return len(word) > 1 && word[0] == 'x' && digits(word[1:]) }

func (p *parser) policy() bool {
	begin, word := p.wordAfterBlanks()
	policy, err := retry.ParsePolicy(word)
	if err != nil {
		var bad *retry.PolicyError
		if !errors.As(err, &bad) {
			panic(fmt.Sprintf("scripted: ParsePolicy returned %T, which is no *PolicyError", err))
		}
		return p.fail(begin+bad.Offset, len(bad.Word), policyProblem(bad))
	}
	p.script.Policy = &policy
	return p.end()
}

// ParsePolicy is [retry.ParsePolicy] with an error that shows the place and
// the nearest word that would do; name says where the text came from, such as
// "--policy". The error is a [*SyntaxError].
func ParsePolicy(name, text string) (retry.Policy, error) {
	policy, err := retry.ParsePolicy(text)
	var bad *retry.PolicyError
	if errors.As(err, &bad) {
		err = &SyntaxError{Name: name, Pos: Pos{Line: 1, Col: bad.Offset + 1}, Len: len(bad.Word), Source: text, Msg: policyProblem(bad)}
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
	begin, word := p.wordAfterBlanks()
	seed, err := strconv.ParseUint(word, 10, 64)
	if err != nil || !digits(word) {
		return p.fail(begin, len(word), fmt.Sprintf("a seed is a whole number from 0 to %d, such as: seed 42", uint64(math.MaxUint64)))
	}
	p.script.Seed = &seed
	return p.end()
}

func (p *parser) cancel() bool {
	const want = "want a time since the start of the run, such as: cancel at 1.5s"
	if begin, word := p.wordAfterBlanks(); word != "at" {
		return p.fail(begin, len(word), want)
	}
	begin, word := p.wordAfterBlanks()
	d, err := time.ParseDuration(word)
	if err != nil || d < 0 {
		return p.fail(begin, len(word), want)
	}
	p.script.Cancel = &d
	return p.end()
}

var subjects = []string{string(SubjectOutcome), string(SubjectAttempts)}

func (p *parser) expect(begin int) bool {
	e := Expect{Pos: p.at(begin)}
	at, word := p.wordAfterBlanks()
	e.Subject = Subject(word)
	if e.Subject != SubjectOutcome && e.Subject != SubjectAttempts {
		return p.fail(at, len(word), fmt.Sprintf("unknown subject %q%s", word, suggest(word, subjects)))
	}
	at, word = p.wordAfterBlanks()
	e.Op = Op(word)
	switch e.Op {
	case Equal, NotEqual:
	case Less, LessOrEqual, Greater, GreaterOrEqual:
		if e.Subject == SubjectOutcome {
			return p.fail(at, len(word), "an outcome is compared with == or !=")
		}
	default:
		return p.fail(at, len(word), fmt.Sprintf("want a comparison such as ==, not %q", word))
	}
	at, word = p.wordAfterBlanks()
	if e.Subject == SubjectOutcome {
		e.Outcome = Outcome(word)
		if !known(word, outcomes) {
			return p.fail(at, len(word), fmt.Sprintf("unknown outcome %q%s", word, suggest(word, outcomes)))
		}
	} else {
		n, err := strconv.Atoi(word)
		if err != nil || !digits(word) {
			return p.fail(at, len(word), fmt.Sprintf("want a number of attempts, not %q", word))
		}
		e.Number = n
	}
	if !p.end() {
		return false
	}
	p.script.Expects = append(p.script.Expects, e)
	return true
}

// once reports an error if the statement stood before.
func (p *parser) once(begin int, word string) bool {
	if line, ok := p.seen[word]; ok {
		return p.fail(begin, len(word), fmt.Sprintf("%s is already set in line %d", word, line))
	}
	p.seen[word] = p.number
	return true
}

// end checks that nothing is left of the statement.
func (p *parser) end() bool {
	if p.atEnd() {
		return true
	}
	begin := p.pos
	p.skip()
	rest := strings.TrimRight(p.src[begin:p.pos], " \t")
	return p.fail(begin, len(rest), fmt.Sprintf("unexpected %s (a new statement needs a new line or a ;)", quoteRest(rest)))
}

func quoteRest(rest string) string {
	if strings.HasPrefix(rest, `"`) {
		return "string " + rest
	}
	return strconv.Quote(rest)
}

func (p *parser) fail(at, length int, msg string) bool {
	p.errs = append(p.errs, &SyntaxError{Name: p.script.Name, Pos: p.at(at), Len: length, Source: p.src, Msg: msg})
	return false
}

func (p *parser) at(i int) Pos { return Pos{Line: p.number, Col: i + 1} }

// The lexer: each function starts at p.pos and leaves it behind what it read.

// atEnd skips blanks and reports whether the statement is over.
func (p *parser) atEnd() bool {
	p.blanks()
	if p.next() == '#' {
		p.pos = len(p.src)
	}
	return p.pos == len(p.src) || p.src[p.pos] == ';'
}

func (p *parser) blanks() {
	for p.next() == ' ' || p.next() == '\t' {
		p.pos++
	}
}

// next returns the byte at the cursor, 0 at the end of the line.
func (p *parser) next() byte {
	if p.pos == len(p.src) {
		return 0
	}
	return p.src[p.pos]
}

// word reads up to a blank, a ; or a quote.
func (p *parser) word() string {
	rest := p.src[p.pos:]
	if i := strings.IndexAny(rest, " \t;\""); i >= 0 {
		rest = rest[:i]
	}
	p.pos += len(rest)
	return rest
}

// wordAfterBlanks reads a word that must be there for the statement to make
// sense; the empty word is for the caller to refuse.
func (p *parser) wordAfterBlanks() (begin int, word string) {
	if p.atEnd() {
		return p.pos, ""
	}
	begin = p.pos
	return begin, p.word()
}

// str reads a string in double quotes.
func (p *parser) str() (string, bool) {
	begin := p.pos
	quoted, err := strconv.QuotedPrefix(p.src[begin:])
	if err != nil {
		return "", p.fail(begin, len(p.src)-begin, `a string ends with " on the same line, with escapes as in Go`)
	}
	p.pos += len(quoted)
	text, err := strconv.Unquote(quoted)
	if err != nil {
		panic(fmt.Sprintf("scripted: QuotedPrefix took %q, Unquote did not: %v", quoted, err))
	}
	return text, true
}

// skip moves to the end of the statement, over strings.
func (p *parser) skip() {
	for !p.atEnd() {
		if p.next() == '"' {
			if quoted, err := strconv.QuotedPrefix(p.src[p.pos:]); err == nil {
				p.pos += len(quoted)
				continue
			}
			p.pos = len(p.src)
			return
		}
		p.word()
	}
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func known(word string, words []string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

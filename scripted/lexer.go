package scripted

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// lexer reads one line. Each method starts at pos and leaves it behind what it
// read.
type lexer struct {
	row int32 // number of the line, from 1
	src string
	pos int // byte in src
}

// badByte returns the index of the first byte, or rune, that no script may hold,
// or -1.
func badByte(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' && c != '\t' || c == 0x7f {
			return i
		}
		if c < utf8.RuneSelf {
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) {
			return i
		}
		i += size - 1
	}
	return -1
}

// next returns the byte at the cursor, 0 at the end of the line.
func (l *lexer) next() byte {
	if l.pos == len(l.src) {
		return 0
	}
	return l.src[l.pos]
}

func (l *lexer) blanks() {
	for l.pos < len(l.src) && (l.src[l.pos] == ' ' || l.src[l.pos] == '\t') {
		l.pos++
	}
}

// atEnd skips blanks and reports whether the statement is over.
func (l *lexer) atEnd() bool {
	l.blanks()
	switch l.next() {
	case 0, ';', '#', '}':
		return true
	}
	return false
}

// delimits holds the bytes that end a word.
var delimits = [256]bool{' ': true, '\t': true, ';': true, '"': true, '`': true, '(': true, ')': true, '{': true, '}': true}

// word reads up to a delimiter.
func (l *lexer) word() string {
	begin := l.pos
	for l.pos < len(l.src) && !delimits[l.src[l.pos]] {
		l.pos++
	}
	return l.src[begin:l.pos]
}

// peek returns the word at the cursor and does not move it.
func (l *lexer) peek() string {
	begin := l.pos
	word := l.word()
	l.pos = begin
	return word
}

// wordAfterBlanks reads a word that must be there for the statement to make
// sense; the empty word is for the caller to refuse.
func (l *lexer) wordAfterBlanks() (begin int, word string) {
	if l.atEnd() {
		return l.pos, ""
	}
	begin = l.pos
	return begin, l.word()
}

// odd returns what stands at the cursor where a word was wanted, for a message.
func (l *lexer) odd() string {
	if l.pos == len(l.src) {
		return "the end of the line"
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
	return strconv.Quote(string(r))
}

// oddLen returns how many bytes of the line odd is about.
func (l *lexer) oddLen() int {
	_, size := utf8.DecodeRuneInString(l.src[l.pos:])
	return size
}

// isQuote reports whether a string begins at the cursor.
func (l *lexer) isQuote() bool { return l.next() == '"' || l.next() == '`' }

// quoted reads a string in double quotes or backquotes.
func (l *lexer) quoted() (text string, ok bool) {
	raw, err := strconv.QuotedPrefix(l.src[l.pos:])
	if err != nil {
		return "", false
	}
	l.pos += len(raw)
	text, err = strconv.Unquote(raw)
	if err != nil {
		panic(fmt.Sprintf("scripted: QuotedPrefix took %q, Unquote did not: %v", raw, err))
	}
	return text, true
}

// badEscape returns the first escape of the string at the cursor that is none
// in Go; at is negative if all are.
func (l *lexer) badEscape() (at, length int) {
	if l.next() != '"' {
		return -1, 0
	}
	for rest := l.src[l.pos+1:]; rest != "" && rest[0] != '"'; {
		_, _, after, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			return len(l.src) - len(rest), min(2, len(rest))
		}
		rest = after
	}
	return -1, 0
}

// skip moves to the end of the statement or to the brace that opens a block,
// over strings.
func (l *lexer) skip() {
	for !l.atEnd() && l.next() != '{' {
		switch {
		case l.isQuote():
			if _, ok := l.quoted(); !ok {
				l.pos = len(l.src)
			}
		case l.next() == '(' || l.next() == ')':
			l.pos++
		default:
			l.word()
		}
	}
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// parseDuration reads a duration of the language: Go's, without a sign.
func parseDuration(s string) (time.Duration, bool) {
	if s == "" || s[0] != '.' && (s[0] < '0' || s[0] > '9') {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// quote returns s as a string of the language: in backquotes where that saves
// escapes.
func quote(s string) string {
	if strings.ContainsAny(s, `"\`) && strconv.CanBackquote(s) && badByte(s) < 0 {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

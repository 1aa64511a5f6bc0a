package scripted

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError is one mistake in a text and where it stands.
type SyntaxError struct {
	Name   string // of the file
	Pos    Pos
	Len    int    // bytes that are wrong, from Pos; 0 where something is missing
	Source string // the line
	Msg    string
}

// Error returns the place and the mistake, then the line, then a caret below:
//
//	flaky.retry:2:11: unknown word "afer" (did you mean "after"?)
//	  503 x2 afer 40ms
//	         ^^^^
func (e *SyntaxError) Error() string {
	source, start := e.Source, min(max(int(e.Pos.Col)-1, 0), len(e.Source))
	end := min(start+e.Len, len(source))
	if len(source) > window { // a long line: show what is around the mistake
		from := min(runeStart(source, start-window/2), start)
		to := max(runeStart(source, start+window/2), start)
		end = min(end, to)
		source, start, end = source[from:to], start-from, end-from
	}
	before, wrong, after := printable(source[:start]), printable(source[start:end]), printable(source[end:])
	return fmt.Sprintf("%s:%d:%d: %s\n  %s\n  %s%s", e.Name, e.Pos.Line, e.Pos.Col, e.Msg,
		before+wrong+after, indent(before), strings.Repeat("^", max(columns(wrong), 1)))
}

// window is how many bytes of a line an error shows.
const window = 160

// runeStart returns the first index from i on at which a rune of s begins.
func runeStart(s string, i int) int {
	i = min(max(i, 0), len(s))
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return i
}

// indent returns as much blank as s takes on a terminal, tabs kept.
func indent(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteString("  "[:width(r)])
		}
	}
	return b.String()
}

// columns returns how many columns of a terminal s takes, without tabs.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += width(r)
	}
	return n
}

// width returns how many columns of a terminal a rune takes: two for East
// Asian scripts and pictures, none for what is drawn over its neighbour.
func width(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me) || r == zwnj || r == zwj:
		return 0
	case r >= 0xff61 && r <= 0xffdc: // half-width forms
		return 1
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
		r >= 0x3000 && r <= 0x303e,   // punctuation of theirs
		r >= 0xff01 && r <= 0xff60,   // full-width forms
		r >= 0x1f300 && r <= 0x1faff: // pictures
		return 2
	}
	return 1
}

const zwnj, zwj = '\u200c', '\u200d' // letters of some scripts are joined by them

// printable replaces what could move the cursor or turn the text around, rune
// for rune, so that the caret still stands below the mistake.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && r != zwnj && r != zwj && (unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf)) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// SyntaxErrors is every mistake of a script, in the order of the text.
type SyntaxErrors []*SyntaxError

// Error returns them one below the other.
func (es SyntaxErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each error.
func (es SyntaxErrors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

package scripted

import (
	"fmt"
	"strings"
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
	start := min(max(e.Pos.Col-1, 0), len(e.Source))
	end := min(start+e.Len, len(e.Source))
	return fmt.Sprintf("%s:%d:%d: %s\n  %s\n  %s%s", e.Name, e.Pos.Line, e.Pos.Col, e.Msg,
		printable(e.Source), indent(e.Source[:start]),
		strings.Repeat("^", max(utf8.RuneCountInString(e.Source[start:end]), 1)))
}

// indent returns as much blank as s takes on a terminal, tabs kept.
func indent(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, s)
}

// printable replaces what could move the cursor, rune for rune, so that the
// caret still stands below the mistake.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < ' ' || r == 0x7f) {
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

// Nearest returns the word among known that word is most likely a misspelling
// of; ok is false if none is near. The first of equally near words wins.
func Nearest(word string, known []string) (nearest string, ok bool) {
	best := len(word)/3 + 2 // one more than the edits a misspelling may have
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < best {
			nearest, best, ok = k, d, true
		}
	}
	return nearest, ok
}

// suggest returns the end of a message about a word that is not known.
func suggest(word string, known []string) string {
	if k, ok := Nearest(word, known); ok {
		return fmt.Sprintf(" (did you mean %q?)", k)
	}
	return fmt.Sprintf(" (known: %s)", strings.Join(known, ", "))
}

// distance counts the edits between a and b: insertions, deletions,
// replacements and swaps of neighbours (optimal string alignment).
func distance(a, b string) int {
	const far = 1 << 30
	if len(a) > 64 || len(b) > 64 {
		return far // no word is that long
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

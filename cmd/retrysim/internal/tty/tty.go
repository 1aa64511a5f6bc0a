// Package tty knows what the reader of an output can see: colours, symbols and
// how wide a line may be.
package tty

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// Style says how text for people is written to one output.
type Style struct {
	Color bool // ANSI colours
	ASCII bool // no symbol beyond ASCII
	Width int  // of a line, in columns
}

// DefaultWidth is that of an output that is no terminal.
const DefaultWidth = 120

// Modes are the values of --color.
var Modes = []string{"auto", "always", "never"}

// Of returns the style of an output. A mode other than "auto" has the first
// word on colours; then NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE, if they are
// not empty; then TERM=dumb; and then whether the output is a terminal.
// Symbols are ASCII if asked for, or if the locale names another character set
// than UTF-8.
func Of(w io.Writer, mode string, ascii bool, env func(string) string) Style {
	s := Style{Width: DefaultWidth, ASCII: ascii || !utf8Locale(env)}
	f, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	if terminal {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			s.Width = width
		}
	}
	switch {
	case mode == "always" || mode == "never":
		s.Color = mode == "always"
	case env("NO_COLOR") != "":
	case set(env("FORCE_COLOR")) || set(env("CLICOLOR_FORCE")):
		s.Color = true
	case env("TERM") == "dumb":
	default:
		s.Color = terminal
	}
	return s
}

func set(value string) bool { return value != "" && value != "0" }

// utf8Locale reports whether the locale may show UTF-8: it does not if it is
// set to something else.
func utf8Locale(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// Tone is what a colour means.
type Tone int

// The tones. Each is doubled by a word or a symbol: nothing is said in colour
// only.
const (
	Plain Tone = iota
	Good
	Bad
	Advice
	Dim
	Strong
)

var codes = [...]string{Good: "32", Bad: "31", Advice: "33", Dim: "2", Strong: "1"}

// Paint returns the text in a tone.
func (s Style) Paint(t Tone, text string) string {
	if !s.Color || t == Plain || text == "" {
		return text
	}
	return "\x1b[" + codes[t] + "m" + text + "\x1b[0m"
}

var asASCII = strings.NewReplacer(
	"✓ ", "ok   ", "✗ ", "FAIL ", "– ", "-    ", "✓", "ok", "✗", "FAIL", "–", "-", "▲", "^", "×", "x", "…", "...", "±", "+-", "→", "->", "µ", "u",
	"─", "-", "━", "=", "╌", "-", "│", "|", "┤", "+", "┼", "+", "┬", "+", "└", "+", "├", "+", "█", "#", "▓", "=", "▒", "=", "░", ".", "·", ".", "╭", ",", "╮", ".", "╰", "`", "╯", "'", "≤", "<=", "≥", ">=",
	"▁", ".", "▂", ".", "▃", ":", "▄", ":", "▅", "+", "▆", "+", "▇", "#",
)

// Text returns the text as the reader can see it.
func (s Style) Text(text string) string {
	if s.ASCII {
		return asASCII.Replace(text)
	}
	return text
}

// Short rounds a duration to four significant digits.
func Short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 10_000 || d/unit <= -10_000 {
		unit *= 10
	}
	return d.Round(unit)
}

// Span writes a rounded duration; the longest of all, which stands for any
// longer one, as "for ever".
func Span(d time.Duration) string {
	if d == math.MaxInt64 {
		return "for ever"
	}
	return Short(d).String()
}

// Percent writes a share from 0 to 1. What is not nothing is never "0 %".
func Percent(share float64) string {
	switch p := 100 * share; {
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f %%", p)
	case p < .1:
		return "<0.1 %"
	case p > 99.9:
		return ">99.9 %"
	case p < 10 || p > 90:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// Count writes a number of things.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Group(int64(n)) + " " + noun + "s"
}

// Group writes a number with commas from 10,000 on.
func Group(n int64) string {
	s := strconv.FormatInt(n, 10)
	if n < 10_000 && n > -10_000 {
		return s
	}
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Safe escapes what a text from outside could use to take over a terminal or
// to break a row: control characters and line ends.
func Safe(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// ShellQuote returns s as one word of a POSIX shell.
func ShellQuote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n\"'\\$`;&|<>()*?[]{}~#!") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Command returns a command line that a POSIX shell reads as these words.
func Command(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = ShellQuote(w)
	}
	return strings.Join(quoted, " ")
}

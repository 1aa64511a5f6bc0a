package tty_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/stretchr/testify/assert"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// The first that has something to say about colour wins.
func TestColor(t *testing.T) {
	for _, tt := range []struct {
		mode string
		env  []string
		want bool
	}{
		{"auto", nil, false}, // no terminal
		{"always", []string{"NO_COLOR", "1", "TERM", "dumb"}, true},
		{"never", []string{"FORCE_COLOR", "1"}, false},
		{"auto", []string{"FORCE_COLOR", "1"}, true},
		{"auto", []string{"FORCE_COLOR", "0"}, false},
		{"auto", []string{"CLICOLOR_FORCE", "1"}, true},
		{"auto", []string{"FORCE_COLOR", "1", "TERM", "dumb"}, true},
		{"auto", []string{"NO_COLOR", "1", "FORCE_COLOR", "1"}, false},
		{"auto", []string{"NO_COLOR", "", "FORCE_COLOR", "1"}, true},
	} {
		assert.Equal(t, tt.want, tty.Of(&bytes.Buffer{}, tt.mode, false, env(tt.env...)).Color, "%v", tt)
	}
}

func TestSymbolsFollowTheLocale(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want bool
	}{
		{nil, false},
		{[]string{"LANG", "C.UTF-8"}, false},
		{[]string{"LANG", "de_DE.utf8"}, false},
		{[]string{"LANG", "C"}, true},
		{[]string{"LANG", "en_US.UTF-8", "LC_ALL", "POSIX"}, true},
		{[]string{"LANG", "C", "LC_CTYPE", "C.UTF-8"}, false},
	} {
		assert.Equal(t, tt.want, tty.Of(&bytes.Buffer{}, "auto", false, env(tt.env...)).ASCII, "%v", tt.env)
	}
	assert.True(t, tty.Of(&bytes.Buffer{}, "auto", true, env()).ASCII)
}

func TestText(t *testing.T) {
	assert.Equal(t, "ok   a FAIL b -    c", tty.Style{ASCII: true}.Text("✓ a ✗ b – c"))
	assert.Equal(t, "✓ a", tty.Style{}.Text("✓ a"))
	assert.Equal(t, "\x1b[31mno\x1b[0m", tty.Style{Color: true}.Paint(tty.Bad, "no"))
	assert.Equal(t, "no", tty.Style{}.Paint(tty.Bad, "no"))
	assert.Equal(t, `a\x1b[31m\n`, tty.Safe("a\x1b[31m\n"))
}

func TestNumbers(t *testing.T) {
	for in, want := range map[float64]string{0: "0 %", 1: "100 %", .0001: "<0.1 %", .99999: ">99.9 %", .0123: "1.2 %", .314: "31 %", .951: "95.1 %"} {
		assert.Equal(t, want, tty.Percent(in))
	}
	for in, want := range map[int64]string{0: "0", 9999: "9999", 10_000: "10,000", -1_234_567: "-1,234,567", -123_456: "-123,456"} {
		assert.Equal(t, want, tty.Group(in))
	}
	for in, want := range map[int64]string{0: "0s", 1: "1ns", 9999: "9.999µs", 10_004: "10µs", 1_031_070_959: "1.031s", 12_345_678_901: "12.35s", 3_599_999_999_999: "1h0m0s", 1<<63 - 1: "for ever"} {
		assert.Equal(t, want, tty.Span(time.Duration(in)))
	}
	assert.Equal(t, "1 attempt", tty.Count(1, "attempt"))
	assert.Equal(t, `retrysim run 'my file' it''`, tty.Command("retrysim", "run", "my file", "it")+"''")
}

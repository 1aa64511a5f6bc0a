package scripted_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// Every line of the manual that shows the language is a script.
func TestTheManualParses(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	var block strings.Builder
	shown := 0
	check := func() {
		text := block.String()
		block.Reset()
		if text == "" || strings.HasPrefix(text, "success ") {
			return // the list of outcomes
		}
		shown++
		if strings.Contains(text, "calls 3 at once") { // which stands twice, for its two forms
			text = strings.Replace(text, "calls 3 ", "", 1)
			text = strings.TrimPrefix(text[:strings.Index(text, "                     # one call")], "") + text[strings.Index(text, "calls 3 at once"):]
		}
		text = strings.Replace(text, "503 forever ", "503 ", 1)
		_, err := scripted.Parse("doc.go", text+"\nok\n")
		if strings.Contains(text, "call {") || strings.Contains(text, "lane \"rest\"") {
			_, err = scripted.Parse("doc.go", text)
		}
		assert.NoError(t, err, text)
	}
	inFleet := func(text string) {
		if !strings.HasPrefix(text, "fleet ") {
			text = "fleet for=10m\n" + text
		}
		_, err := scripted.Parse("doc.go", text)
		assert.NoError(t, err)
	}
	fleets := false // whose lines are shown beside others that they cannot stand with
	for line := range strings.Lines(file.Doc.Text()) {
		code, ok := strings.CutPrefix(line, "\t")
		switch {
		case ok && fleets && (block.Len() > 0 || strings.HasSuffix(strings.Split(code, "  ")[0], "{")):
			if block.WriteString(code); code == "}\n" {
				inFleet(block.String())
				block.Reset()
			}
			continue
		case ok && fleets:
			inFleet(code)
			continue
		case ok:
			block.WriteString(code)
			continue
		}
		fleets = line == "# Fleets\n" || fleets && !strings.HasPrefix(line, "# ")
		check()
	}
	check()
	assert.GreaterOrEqual(t, shown, 9)
}

func turn(a scripted.Answer) scripted.Turn { return scripted.Turn{Answer: a, Repeat: 1} }

func TestParseTurns(t *testing.T) {
	ms := time.Millisecond
	tests := map[string]scripted.Turn{
		"transient":          turn(scripted.Transient{}),
		"transient:50":       turn(scripted.Transient{Hinted: true, Wait: 50 * ms}),
		"transient:007":      turn(scripted.Transient{Hinted: true, Wait: 7 * ms}),
		"transient:0":        turn(scripted.Transient{Hinted: true}),
		"permanent: bad (x)": turn(scripted.Permanent{Reason: "bad (x)"}),
		"permanent:bad # c":  turn(scripted.Permanent{Reason: "bad"}),
		`permanent: "b;#" x2 after 1s`: {
			Answer: scripted.Permanent{Reason: "b;#"}, Repeat: 2, After: time.Second},
		"reset forever": {Answer: scripted.Reset{}, Repeat: scripted.Forever},
		"hang":          turn(scripted.Hang{}),
		"429 retry-after=1m30s retry-after-ms=0250 x-a=b type=t code=c message='": turn(scripted.Status{Status: 429, Type: "t", Code: "c", Message: "'",
			Header: []scripted.Field{{Name: "retry-after", Value: "90"}, {Name: "retry-after-ms", Value: "0250"}, {Name: "x-a", Value: "b"}}}),
		`503 retry-after="soon"`: turn(scripted.Status{Status: 503, Header: []scripted.Field{{Name: "retry-after", Value: "soon"}}}),
		"503 retry-after=date+0m30s stall after 1s": {Repeat: 1, After: time.Second, Answer: scripted.Status{
			Status: 503, Stall: true, Header: []scripted.Field{{Name: "retry-after", Value: "date+30s"}}}},
		"503 retry-after=date-1h": turn(scripted.Status{Status: 503, Header: []scripted.Field{{Name: "retry-after", Value: "date-1h0m0s"}}}),
		"ok":                      turn(scripted.Stream{}),
		`ok"a""b"`:                turn(scripted.Stream{Items: []scripted.Item{scripted.Text("a"), scripted.Text("b")}}),
		"ok `a\"b` pause 1.5s":    turn(scripted.Stream{Items: []scripted.Item{scripted.Text(`a"b`), scripted.Pause(1500 * ms)}}),
		`ok tool s id=x("{" pause 1s "}") eof x2`: {Repeat: 2, Answer: scripted.Stream{
			Items: []scripted.Item{scripted.Tool{Name: "s", ID: "x", Parts: []scripted.Item{scripted.Text("{"), scripted.Pause(time.Second), scripted.Text("}")}}}, End: scripted.EOF{}}},
		`ok reasoning signature="s g" ( "a" ) redacted "z" stall`: turn(scripted.Stream{
			Items: []scripted.Item{scripted.Reasoning{Signature: "s g", Parts: []scripted.Item{scripted.Text("a")}}, scripted.Redacted("z")}, End: scripted.Stall{}}),
		`ok usage(in=1 out=2 cached=3 cache-write=4 cache-write-5m=5 cache-write-1h=6 reasoning=7) finish max_tokens`: turn(scripted.Stream{End: scripted.Finish{
			Reason: retry.MaxTokens, Usage: retry.Usage{InputTokens: 1, OutputTokens: 2, CachedInputTokens: 3, CacheCreationInputTokens: 4,
				CacheCreation5mTokens: 5, CacheCreation1hTokens: 6, ReasoningTokens: 7}}}),
		`ok finish "x y"`:                turn(scripted.Stream{End: scripted.Finish{Reason: "x y"}}),
		`ok finish aborted usage(out=1)`: turn(scripted.Stream{End: scripted.Finish{Reason: retry.Aborted, Usage: retry.Usage{OutputTokens: 1}}}),
		`ok transient:1 after 1s`:        {Repeat: 1, After: time.Second, Answer: scripted.Stream{End: scripted.Transient{Hinted: true, Wait: ms}}},
		`ok permanent: no more x`:        turn(scripted.Stream{End: scripted.Permanent{Reason: "no more x"}}),
		`ok 529 type=overloaded_error`:   turn(scripted.Stream{End: scripted.Status{Status: 529, Type: "overloaded_error"}}),
		`ok tool s("{") 529 type=x`:      turn(scripted.Stream{Items: []scripted.Item{scripted.Tool{Name: "s", Parts: []scripted.Item{scripted.Text("{")}}}, End: scripted.Status{Status: 529, Type: "x"}}),
		`ok tool "a b"() pause 1ms cut`:  turn(scripted.Stream{Items: []scripted.Item{scripted.Tool{Name: "a b"}, scripted.Pause(ms)}, End: scripted.Cut{}}),
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			s := parse(t, text)
			require.Len(t, s.Turns, 1)
			assert.Equal(t, scripted.Pos{Line: 1, Col: 1}, s.Turns[0].Pos)
			assert.Equal(t, []scripted.Turn{want}, scripted.StripPlaces(s).Turns)
		})
	}
}

func TestParseScenario(t *testing.T) {
	s := parse(t, "\ufeffpolicy exp:attempts=4 ; seed 18446744073709551615\r\n"+`timeout total=10s attempt=1s
cancel at 0
lane "a" when model=gpt* path="/v 1" x-k=v { call { ok; expect text == "x" } call { reset }
expect attempts in 1..2 }
transient
expect wait[*]<=1s # c
expect start[2] == ?`)
	assert.Equal(t, 4, s.Policy.MaxAttempts)
	assert.Equal(t, uint64(1<<64-1), *s.Seed)
	assert.Equal(t, time.Second, s.AttemptTimeout)
	assert.Equal(t, 10*time.Second, s.TotalTimeout)
	assert.Equal(t, time.Duration(0), *s.Cancel)
	require.Len(t, s.Lanes, 1)
	l := s.Lanes[0]
	assert.Equal(t, []scripted.Field{{Name: "model", Value: "gpt*"}, {Name: "path", Value: "/v 1"}, {Name: "x-k", Value: "v"}}, l.When)
	require.Len(t, l.Blocks, 2)
	assert.Equal(t, `text == "x"`, l.Blocks[0].Expects[0].String())
	assert.Equal(t, "attempts in 1..2", l.Expects[0].String())
	assert.Equal(t, "wait[*] <= 1s", s.Expects[0].String())
	assert.Equal(t, "start[2] == ?", s.Expects[1].String())
	assert.Equal(t, []scripted.Comment{{Pos: scripted.Pos{Line: 7, Col: 20}, Text: "# c"}}, s.Comments)
	assert.Equal(t, 3, parse(t, "calls 3; ok").Calls)
	assert.True(t, parse(t, "calls 3 at once; ok").AtOnce)
}

// The golden files of messages: a script, and what is said of it.
func TestMessages(t *testing.T) {
	goldens(t, "testdata/messages/*.txtar", func(t *testing.T, name, text string) string {
		_, err := scripted.Parse(name, text)
		require.Error(t, err)
		return err.Error() + "\n"
	})
}

// goldens compares what a function makes of the first file of each archive with
// the second.
func goldens(t *testing.T, glob string, of func(t *testing.T, name, text string) string) {
	t.Helper()
	files, err := filepath.Glob(glob)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			require.Len(t, archive.Files, 2)
			got := of(t, archive.Files[0].Name, string(archive.Files[0].Data))
			if *update {
				archive.Files[1].Data = []byte(got)
				require.NoError(t, os.WriteFile(file, txtar.Format(archive), 0o666))
			}
			assert.Equal(t, string(archive.Files[1].Data), got, "run with -update to accept")
		})
	}
}

// What a mistake is below, to its end: something stands behind each of them.
func TestMistakesAndTheirEnds(t *testing.T) {
	for _, tt := range []struct{ text, caret, say string }{
		{"permanent: x after 2s; ok", "after 2s", `write permanent: "x" after 2s, or quote all of it`},
		{"ok; expect aAZz09 == 1", "aAZz09", `unknown subject "aAZz09"`},
		{"ok; expect == 3", "==", `unknown subject "=="`},
		{`ok; expect text contains ""; expect attempts == 1`, `""`, "every text contains the empty one"},
		{`ok "a" cut cut`, "cut", `unexpected "cut"`},
		{`ok "a" 429 retry-after=1s; ok`, "429 retry-after=1s", "an error in a stream has no headers"},
		{`ok "a" 500 stall; ok`, "500 stall", "a stream ends once"},
		{`ok "a" finish ""; ok`, `""`, "an empty reason is none"},
		{`429 type=""; ok`, `""`, "an empty type is none"},
		{`429 type="" foo; ok`, `""`, "an empty type is none"},
		{"429 x-foo 3; ok", "x-foo 3", `unexpected "x-foo 3"`},
		{"call { ok }; ok x2", "ok x2", "the turns stand all in call blocks or all outside"},
		{"ok forever; ok x2 # never", "ok x2", "never reached: the turn in line 1 goes on forever"},
		{strings.Repeat("ok x1000000;", 10) + " ok x2 # more", "ok x2", "a script has at most 10000000 turns"},
		{`lane "" { ok }`, `""`, "a lane needs a name"},
		{strings.Repeat("lane \"a\" { ok }\n", 1) + `lane "a" { ok }`, `"a"`, `lane "a" stands already in line 1`},
		{manyLanes(scripted.MaxLanes) + `lane "more" { ok }`, `"more"`, "a script has at most 1000 lanes"},
		{"ok \"\x80\"", "\x80", "byte 0x80 is no text"},
	} {
		mistake(t, tt.text, tt.caret, tt.say)
	}
	assert.Nil(t, parse(t, "ok \"a\"; ok").Turns[1].Answer.(scripted.Stream).Items)
}

func manyLanes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "lane \"%d\" when model=%d { ok }\n", i, i)
	}
	return b.String()
}

// A Retry-After that reads like something else is quoted.
func TestRetryAfterAsText(t *testing.T) {
	for value, want := range map[string]string{
		"date":       `429 retry-after="date"`,
		"date+30s":   `429 retry-after=date+30s`,
		"9223372036": `429 retry-after=2562047h47m16s`,
		"9223372037": `429 retry-after="9223372037"`, // more than a duration holds
		"x":          `429 retry-after="x"`,
	} {
		s := scripted.Status{Status: 429, Header: []scripted.Field{{Name: "retry-after", Value: value}}}
		assert.Equal(t, want, s.String())
	}
}

// Comments stay where they are, whatever is added.
func TestCommentsStay(t *testing.T) {
	for _, text := range []string{
		"call {\n\tok\n\t# the end\n}\n",
		"ok \"" + strings.Repeat("a", 55) + "\"  # 60 columns\nok" + strings.Repeat(" ", 60) + "# and two\n",
		"ok \"" + strings.Repeat("a", 56) + "\"  # 61 columns\nok  # and two\n",
	} {
		assert.Equal(t, text, scripted.Format(parse(t, text)))
	}
	s := parse(t, "# one\nok\n\n# two\nok")
	s.Turns = append(s.Turns, scripted.Turn{Answer: scripted.Hang{}}, scripted.Turn{Answer: scripted.Hang{}})
	assert.Equal(t, "# one\nok\n\n# two\nok\nhang\nhang\n", scripted.Format(s))
	byHand := &scripted.Script{Turns: []scripted.Turn{{Answer: scripted.Hang{}}}, Comments: []scripted.Comment{{Text: "# by hand"}}}
	assert.Contains(t, scripted.Format(byHand), "hang\n")
}

// The two sides of each range of letters.
func TestColumns(t *testing.T) {
	for s, want := range map[string]int{
		"a": 1, "\u02ff": 1, "e\u0300": 1, "\u0301": 0, "\u20dd": 0, "\u200b": 1, "\u200c": 0, "\u200d": 0,
		"\u2e80": 2, "\u2fff": 1, "\u3000": 2, "\u303e": 2, "\u303f": 1, "\u3042": 2, "\u30a2": 2, "\uac00": 2, "\u65e5": 2,
		"\uff00": 1, "\uff01": 2, "\uff60": 2, "\uff61": 1, "\uff66": 1, "\uffdc": 1, "\uffdd": 1,
		"\U0001f2ff": 1, "\U0001f300": 2, "\U0001faff": 2, "\U0001fb00": 1, "\U00020000": 2, "\xff": 1, "日本 go": 7, "": 0,
	} {
		assert.Equal(t, want, scripted.Columns(s), "%+q", s)
	}
}

// Of a long line an error shows what stands around the mistake, the caret below
// it.
func TestErrorsInLongLines(t *testing.T) {
	for _, before := range []int{0, 10, 70, 80, 81, 100, 1000} {
		for _, after := range []int{0, 10, 76, 77, 80, 90, 1000} {
			for _, letter := range []string{"x", "ß", "日"} {
				line := "ok \"" + strings.Repeat(letter, before) + "\" stal \"" + strings.Repeat(letter, after) + "\""
				_, err := scripted.Parse("long", line)
				require.Error(t, err)
				lines := strings.Split(err.Error(), "\n")
				require.Len(t, lines, 3)
				at := strings.Index(lines[1], "stal")
				require.GreaterOrEqual(t, at, 0, "%d %d", before, after)
				assert.Equal(t, strings.Repeat(" ", scripted.Columns(lines[1][:at]))+"^^^^", lines[2])
				if len(line) <= 160 {
					assert.Equal(t, "  "+line, lines[1])
					continue
				}
				assert.LessOrEqual(t, len(lines[1]), 2+160+3, "and the rest of a letter")
				assert.GreaterOrEqual(t, len(lines[1]), min(len(line), 70), "not less than there is room for")
				assert.True(t, utf8.ValidString(lines[1]))
				if before*len(letter) > 80 {
					assert.InDelta(t, 82, at, 3, "half of it before the mistake")
				}
			}
		}
	}
}

// The golden files of the formatter: a text, and its canonical form.
func TestFormatGolden(t *testing.T) {
	goldens(t, "testdata/format/*.txtar", func(t *testing.T, _, text string) string {
		got := scripted.Format(parse(t, text))
		assert.Equal(t, got, scripted.Format(parse(t, got)))
		return got
	})
}

func TestFormatOfWhatWasNeverText(t *testing.T) {
	seed := uint64(3)
	s := &scripted.Script{
		Seed:    &seed,
		Turns:   []scripted.Turn{{Answer: scripted.Transient{}, Repeat: 2}, {Answer: scripted.Stream{}}},
		Lanes:   []scripted.Lane{{Name: "a", Turns: []scripted.Turn{{Answer: scripted.Hang{}}}}},
		Expects: []scripted.Expect{{Subject: scripted.SubjectAttempts, Op: scripted.Equal, Number: 3}},
	}
	assert.Equal(t, "seed 3\n\ntransient x2\nok\n\nlane \"a\" {\n\thang\n}\n\nexpect attempts == 3\n", scripted.Format(s))

	// Turns in another order than their places keep the order of the list, and
	// what is added to a parsed script comes at its end.
	s = parse(t, "# prose\nok\n\nreset # why\n")
	s.Turns[0], s.Turns[1] = s.Turns[1], s.Turns[0]
	assert.Equal(t, "# prose\n\n# why\n\nreset\nok\n", scripted.Format(s))
	s = parse(t, "ok\n\nreset\n\n\nhang\n")
	s.Turns[0], s.Turns[1] = s.Turns[1], s.Turns[0]
	assert.Equal(t, "reset\nok\nhang\n", scripted.Format(s), "no blank line of another order")
	s = parse(t, "lane \"a\" when model=a { reset; hang }\nok\nreset\nexpect attempts == 1\n")
	s.Turns[0], s.Turns[1] = s.Turns[1], s.Turns[0]
	assert.Equal(t, "reset\nok\n\nlane \"a\" when model=a {\n\treset\n\thang\n}\n\nexpect attempts == 1\n", scripted.Format(s))
	s = parse(t, "lane \"a\" {\n\treset\n\thang\n}\n")
	turns := s.Lanes[0].Turns
	turns[0], turns[1] = turns[1], turns[0]
	assert.Equal(t, "lane \"a\" {\n\thang\n\treset\n}\n", scripted.Format(s))
	s = parse(t, "# prose\nok # why\n")
	s.Turns = append(s.Turns, scripted.Turn{Answer: scripted.Reset{}})
	s.Seed = &seed
	assert.Equal(t, "# prose\nok  # why\n\nseed 3\n\nreset\n", scripted.Format(s))
}

// What Format would write it leaves alone.
func TestCanonicalTexts(t *testing.T) {
	long := `ok "` + strings.Repeat("x", 60) + `"`
	for _, text := range []string{
		"429 retry-after=0s\n",
		"# two lines\n# of prose\nok\n\n# and\n# two\nreset\n",
		long + "  # beyond the column\nok  # a\n" + long + "  # b\nok x2  # c\nreset  # d\n",
		"ok\nreset  # a\nok\n503 x2  # b\nok      # c\n",
	} {
		assert.Equal(t, text, scripted.Format(parse(t, text)))
	}
}

// Lines of nothing but comments that follow one another are one comment.
func TestComments(t *testing.T) {
	pos := func(line, col int32) scripted.Pos { return scripted.Pos{Line: line, Col: col} }
	assert.Equal(t, []scripted.Comment{
		{Pos: pos(1, 1), Text: "# a\n  # b"}, {Pos: pos(4, 1), Text: "# c"}, {Pos: pos(5, 4), Text: "# d"}, {Pos: pos(6, 1), Text: "# e\n# f"}, {Pos: pos(8, 3), Text: "#"},
	}, parse(t, "# a\n  # b \n\n# c\nok # d\n# e\n# f\n; #").Comments)
}

// What is changed after parsing is what is written.
func TestFormatOfAnotherPolicy(t *testing.T) {
	s := parse(t, "policy default; ok")
	assert.Contains(t, scripted.Format(s), "policy default\n", "as it was written")
	s.Policy = &retry.Policy{}
	assert.Contains(t, scripted.Format(s), "policy off\n")
}

// One mistake does not bring others.
func TestErrorsComeAlone(t *testing.T) {
	for text, n := range map[string]int{
		"ok interleaved(); ok stal": 2,
		"call\n{ ok }":              1,
		"call 3 { ok }":             1,
		"call 3; ok":                1,
		"lane \"a\" b { ok }":       1,
		"lane \"a\" when { ok }":    1,
		"ok `a\\x":                  1,
		"call\nok\n{ ok }":          2, // a brace that no line before it lacks
		"lane \"a\"\n\n{ ok }":      1,
		strings.Repeat("ok x1000000;", 9) + "ok x500000; ok x1000000; ok x500000": 1,
	} {
		_, err := scripted.Parse("script", text)
		var errs scripted.SyntaxErrors
		require.ErrorAs(t, err, &errs, text)
		assert.Len(t, errs, n, text)
	}
}

func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " x-%d=1", i)
	}
	return b.String()
}

func lanes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "lane \"%d\" when model=m%d { ok }\n", i, i)
	}
	return b.String()
}

// A lane that no request reaches is a mistake.
func TestLanesThatNothingReaches(t *testing.T) {
	lane := func(conditions string) string {
		if conditions == "none" {
			return "ok"
		}
		return fmt.Sprintf("lane %q %s { ok }", "of "+conditions, conditions)
	}
	tests := []struct {
		before, after string // what stands in the lanes, none is what stands outside
		reached       bool
	}{
		{"", "when model=a", false},
		{"", "none", false},
		{"when model=*", "none", false},
		{"when model=* x-a=*", "when path=b", false},
		{"when model=a", "none", true},
		{"when model=a", "when model=b", true},
		{"when model=a", "when x-a=a", true},
		{"when model=a", "when model=a path=b", false},
		{"when model=a path=b", "when model=a", true},
		{"when model=a path=b", "when path=b model=a", false},
		{"when model=gpt-4*", "when model=gpt-4o", false},
		{"when model=gpt-4*", "when model=gpt-4o*", false},
		{"when model=gpt-4o*", "when model=gpt-4*", true},
		{"when model=gpt-4*", "when model=gpt-5", true},
		{"when model=gpt-4", "when model=gpt-4*", true},
		{`when model=""`, "when path=x", true},
	}
	for _, tt := range tests {
		_, err := scripted.Parse("lanes", lane(tt.before)+"\n"+lane(tt.after))
		if tt.reached {
			assert.NoError(t, err, "%s, %s", tt.before, tt.after)
		} else {
			assert.ErrorContains(t, err, fmt.Sprintf("lanes:2:1: never reached: lane %q in line 1 takes", "of "+tt.before), "%s, %s", tt.before, tt.after)
		}
	}
}

// Every number of the language at its limits and one past each.
func TestLimits(t *testing.T) {
	longest := "permanent: " + strings.Repeat("x", scripted.MaxLine-len("permanent: "))
	tests := []struct {
		ok, bad string
		says    string
	}{
		{"ok x1", "ok x0", "a repetition is x1 to x1000000"},
		{"ok x1000000", "ok x1000001", "a repetition is x1 to x1000000"},
		{"ok x01", "ok x-1", "unknown word"},
		{"ok x7", "ok x99999999999999999999999", "a repetition"},
		{strings.Repeat("ok x1000000;", 10), strings.Repeat("ok x1000000;", 10) + "ok", "at most 10000000 turns"},
		{"transient:0", "transient:-1", "in digits"},
		{"transient:9223372036854", "transient:9223372036855", "at most 9223372036854"},
		{"transient:1", "transient:99999999999999999999", "at most 9223372036854"},
		{"transient:1", "transient:1e3", "in digits"},
		{"transient:1", "transient:1_000", "in digits"},
		{"transient:1", "transient:0x10", "in digits"},
		{"transient:1", "transient:+1", "in digits"},
		{"transient:1", "transient:1.5", "in digits"},
		{"transient:1", "transient:", "in digits"},
		{"transient:1", "transient: 5", "in digits"},
		{"transient:1", "Transient:1", `did you mean "transient:1"?`},
		{"300", "299", "is no failure"},
		{"599", "600", "300 to 599"},
		{"429", "0429", "three digits"},
		{"429", "199", "300 to 599"},
		{"seed 0; ok", "seed -1; ok", "a seed is"},
		{"seed 18446744073709551615; ok", "seed 18446744073709551616; ok", "a seed is"},
		{"seed 1; ok", "seed +1; ok", "a seed is"},
		{"seed 1; ok", "seed; ok", "a seed is"},
		{"calls 1; ok", "calls 0; ok", "from 1 to 10000"},
		{"calls 10000; ok", "calls 10001; ok", "from 1 to 10000"},
		{"ok after 2562047h47m16.854775807s", "ok after 2562047h47m16.854775808s", "after needs a duration"},
		{"ok after 0", "ok after -1s", "after needs a duration"},
		{"ok after 1ns", "ok after +1s", "after needs a duration"},
		{"ok after .5s", "ok after 5", "after needs a duration"},
		{"ok pause 1ns", "ok pause 0s", "above 0"},
		{"timeout total=1ns; ok", "timeout total=0s; ok", "above 0"},
		{"timeout total=1ns; ok", "timeout; ok", "want attempt=DURATION"},
		{"cancel at 1s; ok", "cancel after 1s; ok", "cancel at 1.5s"},
		{"permanent: x; ok", "permanent:; ok", "permanent: needs a reason"},
		{"permanent: call after noon", "permanent: call after 1s", "or quote all of it"},
		{"ok; expect no early-retry", "ok; expect no", "no what? (known: early-retry"},
		{`lane "a" when x-a=b { ok }`, `lane "a" when { ok }`, "when what?"},
		{"ok `a\\x`", "ok `a\\x", "a string ends on its line"},
		{"policy off; ok", "policy; ok", "which policy?"},
		{"permanent: a }", "call { permanent: a }", "put a ; before it"},
		{"call { permanent: a} b; ok }", "call { permanent: a b} ; ok }", "put a ; before it"},
		{"call { permanent: a {b}; ok }", "call { permanent: a {b}} ; ok }", "put a ; before it"},
		{"permanent: x # c", "permanent: # c", "permanent: needs a reason"},
		{"ok usage(in=1) finish aborted", "ok usage(in=1) finish aborted usage(out=1)", "unexpected"},
		{"ok usage(in=9223372036854775807)", "ok usage(in=9223372036854775808)", "number of tokens"},
		{"ok usage(in=1)", "ok usage(in=0)", "number of tokens"},
		{"ok; expect attempts == 9223372036854775807", "ok; expect attempts == 9223372036854775808", "whole number"},
		{"ok; expect wait[1] == 0s", "ok; expect wait[0] == 0s", "the first is wait[1]"},
		{"ok; expect wait[99] == 1s", "ok; expect wait[99999999999999999999] == 1s", "the first is wait[1]"},
		{"ok; expect total in 1s..1s", "ok; expect total in 1s..0s", "nothing lies"},
		{"429 retry-after=2562047h", "429 retry-after=2562048h", "whole seconds"},
		{longest, longest + "x", "the line has 65537 bytes, 65536 are allowed"},
		{"calls 2; call { ok } call { ok }", "calls 1; call { ok } call { ok }", "let them agree"},
		{"calls 2; call { ok } call { ok }", "calls 3; call { ok } call { ok }", "let them agree"},
		{"permanent: bad auth x", "permanent: bad auth x2", "or quote all of it"},
		{"429" + fields(scripted.MaxFields), "429" + fields(scripted.MaxFields+1), "a status has at most 64 headers"},
		{`lane "a" when` + fields(scripted.MaxFields) + "{ok}", `lane "a" when` + fields(scripted.MaxFields+1) + "{ok}", "a lane has at most 64 conditions"},
		{lanes(scripted.MaxLanes), lanes(scripted.MaxLanes + 1), "a script has at most 1000 lanes"},
		{"permanent: after 1s", "permanent: see after 1s", "or quote all of it"},
	}
	for _, tt := range tests {
		_, err := scripted.Parse("limit", tt.ok)
		assert.NoError(t, err, "%.60q", tt.ok)
		_, err = scripted.Parse("limit", tt.bad)
		assert.ErrorContains(t, err, tt.says, "%.60q", tt.bad)
	}
}

// Every place of a number, with every way to write one: all are decimal digits
// and nothing else, in their bounds.
func TestNumbers(t *testing.T) {
	type place struct {
		script    string // with N for the number
		low, high uint64
	}
	const maxInt, maxHour = math.MaxInt64, math.MaxInt64 / uint64(time.Hour)
	places := []place{
		{"transient:N", 0, maxInt / 1_000_000},
		{"ok xN", 1, scripted.MaxRepeat},
		{"N", 300, 599},
		{"429 retry-after=N", 0, math.MaxUint64}, // a header may hold what it likes in digits
		{"429 retry-after-ms=N", 0, math.MaxUint64},
		{"429 retry-after=Nh", 0, maxHour},
		{"ok after Nh", 0, maxHour},
		{"ok pause Nh", 1, maxHour},
		{"timeout attempt=Nh; ok", 1, maxHour},
		{"timeout total=Nh; ok", 1, maxHour},
		{"cancel at Nh; ok", 0, maxHour},
		{"calls N; ok", 1, scripted.MaxCalls},
		{"seed N; ok", 0, math.MaxUint64},
		{"ok usage(in=N)", 1, maxInt},
		{"ok usage(cache-write-1h=N)", 1, maxInt},
		{"ok; expect attempts == N", 0, maxInt},
		{"ok; expect chunks in 0..N", 0, maxInt},
		{"ok; expect wait[N] == 1s", 1, maxInt},
		{"ok; expect start[1] in 0s..Nh", 0, maxHour},
		{"ok; expect total < Nh", 0, maxHour},
	}
	fixed := map[string]bool{"N": true} // three digits
	for _, p := range places {
		accepts := func(number string) bool {
			_, err := scripted.Parse("numbers", strings.Replace(p.script, "N", number, 1))
			return err == nil
		}
		for _, n := range []uint64{0, 1, 2, p.low, p.low - 1, p.low + 1, p.high, p.high - 1, p.high + 1, 1 << 31, 1<<31 - 1, 1 << 32, 1 << 53, 1<<63 - 1, 1 << 63, math.MaxUint64} {
			assert.Equal(t, p.low <= n && n <= p.high, accepts(strconv.FormatUint(n, 10)), "%s with %d", p.script, n)
		}
		some := strconv.FormatUint(max(p.low, 1), 10)
		assert.Equal(t, !fixed[p.script], accepts("00"+some), "leading zeros in %s", p.script)
		for _, odd := range []string{"-" + some, "+" + some, some + "_0", "0x" + some, some + "e0", "0b1", "", " ", "\u0661", "NaN", "1" + strings.Repeat("0", 30), some + "ns"} {
			header := p.high == math.MaxUint64 && p.script[0] == '4' && strings.HasPrefix(odd, "1000")
			assert.Equal(t, header, accepts(odd), "%s with %q", p.script, odd)
		}
	}
}

func TestNumberOfErrors(t *testing.T) {
	for _, n := range []int{1, scripted.MaxErrors, scripted.MaxErrors + 1, scripted.MaxErrors + 500} {
		_, err := scripted.Parse("many", strings.Repeat("what\n", n))
		var errs scripted.SyntaxErrors
		require.ErrorAs(t, err, &errs)
		assert.Len(t, errs, min(n, scripted.MaxErrors+1))
		if n > scripted.MaxErrors+1 {
			last := errs[scripted.MaxErrors]
			assert.Equal(t, fmt.Sprintf("%d more errors from here on are not shown", n-scripted.MaxErrors), last.Msg)
			assert.Equal(t, int32(scripted.MaxErrors+1), last.Pos.Line)
		}
	}
}

func TestOddBytes(t *testing.T) {
	for text, says := range map[string]string{
		"":                   "script:1:1: no turns",
		"\n# only prose\n":   "script:1:1: no turns",
		"\ufeff":             "script:1:1: no turns",
		"ok\ufeff":           `script:1:1: unknown word "ok\ufeff"`,
		"ok\x00":             "script:1:3: byte 0x00 is no text",
		"ok\rtransient":      "script:1:3: byte 0x0d is no text",
		"ok \xff":            "script:1:4: byte 0xff is no text",
		"ok \xed\xa0\x80":    "script:1:4: byte 0xed is no text", // half a surrogate pair
		"ok\u2028transient":  "script:1:1: unknown word",
		"ok\u0080":           "script:1:3: U+0080 is no text",
		"\xff\xfeo\x00k\x00": "script:1:1: this is UTF-16: a script is UTF-8",
		"\xfe\xff\x00o\x00k": "script:1:1: this is UTF-16: a script is UTF-8",
		"ok\n\x1b[2J":        "script:2:1: byte 0x1b is no text",
		"ok\x7f":             "script:1:3: byte 0x7f is no text",
		"ok \"\u009b31m\"":   "script:1:5: U+009B is no text", // a terminal takes it for an escape
		"ok \x01;\nok \x02;": "script:2:4: byte 0x02 is no text",
	} {
		_, err := scripted.Parse("script", text)
		assert.ErrorContains(t, err, says, "%q", text)
	}
	for _, text := range []string{"\ufeffok", "ok\r\n", "ok \"\ufeff\u2028e\u0301\"", "\tok\t", "permanent: \u00a0x"} {
		parse(t, text)
	}
}

// The cost of parsing grows with the length of the text and not faster, in time
// (allocations stand for it) and in memory.
func TestParsingIsLinear(t *testing.T) {
	shapes := map[string]string{
		"turns":    "transient:50\n",
		"streams":  "ok \"Hello\" pause 200ms \" world\" cut x3 # and so on\n",
		"statuses": "429 retry-after=1s type=rate_limit_error message=\"slow down\"\n",
		"comments": "# only prose\n",
		"blocks":   "call { transient; ok }\n",
		"lanes":    "lane \"a\" when model=a { ok }\n",
		"fields":   "429" + fields(80) + "\n",
		"quotes":   "ok \"\\\"\\\"\\\n",
		"parens":   "ok tool a(tool b(tool c(\n",
		"reasons":  "permanent: after 1s after 1s x2 x2 x2\n",
		"errors":   "what is this\n",
		"open":     "call {\n",
		"expects":  "expect wait[1] in 1s..2s\n",
		"one line": "ok;",
	}
	for name, line := range shapes {
		t.Run(name, func(t *testing.T) {
			n := 500
			if name == "one line" {
				n = 5000
			}
			cost := func(n int) float64 {
				text := strings.Repeat(line, n)
				return testing.AllocsPerRun(3, func() { scripted.Parse("big", text) })
			}
			assert.LessOrEqual(t, cost(4*n), 5*cost(n)+50)
		})
	}
}

// Ten megabytes, which a script should never have, take a moment.
func TestTenMegabytes(t *testing.T) {
	if testing.Short() {
		t.Skip("parses ten megabytes: needs a run without -short")
	}
	text := strings.Repeat("transient:50\nok \"Hello, \" pause 200ms \"world\" cut # a comment\n503 retry-after=1s message=\"try again later\" after 20ms x3\n", 10<<20/118)
	require.Greater(t, len(text), 10_000_000)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	s := parse(t, text)
	grown := heap() - before
	t.Logf("%d turns, %.1f MB, %.1f bytes of script each byte", len(s.Turns), float64(grown)/1e6, float64(grown)/float64(len(text)))
	assert.Less(t, grown, uint64(5*len(text)))
	assert.Equal(t, text[:50], scripted.Format(s)[:50])
	runtime.KeepAlive(s)
}

func BenchmarkParse(b *testing.B) {
	text := strings.Repeat("transient:50\nok \"Hello, \" pause 200ms \"world\" cut # a comment\n503 retry-after=1s message=\"try again later\" after 20ms x3\n", 10<<20/118)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		scripted.Parse("big", text)
	}
}

// What would be quadratic in the number of lanes or headers takes a moment.
func TestManyOfEach(t *testing.T) {
	begin := time.Now()
	scripted.Parse("big", lanes(50_000))
	scripted.Parse("big", strings.Repeat("429"+fields(5000)+"\n", 50))
	scripted.Parse("big", strings.Repeat("lane \"a\" when"+fields(5000)+" { ok }\n", 50))
	scripted.Parse("big", "calls 2\n"+strings.Repeat("call { ok }\n", 100_000))
	assert.Less(t, time.Since(begin), 20*time.Second) // it took a minute; now it is half a second
}

// Parse keeps nothing between calls and is safe for concurrent use.
func TestParseSharesNothing(t *testing.T) {
	a := parse(t, "transient:1\nok")
	b := parse(t, "transient:1\nok")
	a.Turns[0].Answer = scripted.Hang{}
	assert.Equal(t, scripted.Transient{Hinted: true, Wait: time.Millisecond}, b.Turns[0].Answer)

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				assert.Equal(t, b, parse(t, "transient:1\nok"))
			}
		})
	}
	wg.Wait()
}

// edits counts them the slow way.
func edits(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	n := min(edits(a[1:], b)+1, edits(a, b[1:])+1)
	if a[0] == b[0] {
		n = min(n, edits(a[1:], b[1:]))
	} else {
		n = min(n, edits(a[1:], b[1:])+1)
	}
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		n = min(n, edits(a[2:], b[2:])+1)
	}
	return n
}

func TestNearest(t *testing.T) {
	words := []string{"transient", "permanent", "after", "ok"}
	for in, want := range map[string]string{
		"trasient": "transient", "TRANSIENT": "transient", "nontransient": "transient", "afetr": "after", "permenant": "permanent",
	} {
		got, ok := scripted.Nearest(in, words)
		assert.True(t, ok, in)
		assert.Equal(t, want, got)
	}
	var all []string // of up to four letters
	for n, begin := 0, []string{""}; n < 4; n++ {
		all, begin = append(all, begin...), nil
		for _, s := range all {
			if len(s) == n {
				begin = append(begin, s+"a", s+"b", s+"c")
			}
		}
	}
	for _, a := range all {
		for _, b := range all {
			require.Equal(t, edits(a, b), scripted.Distance(a, b), "%q %q", a, b)
		}
	}
	for _, in := range []string{"", "zzzzzz", "o", "rate", strings.Repeat("transient", 9)} {
		_, ok := scripted.Nearest(in, words)
		assert.False(t, ok, in)
	}
}

func TestParseFile(t *testing.T) {
	archive := "prose\n-- a.retry --\nok\n-- notes.md --\nwhat\n-- b.retry --\n\n  expect attempts == 1\r\nreset\n"
	all, err := scripted.ParseFile("x.txtar", archive)
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, "b.retry", all[1].Member)
	assert.Equal(t, "x.txtar", all[1].Name)
	assert.Equal(t, scripted.Pos{Line: 8, Col: 3}, all[1].Expects[0].Pos, "the place in the archive")

	_, err = scripted.ParseFile("x.txtar", "-- a.retry --\nok\n--  --\n")
	assert.ErrorContains(t, err, "x.txtar:3:1", "a file needs a name")

	lib := txtar.Parse([]byte(archive))
	require.Len(t, lib.Files, 3)

	all, err = scripted.ParseFile("x.txtar", "-- a.retry --\nok # half a marker --\nok\n")
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Len(t, all[0].Turns, 2)

	_, err = scripted.ParseFile("x.txtar", "-- a.retry --\nwhat\n-- b.retry --\nok\nwhy\n-- c.retry --\n")
	assert.ErrorContains(t, err, "x.txtar:2:1: unknown word")
	assert.ErrorContains(t, err, "x.txtar:5:1: unknown word")
	assert.ErrorContains(t, err, "x.txtar:7:1: no turns")
	_, err = scripted.ParseFile("x.txtar", "nothing")
	assert.EqualError(t, err, "x.txtar: no file of the archive has a name that ends in .retry")
	_, err = scripted.ParseFile("x.retry", "what")
	assert.ErrorContains(t, err, "x.retry:1:1")
}

func TestRewrite(t *testing.T) {
	text := "\ufeffok; expect attempts == 2; expect text == \"a\" # b\r\nexpect total==?\r\n"
	s := parse(t, text)
	edits := []scripted.Edit{{Expect: s.Expects[0], Value: "10"}, {Expect: s.Expects[1], Value: "b;c"}, {Expect: s.Expects[2], Value: "1.5s"}}
	assert.Equal(t, "\ufeffok; expect attempts == 10; expect text == \"b;c\" # b\r\nexpect total==1.5s\r\n", scripted.Rewrite(text, edits))
	assert.Equal(t, text, scripted.Rewrite(text, nil))

	archive := "-- a.retry --\n\ufeffok; expect attempts == ?\n-- b.retry --\r\n\ufeffok; expect attempts == ?\r\n"
	all, err := scripted.ParseFile("x.txtar", archive)
	require.NoError(t, err)
	edits = nil
	for i, s := range all {
		edits = append(edits, scripted.Edit{Expect: s.Expects[0], Value: fmt.Sprint(i + 1)})
	}
	assert.Equal(t, "-- a.retry --\n\ufeffok; expect attempts == 1\n-- b.retry --\r\n\ufeffok; expect attempts == 2\r\n", scripted.Rewrite(archive, edits))
}

func TestFormatFile(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"x.retry", "ok  x1", "ok\n"},
		{"x.txtar", "prose  \n-- a.retry --\nok  x1\n-- b.md --\nok  x1\n-- c.retry --\r\n\r\nreset", "prose  \n-- a.retry --\nok\n-- b.md --\nok  x1\n-- c.retry --\r\nreset\n"},
	} {
		got, err := scripted.FormatFile(tt.name, tt.text)
		require.NoError(t, err)
		assert.Equal(t, tt.want, got)
	}
	_, err := scripted.FormatFile("x.txtar", "-- a.md --\nok")
	assert.ErrorIs(t, err, scripted.ErrNoScript)
	_, err = scripted.FormatFile("x.retry", "what")
	assert.ErrorContains(t, err, "x.retry:1:1")
	_, err = scripted.FormatFile("x.retry", "ok "+strings.Repeat(`"a"`, scripted.MaxLine/3-1))
	assert.ErrorContains(t, err, "the canonical form cannot be read back (break up what makes its line long): x.retry:1:65537: the line has")
	text := "ok \"" + strings.Repeat("\u2028", 20_000) + "\""
	parse(t, text)
	_, err = scripted.FormatFile("x.retry", text)
	assert.ErrorContains(t, err, "cannot be read back", "an escape takes six letters")
}

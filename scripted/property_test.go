package scripted_test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/scripted"
)

func parse(t require.TestingT, text string) *scripted.Script {
	s, err := scripted.Parse("script", text)
	require.NoError(t, err, "in:\n%s", text)
	return s
}

func TestParseIsTheInverseOfFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := scripts.Draw(t, "script")
		text := scripted.Format(s)
		got, err := scripted.Parse("script", text)
		if err != nil {
			t.Fatalf("Format wrote what Parse refuses: %v\n%s", err, text)
		}
		if want := scripted.StripPlaces(s); !assert.ObjectsAreEqual(want, scripted.StripPlaces(got)) {
			t.Fatalf("another script came back from:\n%s\ngot  %#v\nwant %#v", text, got, want)
		}
	})
}

func TestFormatLeavesCanonicalTextAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := scripted.Format(scripts.Draw(t, "script"))
		if again := scripted.Format(parse(t, text)); again != text {
			t.Fatalf("of\n%s\nbecame\n%s", text, again)
		}
	})
}

func TestLayoutChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := scripted.Format(scripts.Draw(t, "script"))
		loose := loosen(t, text)
		s, err := scripted.Parse("script", loose)
		if err != nil {
			t.Fatalf("refused: %v\n%q", err, loose)
		}
		once := scripted.Format(s)
		if twice := scripted.Format(parse(t, once)); once != twice {
			t.Fatalf("formatted twice:\n%s\nformatted once:\n%s\nof:\n%s", twice, once, loose)
		}
		if strings.Count(once, "#") != strings.Count(loose, "#") {
			t.Fatalf("comments are lost:\n%s\nof:\n%s", once, loose)
		}
		if got, want := scripted.StripPlaces(s), scripted.StripPlaces(parse(t, text)); !assert.ObjectsAreEqual(want, got) {
			t.Fatalf("another script: %#v, want %#v", got, want)
		}
	})
}

// bad are statements with a mistake and where in them it is.
var bad = []struct {
	text        string
	at, length  int
	say         string
	eatsTheRest bool // of the line
}{
	{text: "trasient", at: 0, length: 8, say: `unknown word "trasient" (did you mean "transient"?)`},
	{text: "503 x2 afer 40ms", at: 7, length: 4, say: `unknown word "afer" (did you mean "after"?)`},
	{text: "transient:5s", at: 10, length: 2, say: "write transient:5000"},
	{text: "transient:99999999999999999999", at: 10, length: 20, say: "at most 9223372036854"},
	{text: "200", at: 0, length: 3, say: `did you mean "ok"?`},
	{text: "429 retry-aftre=1s", at: 4, length: 11, say: `did you mean "retry-after"?`},
	{text: "503 retry-after=date+soon", at: 16, length: 9, say: "such as date+30s"},
	{text: "503 stal", at: 4, length: 4, say: `did you mean "stall"?`},
	{text: `ok "a" 503 stall`, at: 7, length: 9, say: "a stream ends once"},
	{text: "429 mesage=x", at: 4, length: 6, say: `did you mean "message"?`},
	{text: "ok x0", at: 3, length: 2, say: "x1 to x1000000"},
	{text: "ok pause 0", at: 9, length: 1, say: "duration above 0"},
	{text: `ok "a" stal`, at: 7, length: 4, say: `did you mean "stall"?`},
	{text: "ok usage(in=1 uot=2)", at: 14, length: 3, say: `did you mean "out"?`},
	{text: "ok finish max_token", at: 10, length: 9, say: `did you mean "max_tokens"?`},
	{text: "expect attemps == 2", at: 7, length: 7, say: `did you mean "attempts"?`},
	{text: "expect outcome == succes", at: 18, length: 6, say: `did you mean "success"?`},
	{text: "expect outcome < success", at: 15, length: 1, say: "outcome is compared with == or !="},
	{text: "expect wait[0] == 1s", at: 12, length: 1, say: "the first is wait[1]"},
	{text: "expect no erly-retry", at: 10, length: 10, say: `did you mean "early-retry"?`},
	{text: "expect total in 2s..1s", at: 16, length: 6, say: "nothing lies in this range"},
	{text: "seed -1", at: 5, length: 2, say: "a whole number from 0"},
	{text: "cancel at noon", at: 10, length: 4, say: "cancel at 1.5s"},
	{text: "calls 0", at: 6, length: 1, say: "from 1 to 10000"},
	{text: "calls 3 at once now", at: 16, length: 3, say: "unexpected"},
	{text: "calls 3 4", at: 8, length: 1, say: "or: at once"},
	{text: "seed 4 2", at: 7, length: 1, say: "unexpected"},
	{text: "cancel at 1s 2s", at: 13, length: 2, say: "unexpected"},
	{text: "policy off on", at: 11, length: 2, say: "unexpected"},
	{text: "timeout attempt=1s 5", at: 19, length: 1, say: "unknown key"},
	{text: "expect no early-retry too", at: 22, length: 3, say: "unexpected"},
	{text: "expect total < 1s?", at: 15, length: 3, say: "want a duration"},
	{text: "ok \"a\" x2 \"b\"", at: 10, length: 3, say: "unexpected string"},
	{text: "hang 5s", at: 5, length: 2, say: "unexpected"},
	{text: "timeout atempt=1s", at: 8, length: 6, say: `did you mean "attempt"?`},
	{text: "policy exp:jiter=none", at: 11, length: 5, say: `did you mean "jitter"?`},
	{text: "expect total in 1s..x", at: 20, length: 1, say: "want a duration"},
	{text: "expect attempts in x..y", at: 19, length: 1, say: "want a whole number"},
	{text: "expect attempts in x..3", at: 19, length: 1, say: "want a whole number"},
	{text: `lane "open`, at: 5, length: 5, say: "a string ends on its line", eatsTheRest: true},
	{text: `ok "open`, at: 3, length: 5, say: "a string ends on its line", eatsTheRest: true},
}

func TestAnErrorStandsWhereTheMistakeIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := scripted.Format(scripts.Draw(t, "before"))
		if i := strings.Index(before, "forever"); i >= 0 || strings.Contains(before, "call {") {
			before = ""
		}
		b := bad[rapid.IntRange(0, len(bad)-1).Draw(t, "bad")]
		if word, _, _ := strings.Cut(b.text, " "); strings.Contains(before, word+" ") {
			before = "" // a setting would stand twice
		}
		lead := rapid.SampledFrom([]string{"", "  ", "ok; ", "transient;"}).Draw(t, "lead")
		after := rapid.SampledFrom([]string{"", "\nok\n", "; ok", " # comment"}).Draw(t, "after")
		if b.eatsTheRest && !strings.HasPrefix(after, "\n") {
			after = ""
		}
		_, err := scripted.Parse("script", before+lead+b.text+after)
		var errs scripted.SyntaxErrors
		if !errors.As(err, &errs) || len(errs) != 1 {
			t.Fatalf("want one error, got %v", err)
		}
		want := scripted.Pos{Line: int32(strings.Count(before, "\n") + 1), Col: int32(len(lead) + b.at + 1)}
		if errs[0].Pos != want || errs[0].Len != b.length {
			t.Fatalf("%v of %d bytes, want %v of %d", errs[0].Pos, errs[0].Len, want, b.length)
		}
		if !strings.Contains(errs[0].Msg, b.say) {
			t.Fatalf("%q does not say %q", errs[0].Msg, b.say)
		}
	})
}

// Of a statement with more than one mistake the first is reported. (A timeout
// and a status have fields, each of which may be wrong.)
func TestOneErrorAStatement(t *testing.T) {
	for _, b := range bad {
		if strings.HasPrefix(b.text, "timeout") || strings.HasPrefix(b.text, "429 ") || strings.HasPrefix(b.text, "503 retry") {
			continue
		}
		for _, more := range []string{" what", ` "x"`, " ) (", " x2 x3 after", " 1..2", " =="} {
			_, err := scripted.Parse("script", b.text+more)
			var errs scripted.SyntaxErrors
			require.ErrorAs(t, err, &errs)
			assert.Len(t, errs, 1, b.text+more)
		}
	}
}

// What follows in later lines does not move an error, whatever it is.
func TestWhatFollowsDoesNotMoveAnError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := bad[rapid.IntRange(0, len(bad)-1).Draw(t, "bad")].text
		after := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"}", "{", "ok", "\x00", "\xff", "lane \"a\" {", `"`})).Draw(t, "after")
		first := func(text string) string {
			_, err := scripted.Parse("script", text)
			var errs scripted.SyntaxErrors
			require.ErrorAs(t, err, &errs)
			return errs[0].Error()
		}
		require.Equal(t, first(text), first(text+"\n"+after))
	})
}

// The message about a word that is not known has the word and those that are.
func TestAnUnknownWordIsNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching("[a-z][a-z0-9_.]{0,12}").Draw(t, "word")
		before := rapid.SampledFrom([]string{"", "ok ", "ok \"a\" ", "ok; expect ", "ok; expect outcome == ", "ok; expect no ", "ok finish ", "ok usage(", "timeout ", "429 "}).Draw(t, "before")
		text := before + word
		if before == "timeout " || before == "429 " {
			text += "=1s"
		}
		_, err := scripted.Parse("script", text)
		var errs scripted.SyntaxErrors
		if !errors.As(err, &errs) {
			t.Skip("a word that is known")
		}
		require.Len(t, errs, 1)
		if known := regexp.MustCompile(`\(did you mean |known: |a reason, |needs |want |which |begins a statement`); !known.MatchString(errs[0].Msg) {
			t.Fatalf("%q: %v", text, err)
		}
		require.Contains(t, errs[0].Error(), word)
	})
}

// Every error of a script is reported, in the order of the text.
func TestAllErrorsAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		var want []string
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 17), 1, 40).Draw(t, "bad") {
			fmt.Fprintf(&text, "%s\n", bad[n].text)
			want = append(want, fmt.Sprintf("script:%d:%d: ", i+1, bad[n].at+1))
		}
		_, err := scripted.Parse("script", text.String())
		var errs scripted.SyntaxErrors
		require.ErrorAs(t, err, &errs)
		var got []string
		for _, e := range errs {
			got = append(got, strings.TrimSuffix(strings.SplitN(e.Error(), "\n", 2)[0], e.Msg))
		}
		if !assert.ObjectsAreEqual(want, got) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// A strict prefix of a valid script is a script, or what is missing is missing
// at its end.
func TestAPrefixFailsAtItsEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := scripted.Format(scripts.Draw(t, "script"))
		prefix := text[:rapid.IntRange(0, len(text)).Draw(t, "cut")]
		_, err := scripted.Parse("script", prefix)
		var errs scripted.SyntaxErrors
		if err == nil {
			return
		}
		require.ErrorAs(t, err, &errs)
		last := int32(strings.Count(strings.TrimSuffix(prefix, "\n"), "\n") + 1)
		for _, e := range errs {
			if e.Pos.Line < last && !strings.Contains(e.Msg, "no turns") {
				t.Fatalf("%v, and the text ends in line %d", e, last)
			}
		}
	})
}

func TestScriptsConcatenate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(turns, 1, 3).Draw(t, "a")
		b := rapid.SliceOfN(turns, 1, 3).Draw(t, "b")
		one := scripted.Format(&scripted.Script{Turns: a})
		two := scripted.Format(&scripted.Script{Turns: b})
		got := parse(t, one+two)
		want := &scripted.Script{Name: "script", Turns: append(a, b...)}
		if !assert.ObjectsAreEqual(want, scripted.StripPlaces(got)) {
			t.Fatalf("%q and %q make %#v", one, two, got)
		}
	})
}

func TestRepetitionIsRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		turn := turns.Draw(t, "turn")
		turn.Repeat = rapid.IntRange(1, 5).Draw(t, "n")
		once := turn
		once.Repeat = 1
		short := scripted.NewPlayer(&scripted.Script{Turns: []scripted.Turn{turn}})
		long := scripted.NewPlayer(parse(t, strings.Repeat(once.String()+"\n", turn.Repeat)))
		for range turn.Repeat + 1 {
			a, errA := short.Take(scripted.Request{})
			b, errB := long.Take(scripted.Request{})
			if !assert.ObjectsAreEqual(a.Answer, b.Answer) || (errA == nil) != (errB == nil) {
				t.Fatalf("%v, %v and %v, %v", a, errA, b, errB)
			}
		}
	})
}

// A second, tiny reader of the plainest turns: one regular expression.
var plainTurn = regexp.MustCompile(`^(?:(transient)(?::(\d{1,12}))?|(reset)|(hang))(?: after (\d{1,4})ms)?(?: x(0*[1-9]\d{0,4}))?$`)

func TestAgainstATinyReader(t *testing.T) {
	line := rapid.StringMatching(`(transient|transient:[0-9x]{0,3}|reset|hang|rest)( after [0-9]{1,3}ms?)?( x[0-9]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		text := line.Draw(t, "line")
		want := plainTurn.FindStringSubmatch(text)
		s, err := scripted.Parse("plain", text)
		if m := regexp.MustCompile(`after \d+m( |$)`).MatchString(text); m {
			t.Skip("minutes, which the tiny reader does not know")
		}
		if (err == nil) != (want != nil) {
			t.Fatalf("%q: %v, and the tiny reader says %q", text, err, want)
		}
		if err != nil {
			return
		}
		number := func(s string) int { n, _ := strconv.Atoi(s); return n }
		turn := scripted.Turn{Pos: scripted.Pos{Line: 1, Col: 1}, After: time.Duration(number(want[5])) * time.Millisecond, Repeat: max(number(want[6]), 1)}
		switch {
		case want[1] != "":
			turn.Answer = scripted.Transient{Hinted: want[2] != "", Wait: time.Duration(number(want[2])) * time.Millisecond}
		case want[3] != "":
			turn.Answer = scripted.Reset{}
		default:
			turn.Answer = scripted.Hang{}
		}
		if !assert.ObjectsAreEqual([]scripted.Turn{turn}, s.Turns) {
			t.Fatalf("%q: %#v, and the tiny reader says %#v", text, s.Turns, turn)
		}
	})
}

func TestAnyBytesParseOrFailInPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SampledFrom([]string{"ok", "transient", ":", "50", " ", "\n", ";", `"`, "`", "{", "}", "(", ")", "#", "call", "lane", "expect", "wait[1]",
			"==", "?", "1s..2s", "x3", "after", "permanent", "tool", "usage", "\x00", "\xff", "\xff\xfe", "\ufeff", "\u2028", "e\u0301", "\r", "\t", "429", "a=", "when"})
		checkAnyText(t, strings.Join(rapid.SliceOfN(rapid.OneOf(pieces, rapid.String()), 0, 40).Draw(t, "text"), ""))
	})
}

// checkAnyText is what holds of every text whatsoever.
func checkAnyText(t require.TestingT, text string) {
	s, err := scripted.Parse("any", text)
	if err == nil {
		canonical := scripted.Format(s)
		again, err := scripted.Parse("any", canonical)
		require.NoError(t, err, "%q became %q", text, canonical)
		require.Equal(t, canonical, scripted.Format(again), "of %q", text)
		require.Equal(t, scripted.StripPlaces(s), scripted.StripPlaces(again), "%q became %q", text, canonical)
		return
	}
	require.Nil(t, s)
	var errs scripted.SyntaxErrors
	require.ErrorAs(t, err, &errs)
	require.NotEmpty(t, errs)
	require.NotEmpty(t, err.Error())
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	for i, e := range errs {
		require.NotEmpty(t, e.Msg)
		require.GreaterOrEqual(t, e.Len, 0)
		require.LessOrEqual(t, int(e.Pos.Line), len(lines), e.Msg)
		line := strings.TrimSuffix(lines[e.Pos.Line-1], "\r")
		require.Equal(t, line, e.Source)
		require.LessOrEqual(t, int(e.Pos.Col)-1+e.Len, len(line), e.Msg)
		if at := int(e.Pos.Col) - 1; utf8.ValidString(line) && at < len(line) && len(line) <= scripted.MaxLine {
			require.True(t, utf8.RuneStart(line[at]), "%s: inside a rune", e)
		}
		if i > 0 {
			require.LessOrEqual(t, errs[i-1].Pos.Line, e.Pos.Line)
		}
	}
}

// A dumb reading of lanes, blocks and repetitions: every request that a turn
// answers is written out.
type dumbPlayer struct{ lanes []*dumbLane }

type dumbLane struct {
	when   []scripted.Field
	queues [][]scripted.Turn // one without blocks, else one a block
	blocks bool
	begun  int
	of     map[uint64]int // call: its queue
}

func written(turns []scripted.Turn) []scripted.Turn {
	var out []scripted.Turn
	for _, t := range turns {
		for range min(t.Repeat, 40) {
			out = append(out, t)
		}
	}
	return out
}

func newDumbPlayer(s *scripted.Script) *dumbPlayer {
	p := new(dumbPlayer)
	add := func(when []scripted.Field, turns []scripted.Turn, blocks []scripted.Block) {
		l := &dumbLane{when: when, blocks: len(blocks) > 0, of: make(map[uint64]int)}
		for _, b := range blocks {
			l.queues = append(l.queues, written(b.Turns))
		}
		if !l.blocks {
			l.queues = append(l.queues, written(turns))
		}
		p.lanes = append(p.lanes, l)
	}
	for _, l := range s.Lanes {
		add(l.When, l.Turns, l.Blocks)
	}
	if len(s.Turns)+len(s.Blocks) > 0 {
		add(nil, s.Turns, s.Blocks)
	}
	return p
}

// next returns the answer, or what is wrong.
func (p *dumbPlayer) next(r scripted.Request) (scripted.Answer, string) {
	for _, l := range p.lanes {
		fits := true
		for _, c := range l.when {
			got := map[string]string{"model": r.Model, "path": r.Path, "x-agent": r.Header("x-agent")}[c.Name]
			pattern := regexp.QuoteMeta(c.Value)
			if before, ok := strings.CutSuffix(c.Value, "*"); ok {
				pattern = regexp.QuoteMeta(before) + "(?s:.*)"
			}
			fits = fits && regexp.MustCompile("^(?:"+pattern+")$").MatchString(got)
		}
		if !fits {
			continue
		}
		queue, known := l.of[r.Call], false
		if _, known = l.of[r.Call]; !l.blocks {
			queue, known = 0, true
		}
		if known && l.blocks && r.Call == 0 && len(l.queues[queue]) == 0 && l.begun < len(l.queues) {
			known = false
		}
		if !known {
			if l.begun == len(l.queues) {
				return nil, "used up"
			}
			queue = l.begun
			l.begun++
			l.of[r.Call] = queue
		}
		if len(l.queues[queue]) == 0 {
			return nil, "used up"
		}
		t := l.queues[queue][0]
		l.queues[queue] = l.queues[queue][1:]
		return t.Answer, ""
	}
	return nil, "no lane"
}

// A parsed script plays as a dumb reading of it says.
func TestPlayingAgainstTheDumbPlayer(t *testing.T) {
	seen := make(map[string]bool)
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			s := scripts.Draw(t, "script")
			player, dumb := scripted.NewPlayer(parse(t, scripted.Format(s))), newDumbPlayer(s)
			values := []string{"", "x"}
			for _, l := range s.Lanes {
				for _, c := range l.When {
					values = append(values, c.Value, strings.TrimSuffix(c.Value, "*")+"y")
				}
			}
			value := rapid.SampledFrom(values)
			for range rapid.IntRange(1, 30).Draw(t, "requests") {
				agent := value.Draw(t, "agent")
				r := scripted.Request{
					Call:   rapid.SampledFrom([]uint64{1, 0, 2, 3}).Draw(t, "call"),
					Model:  value.Draw(t, "model"),
					Path:   value.Draw(t, "path"),
					Header: func(name string) string { return map[string]string{"x-agent": agent}[name] },
				}
				want, wrong := dumb.next(r)
				got, err := player.Take(r)
				outcome := ""
				switch {
				case errors.As(err, new(*scripted.UsedUpError)):
					outcome = "used up"
				case errors.As(err, new(*scripted.NoLaneError)):
					outcome = "no lane"
				}
				if outcome != wrong || !assert.ObjectsAreEqual(want, got.Answer) {
					t.Fatalf("%v of\n%s\nfound %v, %v, want %v, %s", r, scripted.Format(s), got.Answer, err, want, wrong)
				}
				seen[wrong] = true
			}
		}
	})
	if !testing.Short() { // few cases need not hold every outcome
		assert.Len(t, seen, 3, "every outcome came up")
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range bad {
		f.Add(b.text)
	}
	f.Add("\xff\xfeo\x00k\x00\n\x00")
	f.Add("\ufeffcall { transient; ok \"a\" cut }\r\nlane \"x\" when model=a* {\n\tok\n}\nexpect wait[*] in 1s..2s # c\n")
	f.Fuzz(func(t *testing.T, text string) { checkAnyText(t, text) })
}

func FuzzFormat(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		text := scripted.Format(scripts.Draw(t, "script"))
		require.Equal(t, text, scripted.Format(parse(t, text)))
		loose := scripted.Format(parse(t, loosen(t, text)))
		require.Equal(t, loose, scripted.Format(parse(t, loose)))
	}))
}

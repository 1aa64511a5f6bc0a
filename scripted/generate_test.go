package scripted_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// Generators of scripts as values. The simplest choice comes first, since
// rapid prefers and shrinks to it.

var texts = rapid.OneOf(
	rapid.SampledFrom([]string{"hi", "", "a b", `say "hi"`, `{"q": 1}`, "back`tick", "tab\there", "line\nbreak", "nul\x00", "\xff\xfe",
		"Grüße", "e\u0301", "\u2028", "\ufeff", "\u009b\"", "日本", "# not a comment; nor an end", "x3", "bad after 2s", "a\\b", "}", "{(", "'", "forever", "x=1", "a }"}),
	rapid.String(),
)

var words = rapid.OneOf(rapid.SampledFrom([]string{"a", "busy", "a-b_c.d", "x=1"}), rapid.StringN(1, 20, -1))

var delays = rapid.OneOf(
	rapid.SampledFrom([]time.Duration{time.Second, 50 * time.Millisecond, 1, time.Hour, math.MaxInt64}),
	rapid.Map(rapid.Int64Range(1, math.MaxInt64), func(n int64) time.Duration { return time.Duration(n) }),
)

var counts = rapid.OneOf(rapid.IntRange(1, 9), rapid.Just(scripted.MaxRepeat))

func transient(t *rapid.T) scripted.Transient {
	if !rapid.Bool().Draw(t, "hinted") {
		return scripted.Transient{}
	}
	ms := rapid.OneOf(rapid.Int64Range(0, 5000), rapid.Just(int64(math.MaxInt64/1_000_000))).Draw(t, "ms")
	return scripted.Transient{Hinted: true, Wait: time.Duration(ms) * time.Millisecond}
}

func status(t *rapid.T, headers bool) scripted.Status {
	maybe := rapid.OneOf(rapid.Just(""), words)
	s := scripted.Status{
		Status:  rapid.OneOf(rapid.SampledFrom([]int{429, 503, 529, 300, 599}), rapid.IntRange(300, 599)).Draw(t, "status"),
		Type:    maybe.Draw(t, "type"),
		Code:    maybe.Draw(t, "code"),
		Message: maybe.Draw(t, "message"),
	}
	if !headers {
		return s
	}
	s.Stall = rapid.Bool().Draw(t, "stall")
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"retry-after", "retry-after-ms", "date", "x-request-id", "anthropic-version"}), 0, 3, rapid.ID).Draw(t, "headers") {
		value := rapid.OneOf(rapid.SampledFrom([]string{"1", "007", "90", "soon", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "1.5", "date+30s", "date-0m1s", "date+"}), texts).Draw(t, "value")
		s.Header = append(s.Header, scripted.Field{Name: name, Value: value})
	}
	return s
}

func parts(t *rapid.T) []scripted.Item {
	var out []scripted.Item
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		if rapid.IntRange(0, 3).Draw(t, "pause") == 3 {
			out = append(out, scripted.Pause(delays.Draw(t, "pause")))
		} else {
			out = append(out, scripted.Text(texts.Draw(t, "part")))
		}
	}
	return out
}

var maybeWord = rapid.OneOf(rapid.Just(""), words)

var tools = rapid.Custom(func(t *rapid.T) scripted.Tool {
	tool := scripted.Tool{ID: maybeWord.Draw(t, "id"), Name: texts.Draw(t, "name")}
	if rapid.Bool().Draw(t, "with arguments") {
		tool.Parts = []scripted.Item{scripted.Text(`{"q":`), scripted.Pause(delays.Draw(t, "pause")), scripted.Text(`1}`)}
	}
	return tool
})

func stream(t *rapid.T) scripted.Stream {
	var s scripted.Stream
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		switch rapid.IntRange(0, 5).Draw(t, "item") {
		case 0:
			s.Items = append(s.Items, scripted.Text(texts.Draw(t, "text")))
		case 1:
			s.Items = append(s.Items, scripted.Pause(delays.Draw(t, "pause")))
		case 2:
			s.Items = append(s.Items, tools.Draw(t, "tool"))
		case 3:
			s.Items = append(s.Items, scripted.Reasoning{Signature: maybeWord.Draw(t, "signature"), Parts: parts(t)})
		case 4:
			s.Items = append(s.Items, scripted.Redacted(texts.Draw(t, "data")))
		case 5:
			s.Items = append(s.Items, scripted.Interleaved(rapid.SliceOfN(tools, 2, 4).Draw(t, "tools")))
		}
	}
	switch rapid.IntRange(0, 8).Draw(t, "end") {
	case 1:
		s.End = transient(t)
	case 2:
		s.End = scripted.Permanent{Reason: texts.Draw(t, "reason")}
	case 3:
		s.End = status(t, false)
	case 4:
		s.End = scripted.Cut{}
	case 5:
		s.End = scripted.EOF{}
	case 6:
		s.End = scripted.Stall{}
	case 7:
		s.End = scripted.Finish{
			Reason: retry.FinishReason(rapid.OneOf(rapid.SampledFrom([]string{"max_tokens", "refusal"}), words).Draw(t, "finish")),
			Usage:  retry.Usage{InputTokens: rapid.Int64Range(0, math.MaxInt64).Draw(t, "in"), CacheCreation1hTokens: rapid.Int64Range(0, 3).Draw(t, "1h")},
		}
	case 8:
		cut := scripted.Tool{Name: "search", Parts: []scripted.Item{scripted.Text(`{"q":`)}}
		if rapid.Bool().Draw(t, "alone") {
			s.Items = append(s.Items, cut)
		} else {
			s.Items = append(s.Items, scripted.Interleaved{cut, tools.Draw(t, "tool")})
		}
		s.End = scripted.Cut{}
	}
	return s
}

var turns = rapid.Custom(func(t *rapid.T) scripted.Turn {
	turn := scripted.Turn{Repeat: 1}
	switch rapid.IntRange(0, 5).Draw(t, "answer") {
	case 0:
		turn.Answer = transient(t)
	case 1:
		turn.Answer = stream(t)
	case 2:
		turn.Answer = scripted.Permanent{Reason: texts.Draw(t, "reason")}
	case 3:
		turn.Answer = status(t, true)
	case 4:
		turn.Answer = scripted.Reset{}
	case 5:
		turn.Answer = scripted.Hang{}
	}
	if rapid.IntRange(0, 2).Draw(t, "modified") == 2 {
		turn.Repeat = counts.Draw(t, "repeat")
	}
	if rapid.IntRange(0, 2).Draw(t, "late") == 2 {
		turn.After = delays.Draw(t, "after")
	}
	return turn
})

func someTurns(t *rapid.T) []scripted.Turn {
	out := rapid.SliceOfN(turns, 1, 3).Draw(t, "turns")
	if rapid.IntRange(0, 4).Draw(t, "forever") == 4 {
		out[len(out)-1].Repeat = scripted.Forever
	}
	return out
}

func body(t *rapid.T) ([]scripted.Turn, []scripted.Block) {
	if rapid.IntRange(0, 3).Draw(t, "blocks") < 3 {
		return someTurns(t), nil
	}
	blocks := make([]scripted.Block, rapid.IntRange(1, 2).Draw(t, "blocks"))
	for i := range blocks {
		blocks[i] = scripted.Block{Turns: someTurns(t), Expects: someExpects(t)}
	}
	return nil, blocks
}

var expects = rapid.Custom(func(t *rapid.T) scripted.Expect {
	e := scripted.Expect{Op: rapid.SampledFrom([]scripted.Op{scripted.Equal, scripted.NotEqual}).Draw(t, "op")}
	order := rapid.SampledFrom([]scripted.Op{scripted.Equal, scripted.In, scripted.Less, scripted.LessOrEqual, scripted.Greater, scripted.GreaterOrEqual, scripted.NotEqual})
	number := rapid.Int64Range(0, math.MaxInt64)
	switch rapid.IntRange(0, 3).Draw(t, "subject") {
	case 0:
		e.Subject = rapid.SampledFrom([]scripted.Subject{scripted.SubjectAttempts, scripted.SubjectChunks, scripted.SubjectWait, scripted.SubjectStart, scripted.SubjectTotal}).Draw(t, "number")
		e.Op, e.Number = order.Draw(t, "order"), number.Draw(t, "value")
		if e.Op == scripted.In {
			e.High = rapid.Int64Range(e.Number, math.MaxInt64).Draw(t, "high")
		}
		if e.Subject == scripted.SubjectWait || e.Subject == scripted.SubjectStart {
			e.Index = rapid.IntRange(0, 9).Draw(t, "index")
		}
	case 1:
		e.Subject, e.Text = scripted.SubjectOutcome, rapid.SampledFrom([]string{"success", "exhausted", "permanent", "cancelled", "broken", "truncated"}).Draw(t, "outcome")
	case 2:
		e.Subject = rapid.SampledFrom([]scripted.Subject{scripted.SubjectError, scripted.SubjectText}).Draw(t, "text")
		e.Text = texts.Draw(t, "value")
		if e.Text != "" && rapid.Bool().Draw(t, "contains") {
			e.Op = scripted.Contains
		}
	case 3:
		return scripted.Expect{Subject: scripted.SubjectVerdict, Text: rapid.SampledFrom(scripted.Verdicts).Draw(t, "verdict")}
	}
	if e.Op == scripted.Equal && rapid.IntRange(0, 5).Draw(t, "open") == 5 {
		e.Open, e.Text, e.Number = true, "", 0
	}
	return e
})

func someExpects(t *rapid.T) []scripted.Expect {
	list := rapid.SliceOfN(expects, 0, 2).Draw(t, "expects")
	if len(list) == 0 {
		return nil
	}
	return list
}

func covered(s *scripted.Script, lane scripted.Lane) bool {
	return slices.ContainsFunc(s.Lanes, func(l scripted.Lane) bool { return scripted.Covers(l, lane) })
}

// scripts draws valid scripts; each leaves out most of the language.
var scripts = rapid.Custom(func(t *rapid.T) *scripted.Script {
	s := &scripted.Script{Name: "script"}
	with := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 3 }
	if with("policy") {
		s.Policy = &retry.Policy{MaxAttempts: counts.Draw(t, "attempts"), BaseDelay: delays.Draw(t, "base")}
	}
	if with("seed") {
		seed := rapid.Uint64().Draw(t, "seed")
		s.Seed = &seed
	}
	if with("attempt timeout") {
		s.AttemptTimeout = delays.Draw(t, "attempt")
	}
	if with("total timeout") {
		s.TotalTimeout = delays.Draw(t, "total")
	}
	if with("cancel") {
		at := delays.Draw(t, "at") - 1
		s.Cancel = &at
	}
	if with("lanes") {
		for i := range rapid.IntRange(1, 2).Draw(t, "lanes") {
			l := scripted.Lane{Name: fmt.Sprint(texts.Draw(t, "name"), i), Expects: someExpects(t)}
			l.Turns, l.Blocks = body(t)
			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"model", "path", "x-agent"}), 0, 2, rapid.ID).Draw(t, "when") {
				l.When = append(l.When, scripted.Field{Name: key, Value: words.Draw(t, "value") + rapid.SampledFrom([]string{"", "*"}).Draw(t, "open")})
			}
			if !covered(s, l) {
				s.Lanes = append(s.Lanes, l)
			}
		}
	}
	if len(s.Lanes) == 0 || with("turns") && !covered(s, scripted.Lane{}) {
		s.Turns, s.Blocks = body(t)
	}
	s.Expects = someExpects(t)
	blocks := len(s.Blocks)
	for _, l := range s.Lanes {
		blocks += len(l.Blocks)
	}
	if blocks == 0 && with("calls") {
		s.Calls, s.AtOnce = rapid.IntRange(1, scripted.MaxCalls).Draw(t, "calls"), rapid.Bool().Draw(t, "at once")
	}
	return s
})

// widen makes the blanks between the words of a line longer, or tabs. A bare
// reason is all one word.
func widen(t *rapid.T, line string) string {
	if strings.Contains(line, "permanent: ") {
		return line
	}
	blank := rapid.SampledFrom([]string{"  ", "\t", " \t "}).Draw(t, "blank")
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == '"' || c == '`'):
			quote = c
		case quote == '"' && c == '\\':
			b.WriteByte(c)
			i++
			c = line[i]
		case c == quote:
			quote = 0
		case quote == 0 && c == ' ':
			b.WriteString(blank)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// layouts draws what may be done to a canonical text without changing its
// meaning: comments, blank lines, blanks, CRLF.
func loosen(t *rapid.T, text string) string {
	var b strings.Builder
	end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rapid.IntRange(0, 2).Draw(t, "widen") == 2 {
			line = widen(t, line)
		}
		switch rapid.IntRange(0, 4).Draw(t, "loosen") {
		case 1:
			line = " \t" + line + "  "
		case 2:
			line = end + end + line
		case 3:
			line = "# comment" + end + "   # and more" + end + line
		case 4:
			line += rapid.SampledFrom([]string{" # trailing", "; # trailing", " ;;# trailing"}).Draw(t, "comment")
		}
		b.WriteString(line + end)
	}
	return b.String()
}

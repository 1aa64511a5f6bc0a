package simulate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
)

func TestScenarios(t *testing.T) {
	propertytest.Files(t, "testdata/*.retry")
	propertytest.Files(t, "testdata/*.txtar")
}

func TestTheArchiveIsFormatted(t *testing.T) {
	text, err := os.ReadFile("testdata/suite.txtar")
	require.NoError(t, err)
	formatted, err := scripted.FormatFile("suite.txtar", string(text))
	require.NoError(t, err)
	assert.Equal(t, formatted, string(text))
}

// corpus returns every scenario with its text.
func corpus(t *testing.T) map[string]*scripted.Script {
	t.Helper()
	files, err := filepath.Glob("testdata/*.retry")
	require.NoError(t, err)
	out := make(map[string]*scripted.Script)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		s, err := scripted.Parse(file, string(text))
		require.NoError(t, err)
		assert.Equal(t, scripted.Format(s), string(text), "%s is not formatted", file)
		assert.True(t, strings.HasPrefix(string(text), "# "), "%s says nothing about itself", file)
		out[file] = s
	}
	return out
}

// forms are the forms of the language that were seen.
type forms map[string]bool

// note notes a form, if it is there.
func (f forms) note(form string, there bool) { f[form] = f[form] || there }

func (f forms) value(v any) { f[strings.TrimPrefix(fmt.Sprintf("%T", v), "scripted.")] = true }

func (f forms) script(s *scripted.Script) {
	f.note("seed", s.Seed != nil)
	f.note("cancel", s.Cancel != nil)
	f.note("timeout attempt", s.AttemptTimeout > 0)
	f.note("timeout total", s.TotalTimeout > 0)
	f.note("at once", s.AtOnce)
	f.lane(scripted.Lane{Turns: s.Turns, Blocks: s.Blocks, Expects: s.Expects})
	for _, l := range s.Lanes {
		f["lane"] = true
		f.lane(l)
	}
}

func (f forms) lane(l scripted.Lane) {
	f.turns(l.Turns)
	f.expects(l.Expects)
	for _, b := range l.Blocks {
		f["call"] = true
		f.turns(b.Turns)
		f.expects(b.Expects)
	}
}

func (f forms) turns(list []scripted.Turn) {
	for _, turn := range list {
		f.value(turn.Answer)
		f.note("after", turn.After > 0)
		f.note("repeat", turn.Repeat > 1)
		f.note("forever", turn.Repeat == scripted.Forever)
		if s, ok := turn.Answer.(scripted.Stream); ok {
			f.value(s.End)
			for _, item := range s.Items {
				f.value(item)
			}
		}
	}
}

func (f forms) expects(list []scripted.Expect) {
	for _, e := range list {
		f["expect "+string(e.Subject)] = true
		f["op "+string(e.Op)] = true
		f.note("no "+e.Text, e.Subject == scripted.SubjectVerdict)
	}
}

// The corpus has every form of the language and names every rule of the
// contract that a scenario can show. (C12 is about the code: one place waits.)
func TestTheCorpusIsComplete(t *testing.T) {
	seen := make(forms)
	var prose strings.Builder
	all := corpus(t)
	for _, s := range all {
		for _, c := range s.Comments {
			prose.WriteString(c.Text)
		}
		seen.script(s)
	}
	require.GreaterOrEqual(t, len(all), 40)
	want := []string{"Transient", "Permanent", "Status", "Reset", "Hang", "Stream", "Text", "Pause", "Tool", "Interleaved", "Reasoning", "Redacted",
		"Finish", "Cut", "EOF", "Stall", "after", "repeat", "forever", "call", "lane", "seed", "cancel", "timeout attempt", "timeout total", "at once",
		"op ==", "op !=", "op <", "op <=", "op in", "op contains", "expect outcome", "expect attempts", "expect wait", "expect start",
		"expect total", "expect error", "expect chunks", "expect text", "expect no"}
	for _, name := range scripted.Verdicts {
		want = append(want, "no "+name)
	}
	for _, w := range want {
		assert.True(t, seen[w], "no scenario has %s", w)
	}
	for n := 1; n <= 13; n++ {
		if n != 12 {
			assert.Regexp(t, fmt.Sprintf(`\bC%d\b`, n), prose.String(), "no scenario is about C%d", n)
		}
	}
}

// No scenario is green by chance: with another number in an expectation it is
// red.
func TestEveryExpectationCanFail(t *testing.T) {
	for name, s := range corpus(t) {
		all := []*[]scripted.Expect{&s.Expects}
		for i := range s.Blocks {
			all = append(all, &s.Blocks[i].Expects)
		}
		for i := range s.Lanes {
			all = append(all, &s.Lanes[i].Expects)
			for j := range s.Lanes[i].Blocks {
				all = append(all, &s.Lanes[i].Blocks[j].Expects)
			}
		}
		for _, list := range all {
			for i := range *list {
				e := &(*list)[i]
				kept := *e
				if !spoil(e) {
					continue
				}
				assert.False(t, simulate.Check(s).OK(), "%s holds with %s as with %s", name, *e, kept)
				*e = kept
			}
		}
	}
}

// spoil turns a condition that holds into one that does not.
func spoil(e *scripted.Expect) bool {
	opposite := map[scripted.Op]scripted.Op{
		scripted.Equal: scripted.NotEqual, scripted.NotEqual: scripted.Equal,
		scripted.Less: scripted.GreaterOrEqual, scripted.GreaterOrEqual: scripted.Less,
		scripted.LessOrEqual: scripted.Greater, scripted.Greater: scripted.LessOrEqual,
	}
	switch {
	case e.Subject == scripted.SubjectVerdict:
		return false
	case e.Op == scripted.In:
		e.Number, e.High = e.High+1, e.High+1
	case e.Op == scripted.Contains:
		e.Text += "?!"
	default:
		e.Op = opposite[e.Op]
	}
	return true
}

func ExampleCheck() {
	s, err := scripted.Parse("flaky.retry", `
		policy exp:base=1s,jitter=none,attempts=3
		429 retry-after=5s; ok "hi"
		expect wait[1] == 5s
		expect attempts == 3`)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := simulate.Check(s)
	for _, e := range r.Failed() {
		fmt.Printf("%s:%d: expect %v: got %s\n", s.Name, e.Pos.Line, e.Expect, e.Got)
	}
	// Output: flaky.retry:5: expect attempts == 3: got 2
}

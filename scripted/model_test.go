package scripted_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted"
)

// model returns a model of the script on an auto clock.
func model(t require.TestingT, text string) (*scripted.Model, *fakeclock.Clock) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	m := scripted.NewModel(parse(t, text))
	m.Clock = clock
	return m, clock
}

func collect(s retry.Stream) (chunks []retry.StreamChunk, err error) {
	for chunk, err := range retry.Chunks(s) {
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, chunk)
	}
	return chunks, nil
}

func TestFailures(t *testing.T) {
	tests := []struct {
		script, text string
		class        retry.Classification
		below        error
	}{
		{"transient", "transient", retry.Transient(), nil},
		{"transient:50", "transient:50", retry.TransientAfter(50 * time.Millisecond), nil},
		{"transient:0", "transient:0", retry.TransientAfter(0), nil},
		{"permanent: no", "permanent: no", retry.Permanent(), nil},
		{"reset", "reset: connection reset by peer", retry.Transient(), syscall.ECONNRESET},
		{"ok cut", "cut: unexpected EOF", retry.Transient(), io.ErrUnexpectedEOF},
		{"ok eof", "eof: unexpected EOF", retry.Transient(), io.ErrUnexpectedEOF},
		{"503", "503", retry.Transient(), nil},
		{"404", "404", retry.Permanent(), nil},
		{"429 retry-after=2s type=t code=c message=m", "429 t c: m", retry.TransientAfter(2 * time.Second), nil},
		{"429 retry-after=1s retry-after-ms=1500", "429", retry.TransientAfter(1500 * time.Millisecond), nil},
		{`503 retry-after="Sat, 01 Jan 2000 00:01:00 GMT"`, "503", retry.TransientAfter(time.Minute), nil},
		{`503 retry-after="Sat, 01 Jan 2000 00:01:00 GMT" after 50s`, "503", retry.TransientAfter(10 * time.Second), nil},
		{`503 retry-after="Fri, 31 Dec 1999 23:59:59 GMT"`, "503", retry.TransientAfter(0), nil},
		{"503 retry-after=date+30s after 1500ms", "503", retry.TransientAfter(29500 * time.Millisecond), nil}, // a date has whole seconds
		{"503 retry-after=date-30s", "503", retry.TransientAfter(0), nil},
		{"503 retry-after=2s stall", "503", retry.TransientAfter(2 * time.Second), nil},
		{"429 type=insufficient_quota code=insufficient_quota retry-after=1s", "429 insufficient_quota insufficient_quota", retry.Permanent(), nil},
		{"ok 529 type=overloaded_error", "529 overloaded_error", retry.Transient(), nil},
	}
	for _, tt := range tests {
		t.Run(tt.script, func(t *testing.T) {
			m, _ := model(t, tt.script)
			err := m.Do(t.Context())
			var e *scripted.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.text, err.Error())
			class := retry.Classify(err)
			assert.Equal(t, tt.class.IsTransient(), class.IsTransient())
			want, wantHint := tt.class.RetryAfter()
			got, hint := class.RetryAfter()
			assert.Equal(t, want, got)
			assert.Equal(t, wantHint, hint)
			if tt.below != nil {
				assert.ErrorIs(t, err, tt.below)
			}
			if e.Status != nil {
				var p *provider.Error
				require.ErrorAs(t, err, &p)
				assert.Equal(t, e.Status.Status, p.Status)
			}
		})
	}
}

func TestAStreamInFull(t *testing.T) {
	m, clock := model(t, "ok reasoning signature=s(\"a\" pause 1s \"b\") tool x(`{\"q\":` pause 1s `1}`) tool y id=k() redacted \"r\" \"t\" usage(in=3) after 1s")
	s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	assert.Equal(t, time.Second, clock.Elapsed())
	chunks, err := collect(s)
	require.NoError(t, err)
	want := []retry.StreamChunk{
		retry.ReasoningDelta{Delta: "a"}, retry.ReasoningDelta{Delta: "b"}, retry.ReasoningFinished{Signature: "s"},
		retry.ToolCallStarted{ID: "call_1", Name: "x"}, retry.ToolCallArgsDelta{ID: "call_1", Delta: `{"q":`}, retry.ToolCallArgsDelta{ID: "call_1", Delta: "1}"},
		retry.ToolCallFinished{ID: "call_1", Name: "x", Args: []byte(`{"q":1}`)},
		retry.ToolCallStarted{ID: "k", Name: "y"}, retry.ToolCallFinished{ID: "k", Name: "y", Args: []byte("{}")},
		retry.RedactedReasoning{Data: "r"}, retry.TextDelta{Delta: "t"},
		retry.TurnFinished{Reason: retry.ToolUse, Usage: retry.Usage{InputTokens: 3}},
	}
	assert.Equal(t, want, chunks)
	assert.Equal(t, 3*time.Second, clock.Elapsed())
	r := m.Records()
	require.Len(t, r, 1)
	assert.Equal(t, want, r[0].Chunks)
	assert.True(t, r[0].Alive && r[0].Opened && r[0].Closed)
	assert.Zero(t, m.Open())
}

// What comes too late is not handed out, and no script is changed by playing it.
func TestWhatIsHandedOut(t *testing.T) {
	m, clock := model(t, `ok "a" pause 2s "b"`)
	ctx, cancel := fakeclock.WithCancel(t.Context(), clock)
	clock.AfterFunc(time.Second, cancel)
	assert.Equal(t, context.Canceled, m.Do(ctx))
	assert.Equal(t, []retry.StreamChunk{retry.TextDelta{Delta: "a"}}, m.Records()[0].Chunks)

	script := parse(t, "ok tool x() interleaved(tool a() tool b()) x2")
	before := scripted.Format(script)
	m = scripted.NewModel(script)
	for range 2 {
		require.NoError(t, m.Do(t.Context()))
	}
	assert.Equal(t, before, scripted.Format(script))
}

// stopped is a clock that gives up.
type stopped struct{ clockwork.Clock }

var errStopped = errors.New("the clock stopped")

func (stopped) SleepContext(context.Context, time.Duration) error { return errStopped }

func TestAClockThatGivesUp(t *testing.T) {
	m, _ := model(t, "ok after 1s; hang")
	m.Clock = stopped{m.Clock}
	assert.Equal(t, errStopped, m.Do(t.Context()))
	assert.Equal(t, errStopped, m.Do(t.Context()))
}

// A timeout that cancels says that it is one.
func TestTheCauseOfACancel(t *testing.T) {
	for cause, want := range map[error]error{context.DeadlineExceeded: context.DeadlineExceeded, errStopped: context.Canceled, nil: context.Canceled} {
		m, _ := model(t, "ok")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		assert.Equal(t, want, m.Do(ctx))

		m, clock := model(t, "ok after 2s")
		ctx, cancel = context.WithCancelCause(t.Context())
		clock.AfterFunc(time.Second, func() { cancel(cause) })
		assert.Equal(t, want, m.Do(ctx), "in a wait")
		assert.Equal(t, time.Second, clock.Elapsed())
	}
}

func TestAPauseBeforeTheEnd(t *testing.T) {
	for _, end := range []string{"eof", "cut", "transient", ""} {
		m, clock := model(t, `ok "a" pause 300ms `+end)
		m.Do(t.Context())
		assert.Equal(t, 300*time.Millisecond, clock.Elapsed(), end)
	}
}

func TestWhyAStreamFinishes(t *testing.T) {
	for script, want := range map[string]retry.FinishReason{
		`ok "a"`: retry.EndTurn, "ok": retry.EndTurn, `ok tool x() "a"`: retry.ToolUse, "ok interleaved(tool a() tool b())": retry.ToolUse,
		`ok tool x() finish max_tokens`: retry.MaxTokens, `ok usage(in=1) finish "refusal"`: "refusal", "ok usage(out=1)": retry.EndTurn,
	} {
		m, _ := model(t, script)
		s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
		require.NoError(t, err)
		chunks, err := collect(s)
		require.NoError(t, err)
		assert.Equal(t, want, chunks[len(chunks)-1].(retry.TurnFinished).Reason, script)
	}
}

func TestInterleavedToolCalls(t *testing.T) {
	m, clock := model(t, "ok tool x() interleaved(tool a(\"[1,\" pause 1s \"2]\") tool b id=k(\"[3]\") tool c()) \"t\"; "+
		"ok interleaved(tool a(\"[1,\" \"2]\") tool b(\"[3,\")) cut")
	s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	chunks, err := collect(s)
	require.NoError(t, err)
	assert.Equal(t, []retry.StreamChunk{
		retry.ToolCallStarted{ID: "call_1", Name: "x"}, retry.ToolCallFinished{ID: "call_1", Name: "x", Args: []byte("{}")},
		retry.ToolCallStarted{ID: "call_2", Name: "a"}, retry.ToolCallStarted{ID: "k", Name: "b"}, retry.ToolCallStarted{ID: "call_4", Name: "c"},
		retry.ToolCallArgsDelta{ID: "call_2", Delta: "[1,"}, retry.ToolCallArgsDelta{ID: "k", Delta: "[3]"}, retry.ToolCallArgsDelta{ID: "call_2", Delta: "2]"},
		retry.ToolCallFinished{ID: "call_2", Name: "a", Args: []byte("[1,2]")}, retry.ToolCallFinished{ID: "k", Name: "b", Args: []byte("[3]")},
		retry.ToolCallFinished{ID: "call_4", Name: "c", Args: []byte("{}")},
		retry.TextDelta{Delta: "t"}, retry.TurnFinished{Reason: retry.ToolUse},
	}, chunks)
	assert.Equal(t, time.Second, clock.Elapsed())

	s, err = m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	chunks, err = collect(s)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, retry.ToolCallFinished{ID: "call_1", Name: "a", Args: []byte("[1,2]")}, chunks[len(chunks)-1], "the other is not finished")
	assert.Len(t, chunks, 6)
}

func TestEndings(t *testing.T) {
	for script, want := range map[string]error{
		"ok":                         nil,
		"ok eof":                     io.ErrUnexpectedEOF,
		"ok cut":                     io.ErrUnexpectedEOF,
		"ok stall":                   context.Canceled,
		"ok pause 2s":                context.Canceled,
		"hang":                       context.Canceled,
		"ok after 2s":                context.Canceled,
		"ok pause 999ms eof":         io.ErrUnexpectedEOF,
		"ok tool x(pause 2s \"{}\")": context.Canceled,
	} {
		m, clock := model(t, script)
		ctx, cancel := fakeclock.WithCancel(t.Context(), clock)
		clock.AfterFunc(time.Second, cancel)
		err := m.Do(ctx)
		assert.ErrorIs(t, err, want, script)
		assert.Equal(t, want == nil, err == nil, script)
		assert.LessOrEqual(t, clock.Elapsed(), time.Second, script)
		cancel()
	}
}

// A hang and a stall wait on the clock, too: one that moves by itself comes to
// their end, and the error says what is missing.
func TestNobodyEndsAHang(t *testing.T) {
	for script, what := range map[string]string{"hang": "hang", `ok "a" stall`: "stall"} {
		m, clock := model(t, script)
		err := m.Do(t.Context())
		assert.Equal(t, &scripted.HungError{Turn: what}, err)
		assert.EqualError(t, err, "scripted: nothing ended the "+what+" in 365 days (a timeout or a cancel would)")
		assert.Equal(t, retry.Permanent(), retry.Classify(err))
		assert.Equal(t, scripted.Patience, clock.Elapsed())
	}
}

// On any other clock a wait is a timer beside the context.
func TestOnAnotherClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := scripted.NewModel(parse(t, "503 after 2s; hang; ok \"a\" pause 3s \"b\" after 1ns"))
		start := time.Now()
		assert.ErrorContains(t, m.Do(t.Context()), "503")
		assert.Equal(t, 2*time.Second, time.Since(start), "nil is the real clock, here the bubble's")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, m.Do(ctx))
		assert.Equal(t, 62*time.Second, time.Since(start))
		m.Clock = clockwork.NewRealClock()
		assert.NoError(t, m.Do(t.Context()))
		assert.Equal(t, 65*time.Second+1, time.Since(start))
	})
}

func TestADeadContextTakesNoTurn(t *testing.T) {
	m, _ := model(t, "permanent: first")
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, context.Canceled, m.Do(dead))
	assert.ErrorContains(t, m.Do(t.Context()), "first")
	r := m.Records()
	assert.False(t, r[0].Alive)
	assert.True(t, r[1].Alive)
	assert.Nil(t, r[0].Turn.Answer)
	assert.Equal(t, scripted.Permanent{Reason: "first"}, r[1].Turn.Answer)
	assert.ErrorContains(t, r[1].Err, "first")
}

func TestRecordsAreCopies(t *testing.T) {
	m, clock := model(t, `transient:5 after 1s; ok "a" "b"`)
	req := retry.ChatRequest{StopSequences: []string{"x"}}
	_, err := m.As("gpt").ChatStream(retry.WithCall(t.Context(), 7), req)
	require.Error(t, err)
	req.StopSequences[0] = "changed"
	s, err := m.ChatStream(t.Context(), req)
	require.NoError(t, err)
	_, err = s.Recv()
	require.NoError(t, err)

	r := m.Records()
	require.Len(t, r, 2)
	assert.Equal(t, 2, m.Calls())
	assert.Equal(t, 1, m.Open())
	assert.Equal(t, "x", r[0].Request.StopSequences[0])
	assert.Equal(t, "gpt", r[0].Model)
	assert.Equal(t, uint64(7), r[0].Call)
	assert.Equal(t, "scripted", r[1].Model)
	assert.Equal(t, clock.Now(), r[1].At)
	assert.Equal(t, time.Second, r[1].At.Sub(r[0].At))
	assert.Len(t, r[1].Chunks, 1)
	assert.False(t, r[1].Closed)
	r[0].Request.StopSequences[0] = "mine"
	assert.Equal(t, "x", m.Records()[0].Request.StopSequences[0])
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Recv()
	assert.EqualError(t, err, "scripted: Recv on a closed stream")
	assert.Zero(t, m.Open())
	assert.Equal(t, "scripted", m.Name())
	assert.Equal(t, "scripted", m.Model())
	assert.Equal(t, "gpt", m.As("gpt").Model())
}

func TestTheUsersOwnErrors(t *testing.T) {
	type myError struct{ error }
	m, _ := model(t, `429; ok "a" cut; ok "a" eof; reset; 503`)
	m.Error = func(turn scripted.Turn, e *scripted.Error) error {
		if _, ok := turn.Answer.(scripted.Reset); ok {
			return e
		}
		return myError{e}
	}
	var mine myError
	for range 3 {
		assert.ErrorAs(t, m.Do(t.Context()), &mine)
	}
	err := m.Do(t.Context())
	assert.False(t, errors.As(err, &mine))
	assert.ErrorIs(t, err, syscall.ECONNRESET)

	m.Error = func(scripted.Turn, *scripted.Error) error { return nil }
	assert.EqualError(t, m.Do(t.Context()), "503", "a hook that maps nothing makes no failure a success")
}

// meddling is a context that lets somebody else in whenever it is asked.
type meddling struct {
	context.Context
	ask func()
}

func (c meddling) Err() error { c.ask(); return nil }

// Whoever comes between, the n-th record got the n-th turn.
func TestTheRecordsAreInTheOrderOfTheTurns(t *testing.T) {
	m, _ := model(t, strings.Repeat("reset\n", 9))
	inside := false
	m.Do(meddling{t.Context(), func() {
		if !inside {
			inside = true
			m.Do(context.Background())
			inside = false
		}
	}})
	require.Greater(t, m.Calls(), 2)
	for i, r := range m.Records() {
		assert.Equal(t, int32(i+1), r.Turn.Pos.Line)
	}
}

// What a caller does to a chunk, or to a record, changes no record.
func TestRecordedChunksAreCopies(t *testing.T) {
	m, _ := model(t, "ok tool x(`{\"q\":1}`) x2")
	for range 2 {
		s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
		require.NoError(t, err)
		chunks, err := collect(s)
		require.NoError(t, err)
		args := chunks[2].(retry.ToolCallFinished).Args
		require.Equal(t, `{"q":1}`, string(args))
		clear(args)
		clear(m.Records()[0].Chunks[2].(retry.ToolCallFinished).Args)
	}
	for _, r := range m.Records() {
		assert.Equal(t, `{"q":1}`, string(r.Chunks[2].(retry.ToolCallFinished).Args))
	}
}

// Concurrent callers take the turns in the order in which they call, whatever
// time the answers take.
func TestConcurrentCallers(t *testing.T) {
	m := scripted.NewModel(parse(t, `permanent: "a" after 3s; permanent: "b" after 1s; permanent: "c" after 2s`))
	var got []string
	err := fakeclock.Run(fakeclock.Config{}, func(clock *fakeclock.Clock) error {
		m.Clock = clock
		g := clock.NewGroup()
		for _, name := range []string{"x", "y", "z"} {
			g.Go(name, func(*fakeclock.Clock) error {
				err := m.Do(context.Background())
				got = append(got, name+" "+err.Error())
				return nil
			})
		}
		return g.Wait()
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"y permanent: b", "z permanent: c", "x permanent: a"}, got)

	m, _ = model(t, "ok \"a\" x100")
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { assert.NoError(t, m.Do(context.Background())) })
	}
	wg.Wait()
	assert.ErrorContains(t, m.Do(t.Context()), "call 101 finds the script used up (it has 100 turns)")
}

func TestLanes(t *testing.T) {
	m, _ := model(t, `
		lane "a" when model=gpt-4o* path=/v1/chat { ok "a" }
		lane "b" when x-agent=b { transient; ok "b" }
		lane "c" when model=claude { ok forever }`)
	request := func(path, agent string) context.Context {
		return scripted.WithRequest(t.Context(), scripted.Request{Path: path, Header: func(name string) string {
			if name == "x-agent" {
				return agent
			}
			return ""
		}})
	}
	assert.NoError(t, m.As("gpt-4o-mini").Do(request("/v1/chat", "")))
	assert.ErrorContains(t, m.Do(request("", "b")), "transient")
	assert.NoError(t, m.As("claude").Do(t.Context()))
	assert.NoError(t, m.As("claude").Do(t.Context()))
	assert.NoError(t, m.As("gpt-4o").Do(request("/v1/other", "b")))

	err := m.As("gpt-4o").Do(request("/v1/chat", ""))
	assert.EqualError(t, err, `scripted: call 2 finds lane "a" used up (it has 1 turn)`)
	err = m.As("gpt-3").Do(request("/v1/x y", ""))
	assert.EqualError(t, err, `scripted: a request with model=gpt-3 path="/v1/x y" x-agent="" fits no lane: there is lane "a" when model=gpt-4o* path=/v1/chat, lane "b" when x-agent=b, lane "c" when model=claude`)
	assert.Equal(t, retry.Permanent(), retry.Classify(err))
	var no *scripted.NoLaneError
	require.ErrorAs(t, err, &no)
	assert.Len(t, no.Lanes, 3)
}

func TestCallBlocks(t *testing.T) {
	const script = `call { transient; transient }
call { ok "two" }
`
	call := func(n uint64) context.Context { return retry.WithCall(t.Context(), n) }
	m, _ := model(t, script)
	assert.ErrorContains(t, m.Do(call(41)), "transient")
	assert.NoError(t, m.Do(call(42)), "another call has another block")
	assert.ErrorContains(t, m.Do(call(41)), "transient")
	assert.EqualError(t, m.Do(call(41)), "scripted: request 3 is past its call block of line 1 in the script (it has 2 turns)")
	assert.EqualError(t, m.Do(call(42)), "scripted: request 2 is past its call block of line 2 in the script (it has 1 turn)")
	assert.EqualError(t, m.Do(call(43)), "scripted: call 3 finds no block left in the script (it has 2 call blocks)")

	// Without numbers a request whose block is used up begins the next one.
	m, _ = model(t, script)
	for _, want := range []string{"transient", "transient", "", "request 2 is past its call block of line 2"} {
		err := m.Do(t.Context())
		if want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, want)
	}

	m, _ = model(t, `lane "x" { call { ok } }`)
	assert.NoError(t, m.Do(call(1)))
	assert.EqualError(t, m.Do(call(2)), `scripted: call 2 finds no block left in lane "x" (it has 1 call block)`)
	assert.ErrorContains(t, m.Do(call(1)), `of line 1 in lane "x"`)
}

func TestForeverNeverEnds(t *testing.T) {
	m, _ := model(t, "ok; 503 forever")
	assert.NoError(t, m.Do(t.Context()))
	for range 1000 {
		assert.ErrorContains(t, m.Do(t.Context()), "503")
	}
	p := scripted.NewPlayer(&scripted.Script{Turns: []scripted.Turn{{Answer: scripted.Reset{}}, {Answer: scripted.Hang{}, Repeat: scripted.Forever}, {Answer: scripted.Reset{}, Repeat: 5}}})
	turn, err := p.Take(scripted.Request{})
	require.NoError(t, err)
	assert.Equal(t, scripted.Reset{}, turn.Answer, "a Repeat of 0 acts as 1")
}

func TestBody(t *testing.T) {
	assert.JSONEq(t, `{"error":{"type":"t","message":"a \"b\""}}`, string(scripted.Status{Type: "t", Message: `a "b"`}.Body()))
	assert.Equal(t, `{"error":{}}`, string(scripted.Status{}.Body()))
	assert.True(t, strings.HasPrefix(scripted.Status{Status: 503}.String(), "503"))
}

func TestTakeSaysWhereTheTurnStands(t *testing.T) {
	s := parse(t, "lane \"a\" when model=a { call { 503; ok }; call { ok } }; lane \"b\" when model=b { ok }; ok x2")
	p := scripted.NewPlayer(s)
	type place struct {
		lane  string
		block int
	}
	var got []place
	for _, model := range []string{"a", "b", "a", "c", "a"} {
		taken, err := p.Take(scripted.Request{Model: model})
		require.NoError(t, err)
		got = append(got, place{taken.Lane, taken.Block})
	}
	assert.Equal(t, []place{{"a", 1}, {"b", 0}, {"a", 1}, {"", 0}, {"a", 2}}, got)
	for model, want := range map[string]place{"a": {"a", 2}, "b": {"b", 0}} {
		taken, err := p.Take(scripted.Request{Model: model})
		assert.ErrorAs(t, err, new(*scripted.UsedUpError), "a used-up lane still says which it is")
		assert.Equal(t, want, place{taken.Lane, taken.Block})
	}
}

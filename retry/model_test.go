package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// play wraps a scripted model in a decorator on an auto clock, with the small
// delays that the original's tests use.
func play(t *testing.T, attempts int, script string) (*retry.Model, *scripted.Model, *fakeclock.Clock) {
	t.Helper()
	s, err := scripted.Parse(t.Name(), script)
	require.NoError(t, err)
	inner, clock := scripted.NewModel(s), auto()
	m, err := retry.NewModel(inner, retry.Config{
		Policy: retry.Policy{MaxAttempts: attempts, BaseDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond},
		Clock:  clock,
	})
	require.NoError(t, err)
	return m, inner, clock
}

// collect reads a stream to its end.
func collect(s retry.Stream) (chunks []retry.StreamChunk, err error) {
	for chunk, err := range retry.Chunks(s) {
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, chunk)
	}
	return chunks, nil
}

// The eight tests of the Rust original, with the same names and meaning.

func TestRetriesUntilSuccess(t *testing.T) {
	m, inner, _ := play(t, 3, `transient:1; ok`)
	s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	chunks, err := collect(s)
	require.NoError(t, err)
	assert.Equal(t, []retry.StreamChunk{retry.TurnFinished{Reason: retry.EndTurn}}, chunks)
	assert.Equal(t, 2, inner.Calls())
}

func TestGivesUpAfterMaxAttempts(t *testing.T) {
	holds(t, "C1")
	m, inner, _ := play(t, 3, `transient:1 x4`)
	s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	assert.Nil(t, s)
	var scriptedErr *scripted.Error
	require.ErrorAs(t, err, &scriptedErr)
	assert.Equal(t, 3, inner.Calls(), "MaxAttempts counts all calls, the first included")
}

func TestRespectsRetryAfter(t *testing.T) {
	holds(t, "C5")
	m, inner, clock := play(t, 3, `transient:50; ok`)
	_, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	assert.Equal(t, 50*time.Millisecond, clock.Elapsed(), "exactly what the server asked, though the cap is 5 ms")
	assert.Equal(t, 2, inner.Calls())
}

func TestPermanentErrorsAreNotRetried(t *testing.T) {
	holds(t, "C3")
	m, inner, clock := play(t, 3, `permanent: bad auth; ok`)
	_, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	assert.EqualError(t, err, "permanent: bad auth")
	assert.Equal(t, 1, inner.Calls())
	assert.Zero(t, clock.Elapsed())
}

func TestMidStreamErrorsAreNotRetried(t *testing.T) {
	holds(t, "C9")
	m, inner, _ := play(t, 3, `ok "hello" transient:1; ok`)
	s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	chunks, err := collect(s)
	assert.Equal(t, []retry.StreamChunk{retry.TextDelta{Delta: "hello"}}, chunks)
	assert.EqualError(t, err, "transient:1")
	assert.Equal(t, 1, inner.Calls())
}

func TestExponentialBackoffGrowsThenCaps(t *testing.T) {
	holds(t, "C6")
	p := retry.Policy{MaxAttempts: 10, BaseDelay: 10 * time.Millisecond, MaxDelay: 40 * time.Millisecond}
	var got []time.Duration
	for attempt := 1; attempt <= 4; attempt++ {
		got = append(got, p.Backoff(attempt))
	}
	const ms = time.Millisecond
	assert.Equal(t, []time.Duration{10 * ms, 20 * ms, 40 * ms, 40 * ms}, got)
}

func TestStreamConforms(t *testing.T) {
	m, _, _ := play(t, 1, `ok`)
	s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	chunk, err := s.Recv()
	require.NoError(t, err)
	assert.IsType(t, retry.TurnFinished{}, chunk)
	for range 2 {
		_, err = s.Recv()
		assert.Equal(t, io.EOF, err, "the end stays the end")
	}
	assert.NoError(t, s.Close())
	assert.NoError(t, s.Close(), "closing twice is fine")
}

func TestNoLockIsHeldWhileAStreamIsRead(t *testing.T) {
	m, _, _ := play(t, 1, `ok "a" "b"; ok "c"`)
	first, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	_, err = first.Recv()
	require.NoError(t, err)
	second, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err, "a call is answered while another's stream is open")
	chunk, err := second.Recv()
	require.NoError(t, err)
	assert.Equal(t, retry.TextDelta{Delta: "c"}, chunk)
	chunk, err = first.Recv()
	require.NoError(t, err)
	assert.Equal(t, retry.TextDelta{Delta: "b"}, chunk)
}

// stub is a model made of a function.
type stub func(context.Context, retry.ChatRequest) (retry.Stream, error)

func (stub) Name() string  { return "family" }
func (stub) Model() string { return "deployment" }
func (f stub) ChatStream(ctx context.Context, req retry.ChatRequest) (retry.Stream, error) {
	return f(ctx, req)
}

func TestModelDelegates(t *testing.T) {
	inner := stub(nil)
	m, err := retry.NewModel(inner, retry.Config{})
	require.NoError(t, err)
	assert.Equal(t, "family", m.Name())
	assert.Equal(t, "deployment", m.Model())
	assert.IsType(t, inner, m.Inner())
}

func TestEveryAttemptGetsAnEqualRequest(t *testing.T) {
	holds(t, "C8")
	request := fullRequest()
	var seen []retry.ChatRequest
	inner := stub(func(_ context.Context, req retry.ChatRequest) (retry.Stream, error) {
		seen = append(seen, req.Clone())
		req.Messages[0].Blocks[0] = retry.Text{Text: "spoilt"}
		req.Messages = append(req.Messages, retry.UserText("spoilt"))
		req.AdditionalParams[0] = '?'
		*req.Temperature = 2
		return nil, transient("503")
	})
	m, err := retry.NewModel(inner, retry.Config{Policy: exact(3), Clock: auto()})
	require.NoError(t, err)
	_, err = m.ChatStream(t.Context(), request)
	require.Error(t, err)
	assert.Equal(t, []retry.ChatRequest{fullRequest(), fullRequest(), fullRequest()}, seen)
	assert.Equal(t, fullRequest(), request, "the caller's request is as it was")
}

// emptyStream is a stream with nothing in it.
type emptyStream struct{ closed int }

func (*emptyStream) Recv() (retry.StreamChunk, error) { return nil, io.EOF }
func (s *emptyStream) Close() error                   { s.closed++; return nil }

func TestAnOpenedStreamIsHandedOverAsItIs(t *testing.T) {
	holds(t, "C9")
	stream := &emptyStream{}
	m, err := retry.NewModel(stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) { return stream, nil }), retry.Config{Policy: exact(3)})
	require.NoError(t, err)
	got, err := m.ChatStream(t.Context(), retry.ChatRequest{})
	require.NoError(t, err)
	assert.Same(t, stream, got)
	assert.Zero(t, stream.closed)
}

func TestChunksCloses(t *testing.T) {
	open := func() *closeCounter {
		s, err := scripted.Parse(t.Name(), `ok "a" "b"; ok "a" transient`)
		require.NoError(t, err)
		inner, err := scripted.NewModel(s).ChatStream(t.Context(), retry.ChatRequest{})
		require.NoError(t, err)
		return &closeCounter{Stream: inner}
	}
	t.Run("at the end", func(t *testing.T) {
		s := open()
		chunks, err := collect(s)
		require.NoError(t, err)
		assert.Len(t, chunks, 3)
		assert.Equal(t, 1, s.closed)
	})
	t.Run("when the loop breaks", func(t *testing.T) {
		s := open()
		for range retry.Chunks(s) {
			break
		}
		assert.Equal(t, 1, s.closed)
	})
	t.Run("after an error", func(t *testing.T) {
		broken := errors.New("broken")
		s := &closeCounter{Stream: failing{broken}}
		var pairs int
		for chunk, err := range retry.Chunks(s) {
			assert.Nil(t, chunk)
			assert.Equal(t, broken, err)
			pairs++
		}
		assert.Equal(t, 1, pairs)
		assert.Equal(t, 1, s.closed)
	})
}

type closeCounter struct {
	retry.Stream
	closed int
}

func (c *closeCounter) Close() error { c.closed++; return c.Stream.Close() }

type failing struct{ err error }

func (f failing) Recv() (retry.StreamChunk, error) { return nil, f.err }
func (failing) Close() error                       { return nil }

func TestUsageAdds(t *testing.T) {
	u := retry.Usage{InputTokens: 1, OutputTokens: 2, CachedInputTokens: 3, CacheCreationInputTokens: 4,
		CacheCreation5mTokens: 5, CacheCreation1hTokens: 6, ReasoningTokens: 7}
	assert.Equal(t, retry.Usage{InputTokens: 2, OutputTokens: 4, CachedInputTokens: 6, CacheCreationInputTokens: 8,
		CacheCreation5mTokens: 10, CacheCreation1hTokens: 12, ReasoningTokens: 14}, u.Add(u))
	const most = 1<<63 - 1
	assert.Equal(t, retry.Usage{InputTokens: most}, retry.Usage{InputTokens: most - 1}.Add(retry.Usage{InputTokens: 2}))
}

// The success path costs nothing beyond the copy of the request and what the
// inner model makes.
func TestTheSuccessPathAllocatesNothing(t *testing.T) {
	stream := &emptyStream{}
	m, err := retry.NewModel(stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) { return stream, nil }), retry.Config{Policy: retry.Default()})
	require.NoError(t, err)
	for name, request := range map[string]retry.ChatRequest{"empty": {}, "full": fullRequest()} {
		copying := testing.AllocsPerRun(100, func() { request.Clone() })
		calling := testing.AllocsPerRun(100, func() { _, _ = m.ChatStream(context.Background(), request) })
		assert.Equal(t, copying, calling, "%s request", name)
	}
}

func BenchmarkChatStream(b *testing.B) {
	stream := &emptyStream{}
	inner := stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) { return stream, nil })
	m, err := retry.NewModel(inner, retry.Config{Policy: retry.Default()})
	require.NoError(b, err)
	ctx := context.Background()
	for _, bb := range []struct {
		name    string
		request retry.ChatRequest
	}{
		{"empty", retry.ChatRequest{}},
		{"text", retry.ChatRequest{Messages: []retry.Message{retry.UserText("hello")}}},
	} {
		b.Run("request="+bb.name+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = inner.ChatStream(ctx, bb.request.Clone())
			}
		})
		b.Run("request="+bb.name+"/decorated", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = m.ChatStream(ctx, bb.request)
			}
		})
	}
}

// Every schedule with every jitter, where it is easy and where it is hard.
func BenchmarkDecide(b *testing.B) {
	long := "list:delays=" + strings.Repeat("1m30.5s/", 49) + "1h0m0s"
	for _, schedule := range []struct {
		name, text string
		attempts   []int
	}{
		{"exp", "exp:", []int{3}},
		{"exp,uncapped", "exp:cap=none,", []int{3, 5000}},
		{"factor=1.5", "exp:factor=1.5,", []int{3, 5000}},
		{"factor=1.6,base=100ms", "exp:base=100ms,factor=1.6,cap=2h,", []int{9, 20}},
		{"factor=1.01,uncapped", "exp:factor=1.01,cap=none,", []int{3, 2000}},
		{"factor=1.000001,uncapped", "exp:factor=1.000001,cap=none,", []int{5000, 1_000_000}},
		{"const", "const:base=1s,", []int{3}},
		{"linear", "linear:", []int{3, 5000}},
		{"list", "list:delays=1s/5s/30s,", []int{3}},
		{"list of 50", long + ",", []int{3, 40, 5000}},
		{"larger", "exp:retry-after=larger,", []int{3}},
		{"window", "exp:max-retry-after=5s,long-retry-after=window,", []int{3}},
	} {
		for _, jitter := range []string{"none", "additive", "full", "equal", "-20%+20%", "decorrelated"} {
			p, err := retry.ParsePolicy(schedule.text + "attempts=unlimited,jitter=" + jitter)
			if err != nil { // decorrelated is a schedule of its own
				continue
			}
			class := retry.Transient()
			if p.RetryAfter == retry.HintOrBackoff || p.LongRetryAfter == retry.HintWithin {
				class = retry.TransientAfter(time.Second)
			}
			for _, attempt := range schedule.attempts {
				b.Run(fmt.Sprintf("%s/jitter=%s/attempt=%d", schedule.name, jitter, attempt), func(b *testing.B) {
					src := retry.Seeded(1, 0)(1)
					f := retry.Failure{Attempt: attempt, Class: class, Previous: time.Second}
					b.ReportAllocs()
					for b.Loop() {
						p.Decide(f, src)
					}
				})
			}
		}
	}
}

func BenchmarkThousandAttempts(b *testing.B) {
	policy := retry.Policy{MaxAttempts: 1000, BaseDelay: time.Second, MaxDelay: time.Hour, Jitter: retry.JitterAdditive}
	busy := transient("503")
	b.ReportAllocs()
	for b.Loop() {
		clock := auto()
		r, _ := retry.New(retry.Config{Policy: policy, Clock: clock, Source: retry.Seeded(1, 0)})
		_, _ = retry.Do(context.Background(), r, func(context.Context) (int, error) { return 0, busy })
	}
}

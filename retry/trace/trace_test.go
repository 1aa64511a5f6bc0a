package trace_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

var update = flag.Bool("update", false, "write the golden files anew")

// record plays a script under a recorder and returns its trace.
func record(t testing.TB, script string, text func(error) string) trace.Trace {
	t.Helper()
	s, err := scripted.Parse("script", script)
	require.NoError(t, err)
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	recorder := trace.NewRecorder(clock)
	recorder.ErrorText = text
	m, err := retry.NewModel(scripted.NewModel(s), retry.Config{
		Policy:   retry.Policy{MaxAttempts: 4, BaseDelay: time.Second, Jitter: retry.JitterAdditive},
		Clock:    clock,
		Source:   retry.Seeded(1, 0),
		Observer: recorder,
	})
	require.NoError(t, err)
	ctx, cancel := fakeclock.WithCancel(t.Context(), clock)
	defer cancel()
	clock.AfterFunc(10*time.Second, func() {
		recorder.Cancel(1)
		cancel()
	})
	stream, err := m.ChatStream(ctx, retry.ChatRequest{Messages: []retry.Message{retry.UserText("a secret prompt")}})
	if err == nil {
		for range retry.Chunks(recorder.Stream(1, 3, stream)) {
		}
	}
	return recorder.Trace()
}

func TestTraceAsText(t *testing.T) {
	for name, script := range map[string]string{
		"success":   `transient; transient:50; ok "Hel" "lo"`,
		"broken":    `transient x2; ok "Hel" transient:1`,
		"permanent": `permanent: bad auth`,
		"cancelled": `transient; transient:60000; ok`,
	} {
		t.Run(name, func(t *testing.T) {
			got := record(t, script, error.Error)
			golden := "testdata/" + name + ".jsonl"
			if *update {
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o666))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got.Bytes()))
			back, err := trace.Read(strings.NewReader(string(want)))
			require.NoError(t, err)
			assert.Equal(t, got, back, "reading is the inverse of writing")
			assert.Equal(t, got.Digest(), record(t, script, error.Error).Digest(), "the same run, the same digest")
		})
	}
}

func TestATraceKeepsNoSecret(t *testing.T) {
	text := string(record(t, `transient; permanent: "key sk-123 is bad"`, nil).Bytes())
	assert.NotContains(t, text, "sk-123", "without ErrorText only the type of an error is kept")
	assert.Contains(t, text, `"error":"*scripted.Error"`)
	text = string(record(t, `ok "a secret answer"`, nil).Bytes())
	assert.NotContains(t, text, "secret")
	assert.Contains(t, text, `"chunk":"text","size":15`)
}

func TestDigestsDiffer(t *testing.T) {
	a := trace.Trace{{Kind: trace.Attempt, Call: 1, Attempt: 1}}
	b := trace.Trace{{Kind: trace.Attempt, Call: 1, Attempt: 2}}
	assert.NotEqual(t, a.Digest(), b.Digest())
	assert.Len(t, a.Digest(), 64)
}

func TestReadErrors(t *testing.T) {
	const head = `{"schema":"retrykit.trace/v1"}` + "\n"
	tests := []struct{ name, text, want string }{
		{"empty", "", `trace: empty input, want the header {"schema":"retrykit.trace/v1"}`},
		{"no header", `{"at_ns":0}`, `trace: line 1: want the header {"schema":"retrykit.trace/v1"}`},
		{"another version", `{"schema":"retrykit.trace/v2"}`, `trace: line 1: want the header {"schema":"retrykit.trace/v1"}`},
		{"no JSON", head + "{}\nattempt 1", "trace: line 3: invalid character 'a' looking for beginning of value"},
		{"wrong type", head + `{"at_ns":"soon"}`, "trace: line 2: json: cannot unmarshal string into Go struct field Event.at_ns of type time.Duration"},
		{"endless line", head + strings.Repeat("x", 1<<20+1), "trace: line 2: bufio.Scanner: token too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := trace.Read(strings.NewReader(tt.text))
			assert.Nil(t, got)
			assert.EqualError(t, err, tt.want)
		})
	}
	_, err := trace.Read(iotest.ErrReader(io.ErrClosedPipe))
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	got, err := trace.Read(strings.NewReader(head + `{"call":7,"invented_later":true}`))
	require.NoError(t, err, "unknown keys are skipped")
	assert.Equal(t, trace.Trace{{Call: 7}}, got)
}

// failAfter fails once n bytes were written.
type failAfter struct{ n int }

func (w *failAfter) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWriteReportsItsErrors(t *testing.T) {
	events := make(trace.Trace, 1000)
	for _, n := range []int{0, 5000} {
		assert.ErrorIs(t, events.Write(&failAfter{n}), io.ErrShortWrite)
	}
}

func TestRoundTrip(t *testing.T) {
	duration := rapid.Custom(func(t *rapid.T) *time.Duration {
		d := time.Duration(rapid.Int64().Draw(t, "ns"))
		return &d
	})
	event := rapid.Custom(func(t *rapid.T) trace.Event {
		return trace.Event{
			At:         time.Duration(rapid.Int64().Draw(t, "at")),
			Call:       rapid.Uint64().Draw(t, "call"),
			Attempt:    rapid.Int().Draw(t, "attempt"),
			Kind:       trace.Kind(rapid.String().Draw(t, "kind")),
			RetryAfter: rapid.Ptr(rapid.Map(duration, func(d *time.Duration) time.Duration { return *d }), true).Draw(t, "retry-after"),
			Wait:       rapid.Ptr(rapid.Map(duration, func(d *time.Duration) time.Duration { return *d }), true).Draw(t, "wait"),
			Error:      rapid.String().Draw(t, "error"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := trace.Trace(rapid.SliceOfN(event, 1, 5).Draw(t, "events"))
		got, err := trace.Read(strings.NewReader(string(want.Bytes())))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	recorder := trace.NewRecorder(fakeclock.New(fakeclock.Config{}))
	var group sync.WaitGroup
	for call := range uint64(8) {
		group.Go(func() {
			for attempt := range 100 {
				recorder.Observe(retry.AttemptStarted{Moment: retry.Moment{Call: call, Attempt: attempt}})
				_ = recorder.Trace()
			}
		})
	}
	group.Wait()
	assert.Len(t, recorder.Trace(), 800)
}

func TestAWriterWritesWhatARecorderKeeps(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	kept := trace.NewRecorder(clock)
	var written strings.Builder
	writer := trace.NewWriter(clock, &written)
	r, err := retry.New(retry.Config{
		Policy:   retry.Policy{MaxAttempts: 3, BaseDelay: time.Second},
		Clock:    clock,
		Observer: kept,
	})
	require.NoError(t, err)
	_, err = retry.Do(retry.WithObserver(t.Context(), writer), r, func(context.Context) (int, error) {
		return 0, &scripted.Error{Class: retry.Transient(), Text: "503"}
	})
	require.Error(t, err)
	assert.Equal(t, string(kept.Trace().Bytes()), written.String())
	assert.NoError(t, writer.Err())
	assert.Empty(t, writer.Trace())
}

func TestAWriterStopsAtItsFirstError(t *testing.T) {
	w := &failAfter{100}
	r := trace.NewWriter(fakeclock.New(fakeclock.Config{}), w)
	for range 10 {
		r.Observe(retry.AttemptStarted{Moment: retry.Moment{Call: 1, Attempt: 1}})
	}
	assert.ErrorIs(t, r.Err(), io.ErrShortWrite)
	left := w.n
	r.Observe(retry.AttemptStarted{})
	assert.Equal(t, left, w.n, "nothing more is written")
}

func TestTheEndOfAStreamIsRecordedOnce(t *testing.T) {
	recorder := trace.NewRecorder(fakeclock.New(fakeclock.Config{}))
	for _, end := range []error{io.EOF, errors.New("reset")} {
		s := recorder.Stream(1, 1, ending{end})
		for range 3 {
			_, err := s.Recv()
			assert.Equal(t, end, err)
		}
	}
	assert.Equal(t, trace.Trace{
		{Call: 1, Attempt: 1, Kind: trace.EOF},
		{Call: 1, Attempt: 1, Kind: trace.Broken, Error: "*errors.errorString"},
	}, recorder.Trace())
}

type ending struct{ err error }

func (e ending) Recv() (retry.StreamChunk, error) { return nil, e.err }
func (ending) Close() error                       { return nil }

func TestEveryChunkHasAKindAndASize(t *testing.T) {
	chunks := []retry.StreamChunk{
		retry.TextDelta{Delta: "four"},
		retry.ToolCallStarted{ID: "1", Name: "f"},
		retry.ToolCallArgsDelta{ID: "1", Delta: `{"a"`},
		retry.ToolCallFinished{ID: "1", Name: "f", Args: []byte(`{}`)},
		retry.ReasoningDelta{Delta: "hm"},
		retry.ReasoningFinished{Signature: "s"},
		retry.RedactedReasoning{Data: "xyz"},
		retry.TurnFinished{},
		nil,
	}
	recorder := trace.NewRecorder(fakeclock.New(fakeclock.Config{}))
	s := recorder.Stream(1, 1, &listed{chunks})
	for range chunks {
		_, err := s.Recv()
		require.NoError(t, err)
	}
	var got []string
	for _, e := range recorder.Trace() {
		got = append(got, fmt.Sprint(e.Kind, " ", e.Chunk, " ", e.Size))
	}
	assert.Equal(t, []string{
		"chunk text 4", "chunk tool-call 0", "chunk tool-call-args 4", "chunk tool-call-finished 2", "chunk reasoning 2",
		"chunk reasoning-finished 0", "chunk redacted-reasoning 3", "chunk finished 0", "chunk <nil> 0",
	}, got)
}

type listed struct{ chunks []retry.StreamChunk }

func (l *listed) Recv() (retry.StreamChunk, error) {
	c := l.chunks[0]
	l.chunks = l.chunks[1:]
	return c, nil
}
func (*listed) Close() error { return nil }

func ExampleRecorder() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	recorder := trace.NewRecorder(clock)
	r, err := retry.New(retry.Config{
		Policy:   retry.Policy{MaxAttempts: 2, BaseDelay: time.Second},
		Clock:    clock,
		Observer: recorder,
	})
	if err != nil {
		panic(err)
	}
	_, _ = retry.Do(context.Background(), r, func(context.Context) (int, error) {
		return 0, &scripted.Error{Class: retry.Transient(), Text: "503"}
	})
	fmt.Printf("%s", recorder.Trace().Bytes())
	// Output:
	// {"schema":"retrykit.trace/v1"}
	// {"at_ns":0,"call":1,"attempt":1,"event":"attempt"}
	// {"at_ns":0,"call":1,"attempt":1,"event":"failed","error":"*scripted.Error"}
	// {"at_ns":0,"call":1,"attempt":1,"event":"wait","class":"transient","reason":"backoff","wait_ns":1000000000}
	// {"at_ns":1000000000,"call":1,"attempt":1,"event":"resumed"}
	// {"at_ns":1000000000,"call":1,"attempt":2,"event":"attempt"}
	// {"at_ns":1000000000,"call":1,"attempt":2,"event":"failed","error":"*scripted.Error"}
	// {"at_ns":1000000000,"call":1,"attempt":2,"event":"end","reason":"last attempt","elapsed_ns":1000000000,"error":"*scripted.Error"}
}

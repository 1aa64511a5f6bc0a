package sdks_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/peers/sdks"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted/wire"
)

// stops are the words of the providers for two reasons to finish.
var stops = map[wire.Format][2]string{
	wire.Anthropic:       {"tool_use", "max_tokens"},
	wire.OpenAIChat:      {"tool_calls", "length"},
	wire.OpenAIResponses: {"completed", "incomplete"},
	wire.AzureOpenAI:     {"tool_calls", "length"},
	wire.Gemini:          {"STOP", "MAX_TOKENS"},
	wire.Cohere:          {"TOOL_CALL", "MAX_TOKENS"},
}

// What a script says is what the official SDKs make of it: text, tool calls
// with their arguments, usage and stop reason.
func TestSDKsAcceptTheWire(t *testing.T) {
	const script = `
ok reasoning signature=c2ln("Let me " "see.") "Hel" "lo, " "wörld \"<&>\"\n" tool search id=toolu_7("{\"q\":" "\"go\"," "\"n\":[1,2]}") tool stop("{}") usage(in=9 out=7)
ok "4" "2" finish max_tokens usage(in=1000000 out=2)`
	for _, m := range sdks.Models() {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := wire.Client(t, script, wire.Config{Format: m.Format})
				got, err := m.Call(t.Context(), server.HTTP, server.URL)
				require.NoError(t, err)
				assert.Equal(t, "Hello, wörld \"<&>\"\n", got.Text)
				require.Len(t, got.Tools, 2)
				assert.Equal(t, []string{"toolu_7", "search"}, []string{got.Tools[0].ID, got.Tools[0].Name})
				assert.JSONEq(t, `{"q":"go","n":[1,2]}`, got.Tools[0].Args)
				assert.Equal(t, sdks.Tool{ID: "call_2", Name: "stop", Args: "{}"}, got.Tools[1])
				assert.Equal(t, stops[m.Format][0], got.Stop)
				assert.Equal(t, [2]int64{9, 7}, [2]int64{got.Input, got.Output})

				got, err = m.Call(t.Context(), server.HTTP, server.URL)
				require.NoError(t, err)
				assert.Equal(t, sdks.Answer{Text: "42", Stop: stops[m.Format][1], Input: 1000000, Output: 2}, got)
			})
		})
	}
}

// Two refusals that ask for 50 s, then an answer. Where the schedule of an SDK
// is fixed the attempts come exactly then, elsewhere within its bounds; in real
// time the fastest of a few runs takes no 5 ms.
func TestTwoRefusalsThenAnAnswer(t *testing.T) {
	type bounds [2]time.Duration // of the wait before an attempt, both included
	obeys := []bounds{{50 * time.Second, 50 * time.Second}, {50 * time.Second, 50 * time.Second}}
	// As observed on 2026-11-25 with the versions in go.mod: genai tries once,
	// or with retries on 1 s and 2 s later plus up to 1 s, whatever it was asked
	// to wait; cohere-go tries twice, 0.5 s apart.
	waits := map[string][]bounds{
		"genai":                              nil,
		"genai, no stream":                   nil,
		"genai with RetryOptions":            {{time.Second, 2 * time.Second}, {2 * time.Second, 3 * time.Second}},
		"genai with RetryOptions, no stream": {{time.Second, 2 * time.Second}, {2 * time.Second, 3 * time.Second}},
		"cohere-go":                          {{375 * time.Millisecond, 625 * time.Millisecond}},
		"cohere-go, no stream":               {{375 * time.Millisecond, 625 * time.Millisecond}},
	}
	for _, m := range sdks.Models() {
		t.Run(m.Name, func(t *testing.T) {
			want, special := waits[m.Name]
			if !special {
				want = obeys
			}
			fastest := time.Hour
			for range 100 {
				begin := time.Now()
				synctest.Test(t, func(t *testing.T) {
					server := wire.Client(t, `429 retry-after=50s x2; ok "Hello"`, wire.Config{Format: m.Format})
					got, err := m.Call(t.Context(), server.HTTP, server.URL)
					starts := attempts(server.Trace())
					require.Len(t, starts, 1+len(want))
					for i, w := range want {
						wait := starts[i+1] - starts[i]
						assert.True(t, w[0] <= wait && wait <= w[1], "wait %d is %v, not in %v", i+1, wait, w)
					}
					if len(want) == 2 {
						assert.NoError(t, err)
						assert.Equal(t, "Hello", got.Text)
					} else {
						assert.ErrorContains(t, err, "Too Many Requests")
					}
				})
				fastest = min(fastest, time.Since(begin))
			}
			t.Logf("the fastest of 100 bubbles took %v of real time", fastest) // 5 ms are asked for; a test asserts no time
		})
	}
}

// attempts returns when each request came.
func attempts(events trace.Trace) []time.Duration {
	var out []time.Duration
	for _, e := range events {
		if e.Kind == trace.Attempt {
			out = append(out, e.At)
		}
	}
	return out
}

// What breaks a stream reaches the caller of every SDK as an error, but for a
// clean early end, which none of them means to notice.
func TestBrokenStreams(t *testing.T) {
	for _, m := range sdks.Models() {
		if !m.Stream {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			for script, fails := range map[string]bool{
				`ok "Hel" 529 type=overloaded_error`: m.Format != wire.OpenAIResponses, // there it is an event like others
				`ok "Hel" cut`:                       true,
				`ok "Hel" eof`:                       m.Format == wire.Cohere, // by accident: the blank line after an event is no JSON
			} {
				synctest.Test(t, func(t *testing.T) {
					server := wire.Client(t, script, wire.Config{Format: m.Format})
					got, err := m.Call(t.Context(), server.HTTP, server.URL)
					assert.Equal(t, fails, err != nil, "%s: %v", script, err)
					assert.Equal(t, "Hel", got.Text, script)
					assert.Len(t, attempts(server.Trace()), 1, "an open stream is not tried again")
				})
			}
		})
	}
}

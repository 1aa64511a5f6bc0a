package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
)

var providers = []provider.Provider{
	"", provider.Anthropic, provider.OpenAI, provider.AzureOpenAI, provider.Gemini, provider.Bedrock, provider.Mistral, provider.Cohere, "elsewhere",
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		err  provider.Error
		want string
	}{
		{provider.Error{}, "provider: failed"},
		{provider.Error{Provider: provider.Gemini}, "provider: gemini: failed"},
		{provider.Error{Status: 503}, "provider: 503"},
		{provider.Error{Type: "t", Code: "c"}, "provider: t c"},
		{provider.Error{Type: "t", Code: "t", Message: "m"}, "provider: t: m"},
		{provider.Error{Status: 429, Code: "429"}, "provider: 429"},
		{provider.Error{Status: 500, Code: "404", RequestID: "r"}, "provider: 500 404 (request r)"},
	}
	for _, tt := range tests {
		assert.EqualError(t, &tt.err, tt.want)
	}
	assert.Equal(t, retry.Permanent(), (&provider.Error{}).RetryClassification(), "the zero Error is permanent")
	assert.Equal(t, "permanent", provider.Verdict{}.String())
}

// TestWordsAreBounded: what a server writes reaches a log in one line, short.
func TestWordsAreBounded(t *testing.T) {
	of := func(message string) *provider.Error {
		body, err := json.Marshal(map[string]any{"error": map[string]any{"type": message, "code": message, "message": message}, "request_id": message})
		require.NoError(t, err)
		return provider.FromResponse(provider.OpenAI, 400, nil, body, now)
	}
	tests := []struct{ name, in, message, word string }{
		{"at the limit of a message", strings.Repeat("a", 512), strings.Repeat("a", 512), strings.Repeat("a", 125) + "…"},
		{"a byte more", strings.Repeat("a", 513), strings.Repeat("a", 509) + "…", strings.Repeat("a", 125) + "…"},
		{"at the limit of a word", strings.Repeat("a", 128), strings.Repeat("a", 128), strings.Repeat("a", 128)},
		{"never through a rune", strings.Repeat("é", 300), strings.Repeat("é", 254) + "…", strings.Repeat("é", 62) + "…"},
		{"a line break", "a\r\nb\x00c\u2028d\u202ee", "a  b c d e", "a  b c d e"},
		{"white space around", "\n a \t", "a", "a"},
	}
	for _, tt := range tests {
		e := of(tt.in)
		assert.Equal(t, tt.message, e.Message, tt.name)
		assert.Equal(t, tt.word, e.Type, tt.name)
		assert.Equal(t, tt.word, e.Code, tt.name)
		assert.Equal(t, tt.word, e.RequestID, tt.name)
	}
	h := http.Header{"X-Request-Id": {strings.Repeat("a", 1<<16)}, "X-Amzn-Errortype": {strings.Repeat("b", 1<<16)}}
	e := provider.FromResponse(provider.Bedrock, 400, h, nil, now)
	assert.Len(t, e.RequestID, 128)
	assert.Len(t, e.Type, 128)
}

func TestMaxBody(t *testing.T) {
	report := `{"error":{"code":"insufficient_quota","message":"m"}}`
	for _, size := range []int{provider.MaxBody, provider.MaxBody + 1} {
		body := []byte(report + strings.Repeat(" ", size-len(report)))
		want := provider.QuotaExhausted
		if size > provider.MaxBody {
			want = provider.Transient // by its status
		}
		assert.Equal(t, want, provider.FromResponse(provider.OpenAI, 429, nil, body, now).Verdict.Kind, "%d bytes", size)
		e, failed := provider.FromEvent(provider.OpenAI, "", body)
		require.Equal(t, size <= provider.MaxBody, failed, "%d bytes", size)
		if failed {
			assert.Equal(t, provider.QuotaExhausted, e.Verdict.Kind)
		}
	}
	e, failed := provider.FromEvent(provider.OpenAI, "error", make([]byte, provider.MaxBody+1))
	require.True(t, failed, "the name alone tells")
	assert.Equal(t, "permanent (nothing known)", e.Verdict.String())
}

// TestDetailsAreBounded: a list of details is read to its 64th element.
func TestDetailsAreBounded(t *testing.T) {
	for n, want := range map[int]provider.Kind{63: provider.QuotaExhausted, 64: provider.Transient} {
		violations := strings.Repeat(`{"quotaId":"PerMinute"},`, n) + `{"quotaId":"PerDay"}`
		body := fmt.Sprintf(`{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[%s]}]}}`, violations)
		assert.Equal(t, want, provider.FromResponse(provider.Gemini, 429, nil, []byte(body), now).Verdict.Kind, "%d before it", n)
	}
}

// TestHostileBodies have one thing in common: the status decides.
func TestHostileBodies(t *testing.T) {
	for _, body := range []string{
		"", " ", "null", "true", "0", `""`, "[]", "[null]", "[[]]", "{}", `{"error":null}`, `{"error":[]}`, `{"error":{}}`, `{"error":{"error":{"code":"insufficient_quota"}}}`,
		"\xff\xfe", "\x00", "\xef\xbb\xbf{}", "{", `{"error":`, `{"error":{"code":"insufficient_quota"}`, `{"error":{"code":"insufficient_quota"}} x`,
		`{"error":{"code":{"code":"insufficient_quota"}}}`, `{"error":{"code":["insufficient_quota"]}}`, `{"error":{"code":true}}`, `{"error":{"code":1e400}}`,
		`{"error":{"code":200}}`, `{"error":{"code":399}}`, `{"error":{"code":600}}`, `{"error":{"code":-429}}`, `{"error":{"code":"4290"}}`, `{"ERROR":{"code":"insufficient_quota"}}`,
		strings.Repeat("[", 100_000), strings.Repeat(`{"error":`, 100_000), strings.Repeat(`{"error":`, 5_000) + "1" + strings.Repeat("}", 5_000),
		"<html>insufficient_quota</html>", "data: {\"error\":{\"code\":\"insufficient_quota\"}}",
	} {
		e := provider.FromResponse(provider.OpenAI, 503, http.Header{"Retry-After": {"3"}}, []byte(body), now)
		assert.Equal(t, "overloaded, retry after 3s (status 503)", e.Verdict.String(), "%.60q", body)
	}
}

// TestCodeThatIsAStatus: from 400 to 599 a number is a status, and beyond them
// a word.
func TestCodeThatIsAStatus(t *testing.T) {
	for code, want := range map[string]string{
		`399`: "overloaded (status 503)", `400`: "permanent (status 400)", `"400"`: "permanent (status 400)",
		`599`: "transient (status 599)", `"599"`: "transient (status 599)", `600`: "overloaded (status 503)", `429.0`: "overloaded (status 503)",
	} {
		e := provider.FromResponse(provider.OpenAI, 503, nil, []byte(`{"error":{"code":`+code+`}}`), now)
		assert.Equal(t, want, e.Verdict.String(), code)
		assert.Equal(t, strings.Trim(code, `"`), e.Code)
		assert.Equal(t, 503, e.Status)
	}
}

// TestRulesAreInOrder: codes before types before what only a status tells, and
// no row that means everything.
func TestRulesAreInOrder(t *testing.T) {
	last := 0
	for _, r := range provider.Rules() {
		phase := 3
		switch {
		case r.Code != "":
			phase = 1
		case r.Type != "":
			phase = 2
		}
		assert.GreaterOrEqual(t, phase, last, r.Words)
		last = phase
		assert.NotEmpty(t, r.Of)
		assert.NotEmpty(t, r.Words)
	}
}

// A refusal is what [provider.FromResponse] is given.
type refusal struct {
	provider provider.Provider
	status   int
	header   http.Header
	body     []byte
}

// refusals are made of parts that mean something, in any combination.
var refusals = rapid.Custom(func(t *rapid.T) refusal {
	words := []string{"", "429", "503", "nobody knows", "message"}
	for _, r := range provider.Rules() {
		words = append(words, strings.Trim(r.Code, "*"), r.Type)
	}
	word := rapid.SampledFrom(words)
	value := rapid.OneOf(
		rapid.Map(word, func(s string) any { return s }),
		rapid.Map(rapid.IntRange(-1, 700), func(n int) any { return n }),
		rapid.SampledFrom([]any{nil, true, []any{}, map[string]any{}, []any{map[string]any{"@type": "x/google.rpc.RetryInfo", "retryDelay": "9s"}}}),
	)
	inner := rapid.MapOfN(rapid.SampledFrom([]string{"code", "type", "status", "message", "details", "__type", "detail"}), value, 0, 5).Draw(t, "inner")
	top := rapid.SampledFrom([]any{
		inner, map[string]any{"error": inner}, []any{map[string]any{"error": inner}}, map[string]any{"response": map[string]any{"error": inner}},
		map[string]any{"type": "error", "error": inner}, map[string]any{"error": "text"}, "garbage", nil,
	}).Draw(t, "top")
	body, err := json.Marshal(top)
	require.NoError(t, err)
	h := http.Header{}
	for _, name := range []string{"Retry-After", "Retry-After-Ms", "Date", "X-Should-Retry", "X-Amzn-Errortype", "X-Ratelimit-Reset-Tokens", "Anthropic-Ratelimit-Tokens-Reset", "X-Ratelimit-Reset"} {
		if value := rapid.SampledFrom([]string{"", "", "1", "-1", "2.5", "7s", "true", "false", "2000-01-01T00:00:00Z", "Sat, 01 Jan 2000 00:00:00 GMT", "ThrottlingException:x", "946684800"}).Draw(t, name); value != "" {
			h.Set(name, value)
		}
	}
	return refusal{
		rapid.SampledFrom(providers).Draw(t, "provider"),
		rapid.OneOf(rapid.SampledFrom([]int{200, 400, 402, 429, 500, 503, 504}), rapid.Int()).Draw(t, "status"),
		h, body,
	}
})

func TestAnyRefusal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := refusals.Draw(t, "refusal")
		e := provider.FromResponse(r.provider, r.status, r.header, r.body, now)
		checkError(t, e)
		require.Equal(t, r.provider, e.Provider)
		require.Equal(t, r.status, e.Status)

		failed := r.status < 200 || r.status > 299
		wait, hinted := e.Verdict.Class.RetryAfter()
		if asked, ok := provider.RetryAfter(r.header, now); ok && failed && e.Verdict.Kind.Classification().IsTransient() {
			require.True(t, hinted)
			require.GreaterOrEqual(t, wait, asked, "never less than asked")
		}
		if failed && e.Verdict.Kind != provider.QuotaExhausted {
			for _, should := range []bool{false, true} {
				r.header.Set("X-Should-Retry", strconv.FormatBool(should))
				e := provider.FromResponse(r.provider, r.status, r.header, r.body, now)
				require.Equal(t, should, e.Verdict.Kind.Classification().IsTransient())
			}
		}
		if e, failed := provider.FromEvent(r.provider, "", r.body); failed {
			checkError(t, e)
		}
	})
}

// TestRefusalsAreOfEveryKind: the generator is not vacuous.
func TestRefusalsAreOfEveryKind(t *testing.T) {
	kinds := map[provider.Kind]int{}
	hinted, events := 0, 0
	for seed := range 300 {
		r := refusals.Example(seed)
		e := provider.FromResponse(r.provider, r.status, r.header, r.body, now)
		kinds[e.Verdict.Kind]++
		if _, ok := e.Verdict.Class.RetryAfter(); ok {
			hinted++
		}
		if _, failed := provider.FromEvent(r.provider, "", r.body); failed {
			events++
		}
	}
	for kind := provider.Permanent; kind <= provider.Ambiguous; kind++ {
		assert.Greater(t, kinds[kind], 3, "%v", kind)
	}
	assert.Greater(t, hinted, 30)
	assert.Greater(t, events, 30)
}

// checkError holds for every error of this package.
func checkError(t require.TestingT, e *provider.Error) {
	text := e.Error()
	require.True(t, strings.HasPrefix(text, "provider: "))
	require.True(t, utf8.ValidString(text), "%q", text)
	require.Less(t, len(text)-len(e.Provider), 1024)
	require.Equal(t, -1, strings.IndexFunc(strings.TrimPrefix(text, "provider: "+string(e.Provider)), func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
	require.NotEmpty(t, e.Verdict.Rule)
	require.LessOrEqual(t, e.Verdict.Kind, provider.Ambiguous)
	require.Equal(t, e.Verdict.Kind.Classification().IsTransient(), e.Verdict.Class.IsTransient())
	wait, hinted := e.Verdict.Class.RetryAfter()
	require.GreaterOrEqual(t, wait, time.Duration(0))
	if hinted {
		require.True(t, e.Verdict.Kind.Classification().IsTransient(), "only what is transient has a wait")
	}
}

func FuzzFromResponse(f *testing.F) {
	for _, s := range corpus(f) {
		if !s.event {
			f.Add(string(s.provider), s.status, s.header.Get("Retry-After"), s.header.Get("X-Amzn-Errortype"), []byte(s.body))
		}
	}
	f.Fuzz(func(t *testing.T, p string, status int, after, name string, body []byte) {
		h := http.Header{"Retry-After": {after}, "X-Amzn-Errortype": {name}}
		e := provider.FromResponse(provider.Provider(p), status, h, body, now)
		if utf8.ValidString(p) {
			checkError(t, e)
		}
		if asked, ok := provider.RetryAfter(h, now); ok && e.Verdict.Kind.Classification().IsTransient() && (status < 200 || status > 299) {
			wait, hinted := e.Verdict.Class.RetryAfter()
			require.True(t, hinted)
			require.GreaterOrEqual(t, wait, asked)
		}
	})
}

func FuzzFromEvent(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(string(s.provider), s.name, []byte(s.body))
	}
	f.Fuzz(func(t *testing.T, p, name string, data []byte) {
		e, failed := provider.FromEvent(provider.Provider(p), name, data)
		require.Equal(t, failed, e != nil)
		if failed && utf8.ValidString(p) {
			checkError(t, e)
		}
		if !failed {
			require.NotEqual(t, "error", name)
		}
	})
}

// The worst bodies of the largest size that is read.
func BenchmarkFromResponse(b *testing.B) {
	fill := func(head, piece, tail string) []byte {
		return []byte(head + strings.Repeat(piece, (provider.MaxBody-len(head)-len(tail))/len(piece)) + tail)
	}
	for name, body := range map[string][]byte{
		"typical":    []byte(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`),
		"too long":   make([]byte, 100<<20),
		"html":       fill("<html>", "x", ""),
		"nested":     fill("", "[", ""),
		"many keys":  fill(`{"error":{`, `"":0,`, `"":0}}`),
		"violations": fill(`{"error":{"details":[{"@type":"google.rpc.QuotaFailure","violations":[`, `{"quotaId":"a"},`, `{}]}]}}`),
		"details":    fill(`{"error":{"details":[`, `{},`, `{}]}}`),
		"message":    fill(`{"error":{"message":"`, `\u2028`, `"}}`),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				provider.FromResponse("", 429, nil, body, now)
			}
		})
	}
}

package provider_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry/provider"
)

// A specimen is one case of the corpus in testdata/corpus, written
//
//	Why the outcome is as it is, on lines of prose.
//	> response PROVIDER STATUS    or    > event PROVIDER [NAME]
//	> header: value
//	the body, up to the first line that begins with "= "
//	= the verdict, or: no error
//	= original: what the Rust adapter says, where it says something else
//	= error: the text of the error, where that is of interest
//
// with an empty line between two. The response arrives at now. The provider
// "any" is the empty one.
type specimen struct {
	at       string // file:line
	prose    string
	event    bool
	provider provider.Provider
	status   int
	name     string // of the event
	header   http.Header
	body     string
	verdict  string
	original string
	text     string
}

func (s specimen) classify() (*provider.Error, bool) {
	if s.event {
		return provider.FromEvent(s.provider, s.name, []byte(s.body))
	}
	return provider.FromResponse(s.provider, s.status, s.header, []byte(s.body), now), true
}

// corpus reads all specimens, in the order of their files.
func corpus(t testing.TB) []specimen {
	paths, err := filepath.Glob("testdata/corpus/*.txt")
	require.NoError(t, err)
	var all []specimen
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		line := 1
		for block := range strings.SplitSeq(string(text), "\n\n") {
			s := parseSpecimen(t, strings.TrimSuffix(block, "\n"))
			s.at = fmt.Sprintf("%s:%d", filepath.Base(path), line)
			line += strings.Count(block, "\n") + 2
			all = append(all, s)
		}
	}
	return all
}

func parseSpecimen(t testing.TB, block string) specimen {
	s := specimen{header: http.Header{}}
	var body []string
	for line := range strings.SplitSeq(block, "\n") {
		request, isRequest := strings.CutPrefix(line, "> ")
		expected, isExpected := strings.CutPrefix(line, "= ")
		switch {
		case isRequest && s.provider == "":
			words := append(strings.Fields(request), "", "")
			require.Contains(t, []string{"response", "event"}, words[0], block)
			s.event, s.provider, s.name = words[0] == "event", provider.Provider(words[1]), words[2]
			if !s.event {
				status, err := strconv.Atoi(s.name)
				require.NoError(t, err, block)
				s.status = status
			}
		case isRequest:
			name, value, found := strings.Cut(request, ": ")
			require.True(t, found, block)
			s.header.Add(name, value)
		case isExpected && s.verdict == "":
			s.verdict = expected
		case isExpected:
			what, value, _ := strings.Cut(expected, ": ")
			field, found := map[string]*string{"original": &s.original, "error": &s.text}[what]
			require.True(t, found, block)
			*field = value
		case s.provider == "":
			s.prose = strings.TrimSpace(s.prose + " " + line)
		default:
			body = append(body, line)
		}
	}
	s.body = strings.Join(body, "\n")
	require.NotEmpty(t, s.prose, block)
	require.NotEmpty(t, s.verdict, block)
	if s.provider == "any" {
		s.provider = ""
	}
	return s
}

func TestCorpus(t *testing.T) {
	for _, s := range corpus(t) {
		t.Run(s.at, func(t *testing.T) {
			e, failed := s.classify()
			if !failed {
				assert.Equal(t, s.verdict, "no error", s.prose)
				assert.Nil(t, e)
				return
			}
			assert.Equal(t, s.verdict, e.Verdict.String(), s.prose)
			assert.Equal(t, e.Verdict.Kind.Classification().IsTransient(), e.Verdict.Class.IsTransient())
			assert.Equal(t, e.Verdict.Class, e.RetryClassification())
			throttled := e.Verdict.Class.IsTransient() && (e.Verdict.Kind == provider.Overloaded || e.Status == http.StatusTooManyRequests)
			assert.Equal(t, throttled, e.Verdict.Class.IsThrottled())
			assert.Equal(t, s.provider, e.Provider)
			if s.text != "" {
				assert.Equal(t, s.text, e.Error(), s.prose)
			}
		})
	}
}

// TestCorpusIsWhole guards the corpus itself: enough of it, every provider in
// responses and in streams, every kind, and every rule of the table.
func TestCorpusIsWhole(t *testing.T) {
	all := corpus(t)
	assert.GreaterOrEqual(t, len(all), 120)
	seen := map[string]bool{}
	for _, s := range all {
		key := fmt.Sprint(s.provider, s.event, s.name, s.status, s.header, s.body)
		assert.False(t, seen[key], "%s: once more: %s", s.at, s.prose)
		seen[key] = true
		if e, failed := s.classify(); failed {
			seen[fmt.Sprint(s.provider, " ", s.event)] = true
			seen[e.Verdict.Kind.String()] = true
			seen[fmt.Sprint(s.provider, ": ", e.Verdict.Rule)] = true
		}
	}
	for _, p := range []provider.Provider{"", provider.Anthropic, provider.OpenAI, provider.AzureOpenAI, provider.Gemini, provider.Bedrock, provider.Mistral, provider.Cohere} {
		assert.True(t, seen[fmt.Sprint(p, " ", false)], "no response of %q", p)
		assert.True(t, seen[fmt.Sprint(p, " ", true)], "no event of %q", p)
	}
	for kind := provider.Permanent; kind <= provider.Ambiguous; kind++ {
		assert.True(t, seen[kind.String()], "nothing is %v", kind)
	}
	var missing []string
	for _, rule := range provider.Rules() {
		if !slices.ContainsFunc(rule.Of, func(p provider.Provider) bool { return seen[fmt.Sprint(p, ": ", rule.Words)] }) {
			missing = append(missing, fmt.Sprint(rule.Of, " ", rule.Words))
		}
	}
	assert.Empty(t, missing, "rules that no specimen meets")
}

package provider_test

import (
	"encoding/json"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
)

// TestDifferencesToOriginal compares every response of the corpus with what the
// two adapters of the Rust original make of it: each difference is marked, and
// nothing else is.
func TestDifferencesToOriginal(t *testing.T) {
	differences := 0
	for _, s := range corpus(t) {
		original := originals[s.provider]
		if s.event || s.status < 300 || original == nil {
			assert.Empty(t, s.original, "%s: nothing to compare with", s.at)
			continue
		}
		e, _ := s.classify()
		if theirs := original(s.status, s.header, s.body); theirs != plain(e.Verdict.Class) {
			assert.Equal(t, theirs.String(), s.original, "%s: %s", s.at, s.prose)
			differences++
		} else {
			assert.Empty(t, s.original, "%s: no difference", s.at)
		}
	}
	text, err := os.ReadFile("DIFFERENCES.md")
	require.NoError(t, err)
	listed := 0
	for line := range strings.Lines(string(text)) {
		if row := strings.Split(line, "|"); len(row) == 6 {
			if n, err := strconv.Atoi(strings.TrimSpace(row[4])); err == nil {
				listed += n
			}
		}
	}
	assert.Equal(t, differences, listed, "DIFFERENCES.md counts the cases of each difference")
}

// plain leaves out that the caller was throttled, which the original does not
// tell.
func plain(c retry.Classification) retry.Classification {
	wait, hinted := c.RetryAfter()
	switch {
	case hinted:
		return retry.TransientAfter(wait)
	case c.IsTransient():
		return retry.Transient()
	}
	return retry.Permanent()
}

var originals = map[provider.Provider]func(status int, h http.Header, body string) retry.Classification{
	provider.Anthropic:   originalAnthropic,
	provider.AzureOpenAI: originalAzure,
}

func originalAnthropic(status int, h http.Header, body string) retry.Classification {
	var envelope struct {
		Error *struct{ Type, Message *string }
	}
	if json.Unmarshal([]byte(body), &envelope) != nil || envelope.Error == nil || envelope.Error.Type == nil || envelope.Error.Message == nil {
		return originalStatus(status)
	}
	if slices.Contains([]string{"invalid_request_error", "authentication_error", "permission_error", "not_found_error", "request_too_large"}, *envelope.Error.Type) {
		return retry.Permanent()
	}
	return originalTransient(h.Get("Retry-After"), time.Second)
}

func originalAzure(status int, h http.Header, body string) retry.Classification {
	var envelope struct {
		Error *struct{ Code, Message *string }
	}
	if json.Unmarshal([]byte(body), &envelope) != nil || envelope.Error == nil || envelope.Error.Message == nil {
		return originalStatus(status)
	}
	if code := envelope.Error.Code; code != nil && slices.Contains([]string{
		"invalid_request_error", "BadRequest", "content_filter", "invalid_api_key", "Unauthorized", "PermissionDenied", "NotFound", "DeploymentNotFound",
	}, *code) {
		return retry.Permanent()
	}
	if c := originalTransient(h.Get("Retry-After-Ms"), time.Millisecond); c != retry.Transient() {
		return c
	}
	return originalTransient(h.Get("Retry-After"), time.Second)
}

func originalStatus(status int) retry.Classification {
	if status >= 500 {
		return retry.Transient()
	}
	return retry.Permanent()
}

func originalTransient(wait string, unit time.Duration) retry.Classification {
	n, err := strconv.ParseUint(strings.TrimSpace(wait), 10, 64)
	switch {
	case err != nil:
		return retry.Transient()
	case n > math.MaxInt64/uint64(unit): // Rust's Duration holds it; ours does not
		return retry.TransientAfter(math.MaxInt64)
	}
	return retry.TransientAfter(time.Duration(n) * unit)
}

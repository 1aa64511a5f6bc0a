package propertytest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/scripted/wire"
)

const canary = "canary-5dfe3c"

// leaky sends a key and a prompt in every place where a client may put one, as
// bad as can be: at once, whatever the answer, with a body that grows. Then it
// panics with an error that quotes them, or returns it.
type leaky struct {
	panics bool
	sent   int
}

func (l *leaky) call(ctx context.Context, client *http.Client, url string) (string, error) {
	for range 9 {
		l.sent++
		body := fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`, canary, strings.Repeat(canary, l.sent))
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/"+canary+"/v1/chat/completions?key="+canary, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		for _, name := range []string{"Authorization", "Api-Key", "X-Api-Key", "Cookie", "X-Goog-Api-Key", "Idempotency-Key", "User-Agent", "X-Anything"} {
			r.Header.Set(name, canary)
		}
		r.SetBasicAuth("user", canary)
		if resp, err := client.Do(r); err == nil {
			defer resp.Body.Close()
		}
	}
	err := errors.New("the request with " + canary)
	if l.panics {
		panic(err)
	}
	return canary, err
}

// Nothing that is written down of it holds the key or the prompt.
func TestNoSecretIsWrittenDown(t *testing.T) {
	for _, l := range []*leaky{{panics: true}, {}} {
		report := propertytest.CheckHTTP(t, l.call, propertytest.HTTPOptions{Name: "leaky", Format: wire.OpenAIChat})
		require.Positive(t, l.sent)
		require.False(t, report.OK(), "there is something to be written")
		var b bytes.Buffer
		b.WriteString(report.String())
		require.NoError(t, report.WriteJSON(&b))
		traces := 0
		for _, x := range report.Results {
			if x.Failure != nil {
				b.WriteString(x.Failure.String())
				b.Write(x.Failure.Trace.Bytes())
				traces++
			}
		}
		assert.Positive(t, traces)
		assert.NotContains(t, b.String(), canary)
		assert.NotContains(t, b.String(), "dXNlcjpjYW5hcnk", "nor in base64")
	}
}

// Nor does what a failing test prints, of which others make JUnit's XML.
func TestNoSecretIsPrinted(t *testing.T) {
	if os.Getenv(mayFail) != "" {
		propertytest.RunHTTP(t, (&leaky{panics: true}).call, propertytest.HTTPOptions{Format: wire.OpenAIChat})
		return
	}
	out, passed := child(t, "TestNoSecretIsPrinted")
	assert.False(t, passed)
	assert.Contains(t, out, "--- FAIL: TestNoSecretIsPrinted/panicked")
	assert.NotContains(t, out, canary)
}

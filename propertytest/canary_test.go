package propertytest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/scripted/wire"
)

const canary = "canary-5dfe3c"

// A key and a prompt, sent in every place where a client may put one, and an
// error that quotes them, are in nothing that is written down.
func TestNoSecretIsWrittenDown(t *testing.T) {
	sent := 0
	report := propertytest.CheckHTTP(t, func(ctx context.Context, client *http.Client, url string) (string, error) {
		for range 9 { // as bad as can be: at once, whatever the answer, with a body that grows
			sent++
			body := fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`, canary, strings.Repeat(canary, sent))
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
		panic(errors.New("the request with " + canary))
	}, propertytest.HTTPOptions{Name: "leaky", Format: wire.OpenAIChat})
	require.Positive(t, sent)
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

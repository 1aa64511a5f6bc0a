package howto_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/retryhttp"
	"github.com/retrykit/retrykit/scripted/wire"
)

// ask is a client that somebody else wrote: it takes no clock, and tries three
// times.
func ask(ctx context.Context, client *http.Client, url, question string) (string, error) {
	for attempt := 1; ; attempt++ {
		answer, status, err := post(ctx, client, url, question)
		if err != nil || status == http.StatusOK {
			return answer, err
		}
		if attempt == 3 || status < 500 && status != http.StatusTooManyRequests {
			return "", fmt.Errorf("status %d", status)
		}
		wait := time.Second<<(attempt-1) + rand.N(100*time.Millisecond)
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(wait):
		}
	}
}

func post(ctx context.Context, client *http.Client, url, question string) (answer string, status int, err error) {
	body, err := json.Marshal(map[string]any{"model": "gpt-4o", "messages": []map[string]string{{"role": "user", "content": question}}})
	if err != nil {
		return "", 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", resp.StatusCode, err
	}
	var got struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return "", resp.StatusCode, err
	}
	if len(got.Choices) == 0 {
		return "", resp.StatusCode, io.ErrUnexpectedEOF
	}
	return got.Choices[0].Message.Content, resp.StatusCode, nil
}

// An agent asks until the answer says that it is done.
func agent(ctx context.Context, client *http.Client, url string) (steps int, err error) {
	for {
		answer, err := ask(ctx, client, url, "what next?")
		if err != nil {
			return steps, fmt.Errorf("step %d: %w", steps+1, err)
		}
		if steps++; answer == "done" {
			return steps, nil
		}
	}
}

func TestAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := wire.Client(t, `
			ok "search"
			529 x2              # overloaded in the middle of the work
			ok "done"
		`, wire.Config{Format: wire.OpenAIChat})
		start := time.Now()

		steps, err := agent(t.Context(), server.HTTP, server.URL)

		require.NoError(t, err)
		assert.Equal(t, 2, steps)
		waited := time.Since(start) // in the bubble's time
		assert.GreaterOrEqual(t, waited, 3*time.Second)
		assert.Less(t, waited, 3200*time.Millisecond)
		assert.Equal(t, 2, server.Over(), "answers that were read to their end")
	})
}

func TestAskKeepsItsFaults(t *testing.T) {
	call := func(ctx context.Context, client *http.Client, url string) (string, error) {
		return ask(ctx, client, url, "hello?")
	}
	report := propertytest.CheckHTTP(t, call, propertytest.HTTPOptions{Format: wire.OpenAIChat, NoStream: true})
	var faults []string
	for _, r := range report.Results {
		if r.Status == explore.Failed {
			faults = append(faults, r.Rule.Name)
		}
	}
	assert.Equal(t, []string{"early-retry", "retried-permanent", "stuck"}, faults)
}

// download is a client that retries nothing, on a transport that does.
func download(ctx context.Context, client *http.Client, url string) (string, error) {
	transport, err := retryhttp.New(retryhttp.Config{Base: client.Transport, Retry: retry.Config{Policy: retry.Default()}})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/file", nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return string(text), err
}

func TestDownload(t *testing.T) {
	propertytest.RunHTTP(t, download, propertytest.HTTPOptions{})
}

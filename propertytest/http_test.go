package propertytest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/retryhttp"
	"github.com/retrykit/retrykit/scripted/wire"
)

const chatBody = `{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hello"}]}`

// once sends one request and reads its answer to the end.
func once(ctx context.Context, client *http.Client, url string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(chatBody))
	if err != nil {
		return nil, "", err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return resp, "", err
	case resp.StatusCode != http.StatusOK:
		return resp, "", fmt.Errorf("status %d", resp.StatusCode)
	case bytes.Contains(body, []byte(`"error"`)), !bytes.Contains(body, []byte("[DONE]")):
		return resp, "", io.ErrUnexpectedEOF
	}
	return resp, string(body), nil
}

// loop is a retry loop as people write it, right but for what the fault says.
type loop struct{ fault string }

func (l loop) call(ctx context.Context, client *http.Client, url string) (string, error) {
	const attempts = 4
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for n := 1; ; n++ {
		resp, text, err := l.attempt(ctx, client, url, n)
		if err == nil || n >= attempts && l.fault != "endless" || ctx.Err() != nil {
			return text, err
		}
		opened := resp != nil && resp.StatusCode == http.StatusOK
		if opened && l.fault != "again after content" {
			return text, err
		}
		if resp != nil && resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != 429 && l.fault != "retries a 400" {
			return text, err
		}
		wait := time.Second + time.Duration(random.Int64N(int64(100*time.Millisecond)))
		if l.fault == "no jitter" {
			wait = time.Second
		}
		if resp != nil && l.fault != "ignores the hint" {
			if asked, ok := l.hint(resp); ok {
				wait = asked
			}
		}
		if l.fault == "sleeps on" {
			time.Sleep(wait)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return text, err
		}
	}
}

func (l loop) attempt(ctx context.Context, client *http.Client, url string, n int) (*http.Response, string, error) {
	switch l.fault {
	case "truncation accepted":
		resp, text, err := once(ctx, client, url)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		return resp, text, err
	case "body gone", "leak", "endless": // they do not read the body of a refusal
		body := strings.NewReader(chatBody)
		if n > 1 && l.fault == "body gone" {
			body = strings.NewReader(chatBody + " ")
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", body)
		if err != nil {
			return nil, "", err
		}
		resp, err := client.Do(r)
		if err != nil {
			return nil, "", err
		}
		if resp.StatusCode != http.StatusOK {
			if l.fault != "leak" {
				resp.Body.Close()
			}
			return resp, "", errors.New("refused")
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && !bytes.Contains(text, []byte("[DONE]")) {
			err = io.ErrUnexpectedEOF
		}
		return resp, string(text), err
	case "panics":
		if n > 1 {
			panic("out of attempts")
		}
	}
	return once(ctx, client, url)
}

func (l loop) hint(resp *http.Response) (time.Duration, bool) {
	if ms, err := strconv.Atoi(resp.Header.Get("Retry-After-Ms")); err == nil && ms >= 0 {
		return time.Duration(ms) * time.Millisecond, true
	}
	value := resp.Header.Get("Retry-After")
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil && l.fault == "overflows" {
		return time.Duration(seconds) * time.Second, true
	}
	switch {
	case err == nil && seconds < 1<<33, errors.Is(err, strconv.ErrRange), err == nil:
		return time.Duration(min(seconds, 1<<33)) * time.Second, true
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(time.Until(date), 0), true
	}
	return 0, false
}

func TestHTTPRulesFindTheirFaults(t *testing.T) {
	// The stalled body is what this loop falls for, as most do: it reads the
	// body of a refusal to its end.
	tests := map[string][]string{
		"":                    nil,
		"no jitter":           nil,
		"ignores the hint":    {"early-retry"},
		"overflows":           {"early-retry", "hammer"},
		"retries a 400":       {"retried-permanent"},
		"again after content": {"retried-after-content"},
		"truncation accepted": {"accepted-truncation"},
		"sleeps on":           {"ignored-cancel"},
		"body gone":           {"body-mutated"},
		"leak":                {"leaked"},
		"panics":              {"panicked"},
		"endless":             {"stuck"},
	}
	for fault, want := range tests {
		t.Run(fault, func(t *testing.T) {
			report := propertytest.CheckHTTP(t, loop{fault: fault}.call, propertytest.HTTPOptions{Format: wire.OpenAIChat})
			require.Empty(t, report.Problems)
			failed, deviates := statuses(report)
			expect := append([]string{"retried-permanent", "stuck"}, want...) // it knows no quota, and no body that stalls
			if fault == "leak" {
				expect = []string{"leaked", "retried-permanent"} // it never reads the body
			}
			for name, f := range failed {
				if !slices.Contains(expect, name) {
					t.Errorf("%s was found: %v", name, f)
				}
			}
			for _, name := range want {
				assert.Contains(t, failed, name)
			}
			if fault == "endless" {
				assert.Contains(t, failed["stuck"].What, "the call sent 2000 requests and went on")
			}
			_, even := deviates["no-jitter"]
			assert.Equal(t, fault == "no jitter", even, "no-jitter is a deviation")
		})
	}
}

func statuses(r *explore.Report) (failed, deviates map[string]*explore.Failure) {
	failed, deviates = make(map[string]*explore.Failure), make(map[string]*explore.Failure)
	for _, x := range r.Results {
		switch x.Status {
		case explore.Failed:
			failed[x.Rule.Name] = x.Failure
		case explore.Deviates:
			deviates[x.Rule.Name] = x.Failure
		}
	}
	return failed, deviates
}

// Our own transport, over a client that tells a whole answer from half of one.
func TestOurTransportKeepsItsPromises(t *testing.T) {
	policy := retry.Default()
	propertytest.RunHTTP(t, func(ctx context.Context, client *http.Client, url string) (string, error) {
		transport, err := retryhttp.New(retryhttp.Config{Base: client.Transport, Retry: retry.Config{Policy: policy}})
		if err != nil {
			return "", err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPut, url+"/any/path", strings.NewReader(chatBody))
		if err != nil {
			return "", err
		}
		resp, err := (&http.Client{Transport: transport}).Do(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return "", fmt.Errorf("status %d", resp.StatusCode)
		}
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}, propertytest.HTTPOptions{Format: wire.Plain, NoStream: true})
}

func TestTheSameWeatherTwice(t *testing.T) {
	check := func() string {
		return propertytest.CheckHTTP(t, loop{fault: "ignores the hint"}.call, propertytest.HTTPOptions{Format: wire.OpenAIChat, Seed: 7}).String()
	}
	assert.Equal(t, check(), check())
}

func TestHiddenAttemptsAreCounted(t *testing.T) {
	made := 0
	report := propertytest.CheckHTTP(t, func(ctx context.Context, client *http.Client, url string) (string, error) {
		made = 0
		for {
			made++
			text, err := loop{}.call(ctx, client, url)
			if err == nil || made == 2 || ctx.Err() != nil {
				return text, err
			}
		}
	}, propertytest.HTTPOptions{Format: wire.OpenAIChat, Attempts: func() int { return made }})
	failed, _ := statuses(report)
	require.Contains(t, failed, "nested-retry")
	assert.Contains(t, failed["nested-retry"].What, "the caller's loop made 1")
}

func TestAScriptOfOnesOwn(t *testing.T) {
	report := propertytest.CheckHTTP(t, loop{}.call, propertytest.HTTPOptions{Format: wire.OpenAIChat, Scripts: []string{"trasient"}})
	require.Len(t, report.Problems, 1)
	assert.ErrorContains(t, report.Problems[0], `did you mean "transient"?`)
}

func TestHiddenAttemptsOfAnSDKNameItsOption(t *testing.T) {
	for header, option := range map[[2]string]string{
		{"X-Stainless-Retry-Count", "1"}:        "option.WithMaxRetries(0)",
		{"Amz-Sdk-Request", "attempt=2; max=3"}: "config.WithRetryMaxAttempts(1)",
		{"X-Stainless-Retry-Count", "0"}:        "",
	} {
		report := propertytest.CheckHTTP(t, func(ctx context.Context, client *http.Client, url string) (text string, err error) {
			for range 2 {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("x"))
				if err != nil {
					return "", err
				}
				r.Header.Set(header[0], header[1])
				resp, err := client.Do(r)
				if err != nil {
					return "", err
				}
				resp.Body.Close()
			}
			return "", errors.New("refused")
		}, propertytest.HTTPOptions{Attempts: func() int { return 1 }})
		failed, _ := statuses(report)
		require.Contains(t, failed, "nested-retry")
		assert.Contains(t, failed["nested-retry"].What, option)
		if option == "" {
			assert.NotContains(t, failed["nested-retry"].What, "turned off")
		}
	}
}

// Code that makes a client of its own reaches nothing, and is told so.
func TestAClientOfItsOwn(t *testing.T) {
	r := propertytest.CheckHTTP(t, func(ctx context.Context, _ *http.Client, url string) (string, error) {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			return "", err
		}
		return "", resp.Body.Close()
	}, propertytest.HTTPOptions{})
	require.Len(t, r.Problems, 1)
	assert.ErrorContains(t, r.Problems[0], "sent nothing through the client that it was given")
	r = propertytest.CheckHTTP(t, nil, propertytest.HTTPOptions{})
	require.Len(t, r.Problems, 1)
	assert.ErrorContains(t, r.Problems[0], "the call is nil")
}

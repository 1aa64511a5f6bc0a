package provider_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
)

// An adapter makes its error from a refused response and returns it; the retry
// loop finds the class in it through any wrapping.
func ExampleFromResponse() {
	header := http.Header{"Retry-After": {"20"}}
	body := []byte(`{"type":"error","error":{"type":"rate_limit_error","message":"Too many requests"}}`)
	arrived := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

	err := fmt.Errorf("open stream: %w", provider.FromResponse(provider.Anthropic, 429, header, body, arrived))
	fmt.Println(err)
	fmt.Println(retry.Classify(err))
	// Output:
	// open stream: provider: anthropic: 429 rate_limit_error: Too many requests
	// throttled, retry after 20s
}

// A day's quota is a 429 like any other, with a wait that leads nowhere. The
// rule that saw through it is part of the verdict.
func ExampleVerdict() {
	body := []byte(`{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[
		{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]},
		{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"22s"}]}}`)

	v := provider.FromResponse(provider.Gemini, 429, nil, body, time.Time{}).Verdict
	fmt.Println(v)
	fmt.Println(v.Class)
	// Output:
	// quota exhausted (code *PerDay*)
	// permanent
}

// A stream that was opened can fail all the same.
func ExampleFromEvent() {
	for _, data := range []string{
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}`,
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`,
	} {
		if err, failed := provider.FromEvent(provider.Anthropic, "", []byte(data)); failed {
			fmt.Println(err, "-", err.Verdict)
		} else {
			fmt.Println("no error")
		}
	}
	// Output:
	// no error
	// provider: anthropic: overloaded_error: Overloaded - overloaded (type overloaded_error)
}

// An adapter's caller finds the details with [errors.As].
func ExampleError() {
	body := []byte(`{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`)
	header := http.Header{"X-Request-Id": {"req_1"}}
	var err error = provider.FromResponse(provider.OpenAI, 429, header, body, time.Time{})

	var refusal *provider.Error
	if errors.As(err, &refusal) && refusal.Verdict.Kind == provider.QuotaExhausted {
		fmt.Println("pay the bill:", refusal.Message, refusal.RequestID)
	}
	// Output:
	// pay the bill: You exceeded your current quota req_1
}

// The same status means different things to different providers.
func ExampleProvider() {
	for _, p := range []provider.Provider{provider.Cohere, provider.Gemini} {
		fmt.Println(p, provider.FromResponse(p, 499, nil, nil, time.Time{}).Verdict)
	}
	// Output:
	// cohere ambiguous (status 499)
	// gemini permanent (status 499)
}

func ExampleStatus() {
	for _, code := range []int{400, 402, 429, 500, 503, 504} {
		fmt.Println(code, provider.Status(code))
	}
	// Output:
	// 400 permanent
	// 402 quota exhausted
	// 429 transient
	// 500 transient
	// 503 overloaded
	// 504 ambiguous
}

func ExampleKind() {
	for kind := provider.Permanent; kind <= provider.Ambiguous; kind++ {
		fmt.Printf("%v: %v\n", kind, kind.Classification())
	}
	// Output:
	// permanent: permanent
	// transient: transient
	// overloaded: transient
	// quota exhausted: permanent
	// ambiguous: transient
}

// Of several waits the longest is the answer; a date counts from the server's
// own clock.
func ExampleRetryAfter() {
	header := http.Header{
		"Date":           {"Fri, 31 Dec 1999 23:59:00 GMT"},
		"Retry-After":    {"Sat, 01 Jan 2000 00:00:00 GMT"},
		"Retry-After-Ms": {"1500"},
	}
	fmt.Println(provider.RetryAfter(header, time.Time{}))
	// Output:
	// 1m0s true
}

func ExampleReading() {
	header := http.Header{"Retry-After": {"5, soon"}, "Retry-After-Ms": {"-1"}}
	for r := range provider.Readings(header, time.Time{}) {
		fmt.Println(r.Header, r.Wait, r.Err)
	}
	// Output:
	// Retry-After 5s <nil>
	// Retry-After 0s provider: "soon" is a date, and no time to measure it from
	// Retry-After-Ms 0s provider: "-1" is not a plain decimal number
}

func ExampleReset() {
	header := http.Header{
		"X-Ratelimit-Remaining-Requests": {"0"},
		"X-Ratelimit-Reset-Requests":     {"6m0s"},
		"X-Ratelimit-Remaining-Tokens":   {"149984"},
		"X-Ratelimit-Reset-Tokens":       {"20h"},
	}
	fmt.Println(provider.Reset(provider.OpenAI, header, time.Time{}))
	// Output:
	// 6m0s true
}

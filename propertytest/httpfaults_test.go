package propertytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/scripted/wire"
)

// careful is a client that does everything right but for its fault.
type careful struct{ fault string }

// refused is a failed attempt.
type refused struct {
	resp *http.Response // nil: none came
	body []byte
}

func (e *refused) Error() string { return "refused" }

func (c careful) call(ctx context.Context, client *http.Client, url string) (string, error) {
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	body, said := chatBody, ""
	for n := 1; ; n++ {
		r, err := c.request(ctx, url, body, n)
		if err != nil {
			return "", err
		}
		text, err := c.attempt(ctx, client, r)
		if said += text; c.fault == "keeps what broke off" {
			text = said
		}
		var refusal *refused
		if !errors.As(err, &refusal) || n == 4 || ctx.Err() != nil || c.permanent(refusal) {
			if c.fault == "sleeps after the last" && n == 4 {
				time.Sleep(time.Second)
			}
			return text, err
		}
		if c.losesBody(refusal) {
			body = ""
		}
		wait := time.Second
		if c.fault != "no jitter" {
			wait += time.Duration(random.Int64N(int64(100 * time.Millisecond)))
		}
		if refusal.resp != nil {
			if hint, ok := c.hint(refusal.resp.Header); ok {
				wait = hint
			}
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait && c.fault != "waits for its deadline" {
			return "", err
		}
		if c.fault == "sleeps on" {
			time.Sleep(wait)
			continue
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (c careful) permanent(r *refused) bool {
	if r.resp == nil || c.fault == "retries everything" {
		return false
	}
	s := r.resp.StatusCode
	return s < 500 && s != http.StatusTooManyRequests || bytes.Contains(r.body, []byte("insufficient_quota"))
}

// losesBody says that the next attempt goes out without its body, as with a
// reader that has been read.
func (c careful) losesBody(r *refused) bool {
	switch c.fault {
	case "body lost by a reset":
		return r.resp == nil
	case "body lost by Connection: close":
		return r.resp != nil && r.resp.Close
	}
	return false
}

// request is that of the n-th attempt.
func (c careful) request(ctx context.Context, url, body string, n int) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions?api-version=1", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+strconv.Itoa(n)) // renewed each time, as signatures are
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "the call's")
	r.Header.Set("X-Attempt", strconv.Itoa(n))
	if n == 1 {
		return r, nil
	}
	r.Header.Set("X-Retry", "yes")
	switch c.fault {
	case "another key":
		r.Header.Set("Idempotency-Key", "the attempt's")
	case "another path":
		r.URL.Path = "/v1/completions"
	case "loses the query":
		r.URL.RawQuery = ""
	case "loses the credentials":
		r.Header.Del("Authorization")
	case "another method":
		r.Method = http.MethodPut
	}
	return r, nil
}

func (c careful) attempt(ctx context.Context, client *http.Client, r *http.Request) (string, error) {
	resp, err := client.Do(r)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", &refused{}
	case resp.StatusCode != http.StatusOK:
		return "", &refused{resp, c.refusal(resp.Body)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	whole := bytes.Contains(body, []byte("[DONE]")) && !bytes.Contains(body, []byte(`"error"`))
	text := c.text(body)
	switch {
	case c.fault == "takes a part for the whole":
		return text, nil
	case (c.fault == "again after content" || c.fault == "keeps what broke off") && (err != nil || !whole):
		return text, &refused{}
	case err == nil && !whole:
		err = io.ErrUnexpectedEOF
	}
	return text, err
}

var delta = regexp.MustCompile(`"content":"([^"]*)"`)

// text joins the deltas of a stream.
func (c careful) text(body []byte) (text string) {
	deltas := delta.FindAllSubmatch(body, -1)
	if n := len(deltas); c.fault == "loses the end" && n > 1 {
		deltas = deltas[:n-1]
	}
	for _, d := range deltas {
		text += string(d[1])
	}
	if c.fault == "an answer twice" {
		text += text
	}
	return text
}

// refusal reads the body of a refusal, for as long as it takes if that is the
// fault.
func (c careful) refusal(body io.ReadCloser) []byte {
	if c.fault == "leaves the body open" {
		return nil
	}
	defer body.Close()
	if c.fault != "waits for the body" {
		defer time.AfterFunc(time.Second, func() { body.Close() }).Stop()
	}
	b, _ := io.ReadAll(body)
	return b
}

// hint is a Retry-After that can be read and is worth something.
func (c careful) hint(h http.Header) (time.Duration, bool) {
	if ms, err := strconv.Atoi(h.Get("Retry-After-Ms")); err == nil && ms > 0 && c.fault != "cannot read milliseconds" {
		return time.Duration(ms) * time.Millisecond, true
	}
	value := h.Get("Retry-After")
	if date, err := http.ParseTime(value); err == nil && c.fault != "cannot read dates" {
		left := time.Until(date)
		return left, left > 0
	}
	const longest = 1 << 33 // seconds; the time of a machine ends soon after
	seconds, err := strconv.ParseInt(value, 10, 64)
	switch {
	case c.fault == "cannot read seconds":
		return 0, false
	case errors.Is(err, strconv.ErrRange):
		return longest * time.Second, c.fault != "takes the huge for nothing"
	case err != nil:
		return 0, c.fault == "takes nonsense for zero" && value != ""
	case c.fault == "overflows":
		return time.Duration(seconds) * time.Second, true
	case seconds < 0:
		return 0, c.fault == "takes the negative for zero"
	}
	return time.Duration(min(seconds, longest)) * time.Second, seconds > 0 || c.fault == "obeys a zero"
}

// One fault for each rule about HTTP, each found by its rule and by no other,
// and nothing to be found in a client without one.
func TestEachHTTPFaultIsFoundByItsRule(t *testing.T) {
	for _, tt := range []struct {
		fault            string
		failed, deviates []string
	}{
		{fault: ""},
		{fault: "cannot read seconds", failed: []string{"early-retry"}},
		{fault: "cannot read milliseconds", failed: []string{"early-retry"}},
		{fault: "cannot read dates", failed: []string{"early-retry"}},
		{fault: "overflows", failed: []string{"early-retry", "hammer"}},
		{fault: "takes the huge for nothing", failed: []string{"early-retry"}},
		{fault: "takes the negative for zero", deviates: []string{"hammer"}},
		{fault: "takes nonsense for zero", deviates: []string{"hammer"}},
		{fault: "obeys a zero", deviates: []string{"hammer"}},
		{fault: "waits for its deadline", deviates: []string{"slept-to-deadline"}},
		{fault: "sleeps on", failed: []string{"ignored-cancel"}},
		{fault: "waits for the body", failed: []string{"stuck"}},
		{fault: "leaves the body open", failed: []string{"leaked", "retried-permanent"}}, // it does not see what quota is spent
		{fault: "body lost by Connection: close", failed: []string{"body-mutated"}},
		{fault: "body lost by a reset", failed: []string{"body-mutated"}},
		{fault: "another key", failed: []string{"body-mutated"}},
		{fault: "another path", failed: []string{"body-mutated"}},
		{fault: "another method", failed: []string{"body-mutated"}},
		{fault: "loses the query", failed: []string{"body-mutated"}},
		{fault: "loses the credentials", failed: []string{"body-mutated"}},
		{fault: "sleeps after the last", failed: []string{"slept-after-last"}},
		{fault: "an answer twice", failed: []string{"duplicate-chunk"}},
		{fault: "keeps what broke off", failed: []string{"retried-after-content", "lost-chunk"}},
		{fault: "loses the end", failed: []string{"lost-chunk"}},
		{fault: "retries everything", failed: []string{"retried-permanent"}},
		{fault: "again after content", failed: []string{"retried-after-content"}},
		{fault: "takes a part for the whole", failed: []string{"accepted-truncation"}},
		{fault: "no jitter", deviates: []string{"no-jitter"}},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			report := propertytest.CheckHTTP(t, careful{tt.fault}.call, propertytest.HTTPOptions{Format: wire.OpenAIChat})
			require.Empty(t, report.Problems)
			failed, deviates := statuses(report)
			assert.ElementsMatch(t, tt.failed, slices.Collect(maps.Keys(failed)), "%v", report)
			assert.ElementsMatch(t, tt.deviates, slices.Collect(maps.Keys(deviates)), "%v", report)
		})
	}
}

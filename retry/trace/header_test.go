package trace_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

func TestHeaderKeepsWhatIsOnTheList(t *testing.T) {
	header := map[string][]string{
		"Retry-After": {"20"}, "X-Ratelimit-Remaining-Tokens": {"0"}, "Anthropic-Ratelimit-Requests-Reset": {"2000-01-01T00:00:20Z"},
		"Request-Id": {"req_1"}, "x-request-id": {"a", "b"}, "X-Request-ID": {"c"},
		"Authorization": {"Bearer sk-secret"}, "X-Api-Key": {"sk-secret"}, "Set-Cookie": {"session=secret"}, "Cookie": {"session=secret"},
		"Openai-Organization": {"org-secret"}, "Location": {"https://example.com/?key=secret"}, "My-Retry-After": {"secret"}, "My-X-Ratelimit-Key": {"secret"},
	}
	assert.Equal(t, map[string]string{
		"retry-after": "20", "x-ratelimit-remaining-tokens": "0", "anthropic-ratelimit-requests-reset": "2000-01-01T00:00:20Z",
		"request-id": "req_1", "x-request-id": "c, a, b",
	}, trace.Header(header, nil))
	assert.Equal(t, map[string]string{"location": "https://example.com/?key=secret"}, trace.Header(header, []string{"Location", "x-r"}))
	assert.Equal(t, map[string]string{"x-request-id": "c, a, b", "x-ratelimit-remaining-tokens": "0"}, trace.Header(header, []string{"X-R*"}))
	assert.Nil(t, trace.Header(header, []string{}))
	assert.Nil(t, trace.Header(nil, nil))

	long := trace.Header(map[string][]string{"Request-Id": {strings.Repeat("x", 255) + "é" + strings.Repeat("y", 1<<20)}}, nil)
	assert.Equal(t, strings.Repeat("x", 255)+"\uFFFD", long["request-id"], "cut off, and still text")
}

// refused is an error of a client of the caller's, which knows its response.
type refused struct {
	status int
	header map[string][]string
}

func (*refused) Error() string { return "refused" }

func ExampleNewWriter() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	recorder := trace.NewWriter(clock, os.Stdout) // in production a file
	recorder.Answer = func(err error) (int, map[string][]string) {
		if r, ok := err.(*refused); ok {
			return r.status, r.header
		}
		return 0, nil
	}
	moment := retry.Moment{Call: 1, Attempt: 1, At: clock.Now().Add(time.Second)}
	recorder.Observe(retry.AttemptStarted{Moment: moment})
	recorder.Observe(retry.AttemptEnded{Moment: moment, Err: &refused{429, map[string][]string{
		"Retry-After": {"20"}, "Set-Cookie": {"session=secret"},
	}}})
	fmt.Println(recorder.Err())
	// Output:
	// {"schema":"retrykit.trace/v1"}
	// {"at_ns":1000000000,"call":1,"attempt":1,"event":"attempt"}
	// {"at_ns":1000000000,"call":1,"attempt":1,"event":"failed","error":"*trace_test.refused","header":{"retry-after":"20"},"status":429}
	// <nil>
}

func TestOtherNamesOfHeaders(t *testing.T) {
	recorder := trace.NewRecorder(fakeclock.New(fakeclock.Config{}))
	recorder.Headers = []string{"X-Shard"}
	recorder.Answer = func(error) (int, map[string][]string) {
		return 503, map[string][]string{"X-Shard": {"7"}, "Retry-After": {"1"}}
	}
	recorder.Observe(retry.AttemptEnded{Moment: retry.Moment{Call: 1, Attempt: 1}, Err: &refused{}})
	recorder.Observe(retry.AttemptEnded{Moment: retry.Moment{Call: 1, Attempt: 2}})
	require.Len(t, recorder.Trace(), 2)
	failed, opened := recorder.Trace()[0], recorder.Trace()[1]
	assert.Equal(t, map[string]string{"x-shard": "7"}, failed.Header)
	assert.Equal(t, 503, failed.Status)
	assert.Equal(t, trace.Event{At: opened.At, Call: 1, Attempt: 2, Kind: trace.Opened}, opened)
}

package propertytest_test

import (
	"context"
	"math"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/scripted/wire"
)

// hanging are calls that do not come to an end, and what is to be said of each.
var hanging = []struct {
	name string
	wait func(context.Context) // after the first failure
	rule string
	says []string
}{
	{"blocks outside", func(context.Context) { <-outside },
		"/stuck", []string{"goroutine [chan receive]"}},

	{"sleeps with a lock", func(ctx context.Context) {
		var mu sync.Mutex
		mu.Lock()
		go func() { mu.Lock() }()
		time.Sleep(time.Second)
		mu.Unlock()
	}, "/stuck", []string{"goroutine [sync.Mutex.Lock]", "goroutine [sleep]"}},

	// Without a guard the process ends in the second sleep.
	{"sleeps to the end of time", func(context.Context) {
		time.Sleep(math.MaxInt64)
		time.Sleep(time.Hour)
	}, "/ignored-cancel", []string{"had not returned after 252 years, and virtual time ends after 262", "goroutine [sleep]"}},

	{"waits for nothing", func(context.Context) { select {} },
		"/ignored-cancel", []string{"had not returned after 252 years", "goroutine [select (no cases)]"}},

	{"ends its goroutine", func(context.Context) { runtime.Goexit() },
		"", []string{"the call ended its goroutine, as t.FailNow and require do: let it return an error"}},

	{"spins", func(context.Context) {
		for n := 0; ; n++ {
		}
	}, "/stuck", []string{"it spins, waits for something outside its bubble, or holds a lock while it sleeps", "goroutine [run"}},
}

// A call that nothing ends is given up with a verdict, and what comes after it in
// the same process is judged as ever.
func TestHTTPCallsThatHang(t *testing.T) {
	if os.Getenv(mayFail) != "" {
		undo := propertytest.LosePatience()
		for _, tt := range hanging {
			t.Run(tt.name, func(t *testing.T) {
				propertytest.RunHTTP(t, func(ctx context.Context, client *http.Client, url string) (string, error) {
					_, text, err := once(ctx, client, url)
					if err != nil {
						tt.wait(ctx)
					}
					return text, err
				}, propertytest.HTTPOptions{Format: wire.OpenAIChat})
			})
		}
		undo()
		t.Run("afterwards", func(t *testing.T) {
			propertytest.RunHTTP(t, careful{}.call, propertytest.HTTPOptions{Format: wire.OpenAIChat})
		})
		return
	}
	out, passed := child(t, "TestHTTPCallsThatHang")
	assert.False(t, passed)
	for _, tt := range hanging {
		name := "TestHTTPCallsThatHang/" + strings.ReplaceAll(tt.name, " ", "_")
		_, said, _ := strings.Cut(out, "=== RUN   "+name+"\n")
		if next := regexp.MustCompile(`=== RUN +[^/\n]+/[^/\n]+\n`).FindStringIndex(said); next != nil {
			said = said[:next[0]]
		}
		assert.True(t, strings.Contains(out, "--- FAIL: "+name+tt.rule+" "), "%s: it is not found", tt.name)
		for _, want := range tt.says {
			assert.True(t, strings.Contains(said, want), "%s: it does not say %q", tt.name, want)
		}
	}
	assert.True(t, strings.Contains(out, "--- PASS: TestHTTPCallsThatHang/afterwards"))
	if t.Failed() {
		t.Log(out)
	}
}

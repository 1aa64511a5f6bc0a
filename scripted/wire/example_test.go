package wire_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/scripted/wire"
)

// A script as a plain handler, behind any server.
func ExampleHandler() {
	script, err := scripted.Parse("flaky.retry", `529; ok "Hello"`)
	if err != nil {
		panic(err)
	}
	handler := wire.Handler(script, wire.Config{Format: wire.Anthropic})
	for range 2 {
		r := httptest.NewRequest("POST", "/v1/messages", strings.NewReader(`{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`))
		r.Header.Set("anthropic-version", "2023-06-01")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.Contains(w.Body.String(), "Hello"))
	}
	for _, e := range handler.Trace() {
		fmt.Println(e.Call, e.Attempt, e.Kind)
	}
	// Output:
	// 529 false
	// 200 true
	// 1 1 attempt
	// 1 1 failed
	// 1 2 attempt
	// 1 2 opened
	// 1 2 chunk
	// 1 2 chunk
	// 1 2 eof
}

// A server without a network, outside a test.
func ExampleStart() {
	script, err := scripted.Parse("limited.retry", `429 retry-after=1s message="slow down"`)
	if err != nil {
		panic(err)
	}
	server := wire.Start(script, wire.Config{Format: wire.Plain})
	defer server.Close()
	resp, err := server.HTTP.Get(server.URL + "/any/path")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, resp.Header.Get("Retry-After"), string(body))
	// Output: 429 1 slow down
}

func ExampleFormat() {
	format, err := wire.ParseFormat("gemeni")
	fmt.Printf("%q %v\n", format, err)
	// Output: "" wire: unknown format "gemeni" (did you mean "gemini"?)
}

func ExampleConfig() {
	script, err := scripted.Parse("busy.retry", "503")
	if err != nil {
		panic(err)
	}
	config := wire.Config{Format: wire.Plain, MaxBody: 4}
	w := httptest.NewRecorder()
	wire.Handler(script, config).ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/", strings.NewReader("12345")))
	fmt.Println(w.Code, w.Body.String())
	// Output: 413 the body has more than 4 bytes
}

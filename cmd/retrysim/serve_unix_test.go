//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A server that is told to stop lets a running answer end, takes no other, and
// says what came.
func TestServeStopsOnASignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for text, want := range map[string]int{
			`ok "Hel" pause 300ms "lo"`:                                                             exitOK,
			`429 retry-after=1h; ok "Hel" pause 300ms "lo"`:                                         exitFailed,
			`lane "a" when model=other { ok }; lane "b" when model=m { ok "Hel" pause 300ms "lo" }`: exitOK,
		} {
			s := serve(t, script(t, "a.retry", text), "--format", "openai-chat")
			url := s.ready.URL + "/v1/chat/completions"
			if want == exitFailed {
				s.do("POST", url, chat)
			}
			resp, err := http.Post(url, "application/json", strings.NewReader(chat[:len(chat)-1]+`,"stream":true}`))
			require.NoError(t, err)
			lines := bufio.NewReader(resp.Body)
			for line := ""; !strings.Contains(line, "Hel"); {
				line, err = lines.ReadString('\n')
				require.NoError(t, err)
			}
			require.NoError(t, syscall.Kill(syscall.Getpid(), sig))
			rest, err := io.ReadAll(lines)
			assert.NoError(t, err, "the answer ends as it should")
			resp.Body.Close()
			assert.Contains(t, string(rest), "[DONE]")
			code, out := s.end()
			assert.Equal(t, want, code, out)
			assert.Contains(t, out, "a: 1 call")
			assert.Contains(t, out, `{"schema":"retrykit.trace/v1"}`)
			if want == exitFailed {
				assert.Contains(t, out, "early-retry")
			}
			_, err = http.Get(s.ready.URL)
			assert.Error(t, err, "nobody is there any more")
		}
	}
}

// An answer that does not end does not hold the server for ever.
func TestServeStopsThoughAnAnswerHangs(t *testing.T) {
	s := serve(t, script(t, "a.retry", `ok "Hel" stall`), "--format", "openai-chat")
	resp, err := http.Post(s.ready.URL+"/v1/chat/completions", "application/json", strings.NewReader(chat[:len(chat)-1]+`,"stream":true}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGTERM))
	_, err = io.ReadAll(resp.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	code, out := s.end()
	assert.Equal(t, exitOK, code, out)
	assert.Contains(t, out, "a: 1 call, 1 attempt")
}

package howto_test

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/retryhttp"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted/wire"
)

var update = flag.Bool("update", false, "write the generated files anew")

// newClient returns a client that retries, and writes down what it meets.
func newClient(below http.RoundTripper, clock clockwork.Clock, source retry.Source, out io.Writer) (*http.Client, *trace.Recorder, error) {
	recorder := trace.NewWriter(clock, out)
	recorder.Answer = retryhttp.Answer // statuses and headers on a list, no bodies
	transport, err := retryhttp.New(retryhttp.Config{
		Base: below,
		Retry: retry.Config{
			Policy:   retry.Default(),
			Clock:    clock,
			Source:   source,
			Observer: recorder,
		},
	})
	return &http.Client{Transport: transport}, recorder, err
}

// The incident of the page: what the client above writes in it.
func TestIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := wire.Client(t, `
			503 after 40ms
			429 retry-after=20s
			ok "There you are."
		`, wire.Config{Format: wire.Plain})
		var out bytes.Buffer
		client, recorder, err := newClient(server.HTTP.Transport, clockwork.NewRealClock(), retry.Seeded(1, 0), &out)
		require.NoError(t, err)

		resp, err := client.Get(server.URL + "/chat?key=secret")
		require.NoError(t, err)
		resp.Body.Close()

		require.NoError(t, recorder.Err())
		assert.NotContains(t, out.String(), "secret")
		const file = "testdata/incident.jsonl"
		if *update {
			require.NoError(t, os.WriteFile(file, out.Bytes(), 0o666))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(want), out.String())
	})
}

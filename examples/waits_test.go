package examples

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

func TestWaitsAsLongAsTheServerAsks(t *testing.T) {
	script, err := scripted.Parse("test", `transient:50; ok "hi"`)
	require.NoError(t, err)
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	inner := scripted.NewModel(script)
	model, err := retry.NewModel(inner, retry.Config{Policy: retry.Default(), Clock: clock, Source: retry.Seeded(1, 0)})
	require.NoError(t, err)

	_, err = model.ChatStream(t.Context(), retry.ChatRequest{})

	require.NoError(t, err)
	assert.Equal(t, 2, inner.Calls())
	assert.Equal(t, 51553547*time.Nanosecond, clock.Elapsed()) // 50 ms and the seed's jitter
}

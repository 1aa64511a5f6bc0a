package examples

import (
	"context"
	"errors"
	"io"
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

func TestGivesUpOnlyWhenItsTime(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	r, err := retry.New(retry.Config{
		Policy: retry.Policy{MaxAttempts: 3, BaseDelay: time.Second},
		Clock:  clock,
		Classify: func(err error) retry.Classification { // what nobody classifies is permanent
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return retry.Transient()
			}
			return retry.Classify(err)
		},
	})
	require.NoError(t, err)

	calls := 0
	_, err = retry.Do(t.Context(), r, func(context.Context) (string, error) {
		calls++
		return "", io.ErrUnexpectedEOF
	})

	assert.Equal(t, io.ErrUnexpectedEOF, err) // the last error, as it is
	assert.Equal(t, 3, calls)
	assert.Equal(t, 3*time.Second, clock.Elapsed()) // and no wait behind it
}

package sdks_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/peers/sdks"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted/wire"
)

// waits returns the waits of a peer that is refused and told nothing.
func waits(t *testing.T, p sdks.Peer, offset time.Duration) (out []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(offset)
		server := wire.Client(t, "503 forever", wire.Config{Format: p.Format, Latency: time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		p.Call(ctx, server.HTTP, server.URL)
		failed := time.Duration(-1)
		for _, e := range server.Trace() {
			switch e.Kind {
			case trace.Failed:
				failed = e.At
			case trace.Attempt:
				if failed >= 0 {
					out = append(out, e.At-failed)
				}
			}
		}
	})
	return out
}

// The same bubble gives the same jitter, another gives another.
func TestJitterIsSeeded(t *testing.T) {
	unseeded := []string{"aws-sdk-go-v2 (Bedrock)", "cenkalti/backoff v5", "cohere-go", "resty v2", "resty v3", "sethvargo/go-retry", "slack-go"} // nothing can
	for _, p := range sdks.Peers() {
		if slices.Contains(unseeded, p.Name) || p.Module == "github.com/retrykit/retrykit" {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			one, two := waits(t, p, time.Hour), waits(t, p, time.Hour)
			assert.Equal(t, one, two)
			fixed := true
			for _, w := range p.Waits {
				fixed = fixed && w.Least == w.Most
			}
			if !fixed {
				assert.NotEqual(t, one, waits(t, p, time.Hour+1234567891*time.Nanosecond))
			}
		})
	}
}

func TestSchedules(t *testing.T) {
	for _, p := range sdks.Peers() {
		t.Run(p.Name, func(t *testing.T) {
			for i := range 20 {
				got := waits(t, p, time.Duration(i)*1234567891011) // for those that seed their jitter with the time
				if p.Schedule.Attempts > 0 {
					require.Len(t, got, p.Schedule.Attempts-1)
				}
				require.GreaterOrEqual(t, len(got), len(p.Waits))
				for j, w := range p.Waits {
					assert.True(t, w.Least <= got[j] && got[j] <= w.Most, "wait %d is %v, not in %v..%v", j+1, got[j], w.Least, w.Most)
				}
			}
		})
	}
}

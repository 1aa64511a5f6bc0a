package retry_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

// No text makes the parser panic. What it takes is a valid policy whose
// canonical text is read back to the same policy and prints the same; what it
// refuses, it points at.
func FuzzParsePolicy(f *testing.F) {
	for _, p := range retry.Presets() {
		f.Add(p.Name)
		f.Add(p.Policy.String())
	}
	for _, text := range []string{
		"off", "exp", "exp:", "exp:base=1s,", "const:base=2s", "linear:base=1s,step=500ms,cap=5s,jitter=full", "list:delays=1s/5s/1m,jitter=none,attempts=9",
		"exp:jitter=-12.5%+0%", "exp:factor=1.000001,cap=none", "exp:attempts=unlimited,elapsed=15m,timeout=10s",
		"exp:retry-after=larger,max-retry-after=60s,long-retry-after=give-up,capped=exact,jitter=decorrelated",
		"exp:base=9223372036854775807ns,factor=1000", "exp:jitter=-.%+5%", "exp:factor=0x1p4", "exp:factor=1e2", "list:delays=1s/-5s", "exp:base=\x00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := retry.ParsePolicy(text)
		if err != nil {
			require.Equal(t, retry.Policy{}, p)
			var bad *retry.PolicyError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, text, bad.Text)
			require.True(t, strings.HasPrefix(bad.Text[bad.Offset:], bad.Word), "%q at %d of %q", bad.Word, bad.Offset, text)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NoError(t, p.Validate())
		canonical := p.String()
		again, err := retry.ParsePolicy(canonical)
		require.NoError(t, err)
		require.Equal(t, p, again)
		require.Equal(t, canonical, again.String())
		for _, attempt := range []int{1, 2, 1000, math.MaxInt - 1} {
			for _, word := range []uint64{0, math.MaxUint64} {
				d := p.Decide(retry.Failure{Attempt: attempt, Class: retry.Transient()}, &words{word})
				require.GreaterOrEqual(t, d.Wait, time.Duration(0))
			}
		}
	})
}

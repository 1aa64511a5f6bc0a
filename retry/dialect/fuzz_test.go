package dialect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/dialect"
)

// No text makes a parser panic, and what one accepts is a valid policy whose
// text is read back.
func FuzzParse(f *testing.F) {
	f.Add("grpc", `{"methodConfig":[{"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.1s","maxBackoff":"1s","backoffMultiplier":1.6}}],"retryThrottling":{"maxTokens":10,"tokenRatio":0.1}}`)
	f.Add("temporal", `{"initialInterval":"0.5s","backoffCoefficient":1.0,"maximumAttempts":0}`)
	f.Add("stepfunctions", `[{"ErrorEquals":["x"],"IntervalSeconds":3,"BackoffRate":1.5,"MaxDelaySeconds":20,"JitterStrategy":"FULL"}]`)
	f.Add("envoy", `{"retryOn":"5xx","numRetries":0,"retryBackOff":{"baseInterval":"1s"}}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		in, err := dialect.Parse(name, []byte(text))
		if err != nil {
			require.Equal(t, dialect.Import{}, in)
			return
		}
		require.NoError(t, in.Budget.Validate())
		again, err := retry.ParsePolicy(in.Policy.String())
		require.NoError(t, err)
		require.Equal(t, in.Policy, again)
	})
}

package dialect_test

import (
	"fmt"
	"go/format"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/dialect"
)

func TestParse(t *testing.T) {
	tests := []struct {
		dialect, text string
		policy        string // text form
		budget        retry.Budget
		ignored       []string
	}{
		{"grpc", `{"methodConfig":[{"name":[{"service":"echo"}],"timeout":"30s","retryPolicy":{"maxAttempts":4,"initialBackoff":"0.1s","maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}],"retryThrottling":{"maxTokens":10,"tokenRatio":0.1}}`,
			"exp:base=100ms,cap=1s,jitter=-20%+20%,attempts=4", retry.GRPCBudget(10*retry.Token, retry.Token/10), []string{"name", "retryableStatusCodes", "timeout"}},
		{"grpc", `{"methodConfig":[{"retryPolicy":{"maxAttempts":9,"initialBackoff":"1s","maxBackoff":"10s","backoffMultiplier":1.6,"perAttemptRecvTimeout":"3s"}}]}`,
			"exp:base=1s,factor=1.6,cap=10s,jitter=-20%+20%,attempts=5,timeout=3s", retry.Budget{}, nil},
		{"temporal", `{}`, "exp:base=1s,cap=1m40s,jitter=none,attempts=unlimited", retry.Budget{}, nil},
		{"temporal", `{"initialInterval":"0.5s","backoffCoefficient":1.0,"maximumAttempts":0,"nonRetryableErrorTypes":["Bad"]}`,
			"exp:base=500ms,factor=1,cap=50s,jitter=none,attempts=unlimited", retry.Budget{}, []string{"nonRetryableErrorTypes"}},
		{"temporal", `{"initialInterval":"10s","maximumInterval":"60s","maximumAttempts":7}`,
			"exp:base=10s,cap=1m0s,jitter=none,attempts=7", retry.Budget{}, nil},
		{"stepfunctions", `{"ErrorEquals":["States.ALL"]}`, "exp:base=1s,cap=none,jitter=none,attempts=4", retry.Budget{}, []string{"ErrorEquals"}},
		{"stepfunctions", `[{"ErrorEquals":["States.Timeout"],"IntervalSeconds":3,"MaxAttempts":0,"BackoffRate":1.5,"MaxDelaySeconds":20,"JitterStrategy":"FULL"}]`,
			"exp:base=3s,factor=1.5,cap=20s,jitter=full,attempts=1", retry.Budget{}, []string{"ErrorEquals"}},
		{"envoy", `{}`, "exp:base=25ms,cap=250ms,jitter=full,attempts=2,retry-after=ignore", retry.Budget{}, nil},
		{"envoy", `{"retry_on":"5xx","num_retries":3,"per_try_timeout":"2s","retry_back_off":{"base_interval":"0.1s","max_interval":"2s"}}`,
			"exp:base=100ms,cap=2s,jitter=full,attempts=4,retry-after=ignore,timeout=2s", retry.Budget{}, []string{"retry_on"}},
		{"envoy", `{"retryOn":"5xx","numRetries":0,"retryBackOff":{"baseInterval":"1s"}}`,
			"exp:base=1s,cap=10s,jitter=full,attempts=1,retry-after=ignore", retry.Budget{}, []string{"retry_on"}},
	}
	for _, tt := range tests {
		t.Run(tt.dialect, func(t *testing.T) {
			got, err := dialect.Parse(tt.dialect, []byte(tt.text))
			require.NoError(t, err)
			assert.Equal(t, tt.policy, got.Policy.String())
			assert.Equal(t, tt.budget, got.Budget)
			assert.Equal(t, tt.ignored, got.Ignored)
		})
	}
}

// The defaults of the systems are the presets of their names.
func TestTheDefaultsAreThePresets(t *testing.T) {
	for name, text := range map[string]string{"temporal": "{}", "envoy": "{}"} {
		got, err := dialect.Parse(name, []byte(text))
		require.NoError(t, err)
		preset, err := retry.ParsePolicy(name)
		require.NoError(t, err)
		assert.Equal(t, preset, got.Policy)
	}
}

func TestParseErrors(t *testing.T) {
	const grpc = `{"methodConfig":[{"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.1s","maxBackoff":"1s","backoffMultiplier":2}}]}`
	tests := []struct{ dialect, text, want string }{
		{"polly", `{}`, `dialect: unknown dialect "polly" (known: envoy, grpc, stepfunctions, temporal)`},
		{"temporal", ``, `dialect: temporal: empty text`},
		{"temporal", `{} {}`, `dialect: temporal: more text after the policy`},
		{"temporal", `null`, `dialect: temporal: null is no policy`},
		{"temporal", `{"initialInterval":"1s"} }`, `dialect: temporal: more text after the policy`},
		{"envoy", `{} }`, `dialect: envoy: more text after the policy`},
		{"grpc", strings.Replace(grpc, `"0.1s"`, `"0s"`, 1), `dialect: grpc: initialBackoff: 0, want more`},
		{"grpc", strings.Replace(grpc, `"1s"`, `"0s"`, 1), `dialect: grpc: maxBackoff: 0, want more`},
		{"grpc", grpc[:len(grpc)-1] + `,"retryThrottling":{"maxTokens":0.0001,"tokenRatio":1}}`, `dialect: grpc: retryThrottling: maxTokens 0.0001`},
		{"stepfunctions", `{"BackoffRate":0}`, `dialect: stepfunctions: BackoffRate: 0, want 1 or more`},
		{"stepfunctions", `{"IntervalSeconds":10,"MaxDelaySeconds":5}`, `dialect: stepfunctions: MaxDelaySeconds: 5s, not above IntervalSeconds 10s`},
		{"temporal", `{"initialIntervall":"1s"}`, `dialect: temporal: unknown field "initialIntervall"`},
		{"temporal", `{"initialInterval":"1m"}`, `dialect: temporal: initialInterval: "1m" is no duration such as "0.1s"`},
		{"temporal", `{"initialInterval":"-1s"}`, `dialect: temporal: initialInterval: "-1s" is no duration such as "0.1s"`},
		{"temporal", `{"initialInterval":"0s"}`, `dialect: temporal: initialInterval: 0, want more`},
		{"temporal", `{"initialInterval":"99999999999s"}`, `dialect: temporal: initialInterval: "99999999999s" is longer than 292 years`},
		{"temporal", `{"backoffCoefficient":0.5}`, `dialect: temporal: backoffCoefficient: 0.5 is outside 1 to 1000`},
		{"temporal", `{"maximumInterval":"0.5s"}`, `dialect: temporal: maximumInterval: 500ms, shorter than initialInterval 1s`},
		{"temporal", `{"maximumAttempts":-1}`, `dialect: temporal: maximumAttempts: -1, want 0 for no limit or more`},
		{"grpc", `{"methodConfig":[]}`, `dialect: grpc: methodConfig: no retryPolicy`},
		{"grpc", strings.Replace(grpc, "]", ","+grpc[len(`{"methodConfig":[`):len(grpc)-2]+"]", 1), `dialect: grpc: methodConfig: more than one retryPolicy (keep the one that is meant)`},
		{"grpc", strings.Replace(grpc, "4", "1", 1), `dialect: grpc: maxAttempts: 1, want at least 2`},
		{"grpc", strings.Replace(grpc, `"0.1s"`, `"fast"`, 1), `dialect: grpc: initialBackoff: "fast" is no duration such as "0.1s"`},
		{"grpc", strings.Replace(grpc, `"1s"`, `""`, 1), `dialect: grpc: maxBackoff: "" is no duration such as "0.1s"`},
		{"grpc", strings.Replace(grpc, `,"backoffMultiplier":2`, ``, 1), `dialect: grpc: backoffMultiplier: missing or 0`},
		{"grpc", strings.Replace(grpc, `:2`, `:0.2`, 1), `dialect: grpc: backoffMultiplier: 0.2 is outside 1 to 1000`},
		{"grpc", strings.Replace(grpc, `"maxAttempts"`, `"perAttemptRecvTimeout":"x","maxAttempts"`, 1), `dialect: grpc: perAttemptRecvTimeout: "x" is no duration such as "0.1s"`},
		{"grpc", grpc[:len(grpc)-1] + `,"retryThrottling":{"maxTokens":0,"tokenRatio":1}}`, `dialect: grpc: retryThrottling: maxTokens 0 and tokenRatio 1, want 1 to 1000 and 0.001 to 1000`},
		{"grpc", `{"methodConfig":[{"hedgingPolicy":{}}]}`, `dialect: grpc: hedgingPolicy: hedging is no retry policy`},
		{"grpc", `{"retries":3}`, `dialect: grpc: unknown field "retries"`},
		{"stepfunctions", `[]`, `dialect: stepfunctions: Retry: 0 elements (keep the one that is meant)`},
		{"stepfunctions", `[{},{}]`, `dialect: stepfunctions: Retry: 2 elements (keep the one that is meant)`},
		{"stepfunctions", `[{"Max":1}]`, `dialect: stepfunctions: unknown field "Max"`},
		{"stepfunctions", `{"IntervalSeconds":0}`, `dialect: stepfunctions: IntervalSeconds: 0, want at least 1`},
		{"stepfunctions", `{"MaxDelaySeconds":99999999999}`, `dialect: stepfunctions: MaxDelaySeconds: longer than 292 years`},
		{"stepfunctions", `{"MaxAttempts":-1}`, `dialect: stepfunctions: MaxAttempts: -1, want 0 for no retries or more`},
		{"stepfunctions", `{"BackoffRate":0.9}`, `dialect: stepfunctions: BackoffRate: 0.9 is outside 1 to 1000`},
		{"stepfunctions", `{"JitterStrategy":"full"}`, `dialect: stepfunctions: JitterStrategy: "full", want FULL or NONE`},
		{"envoy", `{"numRetries":1,"num_retries":2}`, `dialect: envoy: "num_retries" stands there twice (keep the one that is meant)`},
		{"envoy", `{"retry_back_off":{"base_interval":"1s","base_interval":"2s"}}`, `dialect: envoy: "retry_back_off.base_interval" stands there twice`},
		{"envoy", `{"numretries":1}`, `dialect: envoy: unknown field "numretries"`},
		{"envoy", `{"NUM_RETRIES":1}`, `dialect: envoy: unknown field "NUM_RETRIES"`},
		{"envoy", `{"retriable_headers":[{"name":"a","name":"b"}]}`, `dialect: envoy: "retriable_headers.name" stands there twice`},
		{"temporal", `{"maximumAttempts":3,"maximumAttempts":0}`, `dialect: temporal: "maximumAttempts" stands there twice (keep the one that is meant)`},
		{"temporal", `{"maximumAttempts":3,"maximumAttempts":3}`, `dialect: temporal: "maximumAttempts" stands there twice`},
		{"temporal", `{"MaximumAttempts":3}`, `dialect: temporal: unknown field "MaximumAttempts"`},
		{"temporal", strings.Repeat(`[`, 20_000), `dialect: temporal: invalid character '[' exceeded max depth`},
		{"grpc", strings.Replace(grpc, `"maxAttempts":4`, `"maxAttempts":4,"maxAttempts":5`, 1), `dialect: grpc: "methodConfig.retryPolicy.maxAttempts" stands there twice`},
		{"grpc", strings.Replace(grpc, `"maxAttempts":4`, `"maxAttempts":4,"maxAttemps":5`, 1), `dialect: grpc: unknown field "methodConfig.retryPolicy.maxAttemps"`},
		{"grpc", grpc[:len(grpc)-1] + `,"methodConfig":[]}`, `dialect: grpc: "methodConfig" stands there twice`},
		{"grpc", `{"loadBalancingConfig":[{"a":{"b":1,"b":2}}]}`, `dialect: grpc: "loadBalancingConfig.a.b" stands there twice`},
		{"stepfunctions", `[{"MaxAttempts":1,"MaxAttempts":2}]`, `dialect: stepfunctions: "MaxAttempts" stands there twice`},
		{"stepfunctions", `{"maxAttempts":1}`, `dialect: stepfunctions: unknown field "maxAttempts"`},
		{"envoy", `{"num_retries":-1}`, `dialect: envoy: num_retries: -1, outside 0 to 2^32-1`},
		{"envoy", `{"retry_budget":{}}`, `dialect: envoy: unknown field "retry_budget"`},
		{"envoy", `{"retry_back_off":{}}`, `dialect: envoy: retry_back_off: no base_interval`},
		{"envoy", `{"retry_back_off":{"base_interval":"0s"}}`, `dialect: envoy: base_interval: 0, want more`},
		{"envoy", `{"retry_back_off":{"base_interval":"1s","max_interval":"0.5s"}}`, `dialect: envoy: max_interval: 500ms, shorter than base_interval 1s`},
		{"envoy", `{"per_try_timeout":"soon"}`, `dialect: envoy: per_try_timeout: "soon" is no duration such as "0.1s"`},
		{"envoy", `[1]`, `dialect: envoy: cannot unmarshal array into Go value of type struct`},
		{"envoy", `{"num_retries":}`, `dialect: envoy: invalid character '}' looking for beginning of value`},
		{"envoy", `{} 1`, `dialect: envoy: more text after the policy`},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			got, err := dialect.Parse(tt.dialect, []byte(tt.text))
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), tt.want), err.Error())
			assert.Equal(t, dialect.Import{}, got)
		})
	}
}

func TestGoIsFormatted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := propertytest.Policies().Draw(t, "policy")
		const head = "package x\n\nvar p = "
		text := head + dialect.Go(p) + "\n"
		formatted, err := format.Source([]byte(text))
		require.NoError(t, err)
		require.Equal(t, string(formatted), text)
	})
}

func TestGo(t *testing.T) {
	for text, want := range map[string]string{
		"off": "retry.Policy{}",
		"aws-legacy": `retry.Policy{
	MaxAttempts: 3,
	BaseDelay:   2 * time.Second,
	MaxDelay:    20 * time.Second,
	Cap:         retry.CapExact,
	Jitter:      retry.JitterFull,
	RetryAfter:  retry.HintIgnored,
}`,
		"list:delays=0s/1500ms/1h,jitter=-12.5%+0%,attempts=unlimited,max-retry-after=7ns,long-retry-after=window,elapsed=90s": `retry.Policy{
	MaxAttempts:    retry.Unlimited,
	Schedule:       retry.List,
	Delays:         retry.MakeDelays(0, 1500*time.Millisecond, time.Hour),
	Jitter:         retry.JitterBetween(125, 0),
	MaxRetryAfter:  7 * time.Nanosecond,
	LongRetryAfter: retry.HintWithin,
	MaxElapsed:     90 * time.Second,
}`,
		"exp:base=9223372036854775807ns,cap=none,jitter=equal": `retry.Policy{
	MaxAttempts: 3,
	BaseDelay:   math.MaxInt64,
	Jitter:      retry.JitterEqual,
}`,
	} {
		p, err := retry.ParsePolicy(text)
		require.NoError(t, err)
		assert.Equal(t, want, dialect.Go(p))
	}
}

func ExampleParse() {
	in, err := dialect.Parse("temporal", []byte(`{"initialInterval": "1s", "maximumAttempts": 0, "nonRetryableErrorTypes": ["BadKey"]}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(in.Policy)
	fmt.Println("left out:", in.Ignored)
	// Output:
	// exp:base=1s,cap=1m40s,jitter=none,attempts=unlimited
	// left out: [nonRetryableErrorTypes]
}

func ExampleGo() {
	fmt.Println(dialect.Go(retry.Default()))
	// Output:
	// retry.Policy{
	// 	MaxAttempts: 3,
	// 	BaseDelay:   time.Second,
	// 	MaxDelay:    30 * time.Second,
	// 	Jitter:      retry.JitterAdditive,
	// }
}

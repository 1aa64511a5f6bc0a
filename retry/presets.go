package retry

import "time"

// Preset is a policy that is in use somewhere, under a name that
// [ParsePolicy] knows.
type Preset struct {
	Name   string
	Policy Policy
	// Budget is the retry budget that goes with the policy; the zero Budget
	// where there is none.
	Budget Budget
	// Source says where the numbers come from.
	Source string
	// Note says what the policy leaves out of the original, if anything.
	Note string
}

// Presets returns the presets, in the order of their names but for the
// default, which is first.
func Presets() []Preset {
	const ms, s = time.Millisecond, time.Second
	return []Preset{
		{
			Name:   "default",
			Policy: Default(),
			Source: "the Rust original's RetryConfig::default",
			Note:   "the original takes its jitter from the wall clock, below 1 s at any delay",
		},
		{
			Name: "anthropic",
			Policy: Policy{
				MaxAttempts: 3, BaseDelay: 500 * ms, MaxDelay: 8 * s, Jitter: JitterBetween(250, 0),
			},
			Source: "anthropic-sdk-go v2.15.0, retryDelay",
			Note:   "x-should-retry is the classifier's matter",
		},
		{
			Name: "aws",
			Policy: Policy{
				MaxAttempts: 3, BaseDelay: 50 * ms, ThrottleDelay: s, MaxDelay: 20 * s, Jitter: JitterFull,
				MaxRetryAfter: 5 * s, LongRetryAfter: HintWithin,
			},
			Budget: AWSBudget(),
			Source: "AWS SDKs, standard mode, default since 2026-11-10",
			Note:   "DynamoDB has 25 ms and 4 attempts",
		},
		{
			Name: "aws-legacy",
			Policy: Policy{
				MaxAttempts: 3, BaseDelay: 2 * s, MaxDelay: 20 * s, Cap: CapExact, Jitter: JitterFull, RetryAfter: HintIgnored,
			},
			Budget: AWSLegacyBudget(),
			Source: "AWS SDK for Go v2, standard mode before v1.48",
		},
		{
			Name: "azure",
			Policy: Policy{
				MaxAttempts: 4, Schedule: List, Delays: MakeDelays(800*ms, 2400*ms, 5600*ms),
				MaxDelay: 60 * s, Cap: CapAfterJitter, Jitter: JitterBetween(200, 300),
				MaxRetryAfter: 60 * s, LongRetryAfter: HintGivesUp,
			},
			Source: "Azure SDK for Go, azcore v1.24: 800 ms times 2^n - 1",
		},
		{
			Name: "cenkalti",
			Policy: Policy{
				MaxAttempts: Unlimited, BaseDelay: 500 * ms, Multiplier: 1.5, MaxDelay: 60 * s, Jitter: JitterBetween(500, 500),
				MaxElapsed: 15 * time.Minute,
			},
			Source: "cenkalti/backoff v5, NewExponentialBackOff and Retry",
		},
		{
			Name: "envoy",
			Policy: Policy{
				MaxAttempts: 2, BaseDelay: 25 * ms, MaxDelay: 250 * ms, Jitter: JitterFull, RetryAfter: HintIgnored,
			},
			Source: "Envoy, RetryPolicy: num_retries 1, base 25 ms, max 10 times the base",
			Note:   "its budget, 20 % of the active requests, counts concurrency and not calls",
		},
		{
			Name: "gax",
			Policy: Policy{
				MaxAttempts: Unlimited, BaseDelay: s, MaxDelay: 30 * s, Jitter: JitterFull, RetryAfter: HintIgnored,
			},
			Source: "googleapis/gax-go v2, Backoff",
			Note:   "the context's deadline is what ends it",
		},
		{
			Name: "grpc",
			Policy: Policy{
				MaxAttempts: 4, BaseDelay: 100 * ms, MaxDelay: s, Jitter: JitterBetween(200, 200),
			},
			Budget: GRPCBudget(10*Token, Token/10),
			Source: "gRPC A6, the proposal's example; gRPC itself has no default",
			Note:   "pushback also resets the backoff there",
		},
		{
			Name: "openai",
			Policy: Policy{
				MaxAttempts: 3, BaseDelay: 500 * ms, MaxDelay: 8 * s, Jitter: JitterBetween(250, 0),
				MaxRetryAfter: 120 * s, LongRetryAfter: HintGivesUp,
			},
			Source: "openai-go v3.98.0, retryDelay",
			Note:   "the Python SDK heeds 0 to 60 s and ignores the rest",
		},
		{
			Name: "stepfunctions",
			Policy: Policy{
				MaxAttempts: 4, BaseDelay: s, RetryAfter: HintIgnored,
			},
			Source: "AWS Step Functions, a Retry with nothing but ErrorEquals",
		},
		{
			Name: "temporal",
			Policy: Policy{
				MaxAttempts: Unlimited, BaseDelay: s, MaxDelay: 100 * s,
			},
			Source: "Temporal, the default activity retry policy",
			Note:   "its next retry delay is a Retry-After",
		},
	}
}

// presetNames lists what ParsePolicy takes as a name.
func presetNames() []string {
	names := []string{policyOff}
	for _, p := range Presets() {
		names = append(names, p.Name)
	}
	return names
}

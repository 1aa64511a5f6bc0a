package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/retrykit/retrykit/retry"
)

// grpcConfig is a gRPC service config, as far as retries go (gRPC A6).
type grpcConfig struct {
	MethodConfig []struct {
		Name         json.RawMessage `json:"name"`
		WaitForReady json.RawMessage `json:"waitForReady"`
		Timeout      protoDuration   `json:"timeout"`
		MaxRequest   json.RawMessage `json:"maxRequestMessageBytes"`
		MaxResponse  json.RawMessage `json:"maxResponseMessageBytes"`
		RetryPolicy  *grpcPolicy     `json:"retryPolicy"`
		Hedging      json.RawMessage `json:"hedgingPolicy"`
	} `json:"methodConfig"`
	RetryThrottling *struct {
		MaxTokens  float64 `json:"maxTokens"`
		TokenRatio float64 `json:"tokenRatio"`
	} `json:"retryThrottling"`
	LoadBalancingPolicy json.RawMessage `json:"loadBalancingPolicy"`
	LoadBalancingConfig json.RawMessage `json:"loadBalancingConfig"`
	HealthCheckConfig   json.RawMessage `json:"healthCheckConfig"`
}

type grpcPolicy struct {
	MaxAttempts       int             `json:"maxAttempts"`
	InitialBackoff    protoDuration   `json:"initialBackoff"`
	MaxBackoff        protoDuration   `json:"maxBackoff"`
	BackoffMultiplier float64         `json:"backoffMultiplier"`
	StatusCodes       json.RawMessage `json:"retryableStatusCodes"`
	PerAttemptRecv    protoDuration   `json:"perAttemptRecvTimeout"`
}

func parseGRPC(text []byte) (Import, error) {
	var c grpcConfig
	if err := strict(text, &c); err != nil {
		return Import{}, err
	}
	var found *grpcPolicy
	var in Import
	for _, m := range c.MethodConfig {
		if len(m.Hedging) > 0 {
			return Import{}, field("hedgingPolicy", errors.New("hedging is no retry policy"))
		}
		if m.RetryPolicy == nil {
			continue
		}
		if found != nil {
			return Import{}, field("methodConfig", errors.New("more than one retryPolicy (keep the one that is meant)"))
		}
		found = m.RetryPolicy
		in.Ignored = present(map[string]bool{
			"name": len(m.Name) > 0, "waitForReady": len(m.WaitForReady) > 0, "timeout": m.Timeout != "",
			"retryableStatusCodes": len(found.StatusCodes) > 0,
		})
	}
	if found == nil {
		return Import{}, field("methodConfig", errors.New("no retryPolicy"))
	}
	var err error
	if in.Policy, err = found.policy(); err != nil {
		return Import{}, err
	}
	if t := c.RetryThrottling; t != nil {
		if !(t.MaxTokens >= 1 && t.MaxTokens <= 1000) || !(t.TokenRatio >= 0.001 && t.TokenRatio <= 1000) {
			return Import{}, field("retryThrottling", fmt.Errorf("maxTokens %v and tokenRatio %v, want 1 to 1000 and 0.001 to 1000", t.MaxTokens, t.TokenRatio))
		}
		in.Budget = retry.GRPCBudget(tokens(t.MaxTokens), tokens(t.TokenRatio))
	}
	return in, nil
}

// tokens rounds down to thousandths, as A6 does.
func tokens(n float64) retry.Tokens {
	return retry.Tokens(math.Floor(float64(n * float64(retry.Token))))
}

func (g *grpcPolicy) policy() (p retry.Policy, err error) {
	if g.MaxAttempts < 2 {
		return p, field("maxAttempts", fmt.Errorf("%d, want at least 2", g.MaxAttempts))
	}
	p = retry.Policy{MaxAttempts: min(g.MaxAttempts, 5), Jitter: retry.JitterBetween(200, 200)}
	if p.BaseDelay, err = g.InitialBackoff.positive(); err != nil {
		return p, field("initialBackoff", err)
	}
	if p.MaxDelay, err = g.MaxBackoff.positive(); err != nil {
		return p, field("maxBackoff", err)
	}
	if g.BackoffMultiplier == 0 {
		return p, field("backoffMultiplier", errors.New("missing or 0"))
	}
	if p.Multiplier, err = multiplier(g.BackoffMultiplier, 0); err != nil {
		return p, field("backoffMultiplier", err)
	}
	if g.PerAttemptRecv != "" {
		if p.AttemptTimeout, err = g.PerAttemptRecv.read(); err != nil {
			return p, field("perAttemptRecvTimeout", err)
		}
	}
	return p, nil
}

package dialect

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// parseTemporal reads a temporal.api.common.v1.RetryPolicy in protobuf's JSON.
// Temporal has no jitter; no attempts, or 0, means no limit.
func parseTemporal(text []byte) (Import, error) {
	var t struct {
		InitialInterval    *protoDuration  `json:"initialInterval"`
		BackoffCoefficient float64         `json:"backoffCoefficient"`
		MaximumInterval    *protoDuration  `json:"maximumInterval"`
		MaximumAttempts    int             `json:"maximumAttempts"`
		NonRetryable       json.RawMessage `json:"nonRetryableErrorTypes"`
	}
	if err := strict(text, &t); err != nil {
		return Import{}, err
	}
	p := retry.Policy{MaxAttempts: t.MaximumAttempts, BaseDelay: time.Second}
	var err error
	if t.InitialInterval != nil {
		if p.BaseDelay, err = t.InitialInterval.positive(); err != nil {
			return Import{}, field("initialInterval", err)
		}
	}
	if p.Multiplier, err = multiplier(t.BackoffCoefficient, 2); err != nil {
		return Import{}, field("backoffCoefficient", err)
	}
	p.MaxDelay = math.MaxInt64
	if p.BaseDelay < math.MaxInt64/100 {
		p.MaxDelay = 100 * p.BaseDelay
	}
	if t.MaximumInterval != nil {
		if p.MaxDelay, err = t.MaximumInterval.read(); err != nil {
			return Import{}, field("maximumInterval", err)
		}
		if p.MaxDelay < p.BaseDelay {
			return Import{}, field("maximumInterval", fmt.Errorf("%v, shorter than initialInterval %v", p.MaxDelay, p.BaseDelay))
		}
	}
	switch {
	case t.MaximumAttempts < 0:
		return Import{}, field("maximumAttempts", fmt.Errorf("%d, want 0 for no limit or more", t.MaximumAttempts))
	case t.MaximumAttempts == 0:
		p.MaxAttempts = retry.Unlimited
	}
	return Import{Policy: p, Ignored: present(map[string]bool{"nonRetryableErrorTypes": len(t.NonRetryable) > 0})}, nil
}

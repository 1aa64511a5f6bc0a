package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// parseEnvoy reads an envoy.config.route.v3.RetryPolicy, in either spelling of
// its keys. Envoy waits 25 ms at first and ten times that at the most.
func parseEnvoy(text []byte) (Import, error) {
	var e struct {
		RetryOn       json.RawMessage `json:"retry_on"`
		NumRetries    *int            `json:"num_retries"`
		PerTryTimeout *protoDuration  `json:"per_try_timeout"`
		BackOff       *struct {
			Base *protoDuration `json:"base_interval"`
			Max  *protoDuration `json:"max_interval"`
		} `json:"retry_back_off"`
		StatusCodes json.RawMessage `json:"retriable_status_codes"`
		Headers     json.RawMessage `json:"retriable_headers"`
		Hosts       json.RawMessage `json:"retry_host_predicate"`
		Priority    json.RawMessage `json:"retry_priority"`
		Selections  json.RawMessage `json:"host_selection_retry_max_attempts"`
	}
	err := respelled(text, &e, snakeCase)
	if err != nil {
		return Import{}, err
	}
	in := Import{
		Policy: retry.Policy{MaxAttempts: 2, BaseDelay: 25 * time.Millisecond, Jitter: retry.JitterFull, RetryAfter: retry.HintIgnored},
		Ignored: present(map[string]bool{
			"retry_on": len(e.RetryOn) > 0, "retriable_status_codes": len(e.StatusCodes) > 0, "retriable_headers": len(e.Headers) > 0,
			"retry_host_predicate": len(e.Hosts) > 0, "retry_priority": len(e.Priority) > 0,
			"host_selection_retry_max_attempts": len(e.Selections) > 0,
		}),
	}
	p := &in.Policy
	if e.NumRetries != nil {
		if *e.NumRetries < 0 || *e.NumRetries > math.MaxUint32 {
			return Import{}, field("num_retries", fmt.Errorf("%d, outside 0 to 2^32-1", *e.NumRetries))
		}
		p.MaxAttempts = *e.NumRetries + 1
	}
	if e.PerTryTimeout != nil {
		if p.AttemptTimeout, err = e.PerTryTimeout.read(); err != nil {
			return Import{}, field("per_try_timeout", err)
		}
	}
	if e.BackOff != nil {
		if e.BackOff.Base == nil {
			return Import{}, field("retry_back_off", errors.New("no base_interval"))
		}
		if p.BaseDelay, err = e.BackOff.Base.positive(); err != nil {
			return Import{}, field("base_interval", err)
		}
	}
	p.MaxDelay = math.MaxInt64
	if p.BaseDelay < math.MaxInt64/10 {
		p.MaxDelay = 10 * p.BaseDelay
	}
	if e.BackOff != nil && e.BackOff.Max != nil {
		if p.MaxDelay, err = e.BackOff.Max.read(); err != nil {
			return Import{}, field("max_interval", err)
		}
		if p.MaxDelay < p.BaseDelay {
			return Import{}, field("max_interval", fmt.Errorf("%v, shorter than base_interval %v", p.MaxDelay, p.BaseDelay))
		}
	}
	return in, nil
}

// snakeCase returns the name of a field of a protobuf message for its name in
// JSON, which is also allowed as it is.
func snakeCase(key string) string {
	var b strings.Builder
	for _, c := range key {
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

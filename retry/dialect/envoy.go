package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// parseEnvoy reads an envoy.config.route.v3.RetryPolicy, in either spelling of
// its keys. Envoy waits 25 ms at first and ten times that at the most.
func parseEnvoy(text []byte) (Import, error) {
	var e struct {
		RetryOn       json.RawMessage `json:"retryon"`
		NumRetries    *int            `json:"numretries"`
		PerTryTimeout *protoDuration  `json:"pertrytimeout"`
		BackOff       *struct {
			Base *protoDuration `json:"baseinterval"`
			Max  *protoDuration `json:"maxinterval"`
		} `json:"retrybackoff"`
		StatusCodes json.RawMessage `json:"retriablestatuscodes"`
		Headers     json.RawMessage `json:"retriableheaders"`
		Hosts       json.RawMessage `json:"retryhostpredicate"`
		Priority    json.RawMessage `json:"retrypriority"`
		Selections  json.RawMessage `json:"hostselectionretrymaxattempts"`
	}
	plain, err := withoutUnderscores(text)
	if err != nil {
		return Import{}, err
	}
	if err := strict(plain, &e); err != nil {
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

// withoutUnderscores returns the text with numRetries and num_retries alike as
// numretries, so that protobuf's two spellings are one. Two spellings of one
// key in one object are an error.
func withoutUnderscores(text []byte) ([]byte, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, strict(text, &v)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more text after the policy")
	}
	plain, err := lowerKeys(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

func lowerKeys(v any) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return v, nil // keys inside a list belong to fields that are ignored
	}
	out := make(map[string]any, len(object))
	for _, key := range slices.Sorted(maps.Keys(object)) {
		plain := strings.ToLower(strings.ReplaceAll(key, "_", ""))
		if _, twice := out[plain]; twice {
			return nil, field(key, errors.New("stands there in two spellings"))
		}
		below, err := lowerKeys(object[key])
		if err != nil {
			return nil, err
		}
		out[plain] = below
	}
	return out, nil
}

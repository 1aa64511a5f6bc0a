package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// stepRetrier is one element of a Retry field of the Amazon States Language.
type stepRetrier struct {
	ErrorEquals     json.RawMessage
	IntervalSeconds *int64
	MaxAttempts     *int
	BackoffRate     *float64
	MaxDelaySeconds *int64
	JitterStrategy  string
	Comment         json.RawMessage
}

// parseStepFunctions reads a Retry field or one element of it. MaxAttempts
// there counts retries, and 0 means none.
func parseStepFunctions(text []byte) (Import, error) {
	var list []stepRetrier
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		if err := strict(text, &list); err != nil {
			return Import{}, err
		}
	} else {
		list = make([]stepRetrier, 1)
		if err := strict(text, &list[0]); err != nil {
			return Import{}, err
		}
	}
	if len(list) != 1 {
		return Import{}, field("Retry", fmt.Errorf("%d elements (keep the one that is meant)", len(list)))
	}
	s := list[0]
	in := Import{
		Policy:  retry.Policy{MaxAttempts: 4, BaseDelay: time.Second},
		Ignored: present(map[string]bool{"ErrorEquals": len(s.ErrorEquals) > 0, "Comment": len(s.Comment) > 0}),
	}
	p := &in.Policy
	var err error
	if s.IntervalSeconds != nil {
		if p.BaseDelay, err = positiveSeconds(*s.IntervalSeconds); err != nil {
			return Import{}, field("IntervalSeconds", err)
		}
	}
	if s.MaxAttempts != nil {
		if *s.MaxAttempts < 0 || *s.MaxAttempts == math.MaxInt {
			return Import{}, field("MaxAttempts", fmt.Errorf("%d, want 0 for no retries or more", *s.MaxAttempts))
		}
		p.MaxAttempts = *s.MaxAttempts + 1
	}
	if s.BackoffRate != nil {
		if *s.BackoffRate == 0 {
			return Import{}, field("BackoffRate", errors.New("0, want 1 or more"))
		}
		if p.Multiplier, err = multiplier(*s.BackoffRate, 2); err != nil {
			return Import{}, field("BackoffRate", err)
		}
	}
	if s.MaxDelaySeconds != nil {
		if p.MaxDelay, err = positiveSeconds(*s.MaxDelaySeconds); err != nil {
			return Import{}, field("MaxDelaySeconds", err)
		}
		if p.MaxDelay <= p.BaseDelay {
			return Import{}, field("MaxDelaySeconds", fmt.Errorf("%v, not above IntervalSeconds %v", p.MaxDelay, p.BaseDelay))
		}
	}
	switch s.JitterStrategy {
	case "", "NONE":
	case "FULL":
		p.Jitter = retry.JitterFull
	default:
		return Import{}, field("JitterStrategy", fmt.Errorf("%q, want FULL or NONE", s.JitterStrategy))
	}
	return in, nil
}

func positiveSeconds(n int64) (time.Duration, error) {
	switch {
	case n <= 0:
		return 0, fmt.Errorf("%d, want at least 1", n)
	case n > math.MaxInt64/int64(time.Second):
		return 0, errors.New("longer than 292 years")
	}
	return time.Duration(n) * time.Second, nil
}

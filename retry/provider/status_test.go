package provider_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
)

func TestStatus(t *testing.T) {
	kinds := map[provider.Kind][]int{
		provider.Transient:      {408, 409, 425, 429, 500, 506, 507, 508, 521, 522, 523, 525, 527, 530, 598, 599},
		provider.Overloaded:     {503, 529},
		provider.Ambiguous:      {502, 504, 520, 524},
		provider.QuotaExhausted: {402},
		provider.Permanent: {
			100, 101, 200, 204, 206, 299, 300, 301, 302, 304, 308, 399,
			400, 401, 403, 404, 405, 406, 407, 410, 411, 413, 414, 415, 422, 424, 426, 428, 431, 451, 499,
			501, 505, 511, 526,
			0, -1, 99, 600, 4290, math.MaxInt, math.MinInt,
		},
	}
	for kind, codes := range kinds {
		for _, code := range codes {
			assert.Equal(t, kind, provider.Status(code), "status %d", code)
		}
	}
}

func TestKind(t *testing.T) {
	tests := []struct {
		kind      provider.Kind
		name      string
		transient bool
	}{
		{provider.Permanent, "permanent", false},
		{provider.Transient, "transient", true},
		{provider.Overloaded, "overloaded", true},
		{provider.QuotaExhausted, "quota exhausted", false},
		{provider.Ambiguous, "ambiguous", true},
		{200, "unknown", false},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.name, tt.kind.String())
		assert.Equal(t, tt.transient, tt.kind.Classification().IsTransient(), tt.name)
	}
	assert.Equal(t, retry.Permanent(), provider.Kind(0).Classification(), "the zero Kind is permanent")
}

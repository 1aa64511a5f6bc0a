package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/retry"
)

// classed is an error with a class of its own.
type classed struct {
	text  string
	class retry.Classification
}

func (e *classed) Error() string                             { return e.text }
func (e *classed) RetryClassification() retry.Classification { return e.class }

func transient(text string) error { return &classed{text, retry.Transient()} }
func permanent(text string) error { return &classed{text, retry.Permanent()} }
func hinted(text string, after time.Duration) error {
	return &classed{text, retry.TransientAfter(after)}
}

func TestClassify(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want retry.Classification
	}{
		{"C3: nil", nil, retry.Permanent()},
		{"C3: unknown", errors.New("who knows"), retry.Permanent()},
		{"C3: context", context.DeadlineExceeded, retry.Permanent()},
		{"transient", transient("503"), retry.Transient()},
		{"hinted", hinted("429", time.Second), retry.TransientAfter(time.Second)},
		{"permanent", permanent("401"), retry.Permanent()},
		{"C3: wrapped", fmt.Errorf("call: %w", transient("503")), retry.Transient()},
		{"wrapped three times", fmt.Errorf("a: %w", fmt.Errorf("b: %w", fmt.Errorf("c: %w", hinted("429", 5)))), retry.TransientAfter(5)},
		{"joined", errors.Join(io.EOF, transient("503")), retry.Transient()},
		{"the first of two decides", errors.Join(permanent("401"), transient("503")), retry.Permanent()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, retry.Classify(tt.err))
		})
	}
}

func TestClassification(t *testing.T) {
	tests := []struct {
		class     retry.Classification
		transient bool
		after     time.Duration
		hinted    bool
		text      string
	}{
		{retry.Classification{}, false, 0, false, "permanent"},
		{retry.Permanent(), false, 0, false, "permanent"},
		{retry.Transient(), true, 0, false, "transient"},
		{retry.TransientAfter(0), true, 0, true, "transient, retry after 0s"},
		{retry.TransientAfter(-1), true, 0, true, "transient, retry after 0s"},
		{retry.TransientAfter(1500 * time.Millisecond), true, 1500 * time.Millisecond, true, "transient, retry after 1.5s"},
	}
	for _, tt := range tests {
		after, ok := tt.class.RetryAfter()
		assert.Equal(t, tt.transient, tt.class.IsTransient())
		assert.Equal(t, tt.after, after)
		assert.Equal(t, tt.hinted, ok)
		assert.Equal(t, tt.text, tt.class.String())
	}
	same := retry.TransientAfter(5)
	assert.True(t, same == retry.TransientAfter(5), "comparable")
}

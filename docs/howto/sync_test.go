package howto_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// Put is the loop of testdata/before, on the clock of package time.
func Put(ctx context.Context, send func(context.Context) error) error {
	wait := time.Second
	for attempt := 1; ; attempt++ {
		err := send(ctx)
		if err == nil || attempt == 5 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}

func TestPutInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		refused := errors.New("refused")
		err := Put(t.Context(), func(context.Context) error { return refused })
		assert.Equal(t, refused, err)
		assert.Equal(t, 15*time.Second, time.Since(start))
	})
}

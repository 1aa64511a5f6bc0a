package fleet

import (
	"context"
	"time"
)

type progressKey struct{}

// WithProgress returns a context whose runs tell f now and then how far they
// are: the virtual time and the events so far. It is called on the goroutine of
// [Run] and must be quick.
func WithProgress(ctx context.Context, f func(at time.Duration, events int64)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// progressOf returns who is to be told, or a function that tells nobody.
func progressOf(ctx context.Context) func(time.Duration, int64) {
	if f, ok := ctx.Value(progressKey{}).(func(time.Duration, int64)); ok {
		return f
	}
	return func(time.Duration, int64) {}
}

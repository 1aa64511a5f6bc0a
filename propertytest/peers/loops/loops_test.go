package loops

import (
	"context"
	"testing"

	avast "github.com/avast/retry-go/v5"
	"github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

const retries = 10

// flaky is an operation that fails and fails and then succeeds.
type flaky struct{ calls int }

func (f *flaky) call() (int, error) {
	if f.calls++; f.calls%(retries+1) != 0 {
		return 0, errBusy
	}
	return f.calls, nil
}

// busy is a transient error to our loop; to the others every error is.
type busy struct{}

func (*busy) Error() string                             { return "busy" }
func (*busy) RetryClassification() retry.Classification { return retry.Transient() }

var errBusy error = &busy{}

// loop makes one call of op through one library.
type loop struct {
	name string
	make func(t testing.TB) func(op *flaky) (int, error)
}

var loops = []loop{
	{"retrykit", func(t testing.TB) func(*flaky) (int, error) {
		r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: retries + 1}})
		require.NoError(t, err)
		return func(op *flaky) (int, error) {
			return retry.Do(context.Background(), r, func(context.Context) (int, error) { return op.call() })
		}
	}},
	{"cenkalti", func(testing.TB) func(*flaky) (int, error) {
		return func(op *flaky) (int, error) {
			return backoff.Retry(context.Background(), op.call, backoff.WithBackOff(&backoff.ZeroBackOff{}), backoff.WithMaxTries(retries+1))
		}
	}},
	{"avast", func(testing.TB) func(*flaky) (int, error) {
		r := avast.NewWithData[int](avast.Attempts(retries+1), avast.Delay(0), avast.DelayType(avast.FixedDelay), avast.LastErrorOnly(true))
		return func(op *flaky) (int, error) { return r.Do(op.call) }
	}},
	{"failsafe-go", func(testing.TB) func(*flaky) (int, error) {
		executor := failsafe.With(retrypolicy.NewBuilder[int]().WithMaxRetries(retries).Build())
		return func(op *flaky) (int, error) { return executor.Get(op.call) }
	}},
}

// Every loop does what it is measured for.
func TestEveryLoopRetries(t *testing.T) {
	for _, l := range loops {
		op := &flaky{}
		got, err := l.make(t)(op)
		require.NoError(t, err, l.name)
		require.Equal(t, retries+1, got, l.name)
	}
}

func BenchmarkRetry(b *testing.B) {
	for _, l := range loops {
		b.Run(l.name, func(b *testing.B) {
			op, call := &flaky{}, l.make(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(op); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/retries, "ns/retry")
		})
	}
}

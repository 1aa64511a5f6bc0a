package faults

import (
	"math/rand/v2"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
)

func noJitterFault(e explore.Env) func(int) time.Duration {
	return func(attempt int) time.Duration { return backoff(attempt) }
}

func noJitterFixed(e explore.Env) func(int) time.Duration {
	chance := rand.New(e.Source())
	return func(attempt int) time.Duration { return time.Duration(chance.Int64N(int64(backoff(attempt)))) }
}

func biasedJitterFault(e explore.Env) func(int) time.Duration {
	chance := rand.New(e.Source())
	return func(attempt int) time.Duration {
		return backoff(attempt) / 100 * time.Duration(chance.IntN(100)) // a hundred moments, and all clients on them
	}
}

func biasedJitterFixed(e explore.Env) func(int) time.Duration {
	chance := rand.New(e.Source())
	return func(attempt int) time.Duration { return time.Duration(chance.Int64N(int64(backoff(attempt)))) }
}

func herdFault(e explore.Env) func(int) time.Duration {
	chance := rand.New(rand.NewPCG(e.Seed, 0)) // the same for every client
	return func(attempt int) time.Duration { return time.Duration(chance.Int64N(int64(backoff(attempt)))) }
}

func herdFixed(e explore.Env) func(int) time.Duration {
	chance := rand.New(rand.NewPCG(e.Seed, e.Client))
	return func(attempt int) time.Duration { return time.Duration(chance.Int64N(int64(backoff(attempt)))) }
}

func repeatedJitterFault(e explore.Env) func(int) time.Duration {
	share := rand.New(e.Source()).Float64() // once for all waits
	return func(attempt int) time.Duration { return time.Duration(share * float64(backoff(attempt))) }
}

func repeatedJitterFixed(e explore.Env) func(int) time.Duration {
	chance := rand.New(e.Source())
	return func(attempt int) time.Duration { return time.Duration(chance.Float64() * float64(backoff(attempt))) }
}

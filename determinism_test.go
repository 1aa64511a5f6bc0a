package retrykit_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
)

var update = flag.Bool("update", false, "write the digests anew")

// digests is the file of what every machine must compute.
const digests = "testdata/digests.txt"

// TestDigests plays every scenario of the repository, and some of what is drawn
// from a seed, and compares the digests of traces and integer results with those
// that are committed: the same bytes on every architecture, with any number of
// processors. make determinism runs it under emulators.
func TestDigests(t *testing.T) {
	var lines []string
	add := func(name string, text []byte) {
		lines = append(lines, fmt.Sprintf("%x  %s", sha256.Sum256(text), name))
	}
	for _, pattern := range []string{"examples/*.retry", "simulate/testdata/*"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			scripts, err := scripted.ParseFile(filepath.ToSlash(file), string(text))
			require.NoError(t, err)
			for i, s := range scripts {
				add(fmt.Sprintf("%s#%d", s.Name, i), played(t, s))
			}
		}
	}
	for _, p := range retry.Presets() {
		add("schedule "+p.Name, waits(p.Policy))
	}
	add("interleaving", []byte(interleaving(t)))
	add("conformance", conformance(t))

	slices.Sort(lines)
	text := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(digests), 0o777))
		require.NoError(t, os.WriteFile(digests, []byte(text), 0o666))
	}
	want, err := os.ReadFile(digests)
	require.NoError(t, err)
	assert.Equal(t, string(want), text, "the digests differ (make golden, if the change is meant)")
}

// played returns the integer results of a scenario: the trace of its calls, or
// the counts of its fleet.
func played(t *testing.T, s *scripted.Script) []byte {
	t.Helper()
	if s.IsFleet() {
		r, err := simulate.RunFleet(context.Background(), s, simulate.FleetOptions{})
		require.NoError(t, err, s.Name)
		text, err := json.Marshal(r.Runs)
		require.NoError(t, err, s.Name)
		return text
	}
	run, err := simulate.Play(s, simulate.Options{})
	require.NoError(t, err, s.Name)
	return append(run.Trace.Bytes(), scripted.Format(s)...)
}

// waits returns what a policy decides for some failures and some chance.
func waits(p retry.Policy) []byte {
	var b strings.Builder
	for seed := range uint64(20) {
		source := retry.Seeded(seed, 0)(1)
		f := retry.Failure{Class: retry.Transient()}
		for f.Attempt = 1; f.Attempt < min(p.MaxAttempts, 70); f.Attempt++ {
			d := p.Decide(f, source)
			fmt.Fprintln(&b, d.Reason, int64(d.Wait), int64(d.Jitter))
			f.Previous = d.Wait
		}
	}
	return []byte(b.String())
}

// interleaving is the order of many goroutines' waits that a seed draws.
func interleaving(t *testing.T) string {
	t.Helper()
	var trace string
	err := fakeclock.Run(fakeclock.Config{Seed: 7, Record: fakeclock.Waits}, func(clock *fakeclock.Clock) error {
		group := clock.NewGroup()
		for i := range 20 {
			group.Go(fmt.Sprintf("g%d", i), func(clock *fakeclock.Clock) error {
				for range 5 {
					clock.Sleep(1)
				}
				return nil
			})
		}
		err := group.Wait()
		trace = clock.Trace()
		return err
	})
	require.NoError(t, err)
	return trace
}

// conformance is the report on a loop with faults in it.
func conformance(t *testing.T) []byte {
	t.Helper()
	r := explore.Check(explore.Func(func(e explore.Env) explore.Do {
		return func(ctx context.Context, op func(context.Context) error) (err error) {
			for i := range e.Policy.MaxAttempts + 1 {
				if err = op(ctx); err == nil {
					return nil
				}
				e.Clock.Sleep(e.Policy.BaseDelay << i)
			}
			return err
		}
	}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: 1000}}, Checks: 50, Clients: -1})
	var b strings.Builder
	require.NoError(t, r.WriteJSON(&b))
	return []byte(b.String() + r.String())
}

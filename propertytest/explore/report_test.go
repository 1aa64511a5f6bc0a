package explore_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hasty is a loop as people write it: it counts retries where it should count
// attempts, reads no Retry-After, and sleeps after the last attempt, whatever
// the context says.
func hasty(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		var err error
		for i := 0; i <= e.Policy.MaxAttempts; i++ {
			if err = op(ctx); err == nil {
				return nil
			}
			e.Clock.Sleep(time.Second << i)
		}
		return fmt.Errorf("giving up: %v", err)
	}
}

func TestReport(t *testing.T) {
	policy := retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}
	r := explore.Check(explore.Func(hasty), explore.Options{
		Name:     "hasty",
		Policies: []retry.Policy{policy},
		Known:    map[string]string{"retried-permanent": "it takes every error for a passing one", "leaked": "once upon a time"},
	})
	require.Error(t, r.Err())
	var b bytes.Buffer
	fmt.Fprintln(&b, r)
	require.NoError(t, r.WriteBadge(&b))
	require.NoError(t, r.WriteJSON(&b))
	golden := "testdata/hasty.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String())
}

// What a policy can say and the code has no word for is named, in the text and in
// the JSON: it is not tried, and would pass for being kept.
func TestWhatTheCodeHasNoWordForIsNamed(t *testing.T) {
	code := explore.Func(func(e explore.Env) explore.Do { return plain(e, (*loop).wait) })
	var o explore.Options
	all := []string{
		"const", "linear", "step=5s", "list,delays=2s/1s/3s", "factor=3",
		"jitter=full", "jitter=equal", "jitter=-25%+50%", "jitter=decorrelated", "capped=after-jitter", "capped=exact",
		"retry-after=larger", "retry-after=ignore", "max-retry-after=2s", "long-retry-after=drop", "long-retry-after=give-up", "long-retry-after=window",
		"throttle-base=7s",
	}
	assert.Equal(t, all, explore.Unknown(code, o))
	r := &explore.Report{Unknown: all}
	assert.Contains(t, r.String(), "not applicable: policies with const, linear, step=5s, ")
	var b strings.Builder
	require.NoError(t, r.WriteJSON(&b))
	assert.Contains(t, b.String(), "\"unknown\": [\n    \"const\",\n    \"linear\",")

	assert.Empty(t, explore.Unknown(decorator(), o), "it has a word for everything")

	few := explore.Options{Checks: -1, Clients: -1}
	assert.Equal(t, all[:len(all)-7], explore.Check(explore.Delay(floatDelay), few).Unknown, "a delay function is told of no server")
	assert.Empty(t, explore.Check(explore.Delay(ourDelays), few).Unknown)
	o.Policies = []retry.Policy{retry.Default()}
	assert.Empty(t, explore.Unknown(decorator(), o), "it is not asked for more than it has")
}

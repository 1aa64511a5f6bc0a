package faults_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/faults"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

func options(f faults.Fault) explore.Options {
	o := explore.Options{Policies: []retry.Policy{f.Policy}, Checks: 50, Clients: -1, Lacks: f.Lacks}
	if rule, _ := verdict.Named(f.Rule); rule.Area == "jitter" {
		o.Clients = 4000
	}
	return o
}

// A fault that no script shows is found by its rule, and what is called a fix is
// none.
func TestFaultsWithoutAScript(t *testing.T) {
	for _, f := range faults.All() {
		if f.Script != "" {
			continue
		}
		t.Run(f.Rule, func(t *testing.T) {
			t.Parallel()
			faulty := explore.Check(f.Faulty, options(f)).Result(f.Rule)
			assert.Equal(t, explore.Failed, faulty.Status, "%v", faulty)
			fixed := explore.Check(f.Fixed, options(f)).Result(f.Rule)
			assert.Contains(t, []explore.Status{explore.Passed, explore.Deviates}, fixed.Status, "%v", fixed)
		})
	}
}

// The script alone shows the fault.
func TestScripts(t *testing.T) {
	for _, f := range faults.All() {
		rule, _ := verdict.Named(f.Rule)
		if f.Script == "" {
			assert.True(t, !rule.Decidable(), f.Rule)
			continue
		}
		script, err := scripted.Parse(f.Rule, f.Script)
		require.NoError(t, err, f.Rule)
		script.Policy = &f.Policy
		assert.True(t, explore.Shows(f.Faulty, script, options(f), f.Rule), "%s: %s", f.Rule, f.Script)
		assert.False(t, explore.Shows(f.Fixed, script, options(f), f.Rule), "%s: %s", f.Rule, f.Script)
	}
}

// Every rule has its fault, but for those that no code of one process shows.
func TestEveryRuleHasItsFault(t *testing.T) {
	without := map[string]string{
		"nested-retry": "it takes a client below the one that counts",
		"off-contract": "it is whatever no other rule has a word for",
	}
	for _, r := range verdict.Rules() {
		f, ok := faults.Of(r.Name)
		assert.NotEqual(t, without[r.Name] != "", ok, r.Name)
		if ok {
			assert.Contains(t, f.Code, "Fault(")
			assert.Contains(t, f.Fix, "Fixed(")
			assert.Less(t, strings.Count(f.Code, "\n"), 32, "%s: not the smallest code", r.Name)
			assert.NotContains(t, f.Story, "\n")
		}
	}
}

func Example() {
	f, _ := faults.Of("extra-attempt")
	fmt.Println(f.Script)
	fmt.Println(f.Code)
	// Output:
	// transient forever
	// func extraAttemptFault(e explore.Env) explore.Do {
	// 	return func(ctx context.Context, call op) error {
	// 		err := call(ctx)
	// 		for n := 1; n <= e.Policy.MaxAttempts && passing(err); n++ { // counts retries: the first call is one more
	// 			e.Clock.Sleep(backoff(n))
	// 			err = call(ctx)
	// 		}
	// 		return err
	// 	}
	// }
}

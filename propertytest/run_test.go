package propertytest_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// mayFail is set in a process in which tests fail on purpose.
const mayFail = "RETRYKIT_MAY_FAIL"

// child runs one test in a process of its own, where it may fail, and returns
// what it said.
func child(t *testing.T, test string, env ...string) (out string, passed bool) {
	t.Helper()
	pattern := "^" + strings.ReplaceAll(strings.ReplaceAll(test, " ", "_"), "/", "$/^") + "$"
	c := exec.Command(os.Args[0], "-test.run="+pattern, "-test.v", "-test.timeout=60s")
	c.Env = append(append(os.Environ(), mayFail+"=1"), env...)
	text, err := c.CombinedOutput()
	return string(text), err == nil
}

func TestMisbehaving(t *testing.T) {
	for _, tt := range misbehaving {
		if os.Getenv(mayFail) != "" {
			t.Run(tt.name, func(t *testing.T) { propertytest.Run(t, tt.subject, plain) })
			continue
		}
		if tt.isolate {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			begun := time.Now()
			out, passed := child(t, "TestMisbehaving/"+tt.name)
			assert.False(t, passed)
			assert.Less(t, time.Since(begun), 20*time.Second, "it is about a second on a machine with nothing else to do")
			for _, s := range tt.says {
				if strings.Contains(s, "%s") {
					s = fmt.Sprintf(s, "TestMisbehaving/"+strings.ReplaceAll(tt.name, " ", "_"))
				}
				assert.True(t, strings.Contains(out, s), "it does not say %q", s)
			}
			assert.False(t, strings.Contains(out, "propertytest.(*bubble)"), "a dump is about the code under test")
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

func TestOurDecorator(t *testing.T) {
	propertytest.Run(t, ours(), explore.Options{Name: "retry.Model", Checks: 300, Clients: 1000})
}

func TestGoroutinesAndChannels(t *testing.T) { propertytest.Run(t, explore.Func(tryst.do), plain) }

func TestCodeWithoutAClock(t *testing.T) {
	propertytest.Run(t, explore.Clockless(retrier{wait: onPackageTime}.do), plain)
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	if os.Getenv(mayFail) != "" {
		propertytest.Run(t, ours(), explore.Options{Known: map[string]string{"early-rety": "typo"}})
		return
	}
	out, passed := child(t, "TestOptionsThatMakeNoSense")
	assert.False(t, passed)
	assert.Contains(t, out, `no rule is called "early-rety" (did you mean "early-retry"?)`)
}

func TestAStaleRelation(t *testing.T) {
	if os.Getenv(mayFail) != "" {
		o := plain
		o.Known = map[string]string{"relation/again": "it flickers"}
		propertytest.Run(t, explore.Func(tryst.do), o)
		return
	}
	out, passed := child(t, "TestAStaleRelation")
	assert.False(t, passed)
	assert.Contains(t, out, "--- FAIL: TestAStaleRelation/relation/again")
	assert.Contains(t, out, "stale: the relation holds; take it out of Known (known as: it flickers)")
}

// The command that a failure prints runs the code again, on one script.
func TestAgain(t *testing.T) {
	o := plain
	o.Policies = []retry.Policy{{MaxAttempts: 2, BaseDelay: time.Second, RetryAfter: retry.HintIgnored}}
	if os.Getenv(mayFail) != "" {
		propertytest.Run(t, explore.Func(retrier{}.do), o)
		return
	}
	out, passed := child(t, "TestAgain")
	require.False(t, passed)
	const again = "RETRYKIT_SCRIPT='policy exp:base=1s,cap=none,jitter=none,attempts=2,retry-after=ignore; transient forever' go test -run '^TestAgain$/^attempts$/^extra-attempt$' github.com/retrykit/retrykit/propertytest\n"
	require.Contains(t, out, again)

	script := strings.TrimPrefix(again[:strings.Index(again, "' go test")], "RETRYKIT_SCRIPT='")
	out, passed = child(t, "TestAgain/attempts/extra-attempt", propertytest.ScriptVariable+"="+script)
	assert.False(t, passed)
	assert.Contains(t, out, "1 scenarios")
	assert.Contains(t, out, "attempt 3, and the policy allows 2")

	out, passed = child(t, "TestAgain", propertytest.ScriptVariable+"=transient; ok")
	assert.True(t, passed, out)
	assert.Contains(t, out, "only the scenario in RETRYKIT_SCRIPT was played")

	out, passed = child(t, "TestAgain", propertytest.ScriptVariable+"=trasient")
	assert.False(t, passed)
	assert.Contains(t, out, `RETRYKIT_SCRIPT:1:1: unknown word "trasient"`)
}

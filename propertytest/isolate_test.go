package propertytest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
)

func TestIsolated(t *testing.T) {
	for _, tt := range misbehaving {
		if !tt.isolate && tt.name != "spins" && tt.name != "ignores the clock" {
			continue
		}
		if os.Getenv(mayFail) != "" {
			t.Run(tt.name, func(t *testing.T) { propertytest.Isolate(t, tt.subject, plain) })
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			begun := time.Now()
			var env []string
			if tt.name == "spins" { // so that no watchdog inside can look where
				env, tt.says = append(env, "GODEBUG=asyncpreemptoff=1"), []string{"--- FAIL: %s/conduct/stuck", "gave no sign of life for 1.2s", "transient"}
			}
			out, passed := child(t, "TestIsolated/"+tt.name, env...)
			assert.False(t, passed)
			assert.Less(t, time.Since(begun), 20*time.Second, "it is about a second on a machine with nothing else to do")
			for _, s := range tt.says {
				if strings.Contains(s, "%s") {
					s = fmt.Sprintf(s, "TestIsolated/"+strings.ReplaceAll(tt.name, " ", "_"))
				}
				assert.True(t, strings.Contains(out, s), "it does not say %q", s)
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// The next subject runs unharmed.
func TestIsolatedOnesDoNotHarmOthers(t *testing.T) {
	if os.Getenv(mayFail) == "" {
		out, passed := child(t, "TestIsolatedOnesDoNotHarmOthers")
		assert.False(t, passed)
		assert.True(t, strings.Contains(out, "--- FAIL: TestIsolatedOnesDoNotHarmOthers/exits"), out)
		assert.True(t, strings.Contains(out, "--- PASS: TestIsolatedOnesDoNotHarmOthers/ours"), out)
		assert.True(t, strings.Contains(out, "Isolate twice in one test"), out)
		return
	}
	t.Run("exits", func(t *testing.T) { propertytest.Isolate(t, misbehaving[len(misbehaving)-1].subject, plain) })
	t.Run("ours", func(t *testing.T) { propertytest.Isolate(t, ours(), plain) })
	t.Run("twice", func(t *testing.T) {
		propertytest.Isolate(t, explore.Func(tryst.do), plain)
		propertytest.Isolate(t, explore.Func(tryst.do), plain)
	})
}

package faults_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No test leaves a goroutine behind, but for the code whose fault is that.
func TestMain(m *testing.M) {
	const module = "github.com/retrykit/retrykit/"
	goleak.VerifyTestMain(m,
		// It waits for what never comes and hears of no context, so nothing can
		// end it.
		goleak.IgnoreAnyFunction(module+"propertytest/faults.stuckFault.func1"),
		// The loop that called it, and what would clean up behind that.
		goleak.IgnoreAnyFunction(module+"fakeclock.(*scheduler).loop"),
		goleak.IgnoreAnyFunction(module+"fakeclock.(*scheduler).runAll.func1"),
	)
}

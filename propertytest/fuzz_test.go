package propertytest_test

import (
	"testing"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
)

func FuzzOurDecorator(f *testing.F) { propertytest.Fuzz(f, ours(), explore.Options{}) }

func FuzzGoroutinesAndChannels(f *testing.F) {
	propertytest.Fuzz(f, explore.Func(tryst.do), plain)
}

func FuzzCodeWithoutAClock(f *testing.F) {
	propertytest.Fuzz(f, explore.Clockless(retrier{wait: onPackageTime}.do), plain)
}

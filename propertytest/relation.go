package propertytest

import (
	"github.com/retrykit/retrykit/propertytest/explore"
	"testing"
)

func Relations(t *testing.T, s explore.Subject, o explore.Options) {}

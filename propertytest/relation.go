package propertytest

import (
	"testing"

	"github.com/retrykit/retrykit/propertytest/explore"
)

// relate asks for relations between scenarios.
func relate(t *testing.T, s explore.Subject, o explore.Options) []told { return nil }

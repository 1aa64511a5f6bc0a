package explore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
)

func TestTheHouse(t *testing.T) {
	require.NoError(t, explore.Check(houseFunc(""), explore.Options{}).Err())
	require.NoError(t, explore.Check(houseModel(""), explore.Options{}).Err())
}

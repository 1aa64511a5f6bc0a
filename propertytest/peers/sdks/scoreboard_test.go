package sdks_test

import (
	"testing"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/peers/sdks"
)

func TestProbe(t *testing.T) {
	for _, p := range sdks.Peers() {
		t.Run(p.Name, func(t *testing.T) {
			r := propertytest.CheckHTTP(t, p.Call, p.HTTPOptions)
			t.Log(r.Summary())
			for _, x := range r.Results {
				if x.Status == explore.Failed {
					t.Log(x.Failure)
				} else if x.Status == explore.Deviates {
					t.Log(x)
				}
			}
		})
	}
}

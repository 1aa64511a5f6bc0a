package simulate

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// Unpaired is the interval of the difference of two independent samples, for
// the comparison with paired ones.
func Unpaired(a, b []float64) (low, high float64) {
	ma, sa := stat.MeanStdDev(a, nil)
	mb, sb := stat.MeanStdDev(b, nil)
	half := 2.07 * math.Sqrt(sa*sa/float64(len(a))+sb*sb/float64(len(b)))
	return ma - mb - half, ma - mb + half
}

package main

import (
	"math"
	"strconv"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// meanOf returns the mean and half the width of its 95 % confidence interval
// (Student), 0 of a single value.
func meanOf(values []float64) (mean, half float64) {
	n := float64(len(values))
	if n < 2 {
		return stat.Mean(values, nil), 0
	}
	mean, deviation := stat.MeanStdDev(values, nil)
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(.975)
	return mean, t * deviation / math.Sqrt(n)
}

// decimals writes a number with so many decimals at most.
func decimals(v float64, n int) string {
	s := strconv.FormatFloat(v, 'f', n, 64)
	for n > 0 && s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}

package simulate

import "math"

// Proportion is how many of a number of runs did something, with the interval
// that holds its probability in 95 of 100 cases (Wilson 1927).
type Proportion struct {
	Hits, Of  int
	Low, High float64
}

// Wilson returns the proportion with its interval; [0, 1] of no runs.
func Wilson(hits, of int) Proportion {
	p := Proportion{Hits: hits, Of: of, High: 1}
	if of == 0 {
		return p
	}
	const z = 1.959963984540054
	n, share := float64(of), float64(hits)/float64(of)
	center := (share + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(float64(share*(1-share))/n+z*z/(4*n*n))
	p.Low, p.High = max(center-half, 0), min(center+half, 1)
	if hits == 0 {
		p.Low = 0
	}
	if hits == of {
		p.High = 1
	}
	return p
}

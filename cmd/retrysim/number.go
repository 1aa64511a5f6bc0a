package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

// counted is a flag that holds a number of things, which may be written as 10k
// or 1.5M.
type counted struct{ n *int }

// addCount adds such a flag to a command.
func addCount(c *cobra.Command, n *int, name string, standard int, usage string) {
	*n = standard
	c.Flags().Var(counted{n}, name, usage)
}

func (c counted) String() string {
	if c.n == nil {
		return "0"
	}
	return strconv.Itoa(*c.n)
}

// Type names the type in help texts.
func (counted) Type() string { return "int" }

// Set reads a number.
func (c counted) Set(text string) error {
	n, ok := parseCount(text)
	if ok {
		*c.n = n
		return nil
	}
	return errors.New("no whole number")
}

// parseCount reads a whole number, in thousands with k and in millions with M.
func parseCount(text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, true
	}
	for suffix, unit := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6} {
		number, ok := strings.CutSuffix(text, suffix)
		if v, err := strconv.ParseFloat(number, 64); ok && err == nil && math.Abs(v) < 1e6 {
			if v *= unit; v == math.Trunc(v) && math.Abs(v) <= math.MaxInt32 {
				return int(v), true
			}
		}
	}
	return 0, false
}

// seeded is a flag that holds a seed: a number, or random for one that is drawn
// and printed.
type seeded struct {
	seed  *uint64
	drawn *bool
}

// addSeed adds such a flag to a command. If a seed was drawn, it is said on
// standard error, whatever else is quiet: without it nothing could be done again.
func addSeed(c *cobra.Command, seed *uint64, usage string) {
	*seed = simulate.DefaultSeed
	drawn := new(bool)
	c.Flags().Var(seeded{seed, drawn}, "seed", usage+", or random")
	values(c, "seed", "random")
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if *drawn {
			fmt.Fprintf(c.ErrOrStderr(), "seed %d\n", *seed)
		}
		if before != nil {
			return before(c, args)
		}
		return nil
	}
}

func (s seeded) String() string {
	if s.seed == nil {
		return "0"
	}
	return strconv.FormatUint(*s.seed, 10)
}

// Type names the type in help texts.
func (seeded) Type() string { return "uint64" }

// Set reads a seed.
func (s seeded) Set(text string) error {
	if *s.drawn = text == "random"; *s.drawn {
		*s.seed = uint64(rand.Uint32()) // as many digits as one can type
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return errors.New("no seed")
	}
	*s.seed = n
	return nil
}

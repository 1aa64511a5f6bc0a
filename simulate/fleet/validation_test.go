package fleet

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

var (
	validation = flag.String("validation", "", "write what was measured beside what was expected to this `file`")
	full       = flag.Bool("full", false, "run the comparisons with all their repetitions: minutes instead of seconds")
)

// repeat returns how often a comparison is run: the first number, or with -full
// the second.
func repeat(quick, slow int) int {
	if *full {
		return slow
	}
	return quick
}

// measured is a mean over independent runs, with its standard error.
type measured struct {
	sum, squares float64
	n            int
}

func (m *measured) add(x float64) { m.sum += x; m.squares += x * x; m.n++ }
func (m *measured) mean() float64 { return m.sum / float64(m.n) }

// deviation is the standard deviation of one run.
func (m *measured) deviation() float64 {
	if m.n < 2 {
		return 0
	}
	mean := m.mean()
	return math.Sqrt(max(m.squares/float64(m.n)-mean*mean, 0) * float64(m.n) / float64(m.n-1))
}

func (m *measured) se() float64 { return m.deviation() / math.Sqrt(float64(m.n)) }

// row is a line of the validation report.
type row struct {
	section, source, what string
	want, got, se, allow  float64
}

// report collects the rows of all tests.
var report struct {
	rows    []row
	section string
	source  string
}

// section begins a part of the report.
func section(title, source string) { report.section, report.source = title, source }

// matches prints measured beside expected, and fails beyond 4 standard errors.
func (m *measured) matches(t *testing.T, want float64, what string, args ...any) {
	t.Helper()
	m.within(t, want, 4*m.se()+1e-9*math.Abs(want), what, args...)
}

// comparable is matches for a published mean that has an error of its own.
func (m *measured) comparable(t *testing.T, want, wantSE float64, what string, args ...any) {
	t.Helper()
	m.within(t, want, 4*math.Sqrt(m.se()*m.se()+wantSE*wantSE)+1e-9, what, args...)
}

// within is matches with a tolerance of the caller's.
func (m *measured) within(t *testing.T, want, tolerance float64, what string, args ...any) {
	t.Helper()
	what = fmt.Sprintf(what, args...)
	t.Logf("%-48s measured %-11.6g s.e. %-9.2g expected %.6g", what, m.mean(), m.se(), want)
	assert.InDelta(t, want, m.mean(), tolerance, what)
	report.rows = append(report.rows, row{report.section, report.source, what, want, m.mean(), m.se(), tolerance})
}

// No test leaves a goroutine behind; what was measured is written when all have
// passed.
func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m, goleak.Cleanup(writeValidation))
}

func writeValidation(code int) {
	if *validation != "" && code == 0 {
		if err := os.WriteFile(*validation, []byte(validationText()), 0o666); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// validationText is the report as a Markdown page.
func validationText() string {
	var b strings.Builder
	b.WriteString(`# Validation

What the fleet simulation gives, beside what it should. Every line is an
assertion of a test in simulate/fleet; "make validation" runs them with all
their repetitions and writes this page. The standard error (s.e.) is that of the
measured mean over independent seeds. A closed form must be met within 4
standard errors. A published figure comes from another implementation, often
from one run; it must be met within 4 of both errors and its own rounding, or
what its section says. The last column is the difference at which the test
fails.
`)
	slices.SortStableFunc(report.rows, func(a, b row) int { return cmp.Compare(a.section, b.section) })
	last := ""
	for _, r := range report.rows {
		if r.section != last {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| what | expected | measured | s.e. | allowed |\n|---|---:|---:|---:|---:|\n", r.section, r.source)
			last = r.section
		}
		fmt.Fprintf(&b, "| %s | %.6g | %.6g | %.2g | %.2g |\n", r.what, r.want, r.got, r.se, r.allow)
	}
	return b.String()
}

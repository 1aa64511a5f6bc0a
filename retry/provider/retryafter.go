package provider

import (
	"fmt"
	"iter"
	"math"
	"math/bits"
	"net/http"
	"strings"
	"time"
)

// RetryAfter returns how long a response asks its client to wait, counted from
// now, the moment its header arrived; ok is false when it asks for nothing that
// can be read. It is the longest of [Readings], in [0, math.MaxInt64]
// nanoseconds: never less than any one of them asked, and saturated where a
// [time.Duration] cannot hold the wait.
//
// Zero with ok true is the server's word to come back at once. The status is
// the caller's to look at: on a 2xx response a wait means nothing.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	for r := range Readings(h, now) {
		if r.Err == nil {
			wait, ok = max(wait, r.Wait), true
		}
	}
	return wait, ok
}

// Reading is one value of one header that asks the client to wait. It tells
// how [RetryAfter] came to its answer: which value was the longest, and what
// was refused and why.
type Reading struct {
	Header string // in canonical form, such as "Retry-After-Ms"
	Value  string // without the white space around it
	Wait   time.Duration
	Err    error // why the value was refused, nil if it was not; Wait is then 0
}

// waitHeaders are the headers by which a response asks for a wait.
var waitHeaders = []struct {
	name  string
	parse func(value string, from time.Time) (time.Duration, error)
}{
	{"Retry-After", parseRetryAfter},           // RFC 9110, section 10.2.3
	{"Retry-After-Ms", parseMilliseconds},      // OpenAI, Azure OpenAI
	{"X-Ms-Retry-After-Ms", parseMilliseconds}, // Azure
	{"X-Amz-Retry-After", parseMilliseconds},   // AWS
}

// Readings yields every value of every header that asks for a wait:
// Retry-After (seconds or an HTTP-date, RFC 9110, section 10.2.3),
// Retry-After-Ms, X-Ms-Retry-After-Ms and X-Amz-Retry-After (milliseconds).
// RFC 9110 allows one value; a header that came twice, or that a proxy joined
// with commas, yields one Reading for each. Empty values are absent, and so are
// headers whose name is not in canonical form ([http.CanonicalHeaderKey]).
//
// Numbers are digits, here also with a decimal fraction ("1.5", though neither
// ".5" nor "1."), because servers send it. They are rounded up to a nanosecond
// and saturate at [math.MaxInt64] nanoseconds. A sign, an exponent and every
// other spelling of a number is refused.
//
// Dates are in any of the three forms of RFC 9110, section 5.6.7, and in GMT or
// UTC. They count from the response's own Date header where it has a valid one,
// so that neither clock needs to be right, and else from now; what is past is 0.
// With a zero now and no Date they are refused. The two-digit year of the RFC 850
// form is the latest that is not more than 50 years after that moment.
func Readings(h http.Header, now time.Time) iter.Seq[Reading] {
	return func(yield func(Reading) bool) {
		from := measuredFrom(h, now)
		for _, header := range waitHeaders {
			for _, line := range h[header.name] {
				for value := range values(line) {
					wait, err := header.parse(value, from)
					if !yield(Reading{header.name, value, wait, err}) {
						return
					}
				}
			}
		}
	}
}

// measuredFrom returns the moment that the dates of a response count from.
func measuredFrom(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}

// values yields the comma-separated values of a header line, but for the empty
// ones. The comma after the weekday of an HTTP-date separates nothing.
func values(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for more := true; more; {
			var value string
			value, line, more = strings.Cut(line, ",")
			if more && isWeekday(trim(value)) {
				var date string
				date, line, more = strings.Cut(line, ",")
				value += "," + date
			}
			if value = trim(value); value != "" && !yield(value) {
				return
			}
		}
	}
}

// trim removes the optional white space of RFC 9110, section 5.6.3.
func trim(s string) string { return strings.Trim(s, " \t") }

func isWeekday(s string) bool {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if name := day.String(); strings.EqualFold(s, name) || strings.EqualFold(s, name[:3]) {
			return true
		}
	}
	return false
}

func parseRetryAfter(value string, from time.Time) (time.Duration, error) {
	if c := value[0] | 0x20; 'a' <= c && c <= 'z' {
		return parseDate(value, from)
	}
	return parseSeconds(value, from)
}

func parseSeconds(value string, _ time.Time) (time.Duration, error) {
	return parseNumber(value, time.Second)
}

func parseMilliseconds(value string, _ time.Time) (time.Duration, error) {
	return parseNumber(value, time.Millisecond)
}

// parseDate reads an HTTP-date and returns the time from then until it. A zone
// other than GMT has an offset that nobody sent.
func parseDate(value string, from time.Time) (time.Duration, error) {
	if from.IsZero() {
		return 0, refused(value, "a date, and no time to measure it from")
	}
	t, err := http.ParseTime(value)
	if err != nil {
		return 0, refused(value, "neither a number nor an HTTP-date")
	}
	if zone, _ := t.Zone(); zone != "GMT" && zone != "UTC" {
		return 0, refused(value, "a date that is not in GMT")
	}
	if strings.Contains(value, "-") { // only the RFC 850 form has one
		limit := from.UTC().AddDate(50, 0, 0)
		year := limit.Year() - limit.Year()%100 + t.Year()%100
		t = inYear(t, year)
		if t.After(limit) {
			t = inYear(t, year-100)
		}
	}
	return max(t.Sub(from), 0), nil // Sub saturates
}

func inYear(t time.Time, year int) time.Time {
	return t.AddDate(year-t.Year(), 0, 0)
}

// durationUnits are the units of durations, each before those that it is
// a prefix of.
var durationUnits = []struct {
	name string
	unit time.Duration
}{
	{"ns", time.Nanosecond},
	{"us", time.Microsecond},
	{"µs", time.Microsecond}, // U+00B5
	{"μs", time.Microsecond}, // U+03BC
	{"ms", time.Millisecond},
	{"s", time.Second},
	{"m", time.Minute},
	{"h", time.Hour},
}

// parseDuration reads a duration as Go prints it ("6m0s", "12ms": the
// rate-limit headers of OpenAI) and as JSON spells a protocol buffer's
// ("45.837906927s": the RetryInfo of Gemini). Unlike [time.ParseDuration] it
// rounds up to a nanosecond, saturates at [math.MaxInt64] instead of failing,
// and refuses signs and numbers without a unit.
func parseDuration(value string, _ time.Time) (time.Duration, error) {
	if value == "" {
		return 0, refused(value, "not a duration")
	}
	var total time.Duration
	for rest := value; rest != ""; {
		end := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end < 0 {
			return 0, refused(value, "a duration without a unit")
		}
		number := rest[:end]
		rest = rest[end:]
		unit := time.Duration(0)
		for _, u := range durationUnits {
			if after, found := strings.CutPrefix(rest, u.name); found {
				unit, rest = u.unit, after
				break
			}
		}
		d, err := parseNumber(number, unit)
		if unit == 0 || err != nil {
			return 0, refused(value, "not a duration")
		}
		total = add(total, d)
	}
	return total, nil
}

// add returns a+b, neither negative, saturated.
func add(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// parseNumber reads 1*DIGIT [ "." 1*DIGIT ] units and returns them in
// nanoseconds, rounded up and saturated. The time it takes is linear in the
// length of the text, however many digits there are.
func parseNumber(text string, unit time.Duration) (time.Duration, error) {
	whole, fraction, point := strings.Cut(text, ".")
	if !isDigits(whole) || point && !isDigits(fraction) {
		return 0, refused(text, "not a plain decimal number")
	}
	var n uint64
	for _, c := range []byte(whole) {
		if n > math.MaxInt64/10 { // more than any unit leaves room for
			return math.MaxInt64, nil
		}
		n = n*10 + uint64(c-'0')
	}
	high, low := bits.Mul64(n, uint64(unit))
	// The fraction's value is the sum of digit·unit/10^i. It is divided out
	// from the last digit on; a remainder anywhere means a part of a
	// nanosecond, which counts as a whole one.
	var part, remainder uint64
	for i := len(fraction) - 1; i >= 0; i-- {
		part += uint64(fraction[i]-'0') * uint64(unit)
		remainder |= part % 10
		part /= 10
	}
	if remainder != 0 {
		part++
	}
	low, carry := bits.Add64(low, part, 0)
	if high+carry != 0 || low > math.MaxInt64 {
		return math.MaxInt64, nil
	}
	return time.Duration(low), nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// refused says why a value was not read. It quotes no more than the beginning
// of it: a header is the server's to fill.
func refused(value, why string) error {
	const most = 64
	if len(value) > most {
		value = value[:most] + "..."
	}
	return fmt.Errorf("provider: %q is %s", value, why)
}

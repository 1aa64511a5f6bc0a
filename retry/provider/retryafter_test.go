package provider_test

import (
	"fmt"
	"math"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/retry/provider"
)

// now is when every response of these tests arrives.
var now = time.Date(1999, 12, 31, 23, 59, 0, 0, time.UTC)

const forever = time.Duration(math.MaxInt64)

func TestParseSeconds(t *testing.T) {
	tests := []struct {
		value string
		want  time.Duration
	}{
		{"0", 0},
		{"120", 2 * time.Minute},
		{"007", 7 * time.Second},
		{"1.5", 1500 * time.Millisecond},
		{"0.000000001", 1},
		{"0.0000000001", 1}, // a part of a nanosecond counts as one
		{"1.0000000000000000000000000000000001", time.Second + 1},
		{"1.0000000000000000000000000000000000", time.Second},
		{"0.999999999999", time.Second},
		{"2147483648", 2147483648 * time.Second}, // 2^31
		{"9223372036", 9223372036 * time.Second}, // the last whole second that fits
		{"9223372036.854775806", forever - 1},
		{"9223372036.854775807", forever},
		{"9223372036.854775808", forever},
		{"9223372037", forever},
		{"18446744073", forever},
		{"18446744074", forever},          // 2^64 ns wraps here
		{"9223372036854775808", forever},  // 2^63
		{"18446744073709551616", forever}, // 2^64
		{strings.Repeat("9", 100_000), forever},
		{strings.Repeat("0", 100_000) + "7", 7 * time.Second},
		{"1." + strings.Repeat("0", 100_000), time.Second},
	}
	for _, tt := range tests {
		got, err := provider.ParseSeconds(tt.value)
		if assert.NoError(t, err) {
			assert.Equal(t, tt.want, got, "%.60s", tt.value)
		}
	}
}

func TestParseNumberRefuses(t *testing.T) {
	for _, value := range []string{
		"", " ", "-5", "+5", "-0", "1e3", "1E3", "0x10", "1_0", "NaN", "nan", "Inf", "Infinity",
		".5", "5.", ".", "1.2.3", "1,5", " 5", "5 ", "5s", "five", "٥", "５", "5\x00", "1. 5", "null", `"5"`,
	} {
		for name, parse := range map[string]func(string) (time.Duration, error){
			"ParseSeconds": provider.ParseSeconds, "ParseMilliseconds": provider.ParseMilliseconds, "ParseDuration": provider.ParseDuration,
		} {
			if name == "ParseDuration" && value == "5s" {
				continue
			}
			d, err := parse(value)
			require.Error(t, err, "%s(%q)", name, value)
			assert.Zero(t, d)
			assert.True(t, strings.HasPrefix(err.Error(), "provider: "), err)
		}
	}
}

func TestParseMilliseconds(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0":                    0,
		"250":                  250 * time.Millisecond,
		"0.5":                  500 * time.Microsecond,
		"9223372036854":        9223372036854 * time.Millisecond,
		"9223372036854.775807": forever,
		"9223372036855":        forever,
		"18446744073709.6":     forever, // wraps to 48.384 µs
	} {
		got, err := provider.ParseMilliseconds(value)
		require.NoError(t, err)
		assert.Equal(t, want, got, value)
	}
}

func TestParseDate(t *testing.T) {
	at := func(year int) time.Time { return time.Date(year, 11, 6, 8, 49, 37, 0, time.UTC) }
	tests := []struct {
		name, value string
		from        time.Time
		want        time.Duration
	}{
		{"IMF-fixdate", "Sun, 06 Nov 1994 08:49:47 GMT", at(1994), 10 * time.Second},
		{"RFC 850", "Sunday, 06-Nov-94 08:49:47 GMT", at(1994), 10 * time.Second},
		{"asctime", "Sun Nov  6 08:49:47 1994", at(1994), 10 * time.Second},
		{"the same moment", "Sun, 06 Nov 1994 08:49:37 GMT", at(1994), 0},
		{"a second past", "Sun, 06 Nov 1994 08:49:36 GMT", at(1994), 0},
		{"long past", "Thu, 01 Jan 1970 00:00:00 GMT", at(1994), 0},
		{"part of a second", "Sun, 06 Nov 1994 08:49:38 GMT", at(1994).Add(time.Nanosecond), time.Second - 1},
		{"from in another zone", "Sun, 06 Nov 1994 08:49:47 GMT", at(1994).In(time.FixedZone("", 3600)), 10 * time.Second},
		{"farther than a Duration reaches", "Fri, 31 Dec 9999 23:59:59 GMT", at(1994), forever},
		// RFC 9110, section 5.6.7: more than 50 years ahead is the past.
		{"RFC 850, 50 years ahead", "Sunday, 06-Nov-44 08:49:37 GMT", at(1994), at(2044).Sub(at(1994))},
		{"RFC 850, a second more", "Sunday, 06-Nov-44 08:49:38 GMT", at(1994), 0},
		{"RFC 850, where Go reads 1970", "Thursday, 06-Nov-70 08:49:37 GMT", at(2026), at(2070).Sub(at(2026))},
		{"RFC 850, where Go reads 2068", "Tuesday, 06-Nov-68 08:49:37 GMT", at(2000), 0},
		{"RFC 850, over the end of a century", "Wednesday, 06-Nov-05 08:49:37 GMT", at(2095), at(2105).Sub(at(2095))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := provider.ParseDate(tt.value, tt.from)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseDateRefuses(t *testing.T) {
	for _, value := range []string{
		"", "tomorrow", "Sun, 06 Nov 1994", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 PST",
		"Sunday, 06-Nov-94 08:49:37 PST", // Go makes up a zone of offset 0
		"Sunday, 06-Nov-94 08:49:37 GMT-8",
		"Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
	} {
		d, err := provider.ParseDate(value, now)
		assert.Error(t, err, value)
		assert.Zero(t, d)
	}
	_, err := provider.ParseDate("Sun, 06 Nov 1994 08:49:37 GMT", time.Time{})
	assert.ErrorContains(t, err, "no time to measure it from")
}

func TestParseDuration(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0s": 0, "12ms": 12 * time.Millisecond, "1s": time.Second, "6m0s": 6 * time.Minute,
		"1h2m3.5s": time.Hour + 2*time.Minute + 3500*time.Millisecond, "8.64s": 8640 * time.Millisecond,
		"58s": 58 * time.Second, "45.837906927s": 45837906927,
		"5ns": 5, "5us": 5000, "5µs": 5000, "5μs": 5000, "0.1ns": 1,
		"315576000000s": forever, "9223372036.854775807s": forever, "9223372036.854775806s": forever - 1,
		"2562047h47m16.854775807s": forever, "2562047h47m16.854775808s": forever, "2562048h": forever,
		"9999999999s9999999999s": forever,
	} {
		got, err := provider.ParseDuration(value)
		require.NoError(t, err)
		assert.Equal(t, want, got, value)
	}
	for _, value := range []string{"", "5", "0", "-1s", "+1s", "1s-", "1s ", "1 s", "s", ".s", "1.s", ".5s", "1d", "1S", "1s1", "1e3s", "P1D"} {
		_, err := provider.ParseDuration(value)
		assert.Error(t, err, value)
	}
}

func TestRetryAfter(t *testing.T) {
	const newYear = "Sat, 01 Jan 2000 00:00:00 GMT" // a minute after now
	tests := []struct {
		name   string
		header http.Header
		want   time.Duration
		ok     bool
	}{
		{"nil header", nil, 0, false},
		{"nothing asked", http.Header{"Content-Type": {"text/html"}}, 0, false},
		{"seconds", http.Header{"Retry-After": {"120"}}, 2 * time.Minute, true},
		{"zero is an answer", http.Header{"Retry-After": {"0"}}, 0, true},
		{"white space around", http.Header{"Retry-After": {" \t7\t "}}, 7 * time.Second, true},
		{"white space that HTTP has not", http.Header{"Retry-After": {"7\v"}}, 0, false},
		{"empty is absent", http.Header{"Retry-After": {""}}, 0, false},
		{"blank is absent", http.Header{"Retry-After": {" \t"}}, 0, false},
		{"negative", http.Header{"Retry-After": {"-5"}}, 0, false},
		{"a date, without a Date", http.Header{"Retry-After": {newYear}}, time.Minute, true},
		{"a date from the response's Date", http.Header{"Retry-After": {newYear}, "Date": {"Fri, 31 Dec 1999 23:59:50 GMT"}}, 10 * time.Second, true},
		{"a Date an hour behind", http.Header{"Retry-After": {newYear}, "Date": {"Fri, 31 Dec 1999 23:00:00 GMT"}}, time.Hour, true},
		{"a past date", http.Header{"Retry-After": {newYear}, "Date": {"Sat, 01 Jan 2000 00:00:01 GMT"}}, 0, true},
		{"an unreadable Date", http.Header{"Retry-After": {newYear}, "Date": {"noon"}}, time.Minute, true},
		{"Date changes no seconds", http.Header{"Retry-After": {"5"}, "Date": {"Fri, 31 Dec 1999 23:00:00 GMT"}}, 5 * time.Second, true},
		{"two values, the first longer", http.Header{"Retry-After": {"10, 5"}}, 10 * time.Second, true},
		{"two values, the second longer", http.Header{"Retry-After": {"5, 10"}}, 10 * time.Second, true},
		{"two headers", http.Header{"Retry-After": {"5", "10"}}, 10 * time.Second, true},
		{"one of two unreadable", http.Header{"Retry-After": {"soon, 5"}}, 5 * time.Second, true},
		{"empty values between", http.Header{"Retry-After": {",5,,"}}, 5 * time.Second, true},
		{"date and seconds", http.Header{"Retry-After": {newYear + ", 5"}}, time.Minute, true},
		{"seconds and RFC 850 date", http.Header{"Retry-After": {"5, Saturday, 01-Jan-00 00:00:00 GMT"}}, time.Minute, true},
		{"weekday and no more", http.Header{"Retry-After": {"5, Sat"}}, 5 * time.Second, true},
		{"milliseconds", http.Header{"Retry-After-Ms": {"250"}}, 250 * time.Millisecond, true},
		{"Azure's milliseconds", http.Header{"X-Ms-Retry-After-Ms": {"250"}}, 250 * time.Millisecond, true},
		{"Amazon's milliseconds", http.Header{"X-Amz-Retry-After": {"250"}}, 250 * time.Millisecond, true},
		{"milliseconds are no date", http.Header{"Retry-After-Ms": {newYear}}, 0, false},
		{"seconds longer than ms", http.Header{"Retry-After-Ms": {"250"}, "Retry-After": {"1"}}, time.Second, true},
		{"ms longer than seconds", http.Header{"Retry-After-Ms": {"1500"}, "Retry-After": {"1"}}, 1500 * time.Millisecond, true},
		{"bad ms, good seconds", http.Header{"Retry-After-Ms": {"NaN"}, "Retry-After": {"1"}}, time.Second, true},
		{"good ms, bad seconds", http.Header{"Retry-After-Ms": {"250"}, "Retry-After": {"1e3"}}, 250 * time.Millisecond, true},
		{"2^63 seconds", http.Header{"Retry-After": {"9223372036854775808"}}, forever, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := provider.RetryAfter(tt.header, now)
			assert.Equal(t, tt.ok, ok)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestReadings(t *testing.T) {
	h := http.Header{"Retry-After": {"5, soon", "10"}, "Retry-After-Ms": {" 250 "}}
	var got []string
	for r := range provider.Readings(h, now) {
		got = append(got, fmt.Sprintf("%s %q %v %v", r.Header, r.Value, r.Wait, r.Err))
	}
	assert.Equal(t, []string{
		`Retry-After "5" 5s <nil>`,
		`Retry-After "soon" 0s provider: "soon" is neither a number nor an HTTP-date`,
		`Retry-After "10" 10s <nil>`,
		`Retry-After-Ms "250" 250ms <nil>`,
	}, got)

	for n := 1; n <= 4; n++ { // the consumer may stop at any value
		seen := 0
		for range provider.Readings(h, now) {
			if seen++; seen == n {
				break
			}
		}
		assert.Equal(t, n, seen)
	}
	_, err := provider.ParseSeconds(strings.Repeat("x", 1<<20))
	assert.Less(t, len(err.Error()), 200, "an error quotes no more than the beginning")
}

// oracle is what text units are in nanoseconds: rounded up, saturated.
func oracle(text string, unit time.Duration) time.Duration {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("not a number: " + text)
	}
	r.Mul(r, big.NewRat(int64(unit), 1))
	n, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if rest.Sign() != 0 {
		n.Add(n, big.NewInt(1))
	}
	if !n.IsInt64() {
		return forever
	}
	return time.Duration(n.Int64())
}

var number = rapid.StringMatching(`[0-9]{1,22}(\.[0-9]{1,24})?`)

func TestNumbersAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := number.Draw(t, "text")
		got, err := provider.ParseSeconds(text)
		require.NoError(t, err)
		require.Equal(t, oracle(text, time.Second), got)
		got, err = provider.ParseMilliseconds(text)
		require.NoError(t, err)
		require.Equal(t, oracle(text, time.Millisecond), got)
		got, err = provider.ParseDuration(text + "h")
		require.NoError(t, err)
		require.Equal(t, oracle(text, time.Hour), got)
	})
}

func TestDurationReadsWhatGoPrints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64Min(0).Draw(t, "nanoseconds"))
		got, err := provider.ParseDuration(want.String())
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestDateFormsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "from"), 0).UTC()
		at := from.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "seconds away")) * time.Second)
		for _, layout := range []string{http.TimeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
			got, err := provider.ParseDate(at.Format(layout), from)
			require.NoError(t, err)
			require.Equal(t, max(at.Sub(from), 0), got, layout)
		}
	})
}

// TestNeverLessThanAsked joins waits of every kind into one header, with
// garbage between them, and expects the longest of them.
func TestNeverLessThanAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := http.Header{}
		longest, asked := time.Duration(0), false
		for range rapid.IntRange(0, 6).Draw(t, "values") {
			var name, value string
			wait, readable := time.Duration(0), true
			switch rapid.IntRange(0, 3).Draw(t, "form") {
			case 0:
				name, value = "Retry-After", number.Draw(t, "seconds")
				wait = oracle(value, time.Second)
			case 1:
				name = rapid.SampledFrom([]string{"retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after"}).Draw(t, "name")
				value = number.Draw(t, "milliseconds")
				wait = oracle(value, time.Millisecond)
			case 2:
				at := now.Add(time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(t, "seconds away")) * time.Second)
				name, value = "Retry-After", at.Format(http.TimeFormat)
				wait = max(at.Sub(now), 0)
			default:
				name, value = "Retry-After", rapid.SampledFrom([]string{"", "-1", "soon", "1e9", "0x10"}).Draw(t, "garbage")
				readable = false
			}
			name = http.CanonicalHeaderKey(name)
			if last := len(h[name]) - 1; last >= 0 && rapid.Bool().Draw(t, "join") {
				h[name][last] += ", " + value
			} else {
				h.Add(name, value)
			}
			if readable {
				longest, asked = max(longest, wait), true
			}
		}
		got, ok := provider.RetryAfter(h, now)
		require.Equal(t, asked, ok, "%v", h)
		require.Equal(t, longest, got, "%v", h)
	})
}

// TestAnyHeader feeds bytes that nobody would send.
func TestAnyHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.StringMatching(`[-+0-9.,eExXsmh: GMTSunNov]{0,40}`),
		)
		h := http.Header{}
		for _, name := range []string{"Retry-After", "Retry-After-Ms", "X-Ms-Retry-After-Ms", "X-Amz-Retry-After", "Date"} {
			h[name] = rapid.SliceOfN(text, 0, 3).Draw(t, name)
		}
		checkRetryAfter(t, h, time.Unix(rapid.Int64().Draw(t, "now"), 0))
	})
}

// checkRetryAfter holds for any header at any time.
func checkRetryAfter(t require.TestingT, h http.Header, now time.Time) {
	got, ok := provider.RetryAfter(h, now)
	require.GreaterOrEqual(t, got, time.Duration(0))
	if !ok {
		require.Zero(t, got)
	}
	readings := slices.Collect(provider.Readings(h, now))
	readable := false
	for _, r := range readings {
		require.Equal(t, r.Err != nil && r.Wait == 0 || r.Err == nil, true, "%v", r)
		require.LessOrEqual(t, r.Wait, got)
		readable = readable || r.Err == nil
	}
	require.Equal(t, readable, ok)
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "250", "Fri, 31 Dec 1999 23:59:59 GMT", int64(946684740))
	f.Add("Friday, 31-Dec-99 23:59:59 GMT, 5", "1.5,NaN", "", int64(0))
	f.Add("Fri Dec 31 23:59:59 1999", "", "noon", int64(math.MaxInt64))
	f.Add("Sun,,Mon, 1", ".5", "Sun Nov  6 08:49:37 1994", int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, after, ms, date string, seconds int64) {
		checkRetryAfter(t, http.Header{"Retry-After": {after}, "Retry-After-Ms": {ms}, "Date": {date}}, time.Unix(seconds, 0))
		for _, parse := range []func(string) (time.Duration, error){provider.ParseSeconds, provider.ParseMilliseconds, provider.ParseDuration} {
			if d, err := parse(after); err != nil {
				require.Zero(t, d)
			} else {
				require.GreaterOrEqual(t, d, time.Duration(0))
			}
		}
	})
}

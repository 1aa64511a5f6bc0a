package scripted

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Decl is a statement of a fleet scenario: a word, perhaps a kind, and values
// with names. Package simulate knows what they mean.
type Decl struct {
	Pos, End Pos            // of the first word, and of the closing brace of clients
	At       *time.Duration // of what "at" puts on the timeline; nil: from the start
	Word     string         // such as arrive
	Kind     string         // such as poisson; "" where the word has no kinds
	Name     string         // of clients; they may have none
	Args     []Arg          // in the order of the text
	Block    []Decl         // of clients
	Expects  []Expect       // of clients: about their calls alone

	source string // the line
}

// Arg is one value of a [Decl].
type Arg struct {
	Key  string // "" for a policy
	Text string // as it is written; "" for a word that stands alone
	// Values is what the text means in integers: counts as they are, durations
	// in nanoseconds, shares, rates and factors in millionths, amounts in
	// thousandths. It is a function of the text and the form.
	Values []int64

	column int32
}

// Arg returns the value of a name; ok is false if it is not given.
func (d *Decl) Arg(key string) (a Arg, ok bool) {
	i := slices.IndexFunc(d.Args, func(a Arg) bool { return a.Key == key })
	if i < 0 {
		return Arg{}, false
	}
	return d.Args[i], true
}

// Errorf returns an error that stands at the value of the name, or at the
// statement where it has no such value.
func (d *Decl) Errorf(name, key, format string, args ...any) *SyntaxError {
	e := &SyntaxError{Name: name, Pos: d.Pos, Len: len(d.Word), Source: d.source, Msg: fmt.Sprintf(format, args...)}
	if d.Pos == (Pos{}) { // it was made by hand
		e.Source = d.text()
		e.Pos = Pos{1, 1}
	}
	if a, ok := d.Arg(key); ok && a.column > 0 {
		e.Pos.Col = a.column
		e.Len = len(a.Key) + len(a.Text)
		if a.Key != "" && a.Text != "" {
			e.Len++
		}
	}
	return e
}

// IsFleet reports whether the script is a fleet scenario.
func (s *Script) IsFleet() bool { return len(s.Decls) > 0 }

// text returns the statement as a script has it, without its block.
func (d *Decl) text() string {
	var b strings.Builder
	if d.At != nil {
		fmt.Fprintf(&b, "at %v ", *d.At)
	}
	b.WriteString(d.Word)
	if d.Kind != "" {
		b.WriteString(" " + d.Kind)
	}
	if d.Name != "" {
		b.WriteString(" " + quote(d.Name))
	}
	for _, a := range d.Args {
		b.WriteByte(' ')
		switch {
		case a.Key == "":
			b.WriteString(a.Text)
		case a.Text == "":
			b.WriteString(a.Key)
		default:
			b.WriteString(a.Key + "=" + bare(a.Text))
		}
	}
	return b.String()
}

// form is what a statement may look like.
type form struct {
	word, kind string
	args       []argForm
	where      place
}

// place says where a statement may stand.
type place uint8

const (
	top    place = 1 << iota // outside clients
	inside                   // in clients, for them alone
	timed                    // behind "at"
	once                     // in each place at most once
)

// argForm is one value of a form.
type argForm struct {
	key      string
	required bool
	read     func(text string) (values []int64, ok bool) // nil: the word stands alone
	example  string
}

func need(a argForm) argForm                                  { a.required = true; return a }
func arg(key string, read reader, example string) argForm     { return argForm{key, false, read, example} }
func flag(key string) argForm                                 { return argForm{key: key} }
func group(where place, word, kind string, a ...argForm) form { return form{word, kind, a, where} }

type reader = func(string) ([]int64, bool)

// forms is every statement of a fleet scenario.
var forms = func() []form {
	shared := func(a ...argForm) []argForm {
		return append(a, arg("scope", readScope, "client, process:20, fleet or call"), arg("clients", readText, `"web"`))
	}
	limits := func(where place) []form {
		return []form{
			{"budget", "per-success", shared(need(arg("share", readShare, "10%")), arg("capacity", readAmount, "10")), where},
			{"budget", "per-call", shared(need(arg("share", readShare, "10%")), arg("capacity", readAmount, "10")), where},
			{"budget", "ratio", shared(need(arg("share", readShare, "10%")), arg("window", readTime, "10s")), where},
			{"budget", "finagle", shared(arg("ttl", readTime, "10s"), arg("share", readShare, "20%"), arg("floor", readCount, "10")), where},
			{"budget", "grpc", shared(need(arg("max", readAmount, "10")), need(arg("ratio", readAmount, "0.1"))), where},
			{"budget", "failure-rate", shared(need(arg("share", readShare, "10%")), arg("of", readCount, "100")), where},
			{"budget", "aws", shared(), where},
			{"budget", "aws-legacy", shared(), where},
			{"budget", "none", shared(), where},
			{"breaker", "", shared(need(arg("failures", readCount, "5")), need(arg("open", readTime, "30s")), arg("probes", readCount, "1")), where},
			{"throttle", "", shared(arg("k", readAmount, "2"), arg("window", readTime, "2m")), where},
		}
	}
	both := top | inside
	list := []form{
		group(top|once, "fleet", "", need(arg("for", readTime, "10m")), arg("every", readTime, "1s")),
		group(top, "clients", "", arg("n", readCount, "1000"), arg("priority", readCount, "1")),
		group(both, "arrive", "poisson", need(arg("rate", readProfile, profileExample))),
		group(both, "arrive", "uniform", need(arg("rate", readProfile, profileExample))),
		group(both, "arrive", "burst", arg("n", readCount, "600"), arg("at", readTime, "10m"), arg("every", readTime, "1m")),
		group(both, "arrive", "closed", arg("think", readDist, distExample), arg("from", readTime, "0s")),
		group(both, "arrive", "recording", need(arg("file", readText, "calls.csv"))),
		group(both, "arrive", "sessions", need(arg("file", readText, "calls.csv"))),
		group(inside|once|timed, "policy", "", arg("", readText, ""), arg("clients", readText, `"web"`)),
		group(both, "over", "", arg("", readText, "")),
		group(inside|once, "timeout", "", arg("attempt", readTime, "1s"), arg("total", readTime, "10s")),
		group(both|once, "pace", "", shared(arg("requests", readQuota, "600/m"), arg("tokens", readQuota, "90000/m"), arg("burst", readCount, "10"),
			arg("concurrency", readCount, "8"), arg("queue-timeout", readTime, "30s"))...),
		group(both|once, "accept", "late"),
		group(both|once, "tokens", "", need(arg("in", readRange, "1000..2000")), need(arg("out", readRange, "300")), arg("max", readCount, "1024")),
		group(top|once, "server", "", arg("workers", readCount, "20"), arg("rate", readRate, "300/s"), arg("service", readDist, distExample),
			arg("per-concurrent", readTime, "10ms"), arg("queue", readQueue, "1000, or unbounded"), flag("lifo"), flag("drop-expired"),
			arg("failure", readShare, "1%"), arg("retry-after", readDist, distExample), arg("network", readDist, distExample)),
		group(top|once, "server", "contention", need(arg("network", readDist, "normal:10ms,sd=2ms"))),
		group(top, "fault", "outage", from(), length()),
		group(top, "fault", "refuse", from(), length()),
		group(top, "fault", "brownout", from(), length(), need(arg("capacity", readShare, "50%"))),
		group(top, "fault", "slow", from(), length(), need(arg("factor", readFactor, "3"))),
		group(top, "fault", "errors", from(), length(), arg("transient", readShare, "10%"), arg("throttled", readShare, "5%"), arg("permanent", readShare, "1%")),
		group(timed, "retries", "off", arg("for", readTime, "10s"), arg("clients", readText, `"web"`)),
		group(timed, "shed", "", need(arg("share", readShare, "50%")), arg("below", readCount, "1"), arg("for", readTime, "10s")),
		group(timed, "queue", "empty"),
		group(timed, "scale", "", need(arg("capacity", readShare, "200%")), arg("for", readTime, "10s")),
		group(timed, "ramp", "", need(arg("from", readShare, "10%")), need(arg("for", readTime, "30s"))),
		group(top|once, "price", "", arg("in", readFactor, "3"), arg("out", readFactor, "15")),
		group(top|once, "recovery", "", arg("share", readShare, "90%"), arg("window", readTime, "5s")),
	}
	for _, kind := range []string{"bucket", "fixed", "sliding"} {
		list = append(list, group(top, "limit", kind, arg("requests", readQuota, "600/m"), arg("tokens", readQuota, "90000/m"),
			arg("burst", readCount, "10"), flag("count-rejected"), flag("reserve"), flag("tell"), arg("key", readKey, "all, clients or client")))
	}
	return append(list, limits(both|timed|once)...)
}()

func from() argForm   { return need(arg("from", readTime, "20s")) }
func length() argForm { return need(arg("for", readTime, "10s")) }

const (
	profileExample = "280/s, or 40/s,20s:80/s,25s:40/s, or 0s:0/s..60s:80/s"
	distExample    = "50ms, exp:50ms, lognormal:p50=40ms,p99=300ms, normal:10ms,sd=2ms or uniform:1s..2s"
)

func fleetWords() []string {
	words := []string{"at"}
	for _, f := range forms {
		if f.where&timed == 0 || f.where&top != 0 {
			words = append(words, f.word)
		}
	}
	return slices.Compact(words)
}

// formsOf returns the forms of a word that may stand in a place.
func formsOf(word string, where place) []form {
	var out []form
	for _, f := range forms {
		if f.word == word && f.where&where != 0 {
			out = append(out, f)
		}
	}
	return out
}

func readText(text string) ([]int64, bool) { return nil, text != "" }

func readTime(text string) ([]int64, bool) {
	d, ok := parseDuration(text)
	return []int64{int64(d)}, ok
}

func readCount(text string) ([]int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return []int64{n}, err == nil && isDigits(text)
}

func readQueue(text string) ([]int64, bool) {
	if text == "unbounded" {
		return []int64{math.MaxInt}, true
	}
	return readCount(text)
}

// readRange reads A..B or A, which is A..A.
func readRange(text string) ([]int64, bool) {
	low, high, ranged := strings.Cut(text, "..")
	if !ranged {
		high = low
	}
	a, ok1 := readCount(low)
	b, ok2 := readCount(high)
	return append(a, b...), ok1 && ok2 && a[0] <= b[0]
}

// readDecimal reads a decimal number in units of 10^-digits.
func readDecimal(text string, digits int) (int64, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if !isDigits(whole+fraction) || whole == "" || len(fraction) > digits {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	return n, err == nil
}

func readFactor(text string) ([]int64, bool) {
	n, ok := readDecimal(text, 6)
	return []int64{n}, ok
}

// readAmount reads tokens of a budget, which are counted in thousandths.
func readAmount(text string) ([]int64, bool) {
	n, ok := readDecimal(text, 3)
	return []int64{n}, ok
}

func readShare(text string) ([]int64, bool) {
	number, percent := strings.CutSuffix(text, "%")
	n, ok := readDecimal(number, 4)
	return []int64{n}, ok && percent
}

// readRate reads N/s, N/m or N/h, in millionths per second.
func readRate(text string) ([]int64, bool) {
	number, unit, _ := strings.Cut(text, "/")
	n, ok := readDecimal(number, 6)
	per := map[string]int64{"s": 1, "m": 60, "h": 3600}[unit]
	if !ok || per == 0 {
		return nil, false
	}
	return []int64{n / per}, true
}

// readQuota reads N/s, N/m, N/h or N/DURATION as a number and a window.
func readQuota(text string) ([]int64, bool) {
	number, unit, _ := strings.Cut(text, "/")
	n, ok := readCount(number)
	if unit == "s" || unit == "m" || unit == "h" {
		unit = "1" + unit
	}
	window, valid := parseDuration(unit)
	return []int64{n[0], int64(window)}, ok && valid && window > 0
}

// readProfile reads steps as (time, rate, ramp).
func readProfile(text string) ([]int64, bool) {
	var out []int64
	for i, part := range strings.Split(text, ",") {
		steps := strings.Split(part, "..")
		if len(steps) > 2 {
			return nil, false
		}
		for k, step := range steps {
			when, rate, timed := strings.Cut(step, ":")
			if !timed {
				when, rate = "0s", step
			}
			d, ok1 := parseDuration(when)
			r, ok2 := readRate(rate)
			if !ok1 || !ok2 || !timed && (i > 0 || k > 0) {
				return nil, false
			}
			ramp := int64(0)
			if k == 0 && len(steps) == 2 {
				ramp = 1
			}
			out = append(out, int64(d), r[0], ramp)
		}
	}
	return out, true
}

// Kinds of distributions, as the first value of a distribution.
const (
	DistFixed int64 = iota
	DistExponential
	DistLognormal
	DistNormal
	DistUniform
)

// readDist reads a distribution as its kind and two durations.
func readDist(text string) ([]int64, bool) {
	kind, rest, found := strings.Cut(text, ":")
	if !found {
		d, ok := parseDuration(text)
		return []int64{DistFixed, int64(d), 0}, ok
	}
	two := func(sep, prefix string, which int64) ([]int64, bool) {
		first, second, ok := strings.Cut(strings.TrimPrefix(rest, prefix), sep)
		a, ok1 := parseDuration(first)
		b, ok2 := parseDuration(second)
		return []int64{which, int64(a), int64(b)}, ok && ok1 && ok2 && strings.HasPrefix(rest, prefix)
	}
	switch kind {
	case "exp":
		d, ok := parseDuration(rest)
		return []int64{DistExponential, int64(d), 0}, ok
	case "lognormal":
		return two(",p99=", "p50=", DistLognormal)
	case "normal":
		return two(",sd=", "", DistNormal)
	case "uniform":
		return two("..", "", DistUniform)
	}
	return nil, false
}

// Scopes of what clients share, as the first value of a scope; the second is
// the number of clients of a process.
const (
	ScopeFleet int64 = iota
	ScopeProcess
	ScopeClient
	ScopeCall
)

func readScope(text string) ([]int64, bool) {
	switch text {
	case "fleet":
		return []int64{ScopeFleet, 0}, true
	case "client":
		return []int64{ScopeClient, 0}, true
	case "call":
		return []int64{ScopeCall, 0}, true
	}
	number, ok := strings.CutPrefix(text, "process:")
	n, valid := readCount(number)
	return []int64{ScopeProcess, n[0]}, ok && valid && n[0] > 0
}

func readKey(text string) ([]int64, bool) {
	i := slices.Index([]string{"all", "clients", "client"}, text)
	return []int64{int64(i)}, i >= 0
}

// policyOf returns the policy that the statement names.
func (d *Decl) policyOf() (retry.Policy, error) {
	a, _ := d.Arg("")
	return retry.ParsePolicy(a.Text)
}

// Policy returns the policy of a policy or an over statement. It panics if the
// statement names none, which Parse does not let pass.
func (d *Decl) Policy() retry.Policy {
	p, err := d.policyOf()
	if err != nil {
		panic(fmt.Sprintf("scripted: %v", err)) // Parse has looked at it
	}
	return p
}

package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// Scenario returns what a fleet scenario describes, with what the options change.
// An error names the place in the script: it is a [*scripted.SyntaxError], or
// several joined; that of a change is the change's own.
func Scenario(s *scripted.Script, o FleetOptions) (fleet.Scenario, error) {
	b := builder{script: s, options: o}
	b.build()
	if len(b.errs) > 0 {
		return fleet.Scenario{}, errors.Join(b.errs...)
	}
	if err := b.out.Validate(); err != nil {
		return fleet.Scenario{}, b.place(err)
	}
	if o.Alter == nil {
		return b.out, nil
	}
	if err := o.Alter(&b.out); err != nil {
		return fleet.Scenario{}, err
	}
	return b.out, b.out.Validate()
}

// builder turns statements into a scenario, and remembers which statement each
// part came from.
type builder struct {
	script  *scripted.Script
	options FleetOptions
	out     fleet.Scenario
	errs    []error

	decls    map[part]*scripted.Decl
	defaults scripted.Decl // what stands outside clients
}

// part names a part of the scenario.
type part struct {
	kind       fleet.Part
	index, sub int
}

func (b *builder) fail(d *scripted.Decl, key, format string, args ...any) {
	b.errs = append(b.errs, d.Errorf(b.script.Name, key, format, args...))
}

// notZero refuses a 0 that somebody wrote: for the engine it is a value that was
// not given, and means another thing.
func (b *builder) notZero(d *scripted.Decl, key, why string) {
	if a, ok := d.Arg(key); ok && len(a.Values) == 1 && a.Values[0] == 0 {
		b.fail(d, key, "%s: is 0: %s", key, why)
	}
}

// place gives problems of the scenario their places in the script.
func (b *builder) place(err error) error {
	var all []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			all = append(all, b.placeOne(e))
		}
		return errors.Join(all...)
	}
	return b.placeOne(err)
}

func (b *builder) placeOne(err error) error {
	var p *fleet.Problem
	if !errors.As(err, &p) {
		return err
	}
	d := b.decls[part{p.Part, p.Index, p.Sub}]
	text := p.Text
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if d == nil {
		d = &b.script.Decls[0]
	}
	return d.Errorf(b.script.Name, p.Field, "%s", text)
}

func (b *builder) build() {
	b.decls = make(map[part]*scripted.Decl)
	if !b.script.IsFleet() {
		b.errs = append(b.errs, fmt.Errorf("%s: simulate: not a fleet scenario: no line fleet for=DURATION", b.script.Name))
		return
	}
	var groups []*scripted.Decl
	for i := range b.script.Decls {
		d := &b.script.Decls[i]
		if d.Word == "clients" {
			groups = append(groups, d)
		} else if d.At == nil {
			b.defaults.Block = append(b.defaults.Block, *d)
		}
	}
	b.out.Server.Queue = fleet.Unbounded
	for i := range b.script.Decls {
		b.whole(&b.script.Decls[i])
	}
	if len(groups) == 0 {
		groups = append(groups, &scripted.Decl{Word: "clients"})
	}
	for _, d := range groups {
		b.group(d)
	}
}

// whole reads a statement about the whole scenario.
func (b *builder) whole(d *scripted.Decl) {
	remember := func(kind fleet.Part, index int) { b.decls[part{kind, index, 0}] = d }
	if d.At != nil {
		remember(fleet.PartChange, len(b.out.Changes))
		b.out.Changes = append(b.out.Changes, b.change(d))
		return
	}
	switch d.Word {
	case "fleet":
		remember(fleet.PartScenario, 0)
		b.out.Horizon, b.out.Interval = span(d, "for"), span(d, "every")
	case "server":
		remember(fleet.PartServer, 0)
		b.notZero(d, "rate", "the server would serve nobody (an outage is a fault)")
		b.notZero(d, "workers", "the server would serve nobody (leave it out for as many as are needed)")
		b.out.Server = server(d)
	case "limit":
		remember(fleet.PartLimiter, len(b.out.Limiters))
		b.out.Limiters = append(b.out.Limiters, b.limiter(d))
	case "fault":
		remember(fleet.PartFault, len(b.out.Faults))
		b.out.Faults = append(b.out.Faults, fault(d))
	case "price":
		b.out.Prices = fleet.Prices{In: value(d, "in", 0), Out: value(d, "out", 0)}
	case "recovery":
		b.out.Recovery = fleet.Recovery{Share: fleet.Share(value(d, "share", 900_000)), Window: time.Duration(value(d, "window", int64(5*time.Second)))}
	}
}

// group reads clients: what they do not say is as outside.
func (b *builder) group(d *scripted.Decl) {
	index := len(b.out.Groups)
	g := fleet.Group{Name: d.Name, Clients: int(value(d, "n", 1)), Priority: int(value(d, "priority", 0))}
	b.notZero(d, "n", "there would be no clients")
	b.decls[part{fleet.PartGroup, index, 0}] = d
	if d.Pos == (scripted.Pos{}) {
		b.decls[part{fleet.PartGroup, index, 0}] = &b.script.Decls[0]
	}
	own := make(map[string]bool)
	for i := range d.Block {
		own[topic(d.Block[i].Word)] = true
	}
	g.Policy = pick(nil, b.script.Policy, retry.Default())
	if b.script.AttemptTimeout > 0 {
		g.Policy.AttemptTimeout = b.script.AttemptTimeout
	}
	g.Deadline = b.script.TotalTimeout
	read := func(list []scripted.Decl, outside bool) {
		for i := range list {
			if c := &list[i]; !outside || !own[topic(c.Word)] {
				b.member(&g, index, c)
			}
		}
	}
	read(b.defaults.Block, true)
	read(d.Block, false)
	if b.options.Policy != nil {
		timeout := g.Policy.AttemptTimeout
		g.Policy = *b.options.Policy
		g.Policy.AttemptTimeout = cmp.Or(g.Policy.AttemptTimeout, timeout)
	}
	b.out.Groups = append(b.out.Groups, g)
}

// topic is what a statement is about: one of a topic takes the place of
// another's.
func topic(word string) string {
	switch word {
	case "breaker", "throttle":
		return "budget"
	}
	return word
}

// member reads a statement about a group.
func (b *builder) member(g *fleet.Group, index int, d *scripted.Decl) {
	switch d.Word {
	case "arrive":
		b.decls[part{fleet.PartArrival, index, len(g.Arrivals)}] = d
		g.Arrivals = append(g.Arrivals, b.arrival(d))
	case "policy":
		timeout := g.Policy.AttemptTimeout
		g.Policy = d.Policy()
		g.Policy.AttemptTimeout = cmp.Or(g.Policy.AttemptTimeout, timeout)
	case "over":
		g.Outer = append(g.Outer, d.Policy())
	case "timeout":
		if a, ok := d.Arg("attempt"); ok {
			g.Policy.AttemptTimeout = time.Duration(a.Values[0])
		}
		if a, ok := d.Arg("total"); ok {
			g.Deadline = time.Duration(a.Values[0])
		}
	case "budget", "breaker", "throttle":
		g.Limit = b.limit(d)
	case "pace":
		g.Pace, g.PaceBy, g.PaceOf = pace(d)
	case "accept":
		g.LateCounts = true
	case "tokens":
		in, _ := d.Arg("in")
		out, _ := d.Arg("out")
		g.TokensIn = fleet.Count{Low: in.Values[0], High: in.Values[1]}
		g.TokensOut = fleet.Count{Low: out.Values[0], High: out.Values[1]}
		g.MaxTokens = value(d, "max", 0)
	}
}

// value returns the first value of a name, or what it is when not given.
func value(d *scripted.Decl, key string, otherwise int64) int64 {
	if a, ok := d.Arg(key); ok && len(a.Values) > 0 {
		return a.Values[0]
	}
	return otherwise
}

func span(d *scripted.Decl, key string) time.Duration { return time.Duration(value(d, key, 0)) }

func has(d *scripted.Decl, key string) bool { _, ok := d.Arg(key); return ok }

func share(d *scripted.Decl, key string) fleet.Share { return fleet.Share(value(d, key, 0)) }

// dist returns the distribution of a name, always 0 when not given.
func dist(d *scripted.Decl, key string) fleet.Dist {
	a, ok := d.Arg(key)
	if !ok {
		return fleet.Dist{}
	}
	kinds := map[int64]fleet.DistKind{
		scripted.DistFixed: fleet.IsFixed, scripted.DistExponential: fleet.IsExponential, scripted.DistLognormal: fleet.IsLognormal,
		scripted.DistNormal: fleet.IsNormal, scripted.DistUniform: fleet.IsBetween,
	}
	return fleet.Dist{Kind: kinds[a.Values[0]], A: time.Duration(a.Values[1]), B: time.Duration(a.Values[2])}
}

func server(d *scripted.Decl) fleet.Server {
	s := fleet.Server{Contention: d.Kind == "contention", Hop: dist(d, "network")}
	if s.Contention {
		return s
	}
	s.Workers, s.Rate = int(value(d, "workers", 0)), fleet.Rate(value(d, "rate", 0))
	s.Service, s.PerConcurrent = dist(d, "service"), span(d, "per-concurrent")
	s.Queue = int(value(d, "queue", fleet.Unbounded))
	s.LIFO, s.DropExpired = has(d, "lifo"), has(d, "drop-expired")
	s.Failure = share(d, "failure")
	if has(d, "retry-after") {
		hint := dist(d, "retry-after")
		s.Retry = &hint
	}
	return s
}

func (b *builder) limiter(d *scripted.Decl) fleet.Limiter {
	kinds := map[string]fleet.LimiterKind{"bucket": fleet.TokenBucket, "fixed": fleet.FixedWindow, "sliding": fleet.SlidingWindow}
	l := fleet.Limiter{
		Kind: kinds[d.Kind], Burst: value(d, "burst", 0), CountRejected: has(d, "count-rejected"),
		Reserve: has(d, "reserve"), Tell: has(d, "tell"), Key: fleet.Key(value(d, "key", 0)),
	}
	requests, ok := d.Arg("requests")
	tokens, both := d.Arg("tokens")
	switch {
	case ok && both:
		b.fail(d, "tokens", "a limit counts requests or tokens: write two lines")
		return l
	case both:
		requests, l.Tokens = tokens, true
	case !ok:
		b.fail(d, "", "limit %s needs requests=600/m or tokens=90000/m", d.Kind)
		return l
	}
	l.Limit, l.Window = requests.Values[0], time.Duration(requests.Values[1])
	return l
}

func fault(d *scripted.Decl) fleet.Fault {
	kinds := map[string]fleet.FaultKind{
		"outage": fleet.Outage, "refuse": fleet.Refusal, "brownout": fleet.Brownout, "slow": fleet.Slow, "errors": fleet.Errors,
	}
	return fleet.Fault{
		Kind: kinds[d.Kind], From: span(d, "from"), For: span(d, "for"), Capacity: share(d, "capacity"), Factor: share(d, "factor"),
		Transient: share(d, "transient"), Throttled: share(d, "throttled"), Permanent: share(d, "permanent"),
	}
}

// change reads what stands behind "at".
func (b *builder) change(d *scripted.Decl) fleet.Change {
	c := fleet.Change{At: *d.At, For: span(d, "for"), Share: share(d, "share"), Below: int(value(d, "below", 0))}
	if a, ok := d.Arg("clients"); ok {
		c.Group = a.Text
	}
	switch d.Word {
	case "policy":
		c.Kind, c.Policy = fleet.SetPolicy, d.Policy()
	case "retries":
		c.Kind = fleet.RetriesOff
	case "shed":
		c.Kind = fleet.Shed
	case "queue":
		c.Kind = fleet.EmptyQueue
	case "scale":
		c.Kind, c.Share = fleet.Scale, share(d, "capacity")
	case "ramp":
		c.Kind, c.Share = fleet.Ramp, share(d, "from")
	default:
		c.Kind, c.Limit = fleet.SetLimit, b.limit(d)
	}
	return c
}

// scope reads who shares, the fleet when it is not said.
func scope(d *scripted.Decl) (by fleet.Scope, process int) {
	a, ok := d.Arg("scope")
	if !ok {
		return fleet.PerFleet, 0
	}
	scopes := map[int64]fleet.Scope{
		scripted.ScopeFleet: fleet.PerFleet, scripted.ScopeProcess: fleet.PerProcess,
		scripted.ScopeClient: fleet.PerClient, scripted.ScopeCall: fleet.PerCall,
	}
	return scopes[a.Values[0]], int(a.Values[1])
}

// pace reads what the clients ask for at the most.
func pace(d *scripted.Decl) (p retry.Pace, by fleet.Scope, process int) {
	rate := func(key string) (r retry.Rate) {
		if a, ok := d.Arg(key); ok {
			r = retry.Rate{Limit: a.Values[0], Per: time.Duration(a.Values[1])}
		}
		return r
	}
	p = retry.Pace{Requests: rate("requests"), Tokens: rate("tokens"), Concurrency: int(value(d, "concurrency", 0)), QueueTimeout: span(d, "queue-timeout")}
	p.Requests.Burst = value(d, "burst", 0)
	by, process = scope(d)
	return p, by, process
}

// limit reads a budget, a breaker or a throttle.
func (b *builder) limit(d *scripted.Decl) fleet.Limit {
	var l fleet.Limit
	l.Scope, l.Process = scope(d)
	amount := func(key string, otherwise retry.Tokens) retry.Tokens {
		return retry.Tokens(value(d, key, int64(otherwise)))
	}
	part := amount("share", 200_000) / 1000 // millionths of one are thousandths of a token
	var budget retry.Budget
	switch d.Word + " " + d.Kind {
	case "breaker ":
		l.Breaker = &retry.Breaker{Failures: int(value(d, "failures", 0)), OpenFor: span(d, "open"), Probes: int(value(d, "probes", 0))}
		return l
	case "throttle ":
		l.Throttle = &retry.Throttle{Multiplier: amount("k", 2*retry.Token), Window: time.Duration(value(d, "window", int64(2*time.Minute)))}
		return l
	case "budget failure-rate":
		l.Rate = &retry.RateBreaker{Share: part, Of: int(value(d, "of", 100))}
		return l
	case "budget none":
		return fleet.Limit{}
	case "budget per-success":
		budget = retry.PerSuccessBudget(amount("capacity", 10*retry.Token), part)
	case "budget per-call":
		budget = retry.PerCallBudget(amount("capacity", 10*retry.Token), part)
	case "budget ratio":
		budget = retry.RatioBudget(part, time.Duration(value(d, "window", int64(10*time.Second))))
	case "budget finagle":
		budget = retry.FinagleBudget(time.Duration(value(d, "ttl", int64(10*time.Second))), part, int(value(d, "floor", 10)))
	case "budget grpc":
		budget = retry.GRPCBudget(amount("max", 0), amount("ratio", 0))
	case "budget aws":
		budget = retry.AWSBudget()
	case "budget aws-legacy":
		budget = retry.AWSLegacyBudget()
	}
	l.Budget = &budget
	return l
}

func (b *builder) arrival(d *scripted.Decl) fleet.Arrival {
	a := fleet.Arrival{From: span(d, "from")}
	switch d.Kind {
	case "poisson", "uniform":
		a.Kind = fleet.Poisson
		if d.Kind == "uniform" {
			a.Kind = fleet.Uniform
		}
		rate, _ := d.Arg("rate")
		for v := rate.Values; len(v) > 0; v = v[3:] {
			a.Steps = append(a.Steps, fleet.Step{At: time.Duration(v[0]), Rate: fleet.Rate(v[1]), Ramp: v[2] == 1})
		}
	case "burst":
		b.notZero(d, "n", "no call would ever begin (leave it out for one of each client)")
		a.Kind, a.Size = fleet.Burst, int(value(d, "n", 0))
		a.From, a.Every = span(d, "at"), span(d, "every")
	case "closed":
		a.Kind, a.Think = fleet.Closed, dist(d, "think")
	case "recording", "sessions":
		a.Kind = fleet.Recorded
		if d.Kind == "sessions" {
			a.Kind = fleet.Sessions
		}
		a.Log = b.recording(d)
	}
	return a
}

// recording reads the file that an arrival names.
func (b *builder) recording(d *scripted.Decl) []fleet.Record {
	file, _ := d.Arg("file")
	if b.options.Files == nil {
		b.fail(d, "file", "recordings cannot be read here")
		return nil
	}
	f, err := b.options.Files.Open(file.Text)
	if errors.Is(err, fs.ErrInvalid) {
		b.fail(d, "file", "file: a recording lies in the scenario's folder or below: write its name from there, with / between folders")
		return nil
	}
	if err != nil {
		b.fail(d, "file", "%v", err)
		return nil
	}
	defer f.Close()
	log, err := ReadRecording(file.Text, f)
	if err != nil {
		b.fail(d, "file", "%v", err)
	}
	return log
}

package retry

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Tokens counts the tokens of a [Budget] in thousandths.
type Tokens int64

// Token is one token.
const Token Tokens = 1000

// String returns the number of tokens, such as "10" or "0.1".
func (t Tokens) String() string {
	s := strconv.FormatInt(int64(t/Token), 10)
	if rest := t % Token; rest != 0 {
		if s == "0" && rest < 0 {
			s = "-0"
		}
		s += strings.TrimRight(fmt.Sprintf(".%03d", max(rest, -rest)), "0")
	}
	return s
}

// Budget is the rule by which calls earn retries. It is a comparable value; a
// [Bucket] is the state that obeys it. Every field is optional; the zero Budget
// never refuses, because its retries cost nothing.
//
// Retries are paid with tokens. A bucket begins full, one with a Window with its
// Floor.
type Budget struct {
	// Capacity is the most tokens that the bucket holds. With a Window there
	// is no such limit: tokens expire instead.
	Capacity Tokens

	PerCall         Tokens // earned by the first attempt of each call, whatever comes of it
	PerSuccess      Tokens // earned by each attempt that succeeds
	PerFirstSuccess Tokens // earned by each first attempt that succeeds
	PerFailure      Tokens // lost by each attempt that fails with a transient error

	Cost         Tokens // of a retry
	ThrottleCost Tokens // of a retry after a throttling error; 0 means Cost
	TimeoutCost  Tokens // of a retry after a timeout; 0 means Cost
	Refund       bool   // a retry that succeeds gets its cost back

	// Above is what the bucket must hold more than for a retry to be allowed,
	// whatever the retry costs. 0 means nothing.
	Above Tokens

	// Window, if not 0, is how long a token lives: what was earned and spent
	// longer ago is forgotten, to a tenth of the window. At least 10 ns.
	Window time.Duration
	// Floor is what a bucket with a Window holds when nothing was earned or
	// spent within it.
	Floor Tokens
}

// PerSuccessBudget is the budget of capacity tokens in which each success
// earns share of a retry.
func PerSuccessBudget(capacity, share Tokens) Budget {
	return Budget{Capacity: capacity, PerSuccess: share, Cost: Token}
}

// PerCallBudget is the budget of capacity tokens in which each call earns
// share of a retry, whether it succeeds or not.
func PerCallBudget(capacity, share Tokens) Budget {
	return Budget{Capacity: capacity, PerCall: share, Cost: Token}
}

// GRPCBudget is the retry throttling of gRPC A6: a failure takes a token, a
// success gives ratio, and retries are allowed while the bucket is more than
// half full.
func GRPCBudget(maxTokens, ratio Tokens) Budget {
	return Budget{Capacity: maxTokens, PerSuccess: ratio, PerFailure: Token, Above: maxTokens / 2}
}

// AWSLegacyBudget is the retry quota of the AWS SDKs' standard mode before
// 2026: 500 tokens, 5 a retry and 10 after a timeout, given back if the retry
// succeeds, and 1 for every success.
func AWSLegacyBudget() Budget {
	return Budget{Capacity: 500 * Token, Cost: 5 * Token, TimeoutCost: 10 * Token, Refund: true, PerSuccess: Token}
}

// AWSBudget is the retry quota of the AWS SDKs' standard mode since 2026: 500
// tokens, 14 a retry and 5 after a throttling error, given back if the retry
// succeeds, and 1 for every success of a first attempt.
func AWSBudget() Budget {
	return Budget{Capacity: 500 * Token, Cost: 14 * Token, ThrottleCost: 5 * Token, Refund: true, PerFirstSuccess: Token}
}

// RatioBudget allows retries up to share of the calls of the window (Google
// SRE: a tenth of a client's requests).
func RatioBudget(share Tokens, window time.Duration) Budget {
	return Budget{PerCall: share, Cost: Token, Window: window}
}

// FinagleBudget is Finagle's RetryBudget: within the window of ttl, retries up
// to share of the calls, and perSecond of them for each whole second of ttl in
// any case.
func FinagleBudget(ttl time.Duration, share Tokens, perSecond int) Budget {
	floor := Tokens(perSecond) * Token * Tokens(ttl/time.Second)
	return Budget{PerCall: share, Cost: Token, Window: ttl, Floor: floor}
}

// String returns the fields that are set, such as "Capacity 10, PerSuccess 0.1,
// PerFailure 1, Above 5", or "none".
func (b Budget) String() string {
	var parts []string
	for _, f := range b.tokens() {
		if f.value != 0 {
			parts = append(parts, fmt.Sprintf("%s %v", f.name, f.value))
		}
	}
	if b.Refund {
		parts = append(parts, "Refund")
	}
	if b.Window != 0 {
		parts = append(parts, fmt.Sprintf("Window %v", b.Window))
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

type budgetField struct {
	name  string
	value Tokens
}

// tokens lists the fields that count tokens.
func (b Budget) tokens() []budgetField {
	return []budgetField{
		{"Capacity", b.Capacity}, {"PerCall", b.PerCall}, {"PerSuccess", b.PerSuccess}, {"PerFirstSuccess", b.PerFirstSuccess},
		{"PerFailure", b.PerFailure}, {"Cost", b.Cost}, {"ThrottleCost", b.ThrottleCost}, {"TimeoutCost", b.TimeoutCost},
		{"Above", b.Above}, {"Floor", b.Floor},
	}
}

// Validate names the first field whose value has no meaning.
func (b Budget) Validate() error {
	for _, f := range b.tokens() {
		if f.value < 0 {
			return fmt.Errorf("retry: budget: %s is negative: %v", f.name, f.value)
		}
	}
	switch {
	case b.Window < 0:
		return fmt.Errorf("retry: budget: Window is negative: %v (use 0 for tokens that do not expire)", b.Window)
	case b.Window > 0 && b.Window < windowSlots:
		return fmt.Errorf("retry: budget: Window is %v, shorter than %d ns", b.Window, windowSlots)
	case b.Window > 0 && b.Capacity > 0:
		return fmt.Errorf("retry: budget: Capacity is set, but tokens expire (use Floor, or no Window)")
	case b.Window == 0 && b.Floor > 0:
		return fmt.Errorf("retry: budget: Floor is set, but tokens do not expire (use Capacity, or a Window)")
	case b.Window == 0 && b.Capacity == 0 && b.cost(Permanent())+b.Above > 0:
		return fmt.Errorf("retry: budget: Capacity is 0, so no retry could ever be paid")
	}
	return nil
}

// cost is the price of a retry after a failure of the class.
func (b Budget) cost(class Classification) Tokens {
	switch {
	case class.IsThrottled() && b.ThrottleCost > 0:
		return b.ThrottleCost
	case class.IsTimedOut() && b.TimeoutCost > 0:
		return b.TimeoutCost
	}
	return b.Cost
}

// Bucket is a retry budget: a [Limit] that obeys a [Budget]. It never refuses
// a first attempt.
type Bucket struct {
	budget Budget

	mu     sync.Mutex
	tokens Tokens // without a window
	window slidingWindow
}

var _ Limit = (*Bucket)(nil)

// NewBucket returns a full bucket, or the error of an invalid budget.
func NewBucket(b Budget) (*Bucket, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	return &Bucket{budget: b, tokens: b.Capacity, window: slidingWindow{length: b.Window}}, nil
}

// Tokens returns what the bucket holds at that moment.
func (b *Bucket) Tokens(now time.Time) Tokens {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.balance(now)
}

// Allow takes the retry's cost from the bucket, if there is enough.
func (b *Bucket) Allow(now time.Time, number int, class Classification) (Permit, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if number == 1 {
		b.add(now, b.budget.PerCall)
		return 1, true
	}
	cost := b.budget.cost(class)
	have := b.balance(now)
	if have < cost || b.budget.Above > 0 && have <= b.budget.Above {
		return 0, false
	}
	b.add(now, -cost)
	return Permit(number), true
}

// Report adds what a success earned, or takes what a failure lost.
func (b *Bucket) Report(now time.Time, permit Permit, ok bool, class Classification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok {
		if class.IsTransient() {
			b.add(now, -b.budget.PerFailure)
		}
		return
	}
	earned := b.budget.PerSuccess
	if permit == 1 {
		earned += b.budget.PerFirstSuccess
	} else if b.budget.Refund {
		earned += b.budget.cost(class)
	}
	b.add(now, earned)
}

// Abandon changes nothing: a retry that was paid for stays paid.
func (b *Bucket) Abandon(time.Time, Permit) {}

func (b *Bucket) balance(now time.Time) Tokens {
	if b.budget.Window > 0 {
		return Tokens(b.window.sum(now)) + b.budget.Floor
	}
	return b.tokens
}

func (b *Bucket) add(now time.Time, n Tokens) {
	if b.budget.Window > 0 {
		b.window.add(now, int64(n))
		return
	}
	b.tokens = max(b.tokens+min(n, b.budget.Capacity-b.tokens), 0) // in this order nothing overflows
}

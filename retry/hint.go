package retry

import "time"

// HintRule says what a server's Retry-After does to the wait.
type HintRule uint8

const (
	// HintReplaces: the wait is what the server asked for, and zero means at
	// once.
	HintReplaces HintRule = iota
	// HintOrBackoff: the wait is the longer one of the hint and the backoff,
	// the latter with its jitter.
	HintOrBackoff
	// HintIgnored: the wait is the backoff.
	HintIgnored
)

var hintNames = [...]string{HintReplaces: "replace", HintOrBackoff: "larger", HintIgnored: "ignore"}

func (h HintRule) valid() bool { return int(h) < len(hintNames) }

// String returns the name in a policy's text form.
func (h HintRule) String() string { return nameOf(hintNames[:], int(h)) }

// LongHint says what happens to a Retry-After longer than MaxRetryAfter.
type LongHint uint8

const (
	// HintClamped: the wait is MaxRetryAfter.
	HintClamped LongHint = iota
	// HintDropped: the hint is ignored and the wait is the backoff.
	HintDropped
	// HintGivesUp: the call ends with the error.
	HintGivesUp
	// HintWithin: the wait is the hint, however long or short, moved into the
	// window from the backoff to MaxRetryAfter above it (the AWS SDKs since
	// 2026). It goes with [HintReplaces].
	HintWithin
)

var longHintNames = [...]string{HintClamped: "clamp", HintDropped: "drop", HintGivesUp: "give-up", HintWithin: "window"}

func (h LongHint) valid() bool { return int(h) < len(longHintNames) }

// String returns the name in a policy's text form.
func (h LongHint) String() string { return nameOf(longHintNames[:], int(h)) }

// heed returns what becomes of a Retry-After: the wait asked for after the
// policy had its say, whether it counts at all, and whether the call is to end.
// HintWithin needs the backoff and is not decided here.
func (p *Policy) heed(hint time.Duration) (wait time.Duration, counts, giveUp bool) {
	switch {
	case p.RetryAfter == HintIgnored:
		return 0, false, false
	case p.MaxRetryAfter == 0 || hint <= p.MaxRetryAfter || p.LongRetryAfter == HintWithin:
		return hint, true, false
	case p.LongRetryAfter == HintDropped:
		return 0, false, false
	case p.LongRetryAfter == HintGivesUp:
		return 0, false, true
	}
	return p.MaxRetryAfter, true, false
}

package provider

import "github.com/retrykit/retrykit/retry"

// Kind says what a failure means to whoever may try again. The zero Kind is
// Permanent.
type Kind uint8

const (
	// Permanent: the same request would only fail again.
	Permanent Kind = iota
	// Transient: the request was refused or failed for a reason that passes.
	Transient
	// Overloaded: transient, and the provider has too much to do. Clients
	// should slow down, not only wait.
	Overloaded
	// QuotaExhausted: a budget is used up until somebody pays, or a day or a
	// month ends. Permanent, although most providers send it as a 429.
	QuotaExhausted
	// Ambiguous: nobody knows whether the work was done, as when a gateway
	// stopped waiting for it. Transient for whoever can afford to have it
	// done and paid for twice.
	Ambiguous
)

var kindNames = [...]string{"permanent", "transient", "overloaded", "quota exhausted", "ambiguous"}

// String returns the kind in lower-case words, such as "quota exhausted".
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// Classification returns the kind as a class without a wait: transient for
// Transient, Overloaded and Ambiguous, else permanent.
func (k Kind) Classification() retry.Classification {
	switch k {
	case Transient, Overloaded, Ambiguous:
		return retry.Transient()
	default:
		return retry.Permanent()
	}
}

// statuses holds every HTTP status whose kind is not that of its neighbours:
// without a row a 5xx is Transient and everything else Permanent.
var statuses = map[int]Kind{
	402: QuotaExhausted, // RFC 9110, 15.5.3; Anthropic billing_error, Gemini prepaid credit
	408: Transient,      // RFC 9110, 15.5.9: the server did not see the whole request
	409: Transient,      // SDKs of OpenAI and Anthropic: a lock that timed out
	425: Transient,      // RFC 8470, 5.2: refused as early data, to be sent again
	429: Transient,      // RFC 6585, 4
	501: Permanent,      // RFC 9110, 15.6.2: the method is not implemented
	502: Ambiguous,      // RFC 9110, 15.6.3: a gateway could not read the answer
	503: Overloaded,     // RFC 9110, 15.6.4
	504: Ambiguous,      // RFC 9110, 15.6.5: a gateway stopped waiting for the answer
	505: Permanent,      // RFC 9110, 15.6.6: the HTTP version is not supported
	511: Permanent,      // RFC 6585, 6: the network wants a login
	520: Ambiguous,      // Cloudflare: the origin's answer was empty or unreadable
	524: Ambiguous,      // Cloudflare: the origin did not answer in time
	526: Permanent,      // Cloudflare: the origin's certificate is invalid
	529: Overloaded,     // Anthropic overloaded_error
}

// Status returns what an HTTP status means when nothing else is known: no
// provider, no header, no body. Of the 4xx, 408, 409, 425 and 429 are Transient,
// 402 is QuotaExhausted, and the others are Permanent. Of the 5xx, 503 and 529
// are Overloaded; 502, 504, 520 and 524, in which a gateway has no answer to
// pass on, are Ambiguous; 501, 505, 511 and 526 are Permanent, and the others
// Transient. A status that is no failure (1xx, 2xx, 3xx) and a number that is no
// status are Permanent: there is nothing to try again.
func Status(code int) Kind {
	if kind, found := statuses[code]; found {
		return kind
	}
	if 500 <= code && code <= 599 {
		return Transient
	}
	return Permanent
}

package provider

import (
	"fmt"
	"slices"
	"strings"
)

// A rule gives the kind of the failures that match every field it sets.
type rule struct {
	of      []Provider // whose word it is
	code    string     // as match reads it
	typ     string     // as match reads it
	status  int
	message string // a part of the message, in lower case: where nothing else tells
	kind    Kind
}

var (
	anthropic = []Provider{Anthropic}
	openAI    = []Provider{OpenAI, AzureOpenAI}
	azure     = []Provider{AzureOpenAI}
	gemini    = []Provider{Gemini}
	bedrock   = []Provider{Bedrock}
	mistral   = []Provider{Mistral}
	cohere    = []Provider{Cohere}
)

// rules is read from the top; the first match decides. What a provider calls a
// code comes first, then its types, then what only a status can tell; behind
// the last row stands [Status].
//
// The type invalid_request_error has no row: Mistral sends it with a 429 for
// "Service tier capacity exceeded", OpenAI with a 409, so the status decides.
var rules = []rule{
	// Anthropic, platform.claude.com/docs/en/api/errors: error.details.error_code.
	// The spend cap of a tier is a 429 without Retry-After that lasts until the
	// first of the next month.
	{of: anthropic, code: "enforced_spend_limit_reached", kind: QuotaExhausted},

	// OpenAI, help.openai.com/en/articles/5955604: "does not restore access".
	{of: openAI, code: "insufficient_quota", kind: QuotaExhausted},
	{of: openAI, code: "credit_balance_exhausted", kind: QuotaExhausted},
	{of: openAI, code: "organization_spend_limit_exceeded", kind: QuotaExhausted},
	{of: openAI, code: "project_spend_limit_exceeded", kind: QuotaExhausted},
	{of: openAI, code: "organization_usage_limit_exceeded", kind: QuotaExhausted},
	{of: openAI, code: "billing_hard_limit_reached", kind: QuotaExhausted},
	{of: openAI, code: "billing_not_active", kind: QuotaExhausted},
	// A request above the limit of a whole minute is a 429 that never passes.
	{of: openAI, code: "rate_limit_exceeded", message: "request too large", kind: Permanent},
	{of: openAI, code: "rate_limit_exceeded", kind: Transient},
	{of: openAI, code: "slow_down", kind: Overloaded}, // ramping up too fast; 503 before, 429 now
	{of: openAI, code: "server_is_overloaded", kind: Overloaded},
	{of: openAI, code: "server_error", kind: Transient},
	{of: openAI, code: "invalid_api_key", kind: Permanent},
	{of: openAI, code: "model_not_found", kind: Permanent},
	{of: openAI, code: "context_length_exceeded", kind: Permanent},
	{of: openAI, code: "content_filter", kind: Permanent},
	{of: openAI, code: "invalid_prompt", kind: Permanent}, // Responses, response.failed
	{of: openAI, code: "unsupported_country_region_territory", kind: Permanent},
	// Azure OpenAI, codes of its own beside those of OpenAI.
	{of: azure, code: "InternalServerError", kind: Transient},
	{of: azure, code: "BadRequest", kind: Permanent},
	{of: azure, code: "Unauthorized", kind: Permanent},
	{of: azure, code: "PermissionDenied", kind: Permanent},
	{of: azure, code: "NotFound", kind: Permanent},
	{of: azure, code: "DeploymentNotFound", kind: Permanent},

	// Gemini, ai.google.dev/gemini-api/docs/rate-limits: the quotaId of any
	// violation. A day's quota ends at midnight Pacific, whatever the
	// RetryInfo beside it says.
	{of: gemini, code: "*PerDay*", kind: QuotaExhausted},
	{of: gemini, code: "API_KEY_INVALID", kind: Permanent}, // reason of an ErrorInfo
	// Gemini, Interactions API.
	{of: gemini, code: "quota_exceeded", kind: QuotaExhausted},
	{of: gemini, code: "rate_limit_exceeded", kind: Transient},
	{of: gemini, code: "too_many_requests", kind: Transient},
	{of: gemini, code: "invalid_request", kind: Permanent},

	// Anthropic, platform.claude.com/docs/en/api/errors: error.type.
	{of: anthropic, typ: "overloaded_error", kind: Overloaded},
	{of: anthropic, typ: "rate_limit_error", kind: Transient},
	{of: anthropic, typ: "api_error", kind: Transient},
	{of: anthropic, typ: "timeout_error", kind: Ambiguous},
	{of: anthropic, typ: "conflict_error", kind: Transient}, // its SDK retries a 409
	{of: anthropic, typ: "billing_error", kind: QuotaExhausted},
	{of: anthropic, typ: "authentication_error", kind: Permanent},
	{of: anthropic, typ: "permission_error", kind: Permanent},
	{of: anthropic, typ: "not_found_error", kind: Permanent},
	{of: anthropic, typ: "request_too_large", kind: Permanent},

	// OpenAI, error.type.
	{of: openAI, typ: "insufficient_quota", kind: QuotaExhausted},
	{of: openAI, typ: "rate_limit_error", kind: Transient},
	{of: openAI, typ: "tokens", kind: Transient},   // which limit of a 429 was hit
	{of: openAI, typ: "requests", kind: Transient}, // the same
	{of: openAI, typ: "service_unavailable_error", kind: Overloaded},
	{of: openAI, typ: "server_error", kind: Transient},

	// Gemini, error.status: a code of google.rpc.
	{of: gemini, typ: "RESOURCE_EXHAUSTED", status: 402, kind: QuotaExhausted}, // prepaid credit
	{of: gemini, typ: "RESOURCE_EXHAUSTED", kind: Transient},
	{of: gemini, typ: "UNAVAILABLE", kind: Overloaded},
	{of: gemini, typ: "INTERNAL", kind: Transient},
	{of: gemini, typ: "DEADLINE_EXCEEDED", kind: Ambiguous},
	{of: gemini, typ: "CANCELLED", kind: Permanent},
	{of: gemini, typ: "INVALID_ARGUMENT", kind: Permanent},
	{of: gemini, typ: "FAILED_PRECONDITION", kind: Permanent}, // billing, region
	{of: gemini, typ: "UNAUTHENTICATED", kind: Permanent},
	{of: gemini, typ: "PERMISSION_DENIED", kind: Permanent},
	{of: gemini, typ: "NOT_FOUND", kind: Permanent},

	// Bedrock Runtime, the exceptions of InvokeModel and ConverseStream.
	{of: bedrock, typ: "ThrottlingException", message: "per day", kind: QuotaExhausted},
	{of: bedrock, typ: "ThrottlingException", kind: Transient},
	{of: bedrock, typ: "ModelNotReadyException", kind: Transient}, // a cold start
	{of: bedrock, typ: "ModelTimeoutException", kind: Ambiguous},
	{of: bedrock, typ: "ModelErrorException", kind: Ambiguous},       // the model ran, and failed
	{of: bedrock, typ: "ModelStreamErrorException", kind: Ambiguous}, // "Retry your request"
	{of: bedrock, typ: "InternalServerException", kind: Transient},
	{of: bedrock, typ: "ServiceUnavailableException", kind: Overloaded},
	{of: bedrock, typ: "ServiceQuotaExceededException", kind: QuotaExhausted}, // a 400
	{of: bedrock, typ: "ValidationException", kind: Permanent},
	{of: bedrock, typ: "ConflictException", kind: Permanent}, // a 400
	{of: bedrock, typ: "AccessDeniedException", kind: Permanent},
	{of: bedrock, typ: "ResourceNotFoundException", kind: Permanent},

	// Mistral, docs.mistral.ai/resources/error-glossary.
	{of: mistral, typ: "rate_limited", kind: Transient},

	// Cohere, docs.cohere.com: the end of a stream whose generation failed.
	{of: cohere, typ: "ERROR", kind: Ambiguous},

	// The gateway of Azure API Management: a spent token quota is a 403.
	{of: azure, status: 403, message: "quota", kind: QuotaExhausted},
	{of: mistral, status: 429, message: "service tier capacity exceeded", kind: Overloaded},
	// A trial key has 20 calls a minute and 1,000 a month.
	{of: cohere, status: 429, message: "/ month", kind: QuotaExhausted},
	{of: cohere, status: 499, kind: Ambiguous}, // "request cancelled", documented as: try again
}

// decide returns the kind of a failure, in words which rule gave it, and the
// code that rule named.
func decide(p Provider, status int, r report) (kind Kind, by, code string) {
	for _, row := range rules {
		if code, ok := row.applies(p, status, r); ok {
			return row.kind, row.String(), code
		}
	}
	if status == 0 {
		return Permanent, "nothing known", ""
	}
	return Status(status), fmt.Sprintf("status %d", status), ""
}

// applies reports whether the rule is about the failure, and which of its
// codes it is about.
func (r rule) applies(p Provider, status int, failure report) (code string, ok bool) {
	word := r.code != "" || r.typ != "" // it tells by itself whose it is
	switch {
	case !slices.Contains(r.of, p) && (p.known() || !word):
		return "", false
	case r.status != 0 && r.status != status:
		return "", false
	case r.typ != "" && !match(r.typ, failure.typ):
		return "", false
	case r.message != "" && !strings.Contains(strings.ToLower(failure.message), r.message):
		return "", false
	case r.code == "":
		return "", true
	}
	i := slices.IndexFunc(failure.codes, func(code string) bool { return match(r.code, code) })
	if i < 0 {
		return "", false
	}
	return failure.codes[i], true
}

// String returns what the rule looks at, such as "code slow_down" or
// `status 429, message "/ month"`.
func (r rule) String() string {
	var words []string
	if r.code != "" {
		words = append(words, "code "+r.code)
	}
	if r.typ != "" {
		words = append(words, "type "+r.typ)
	}
	if r.status != 0 {
		words = append(words, fmt.Sprintf("status %d", r.status))
	}
	if r.message != "" {
		words = append(words, fmt.Sprintf("message %q", r.message))
	}
	return strings.Join(words, ", ")
}

// match compares without regard to case, since Bedrock spells an exception one
// way in a header and another in a stream. Between asterisks stands a part.
func match(pattern, s string) bool {
	if part, found := strings.CutPrefix(pattern, "*"); found {
		return strings.Contains(strings.ToLower(s), strings.ToLower(strings.TrimSuffix(part, "*")))
	}
	return strings.EqualFold(pattern, s)
}

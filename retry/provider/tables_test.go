package provider_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/retry/provider"
)

// The tables that the providers print, row by row: whether a failure is worth
// another attempt.
func TestTheTablesOfTheProviders(t *testing.T) {
	const no, yes, quota, ambiguous, overloaded = provider.Permanent, provider.Transient, provider.QuotaExhausted, provider.Ambiguous, provider.Overloaded
	anthropic := func(kind string) string {
		return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":"m"},"request_id":"r"}`, kind)
	}
	openai := func(kind, code string) string {
		return fmt.Sprintf(`{"error":{"message":"m","type":%q,"param":null,"code":%q}}`, kind, code)
	}
	gemini := func(code int, status string) string {
		return fmt.Sprintf(`{"error":{"code":%d,"message":"m","status":%q}}`, code, status)
	}
	interactions := func(code string) string { return fmt.Sprintf(`{"error":{"code":%q,"message":"m"}}`, code) }
	bedrock := func(kind string) string { return fmt.Sprintf(`{"__type":%q,"message":"m"}`, kind) }
	const flat = `{"object":"error","message":"m","type":"t","param":null,"code":"c"}`
	const apology = "<html><body>try later</body></html>"
	for _, tt := range []struct {
		of     provider.Provider
		status int
		body   string
		want   provider.Kind
	}{
		{provider.Anthropic, 400, anthropic("invalid_request_error"), no},
		{provider.Anthropic, 401, anthropic("authentication_error"), no},
		{provider.Anthropic, 402, anthropic("billing_error"), quota},
		{provider.Anthropic, 403, anthropic("permission_error"), no},
		{provider.Anthropic, 404, anthropic("not_found_error"), no},
		{provider.Anthropic, 409, anthropic("conflict_error"), yes},
		{provider.Anthropic, 413, anthropic("request_too_large"), no},
		{provider.Anthropic, 429, anthropic("rate_limit_error"), yes},
		{provider.Anthropic, 429, `{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}`, quota},
		{provider.Anthropic, 500, anthropic("api_error"), yes},
		{provider.Anthropic, 504, anthropic("timeout_error"), ambiguous},
		{provider.Anthropic, 529, anthropic("overloaded_error"), overloaded},
		{provider.Anthropic, 429, apology, yes}, // permanent in the original
		{provider.Anthropic, 529, apology, overloaded},
		{provider.Anthropic, 418, anthropic("something_new"), no}, // transient in the original

		{provider.OpenAI, 400, openai("invalid_request_error", "x"), no},
		{provider.OpenAI, 401, openai("invalid_request_error", "invalid_api_key"), no},
		{provider.OpenAI, 403, openai("x", "unsupported_country_region_territory"), no},
		{provider.OpenAI, 404, openai("invalid_request_error", "model_not_found"), no},
		{provider.OpenAI, 422, openai("invalid_request_error", "x"), no},
		{provider.OpenAI, 409, openai("x", "conflict"), yes},
		{provider.OpenAI, 429, openai("rate_limit_error", "rate_limit_exceeded"), yes},
		{provider.OpenAI, 429, openai("rate_limit_error", "slow_down"), overloaded},
		{provider.OpenAI, 429, openai("insufficient_quota", "credit_balance_exhausted"), quota},
		{provider.OpenAI, 429, openai("insufficient_quota", "organization_spend_limit_exceeded"), quota},
		{provider.OpenAI, 429, openai("insufficient_quota", "project_spend_limit_exceeded"), quota},
		{provider.OpenAI, 429, openai("insufficient_quota", "organization_usage_limit_exceeded"), quota},
		{provider.OpenAI, 429, openai("insufficient_quota", "insufficient_quota"), quota},
		{provider.OpenAI, 429, openai("insufficient_quota", "a_code_to_come"), quota},
		{provider.OpenAI, 500, openai("server_error", ""), yes},
		{provider.OpenAI, 503, openai("service_unavailable_error", "server_is_overloaded"), overloaded},
		{provider.OpenAI, 503, openai("service_unavailable_error", "slow_down"), overloaded},

		{provider.AzureOpenAI, 429, `{"error":{"code":"429","message":"m"}}`, yes},
		{provider.AzureOpenAI, 429, `{"error":{"code":429,"message":"m"}}`, yes},
		{provider.AzureOpenAI, 400, `{"error":{"code":"content_filter","message":"m"}}`, no},
		{provider.AzureOpenAI, 401, `{"error":{"code":"401","message":"m"}}`, no}, // transient in the original
		{provider.AzureOpenAI, 403, `{"error":{"code":"PermissionDenied","message":"m"}}`, no},
		{provider.AzureOpenAI, 403, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 01:00:00."}`, quota},
		{provider.AzureOpenAI, 404, `{"error":{"code":"DeploymentNotFound","message":"m"}}`, no},
		{provider.AzureOpenAI, 408, `{"error":{"code":"Timeout","message":"m"}}`, yes},
		{provider.AzureOpenAI, 500, `{"error":{"code":"InternalServerError","message":"m"}}`, yes},
		{provider.AzureOpenAI, 503, apology, overloaded},
		{provider.AzureOpenAI, 400, `{"error":{"message":"no code"}}`, no}, // transient in the original

		{provider.Gemini, 400, gemini(400, "INVALID_ARGUMENT"), no},
		{provider.Gemini, 400, gemini(400, "FAILED_PRECONDITION"), no},
		{provider.Gemini, 402, gemini(402, "RESOURCE_EXHAUSTED"), quota},
		{provider.Gemini, 403, gemini(403, "PERMISSION_DENIED"), no},
		{provider.Gemini, 404, gemini(404, "NOT_FOUND"), no},
		{provider.Gemini, 429, gemini(429, "RESOURCE_EXHAUSTED"), yes},
		{provider.Gemini, 429, interactions("rate_limit_exceeded"), yes},
		{provider.Gemini, 429, interactions("too_many_requests"), yes},
		{provider.Gemini, 429, interactions("quota_exceeded"), quota},
		{provider.Gemini, 429, `{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"22s"}]}}`, quota},
		{provider.Gemini, 499, gemini(499, "CANCELLED"), no},
		{provider.Gemini, 500, gemini(500, "INTERNAL"), yes},
		{provider.Gemini, 503, gemini(503, "UNAVAILABLE"), overloaded},
		{provider.Gemini, 504, gemini(504, "DEADLINE_EXCEEDED"), ambiguous},

		{provider.Bedrock, 400, bedrock("ValidationException"), no},
		{provider.Bedrock, 400, bedrock("ConflictException"), no},
		{provider.Bedrock, 400, bedrock("ServiceQuotaExceededException"), quota},
		{provider.Bedrock, 403, bedrock("AccessDeniedException"), no},
		{provider.Bedrock, 404, bedrock("ResourceNotFoundException"), no},
		{provider.Bedrock, 408, bedrock("ModelTimeoutException"), ambiguous},
		{provider.Bedrock, 424, bedrock("ModelErrorException"), ambiguous},
		{provider.Bedrock, 429, bedrock("ThrottlingException"), yes},
		{provider.Bedrock, 429, bedrock("ModelNotReadyException"), yes},
		{provider.Bedrock, 429, `{"message":"m"}`, yes},
		{provider.Bedrock, 529, `{"message":"m"}`, overloaded},
		{provider.Bedrock, 500, bedrock("InternalServerException"), yes},
		{provider.Bedrock, 503, bedrock("ServiceUnavailableException"), overloaded},

		{provider.Mistral, 400, flat, no}, {provider.Mistral, 401, flat, no}, {provider.Mistral, 402, flat, quota},
		{provider.Mistral, 403, flat, no}, {provider.Mistral, 404, flat, no}, {provider.Mistral, 422, flat, no},
		{provider.Mistral, 429, flat, yes}, {provider.Mistral, 500, flat, yes}, {provider.Mistral, 502, flat, ambiguous},
		{provider.Mistral, 503, flat, overloaded}, {provider.Mistral, 504, flat, ambiguous},

		{provider.Cohere, 400, `{"message":"m"}`, no}, {provider.Cohere, 401, `{"message":"m"}`, no}, {provider.Cohere, 402, `{"message":"m"}`, quota},
		{provider.Cohere, 404, `{"message":"m"}`, no}, {provider.Cohere, 429, `{"message":"m"}`, yes}, {provider.Cohere, 499, `{"message":"m"}`, ambiguous},
		{provider.Cohere, 429, `{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}`, quota},
		{provider.Cohere, 500, `{"message":"m"}`, yes},
	} {
		got := provider.FromResponse(tt.of, tt.status, http.Header{}, []byte(tt.body), time.Time{})
		assert.Equal(t, tt.want, got.Verdict.Kind, "%s %d %s", tt.of, tt.status, tt.body)
	}
}

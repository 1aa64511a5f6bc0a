package sdks

import (
	"context"
	"net/http"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/retryhttp"
	"github.com/retrykit/retrykit/scripted/wire"
)

// ours are the pieces of this project, judged by the policy that they are
// given. A wait may be longer: reading what is left of a refusal takes time,
// and a date is read against the server's clock, which counts seconds.
func ours() []Peer {
	strict := func(p retry.Policy) *verdict.Spec {
		s := verdict.LooseSpec()
		s.Policy = p
		return &s
	}
	out := []Peer{{
		Name: "retryhttp.Transport", Module: "github.com/retrykit/retrykit", Set: "RetryAmbiguous", Call: ourTransport,
		HTTPOptions: propertytest.HTTPOptions{Spec: strict(retry.Default())},
	}}
	for _, f := range []wire.Format{wire.OpenAIChat, wire.OpenAIResponses, wire.AzureOpenAI, wire.Anthropic, wire.Gemini, wire.Cohere} {
		out = append(out, Peer{
			Name: "retry.Model over " + string(f), Module: "github.com/retrykit/retrykit", Call: ourModel(f),
			HTTPOptions: propertytest.HTTPOptions{Format: f, Spec: strict(retry.Default())},
		})
	}
	return out
}

func ourTransport(ctx context.Context, client *http.Client, url string) (string, error) {
	t, err := retryhttp.New(retryhttp.Config{Base: client.Transport, Retry: retry.Config{Policy: retry.Default()}, RetryAmbiguous: true})
	if err != nil {
		return "", err
	}
	return finish((&http.Client{Transport: t}).Do(post(ctx, url)))
}

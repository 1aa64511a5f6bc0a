package sdks

import (
	"context"
	"net/http"

	"google.golang.org/genai"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/scripted/wire"
)

// Answer is what a client made of an answer, in the words of its provider.
type Answer struct {
	Text   string
	Tools  []Tool
	Stop   string
	Input  int64 // tokens
	Output int64
}

// Tool is a tool call.
type Tool struct{ ID, Name, Args string }

// Model is a client of a model provider: it asks for one answer.
type Model struct {
	Name   string
	Format wire.Format
	Stream bool
	Call   func(ctx context.Context, client *http.Client, url string) (Answer, error)

	Module, Set, Policy string // as of a [Peer]
	Source              []string
	Spec                *verdict.Spec
}

// text is the call as the suite wants it.
func (m Model) text(ctx context.Context, client *http.Client, url string) (string, error) {
	a, err := m.Call(ctx, client, url)
	return a.Text, err
}

// Models returns the official SDKs, each with and without a stream.
func Models() []Model {
	add := func(models *[]Model, m Model, stream, whole func(context.Context, *http.Client, string) (Answer, error)) {
		m.Stream, m.Call = true, stream
		*models = append(*models, m)
		m.Stream, m.Call, m.Name = false, whole, m.Name+", no stream"
		*models = append(*models, m)
	}
	var out []Model
	openAI := Model{Module: "github.com/openai/openai-go/v3"}
	openAI.Name, openAI.Format = "openai-go Chat", wire.OpenAIChat
	add(&out, openAI, openAIChatStream, openAIChat)
	openAI.Name, openAI.Format = "openai-go Responses", wire.OpenAIResponses
	add(&out, openAI, openAIResponsesStream, openAIResponses)
	openAI.Name, openAI.Format = "openai-go Azure", wire.AzureOpenAI
	add(&out, openAI, azureStream, azureChat)
	add(&out, Model{Name: "anthropic-sdk-go", Format: wire.Anthropic, Module: "github.com/anthropics/anthropic-sdk-go/v2"}, anthropicStream, anthropicMessage)
	add(&out, Model{Name: "genai", Format: wire.Gemini, Module: "google.golang.org/genai"}, geminiStream(nil), geminiContent(nil))
	add(&out, Model{Name: "genai with RetryOptions", Format: wire.Gemini, Module: "google.golang.org/genai", Set: "an empty HTTPRetryOptions",
		Policy: "its waits are those of its options, and it looks at no hint", Source: []string{"common.go:551 retryDelay"}, Spec: deaf()},
		geminiStream(new(genai.HTTPRetryOptions)), geminiContent(new(genai.HTTPRetryOptions)))
	add(&out, Model{Name: "cohere-go", Format: wire.Cohere, Module: "github.com/cohere-ai/cohere-go/v2",
		Policy: "its waits follow from the number of the retry, and it looks at no hint", Source: []string{"internal/retrier.go:137 retryDelay"}, Spec: deaf()}, cohereStream, cohereChat)
	return out
}

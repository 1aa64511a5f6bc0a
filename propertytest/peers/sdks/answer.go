package sdks

import (
	"context"
	"net/http"

	"google.golang.org/genai"

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
}

// Models returns the official SDKs, each with and without a stream.
func Models() []Model {
	return []Model{
		{"openai-go Chat", wire.OpenAIChat, true, openAIChatStream},
		{"openai-go Chat, no stream", wire.OpenAIChat, false, openAIChat},
		{"openai-go Responses", wire.OpenAIResponses, true, openAIResponsesStream},
		{"openai-go Responses, no stream", wire.OpenAIResponses, false, openAIResponses},
		{"openai-go Azure", wire.AzureOpenAI, true, azureStream},
		{"openai-go Azure, no stream", wire.AzureOpenAI, false, azureChat},
		{"anthropic-sdk-go", wire.Anthropic, true, anthropicStream},
		{"anthropic-sdk-go, no stream", wire.Anthropic, false, anthropicMessage},
		{"genai", wire.Gemini, true, geminiStream(nil)},
		{"genai, no stream", wire.Gemini, false, geminiContent(nil)},
		{"genai with RetryOptions", wire.Gemini, true, geminiStream(new(genai.HTTPRetryOptions))},
		{"genai with RetryOptions, no stream", wire.Gemini, false, geminiContent(new(genai.HTTPRetryOptions))},
		{"cohere-go", wire.Cohere, true, cohereStream},
		{"cohere-go, no stream", wire.Cohere, false, cohereChat},
	}
}

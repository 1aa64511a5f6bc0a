package sdks

import (
	"context"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

func openAIOptions(client *http.Client, url string) []option.RequestOption {
	return []option.RequestOption{option.WithHTTPClient(client), option.WithBaseURL(url + "/v1/"), option.WithAPIKey("none")}
}

// azureOptions ask for https: the SDK sends a key in no other way.
func azureOptions(client *http.Client, url string) []option.RequestOption {
	url = strings.Replace(url, "http:", "https:", 1)
	return []option.RequestOption{option.WithHTTPClient(client), azure.WithEndpoint(url, "2024-10-21"), azure.WithAPIKey("none")}
}

var chatParams = openai.ChatCompletionNewParams{
	Model:         "gpt-4o",
	Messages:      []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")},
	StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
}

func openAIChat(ctx context.Context, client *http.Client, url string) (Answer, error) {
	return chat(ctx, openAIOptions(client, url))
}

func openAIChatStream(ctx context.Context, client *http.Client, url string) (Answer, error) {
	return chatStream(ctx, openAIOptions(client, url))
}

func azureChat(ctx context.Context, client *http.Client, url string) (Answer, error) {
	return chat(ctx, azureOptions(client, url))
}

func azureStream(ctx context.Context, client *http.Client, url string) (Answer, error) {
	return chatStream(ctx, azureOptions(client, url))
}

func chat(ctx context.Context, options []option.RequestOption) (Answer, error) {
	c := openai.NewClient(options...)
	params := chatParams
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	got, err := c.Chat.Completions.New(ctx, params)
	if err != nil {
		return Answer{}, err
	}
	return chatAnswer(*got), nil
}

func chatStream(ctx context.Context, options []option.RequestOption) (Answer, error) {
	c := openai.NewClient(options...)
	s := c.Chat.Completions.NewStreaming(ctx, chatParams)
	defer s.Close()
	var acc openai.ChatCompletionAccumulator
	for s.Next() {
		acc.AddChunk(s.Current())
	}
	return chatAnswer(acc.ChatCompletion), s.Err()
}

func chatAnswer(c openai.ChatCompletion) Answer {
	a := Answer{Input: c.Usage.PromptTokens, Output: c.Usage.CompletionTokens}
	if len(c.Choices) == 0 {
		return a
	}
	a.Text, a.Stop = c.Choices[0].Message.Content, c.Choices[0].FinishReason
	for _, t := range c.Choices[0].Message.ToolCalls {
		a.Tools = append(a.Tools, Tool{t.ID, t.Function.Name, t.Function.Arguments})
	}
	return a
}

var responseParams = responses.ResponseNewParams{
	Model: "gpt-4o",
	Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hello")},
}

func openAIResponses(ctx context.Context, client *http.Client, url string) (Answer, error) {
	c := openai.NewClient(openAIOptions(client, url)...)
	got, err := c.Responses.New(ctx, responseParams)
	if err != nil {
		return Answer{}, err
	}
	return responseAnswer(*got), nil
}

// openAIResponsesStream takes the text from the deltas and the rest from the
// response that the last event carries: the SDK has no accumulator for it.
func openAIResponsesStream(ctx context.Context, client *http.Client, url string) (Answer, error) {
	c := openai.NewClient(openAIOptions(client, url)...)
	s := c.Responses.NewStreaming(ctx, responseParams)
	defer s.Close()
	var a Answer
	var text strings.Builder
	for s.Next() {
		switch e := s.Current().AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			text.WriteString(e.Delta)
		case responses.ResponseCompletedEvent:
			a = responseAnswer(e.Response)
		case responses.ResponseIncompleteEvent:
			a = responseAnswer(e.Response)
		}
	}
	a.Text = text.String()
	return a, s.Err()
}

func responseAnswer(r responses.Response) Answer {
	a := Answer{Text: r.OutputText(), Stop: string(r.Status), Input: r.Usage.InputTokens, Output: r.Usage.OutputTokens}
	for _, item := range r.Output {
		if call, ok := item.AsAny().(responses.ResponseFunctionToolCall); ok {
			a.Tools = append(a.Tools, Tool{call.CallID, call.Name, call.Arguments})
		}
	}
	return a
}

package sdks

import (
	"context"
	"net/http"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

var messageParams = anthropic.MessageNewParams{
	Model:     "claude-sonnet-4-5",
	MaxTokens: 1024,
	Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))},
}

func anthropicClient(client *http.Client, url string) anthropic.Client {
	return anthropic.NewClient(option.WithHTTPClient(client), option.WithBaseURL(url), option.WithAPIKey("none"))
}

func anthropicMessage(ctx context.Context, client *http.Client, url string) (Answer, error) {
	c := anthropicClient(client, url)
	got, err := c.Messages.New(ctx, messageParams)
	if err != nil {
		return Answer{}, err
	}
	return messageAnswer(*got), nil
}

func anthropicStream(ctx context.Context, client *http.Client, url string) (Answer, error) {
	c := anthropicClient(client, url)
	s := c.Messages.NewStreaming(ctx, messageParams)
	defer s.Close()
	var m anthropic.Message
	for s.Next() {
		if err := m.Accumulate(s.Current()); err != nil {
			return messageAnswer(m), err
		}
	}
	return messageAnswer(m), s.Err()
}

func messageAnswer(m anthropic.Message) Answer {
	a := Answer{Stop: string(m.StopReason), Input: m.Usage.InputTokens, Output: m.Usage.OutputTokens}
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			a.Text += b.Text
		case "tool_use":
			a.Tools = append(a.Tools, Tool{b.ID, b.Name, string(b.Input)})
		}
	}
	return a
}

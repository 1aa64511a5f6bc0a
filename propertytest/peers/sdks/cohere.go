package sdks

import (
	"context"
	"errors"
	"io"
	"net/http"

	cohere "github.com/cohere-ai/cohere-go/v2"
	"github.com/cohere-ai/cohere-go/v2/option"
	cohereclient "github.com/cohere-ai/cohere-go/v2/v2"
)

func cohereMessages() cohere.ChatMessages {
	return cohere.ChatMessages{{Role: "user", User: &cohere.UserMessageV2{Content: &cohere.UserMessageV2Content{String: "hello"}}}}
}

func newCohere(client *http.Client, url string) *cohereclient.Client {
	return cohereclient.NewClient(option.WithHTTPClient(client), option.WithBaseURL(url), option.WithToken("none"))
}

func cohereChat(ctx context.Context, client *http.Client, url string) (Answer, error) {
	got, err := newCohere(client, url).Chat(ctx, &cohere.V2ChatRequest{Model: "command-a", Messages: cohereMessages()})
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Stop: string(got.FinishReason)}
	a.addUsage(got.Usage)
	for _, c := range got.Message.Content {
		if c.Text != nil {
			a.Text += c.Text.Text
		}
	}
	for _, t := range got.Message.ToolCalls {
		a.Tools = append(a.Tools, Tool{text(t.Id), text(t.Function.Name), text(t.Function.Arguments)})
	}
	return a, nil
}

func (a *Answer) addUsage(u *cohere.Usage) {
	if u != nil && u.Tokens != nil {
		a.Input, a.Output = int64(*u.Tokens.InputTokens), int64(*u.Tokens.OutputTokens)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// cohereStream puts the events together itself: the SDK has no accumulator.
func cohereStream(ctx context.Context, client *http.Client, url string) (Answer, error) {
	s, err := newCohere(client, url).ChatStream(ctx, &cohere.V2ChatStreamRequest{Model: "command-a", Messages: cohereMessages()})
	if err != nil {
		return Answer{}, err
	}
	defer s.Close()
	var a Answer
	for {
		e, err := s.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return a, nil
		case err != nil:
			return a, err
		case e.ContentDelta != nil:
			a.Text += text(e.ContentDelta.Delta.Message.Content.Text)
		case e.ToolCallStart != nil:
			t := e.ToolCallStart.Delta.Message.ToolCalls
			a.Tools = append(a.Tools, Tool{ID: text(t.Id), Name: text(t.Function.Name)})
		case e.ToolCallDelta != nil:
			a.Tools[len(a.Tools)-1].Args += text(e.ToolCallDelta.Delta.Message.ToolCalls.Function.Arguments)
		case e.MessageEnd != nil:
			d := e.MessageEnd.Delta
			if d.FinishReason != nil {
				a.Stop = string(*d.FinishReason)
			}
			a.addUsage(d.Usage)
			if d.Error != nil {
				return a, errors.New(*d.Error)
			}
		}
	}
}

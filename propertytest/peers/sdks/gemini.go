package sdks

import (
	"context"
	"encoding/json"
	"net/http"

	"google.golang.org/genai"
)

func geminiClient(ctx context.Context, client *http.Client, url string, retries *genai.HTTPRetryOptions) (*genai.Client, error) {
	return genai.NewClient(ctx, &genai.ClientConfig{
		APIKey: "none", Backend: genai.BackendGeminiAPI, HTTPClient: client,
		HTTPOptions: genai.HTTPOptions{BaseURL: url, RetryOptions: retries},
	})
}

const geminiModel = "gemini-2.5-flash"

// geminiContent is a call without a stream. Retries are off unless there are
// options for them, which may be empty.
func geminiContent(retries *genai.HTTPRetryOptions) func(context.Context, *http.Client, string) (Answer, error) {
	return func(ctx context.Context, client *http.Client, url string) (Answer, error) {
		c, err := geminiClient(ctx, client, url, retries)
		if err != nil {
			return Answer{}, err
		}
		got, err := c.Models.GenerateContent(ctx, geminiModel, genai.Text("hello"), nil)
		if err != nil {
			return Answer{}, err
		}
		var a Answer
		a.addGemini(got)
		return a, nil
	}
}

func geminiStream(retries *genai.HTTPRetryOptions) func(context.Context, *http.Client, string) (Answer, error) {
	return func(ctx context.Context, client *http.Client, url string) (Answer, error) {
		c, err := geminiClient(ctx, client, url, retries)
		if err != nil {
			return Answer{}, err
		}
		var a Answer
		for got, err := range c.Models.GenerateContentStream(ctx, geminiModel, genai.Text("hello"), nil) {
			if err != nil {
				return a, err
			}
			a.addGemini(got)
		}
		return a, nil
	}
}

func (a *Answer) addGemini(r *genai.GenerateContentResponse) {
	if u := r.UsageMetadata; u != nil {
		a.Input, a.Output = int64(u.PromptTokenCount), int64(u.CandidatesTokenCount+u.ThoughtsTokenCount)
	}
	for _, c := range r.Candidates {
		if c.FinishReason != "" {
			a.Stop = string(c.FinishReason)
		}
		if c.Content == nil {
			continue
		}
		for _, p := range c.Content.Parts {
			if !p.Thought {
				a.Text += p.Text
			}
			if f := p.FunctionCall; f != nil {
				args, _ := json.Marshal(f.Args)
				a.Tools = append(a.Tools, Tool{f.ID, f.Name, string(args)})
			}
		}
	}
}

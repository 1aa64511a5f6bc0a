package retry_test

import (
	"context"
	"fmt"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// A conversation in which the model looked at a picture, called a tool and got
// an answer.
func ExampleChatRequest() {
	cached := retry.CacheControl{Ephemeral: true, TTL: 5 * time.Minute}
	request := retry.ChatRequest{
		System:     []retry.SystemBlock{{Text: "You read weather maps.", Cache: cached}},
		Tools:      []retry.Tool{{Name: "forecast", InputSchema: []byte(`{"type":"object"}`)}},
		ToolChoice: retry.ToolChoice{Mode: retry.ToolNamed, Name: "forecast"},
		Messages: []retry.Message{
			{Role: retry.RoleUser, Blocks: []retry.Block{
				retry.Text{Text: "What comes next?"},
				retry.Image{Media: retry.Media{Type: "image/png", URL: "https://example.com/map.png"}},
				retry.Document{Media: retry.Media{FileID: "almanac"}, Cache: cached},
			}},
			{Role: retry.RoleAssistant, Blocks: []retry.Block{
				retry.Reasoning{Text: "A front from the west.", Signature: "c2ln"},
				retry.ToolCall{ID: "call-1", Name: "forecast", Args: []byte(`{"hours":6}`)},
			}},
			{Role: retry.RoleUser, Blocks: []retry.Block{
				retry.ToolResult{CallID: "call-1", Blocks: []retry.Block{retry.Text{Text: "rain"}}},
			}},
		},
	}
	for _, m := range request.Messages {
		for _, b := range m.Blocks {
			fmt.Printf("%s: %T\n", m.Role, b)
		}
	}
	// Output:
	// user: retry.Text
	// user: retry.Image
	// user: retry.Document
	// assistant: retry.Reasoning
	// assistant: retry.ToolCall
	// user: retry.ToolResult
}

// What a stream may consist of.
func ExampleStreamChunk() {
	s, err := scripted.Parse("all", "ok reasoning signature=c2ln(`hm`) redacted `eA==` `Let me see.` tool forecast(`{\"hours\":` `6}`)")
	if err != nil {
		panic(err)
	}
	stream, err := scripted.NewModel(s).ChatStream(context.Background(), retry.ChatRequest{})
	if err != nil {
		panic(err)
	}
	for chunk, err := range retry.Chunks(stream) {
		if err != nil {
			panic(err)
		}
		switch c := chunk.(type) {
		case retry.ReasoningDelta:
			fmt.Println("thinks:", c.Delta)
		case retry.ReasoningFinished:
			fmt.Println("signed:", c.Signature)
		case retry.RedactedReasoning:
			fmt.Println("hidden:", c.Data)
		case retry.TextDelta:
			fmt.Println("says:", c.Delta)
		case retry.ToolCallStarted:
			fmt.Println("calls:", c.Name)
		case retry.ToolCallArgsDelta:
			fmt.Println("with:", c.Delta)
		case retry.ToolCallFinished:
			fmt.Println("in full:", string(c.Args))
		case retry.TurnFinished:
			fmt.Println("ends:", c.Reason)
		}
	}
	// Output:
	// thinks: hm
	// signed: c2ln
	// hidden: eA==
	// says: Let me see.
	// calls: forecast
	// with: {"hours":
	// with: 6}
	// in full: {"hours":6}
	// ends: tool_use
}

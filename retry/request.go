package retry

import (
	"encoding/json"
	"slices"
	"time"
)

// ChatRequest asks a model for the next turn of a conversation. The zero
// request is valid here; whether a provider takes it is the provider's matter.
type ChatRequest struct {
	Messages         []Message
	System           []SystemBlock
	Tools            []Tool
	ToolChoice       ToolChoice
	ParallelToolUse  *bool    // nil: the provider's default
	MaxTokens        int      // of the answer
	Temperature      *float64 // nil: the provider's default
	TopP             *float64 // nil: the provider's default
	TopK             *int     // nil: the provider's default
	StopSequences    []string
	AdditionalParams json.RawMessage // a JSON object, merged into the provider's request last
}

// Clone returns a copy that shares no memory that either side could change:
// what an attempt does to its copy reaches neither the caller nor the next
// attempt. Nil stays nil and empty stays empty, so the copy is deeply equal.
func (r ChatRequest) Clone() ChatRequest {
	r.Messages = cloneEach(r.Messages, Message.clone)
	r.System = slices.Clone(r.System)
	r.Tools = cloneEach(r.Tools, Tool.clone)
	r.ParallelToolUse = clonePtr(r.ParallelToolUse)
	r.Temperature = clonePtr(r.Temperature)
	r.TopP = clonePtr(r.TopP)
	r.TopK = clonePtr(r.TopK)
	r.StopSequences = slices.Clone(r.StopSequences)
	r.AdditionalParams = slices.Clone(r.AdditionalParams)
	return r
}

// Role is the speaker of a message.
type Role string

const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// Message is one turn of the conversation so far.
type Message struct {
	Role   Role
	Blocks []Block
}

// UserText returns a message of the user with one block of text.
func UserText(text string) Message {
	return Message{Role: RoleUser, Blocks: []Block{Text{Text: text}}}
}

// AssistantText returns a message of the assistant with one block of text.
func AssistantText(text string) Message {
	return Message{Role: RoleAssistant, Blocks: []Block{Text{Text: text}}}
}

func (m Message) clone() Message {
	m.Blocks = cloneBlocks(m.Blocks)
	return m
}

// Block is a part of a message: [Text], [Image], [Document], [ToolCall],
// [ToolResult], [Reasoning] or [RedactedReasoning].
type Block interface{ block() }

// Text is a block of plain text.
type Text struct {
	Text  string
	Cache CacheControl
}

// Image is a picture in a message of the user or in a tool's result.
type Image struct {
	Media Media
	Cache CacheControl
}

// Document is a file in a message of the user.
type Document struct {
	Media Media
	Cache CacheControl
}

// ToolCall is a call that the assistant asked for.
type ToolCall struct {
	ID, Name string
	Args     json.RawMessage
	Cache    CacheControl
}

// ToolResult answers a tool call.
type ToolResult struct {
	CallID  string
	Blocks  []Block // Text and Image
	IsError bool
	Cache   CacheControl
}

// Reasoning is reasoning of the assistant, sent back as it came.
type Reasoning struct{ Text, Signature string }

func (Text) block()              {}
func (Image) block()             {}
func (Document) block()          {}
func (ToolCall) block()          {}
func (ToolResult) block()        {}
func (Reasoning) block()         {}
func (RedactedReasoning) block() {}

// cloneBlocks copies a list of blocks. A value in an interface cannot be
// changed in place, so only blocks that hold a slice are made anew.
func cloneBlocks(blocks []Block) []Block {
	blocks = slices.Clone(blocks)
	for i, b := range blocks {
		switch b := b.(type) {
		case ToolCall:
			b.Args = slices.Clone(b.Args)
			blocks[i] = b
		case ToolResult:
			b.Blocks = cloneBlocks(b.Blocks)
			blocks[i] = b
		}
	}
	return blocks
}

// Media says where the bytes of an image or a document are: inline (Data,
// base64), at a URL, or in a file that the provider holds. One of Data, URL
// and FileID is set.
type Media struct {
	Type   string // of Data, such as "image/png"
	Data   string
	URL    string
	FileID string
}

// CacheControl asks the provider to cache the prompt up to and including the
// block that carries it. The zero value asks for nothing.
type CacheControl struct {
	Ephemeral bool
	TTL       time.Duration // 0: the provider's default
}

// SystemBlock is a part of the system prompt.
type SystemBlock struct {
	Text  string
	Cache CacheControl
}

// Tool describes a function that the model may call.
type Tool struct {
	Name, Description string
	InputSchema       json.RawMessage // a JSON Schema
	Tags              []string        // for the caller's own use, such as "read-only"; not sent
	Cache             CacheControl
}

func (t Tool) clone() Tool {
	t.InputSchema = slices.Clone(t.InputSchema)
	t.Tags = slices.Clone(t.Tags)
	return t
}

// ToolChoice says whether the model must call a tool. The zero value leaves
// it to the provider.
type ToolChoice struct {
	Mode ToolMode
	Name string // the tool, when Mode is ToolNamed
}

// ToolMode is the kind of a [ToolChoice].
type ToolMode string

const (
	ToolAuto  ToolMode = "auto" // the model decides
	ToolAny   ToolMode = "any"  // some tool must be called
	ToolNamed ToolMode = "tool" // the tool of that name must be called
	ToolNone  ToolMode = "none" // no tool may be called
)

func cloneEach[T any](s []T, clone func(T) T) []T {
	s = slices.Clone(s)
	for i := range s {
		s[i] = clone(s[i])
	}
	return s
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

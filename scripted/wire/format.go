package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/provider"
	"github.com/retrykit/retrykit/scripted"
)

// Format is how requests, answers and errors look on the wire. The zero Format
// takes each request in the format of its path.
type Format string

const (
	Anthropic       Format = "anthropic"        // Messages: POST .../messages
	OpenAIChat      Format = "openai-chat"      // Chat Completions: POST .../chat/completions
	OpenAIResponses Format = "openai-responses" // Responses: POST .../responses
	AzureOpenAI     Format = "azure-openai"     // both of OpenAI's below /openai/
	Gemini          Format = "gemini"           // POST .../models/NAME:generateContent and :streamGenerateContent
	Cohere          Format = "cohere"           // Chat, version 2: POST /v2/chat
	Plain           Format = "plain"            // any method and path; the text is the body
)

// Formats returns the formats by name.
func Formats() []Format {
	return []Format{Anthropic, OpenAIChat, OpenAIResponses, AzureOpenAI, Gemini, Cohere, Plain}
}

// ParseFormat returns the format of that name. An error lists the names.
func ParseFormat(name string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if string(f) == name {
			return f, nil
		}
		names = append(names, string(f))
	}
	if near, ok := scripted.Nearest(name, names); ok {
		return "", fmt.Errorf("wire: unknown format %q (did you mean %q?)", name, near)
	}
	return "", fmt.Errorf("wire: unknown format %q (known: %s)", name, strings.Join(names, ", "))
}

// request is what the answer to a request depends on.
type request struct {
	id      int // of the request at the server, from 1
	created int64
	path    string
	query   url.Values
	model   string
	stream  bool
	usage   bool // OpenAI Chat: the stream is to end with the usage
	finish  *retry.TurnFinished
}

// protocol is one format. Its encoders write what one stream sends.
type protocol interface {
	provider() provider.Provider
	// decode fills in what the body of a POST says, or returns what is wrong
	// with it, as a refusal.
	decode(r *request, header http.Header, body object) *scripted.Status
	// complete fills in what a refusal left out.
	complete(scripted.Status) scripted.Status
	// errorBody returns the body of a refusal with that header.
	errorBody(s scripted.Status, r request, hint hint) (contentType string, body []byte)
	// answer returns the body of an answer that is no stream.
	answer(r request, m message) []byte
	stream(r request) (contentType string, e encoder)
	header(r request) http.Header // of every answer
}

// encoder writes a stream. What it returns goes out at once.
type encoder interface {
	open() []byte // before the first chunk
	chunk(retry.StreamChunk) []byte
	fail(scripted.Status) []byte // nil: the format has no error event
	keepAlive() []byte           // nil: the format has none
}

// protocolOf returns the protocol for a request of that path, nil if there is
// none.
func (f Format) protocolOf(path string) protocol {
	below := strings.HasPrefix(path, "/openai/")
	chat := strings.HasSuffix(path, "/chat/completions")
	responses := strings.HasSuffix(path, "/responses")
	is := func(g Format, fits bool) bool { return (f == g || f == "" && g != Plain) && fits }
	switch {
	case f == Plain:
		return plain{}
	case is(AzureOpenAI, below && chat):
		return azure{openAIChat{}}
	case is(AzureOpenAI, below && responses):
		return azure{openAIResponses{}}
	case is(OpenAIChat, chat):
		return openAIChat{}
	case is(OpenAIResponses, responses):
		return openAIResponses{}
	case is(Anthropic, strings.HasSuffix(path, "/messages")):
		return anthropic{}
	case is(Gemini, strings.HasSuffix(path, ":generateContent") || strings.HasSuffix(path, ":streamGenerateContent")):
		return gemini{}
	case is(Cohere, strings.HasSuffix(path, "/v2/chat")):
		return cohere{}
	}
	return nil
}

// fallback is the protocol in which a path is refused that is none of the
// format's.
func (f Format) fallback() protocol {
	switch f {
	case AzureOpenAI:
		return azure{openAIChat{}}
	case OpenAIChat:
		return openAIChat{}
	case OpenAIResponses:
		return openAIResponses{}
	case Anthropic:
		return anthropic{}
	case Gemini:
		return gemini{}
	case Cohere:
		return cohere{}
	}
	return plain{}
}

// paths says which requests a format answers, for the refusal of others.
func (f Format) paths() string {
	switch f {
	case Anthropic:
		return "POST /v1/messages"
	case OpenAIChat:
		return "POST /v1/chat/completions"
	case OpenAIResponses:
		return "POST /v1/responses"
	case AzureOpenAI:
		return "POST /openai/deployments/NAME/chat/completions, /openai/v1/chat/completions and /openai/v1/responses"
	case Gemini:
		return "POST /v1beta/models/NAME:generateContent and :streamGenerateContent"
	case Cohere:
		return "POST /v2/chat"
	}
	return "those of the providers, such as POST /v1/messages or /v1/chat/completions"
}

// refusalOf returns a failure as a status of the protocol. A hint of whole
// seconds is a Retry-After, any other a retry-after-ms.
func refusalOf(p protocol, failure any) scripted.Status {
	var s scripted.Status
	switch f := failure.(type) {
	case scripted.Status:
		s = f
	case scripted.Permanent:
		s = scripted.Status{Status: http.StatusBadRequest, Message: f.Reason}
	case scripted.Transient:
		s = scripted.Status{Status: http.StatusServiceUnavailable}
		if f.Hinted {
			s = scripted.Status{Status: http.StatusTooManyRequests, Header: hintHeader(f.Wait)}
		}
		if _, ok := p.(anthropic); ok && !f.Hinted {
			s.Status = statusOverloaded
		}
	default:
		panic(fmt.Sprintf("wire: %T is no failure", failure))
	}
	return p.complete(s)
}

const statusOverloaded = 529

// reasonOf names the status.
func reasonOf(status int) string {
	switch text := http.StatusText(status); {
	case status == statusOverloaded:
		return "Overloaded"
	case status == 499:
		return "Client closed request"
	case text == "":
		return fmt.Sprintf("Status %d", status)
	default:
		return text
	}
}

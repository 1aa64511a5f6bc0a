package provider

// Provider names a family of APIs that report their failures alike. Any other
// string, the empty one included, is a provider that is not known: its answers
// are read by the codes and types of all of them and by HTTP status, its
// rate-limit headers not at all.
type Provider string

const (
	Anthropic   Provider = "anthropic"
	OpenAI      Provider = "openai" // Chat Completions and Responses
	AzureOpenAI Provider = "azure-openai"
	Gemini      Provider = "gemini"
	Bedrock     Provider = "bedrock" // the Bedrock Runtime
	Mistral     Provider = "mistral"
	Cohere      Provider = "cohere"
)

func (p Provider) known() bool {
	switch p {
	case Anthropic, OpenAI, AzureOpenAI, Gemini, Bedrock, Mistral, Cohere:
		return true
	}
	return false
}

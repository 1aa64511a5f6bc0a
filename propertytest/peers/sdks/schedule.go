package sdks

import "time"

// Schedule is what a peer does when it is refused again and again and told
// nothing: a 503 without headers.
type Schedule struct {
	Attempts int      // at the most; 0: until its caller's context ends or its own time is over
	Waits    []Window // the first ones
}

// Window is the shortest and the longest wait, both included.
type Window struct{ Least, Most time.Duration }

const (
	ms = time.Millisecond
	s  = time.Second
)

// schedules are those of the versions in go.mod, as read in their sources and
// measured; a test holds them true.
var schedules = map[string]Schedule{
	"openai-go Chat":           {3, []Window{{375 * ms, 500 * ms}, {750 * ms, s}}},
	"openai-go Responses":      {3, []Window{{375 * ms, 500 * ms}, {750 * ms, s}}},
	"openai-go Azure":          {3, []Window{{375 * ms, 500 * ms}, {750 * ms, s}}},
	"anthropic-sdk-go":         {3, []Window{{375 * ms, 500 * ms}, {750 * ms, s}}},
	"genai":                    {1, nil},
	"genai with RetryOptions":  {5, []Window{{s, 2 * s}, {2 * s, 3 * s}, {4 * s, 5 * s}, {8 * s, 9 * s}}},
	"cohere-go":                {2, []Window{{375 * ms, 625 * ms}}},
	"azcore":                   {4, []Window{{640 * ms, 1040 * ms}, {1920 * ms, 3120 * ms}, {4480 * ms, 7280 * ms}}},
	"aws-sdk-go-v2 (Bedrock)":  {3, []Window{{0, 50 * ms}, {0, 100 * ms}}},
	"go-retryablehttp":         {5, []Window{{s, s}, {2 * s, 2 * s}, {4 * s, 4 * s}, {8 * s, 8 * s}}},
	"failsafe-go/failsafehttp": {3, []Window{{0, 0}, {0, 0}}},
	"failsafe-go":              {3, []Window{{0, 0}, {0, 0}}},
	"resty v2":                 {4, []Window{{100 * ms, 100 * ms}, {100 * ms, 200 * ms}, {200 * ms, 400 * ms}}},
	"resty v3":                 {4, []Window{{100 * ms, 200 * ms}, {200 * ms, 400 * ms}, {400 * ms, 800 * ms}}},
	"cenkalti/backoff v5":      {0, []Window{{250 * ms, 750 * ms}, {375 * ms, 1125 * ms}, {562 * ms, 1688 * ms}, {843 * ms, 2532 * ms}}},
	"avast/retry-go v5":        {10, []Window{{100 * ms, 200 * ms}, {200 * ms, 300 * ms}, {400 * ms, 500 * ms}, {800 * ms, 900 * ms}}},
	"sethvargo/go-retry":       {4, []Window{{s, s}, {2 * s, 2 * s}, {4 * s, 4 * s}}},
	"gax-go":                   {0, []Window{{0, s}, {0, 2 * s}, {0, 4 * s}, {0, 8 * s}}},
	"k8s wait":                 {4, []Window{{10 * ms, 11 * ms}, {50 * ms, 55 * ms}, {250 * ms, 275 * ms}}},
	"k8s client-go":            {1, nil},
	"stripe-go":                {3, []Window{{500 * ms, 500 * ms}, {750 * ms, s}}},
	"minio-go":                 {10, []Window{{0, 200 * ms}, {0, 400 * ms}, {0, 800 * ms}, {0, s}}},
	"slack-go":                 {1, nil},
	"elastic-transport-go":     {4, []Window{{0, 0}, {0, 0}, {0, 0}}},
	"rehttp":                   {4, []Window{{0, s}, {0, 2 * s}, {0, 4 * s}}},
	"heimdall":                 {4, []Window{{s, 1100 * ms}, {2 * s, 2100 * ms}, {4 * s, 4100 * ms}}},
	"eapache/go-resiliency":    {4, []Window{{900 * ms, 1100 * ms}, {1800 * ms, 2200 * ms}, {3600 * ms, 4400 * ms}}},

	"retryhttp.Transport":               ourSchedule,
	"retry.Model over openai-chat":      ourSchedule,
	"retry.Model over openai-responses": ourSchedule,
	"retry.Model over azure-openai":     ourSchedule,
	"retry.Model over anthropic":        ourSchedule,
	"retry.Model over gemini":           ourSchedule,
	"retry.Model over cohere":           ourSchedule,
}

var ourSchedule = Schedule{3, []Window{{s, 1100 * ms}, {2 * s, 2200 * ms}}}

package retry_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

// fullRequest has a value in every field and a block of every kind.
func fullRequest() retry.ChatRequest {
	yes, warm, p, k := true, 0.7, 0.9, 40
	cache := retry.CacheControl{Ephemeral: true, TTL: time.Hour}
	media := retry.Media{Type: "image/png", Data: "aGk=", URL: "https://example.com/i.png", FileID: "f1"}
	return retry.ChatRequest{
		Messages: []retry.Message{
			retry.UserText("draw"),
			retry.AssistantText("with what?"),
			{Role: retry.RoleUser, Blocks: []retry.Block{
				retry.Text{Text: "this", Cache: cache},
				retry.Image{Media: media, Cache: cache},
				retry.Document{Media: media, Cache: cache},
				retry.ToolResult{CallID: "c1", IsError: true, Cache: cache, Blocks: []retry.Block{retry.Text{Text: "ok"}, retry.Image{Media: media}}},
			}},
			{Role: retry.RoleAssistant, Blocks: []retry.Block{
				retry.ToolCall{ID: "c2", Name: "draw", Args: json.RawMessage(`{"a":1}`), Cache: cache},
				retry.Reasoning{Text: "hm", Signature: "s"},
				retry.RedactedReasoning{Data: "d"},
			}},
		},
		System:           []retry.SystemBlock{{Text: "be kind", Cache: cache}},
		Tools:            []retry.Tool{{Name: "draw", Description: "draws", InputSchema: json.RawMessage(`{}`), Tags: []string{"read-only"}, Cache: cache}},
		ToolChoice:       retry.ToolChoice{Mode: retry.ToolNamed, Name: "draw"},
		ParallelToolUse:  &yes,
		MaxTokens:        4096,
		Temperature:      &warm,
		TopP:             &p,
		TopK:             &k,
		StopSequences:    []string{"END"},
		AdditionalParams: json.RawMessage(`{"x":[1]}`),
	}
}

func TestCloneIsEqualAndSharesNothing(t *testing.T) {
	holds(t, "C8")
	original := fullRequest()
	requireFull(t, reflect.ValueOf(original), "ChatRequest")
	clone := original.Clone()
	require.Equal(t, original, clone)

	spoilt := spoil(reflect.ValueOf(&clone).Elem())
	assert.Greater(t, spoilt, 50, "the test reaches the fields")
	assert.NotEqual(t, original, clone)
	assert.Equal(t, fullRequest(), original, "what is done to the copy does not reach the original")
}

func TestCloneKeepsNilAndEmptyApart(t *testing.T) {
	assert.Equal(t, retry.ChatRequest{}, retry.ChatRequest{}.Clone())
	empty := retry.ChatRequest{
		Messages:         []retry.Message{{Blocks: []retry.Block{}}, {Blocks: nil}},
		System:           []retry.SystemBlock{},
		Tools:            []retry.Tool{{InputSchema: json.RawMessage{}, Tags: []string{}}},
		StopSequences:    []string{},
		AdditionalParams: json.RawMessage{},
	}
	assert.True(t, reflect.DeepEqual(empty, empty.Clone()))
}

// requireFull fails for a zero field, so that a field added later is not
// forgotten here.
func requireFull(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	require.False(t, v.IsZero(), "fullRequest leaves %s empty", path)
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			requireFull(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	}
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem() != reflect.TypeFor[retry.Message]() {
		for i := range v.Len() {
			requireFull(t, v.Index(i), path)
		}
	}
}

// spoil changes every value that can be reached from v without replacing v's
// own memory, and returns how many.
func spoil(v reflect.Value) int {
	n := 0
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			n += spoil(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			n += spoil(v.Index(i))
		}
	case reflect.Pointer:
		n += spoil(v.Elem())
	case reflect.Interface:
		inside := reflect.New(v.Elem().Type()).Elem()
		inside.Set(v.Elem())
		n += spoil(inside) // what the value points to is shared with v
		v.Set(inside)
	case reflect.String:
		v.SetString(v.String() + "!")
		n++
	case reflect.Bool:
		v.SetBool(!v.Bool())
		n++
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
		n++
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
		n++
	case reflect.Uint8:
		v.SetUint(v.Uint() ^ 1)
		n++
	default:
		panic("spoil: " + v.Kind().String())
	}
	return n
}

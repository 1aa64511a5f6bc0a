package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	schemas "github.com/retrykit/retrykit/docs/schema"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kind returns the kind of a result: "run" of "retrysim.run/v1".
func kind(schema string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(schema, "retrysim."), "/")
	return name
}

// validate checks a result against the schema that it names.
func validate(t *testing.T, compiler *jsonschema.Compiler, text []byte) {
	t.Helper()
	var named struct{ Schema string }
	require.NoError(t, json.Unmarshal(text, &named))
	schema, err := compiler.Compile("../../docs/schema/" + kind(named.Schema) + ".v1.json")
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	assert.NoError(t, schema.Validate(value), "%s", text)

	// So says the one that the command prints, which needs no other file.
	bundle, ok := schemas.Bundle(kind(named.Schema))
	require.True(t, ok)
	alone, err := jsonschema.UnmarshalJSON(bytes.NewReader(bundle))
	require.NoError(t, err)
	lonely := jsonschema.NewCompiler()
	lonely.UseLoader(nobody{})
	require.NoError(t, lonely.AddResource("bundle.json", alone))
	schema, err = lonely.Compile("bundle.json")
	require.NoError(t, err)
	assert.NoError(t, schema.Validate(value), "%s", text)
}

// nobody loads no further schema.
type nobody struct{}

func (nobody) Load(url string) (any, error) { return nil, errors.New("the bundle asks for " + url) }

// Every schema can be printed.
func TestEverySchemaHasABundle(t *testing.T) {
	for _, k := range schemas.Kinds() {
		bundle, ok := schemas.Bundle(k)
		assert.True(t, ok)
		assert.Contains(t, string(bundle), `"$schema": "https://json-schema.org/draft/2020-12/schema"`)
	}
	_, ok := schemas.Bundle("../fleet")
	assert.False(t, ok)
}

// Every golden result is what its schema says, and every schema has a golden
// result.
func TestGoldensMatchTheirSchemas(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	var seen []string
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		script := string(archive.Comment)
		for _, f := range archive.Files {
			if !strings.HasSuffix(f.Name, ".json") || !strings.Contains(script, "cmp stdout "+f.Name) {
				continue // it is no golden result
			}
			validate(t, compiler, f.Data)
			var named struct{ Schema string }
			require.NoError(t, json.Unmarshal(f.Data, &named))
			seen = append(seen, kind(named.Schema))
		}
	}
	for _, name := range schemas.Kinds() {
		if name != "envelope" && name != "trace" {
			assert.True(t, slices.Contains(seen, name), "no golden result of %s", name)
		}
	}
}

// The result of every example is what the schema says, and so is each event of
// its trace.
func TestExamplesMatchTheSchema(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	event, err := compiler.Compile("../../docs/schema/trace.v1.json")
	require.NoError(t, err)
	files, err := filepath.Glob("../../examples/*.retry")
	require.NoError(t, err)
	for _, file := range files {
		if isFleet(t, file) {
			continue // it has no one call to show
		}
		var out, msg bytes.Buffer
		require.Equal(t, exitOK, run([]string{"run", file, "--json"}, nil, &out, &msg), msg.String())
		validate(t, compiler, out.Bytes())
		out.Reset()
		require.Equal(t, exitOK, run([]string{"run", file, "-f", "jsonl"}, nil, &out, &msg))
		for i, line := range bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n")) {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
			require.NoError(t, err)
			if i > 0 {
				assert.NoError(t, event.Validate(value), "%s", line)
			}
		}
	}
}

// A schema that takes anything shows nothing: these are refused.
func TestSchemasRefuse(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	var out, msg bytes.Buffer
	require.Equal(t, exitOK, run([]string{"schedule", "openai", "--json"}, nil, &out, &msg))
	schema, err := compiler.Compile("../../docs/schema/schedule.v1.json")
	require.NoError(t, err)
	for from, to := range map[string]string{
		`"runs":null`:          `"runs":"never"`,
		`"reached":1`:          `"reached":2`,
		`"total_ns":{`:         `"total":{`,
		`"wait_min_ns":null`:   `"wait_min_ns":1.5`,
		`retrysim.schedule/v1`: `retrysim.run/v1`,
		`"hints":[`:            `"hint":[`,
	} {
		require.Contains(t, out.String(), from)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Replace(out.String(), from, to, 1)))
		require.NoError(t, err)
		assert.Error(t, schema.Validate(value), to)
	}
}

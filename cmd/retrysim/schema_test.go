package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	schemas "github.com/retrykit/retrykit/docs/schema"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kind returns the kind of what names its schema: "run" of "retrysim.run/v1".
func kind(t *testing.T, text []byte) string {
	t.Helper()
	var named struct{ Schema string }
	require.NoError(t, json.Unmarshal(text, &named))
	_, name, _ := strings.Cut(named.Schema, ".")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// validate checks a text against the schema that it names.
func validate(t *testing.T, compiler *jsonschema.Compiler, text []byte) {
	t.Helper()
	validateAs(t, compiler, kind(t, text), text)
}

func validateAs(t *testing.T, compiler *jsonschema.Compiler, kind string, text []byte) {
	t.Helper()
	schema, err := compiler.Compile("../../docs/schema/" + kind + ".v1.json")
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	assert.NoError(t, schema.Validate(value), "%s", text)

	// So says the one that the command prints, which needs no other file.
	bundle, ok := schemas.Bundle(kind)
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

// elsewhere are the schemas of what is no result of a command; the other tests of
// this file are about them.
var elsewhere = []string{"envelope", "trace", "serve", "served", "conformance", "badge"}

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
			seen = append(seen, kind(t, f.Data))
		}
	}
	for _, name := range schemas.Kinds() {
		if !slices.Contains(elsewhere, name) {
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

// What the serve command writes is what the schemas say: of a script that was
// played to its end and beyond, by a client that breaks a rule.
func TestServeMatchesItsSchemas(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	s := serve(t, script(t, "both.txtar", "-- a.retry --\n429 retry-after=1h; ok\n-- b.retry --\nok\n"), "--calls", "3")
	validate(t, compiler, []byte(s.line))
	empty := s.report(0)
	validate(t, compiler, []byte(empty))
	for range 3 {
		s.do("POST", s.ready.Scripts[0].URL+"/v1/chat/completions", chat)
	}
	full := s.report(0)
	validate(t, compiler, []byte(full))
	assert.Contains(t, full, `"rule":"early-retry"`)
	assert.Contains(t, full, `"misfits":["call 2`)
	s.do("POST", s.ready.Scripts[1].URL+"/v1/chat/completions", chat)
	s.end()

	refuses(t, "serve", s.line, map[string]string{`"addr":`: `"address":`, `"name":"both.a"`: `"name":"both a"`, `"url":"http:`: `"url":"ftp:`})
	refuses(t, "served", full, map[string]string{
		`"findings":[`: `"found":[`, `"level":"violation"`: `"level":"warning"`, `"id":"R01"`: `"id":1`, `"event":"attempt"`: `"event":"tried"`,
		`"incomplete":0`: `"incomplete":null`, `"calls":2`: `"calls":"2"`,
	})
}

// The report of a conformance run and its badge are what the schemas say. Package
// explore holds its golden file to be what is written.
func TestTheConformanceReportMatchesItsSchemas(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	golden, err := os.ReadFile("../../propertytest/explore/testdata/hasty.txt")
	require.NoError(t, err)
	at := strings.Index(string(golden), "\n{\n")
	require.Positive(t, at)
	report := string(golden[at+1:])
	badge := regexp.MustCompile(`(?m)^{"schemaVersion".*$`).FindString(string(golden))
	require.NotEmpty(t, badge)

	validate(t, compiler, []byte(report))
	for _, status := range []explore.Status{explore.Passed, explore.Failed, explore.Deviates, explore.NotApplicable, explore.Waived, explore.Stale} {
		assert.Contains(t, report, `"status": "`+string(status)+`"`)
	}
	validateAs(t, compiler, "badge", []byte(badge))

	var b bytes.Buffer // that nothing was tried can be written too
	worthless := explore.Check(explore.Func(func(explore.Env) explore.Do { return nil }), explore.Options{Ruleset: -1})
	require.NoError(t, worthless.WriteJSON(&b))
	assert.Contains(t, b.String(), `"problems": [`)
	validate(t, compiler, b.Bytes())
	b.Reset()
	require.NoError(t, new(explore.Report).WriteBadge(&b))
	validateAs(t, compiler, "badge", b.Bytes())

	refuses(t, "conformance", report, map[string]string{
		`"status": "failed"`: `"status": "bad"`, `"id": "R01"`: `"id": "1"`, `"reached": [`: `"states": [`, `"level": null`: `"level": "none"`, `"ok": false`: `"ok": null`,
	})
	refuses(t, "badge", badge, map[string]string{`"schemaVersion":1`: `"schemaVersion":2`, `"color":"red"`: `"color":"blue"`, `"label"`: `"name"`, ` kept"`: `"`})
}

// The schema of the trace has every key and every word that an event can have.
func TestTheSchemaOfTheTraceIsWhole(t *testing.T) {
	var schema struct {
		Properties map[string]struct{ Enum []string }
	}
	bundle, ok := schemas.Bundle("trace")
	require.True(t, ok)
	var text struct{ Properties map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(bundle, &text))
	require.NoError(t, json.Unmarshal(bundle, &schema))
	var keys []string
	for i := range reflect.TypeFor[trace.Event]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[trace.Event]().Field(i).Tag.Get("json"), ",")
		keys = append(keys, name)
	}
	assert.ElementsMatch(t, keys, slices.Collect(maps.Keys(text.Properties)))

	file, err := parser.ParseFile(token.NewFileSet(), "../../retry/trace/trace.go", nil, 0)
	require.NoError(t, err)
	words := make(map[string][]string)
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Type != nil && len(v.Values) == 1 {
			word, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			words[v.Type.(*ast.Ident).Name] = append(words[v.Type.(*ast.Ident).Name], word)
		}
		return true
	})
	var is struct{ Items struct{ Enum []string } }
	require.NoError(t, json.Unmarshal(text.Properties["is"], &is))
	assert.ElementsMatch(t, words["Kind"], schema.Properties["event"].Enum)
	assert.ElementsMatch(t, words["Identity"], is.Items.Enum)
}

// refuses checks that a schema takes a text no more once any of the replacements
// is made.
func refuses(t *testing.T, kind, text string, replace map[string]string) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/" + kind + ".v1.json")
	require.NoError(t, err)
	for from, to := range replace {
		require.Contains(t, text, from)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Replace(text, from, to, 1)))
		require.NoError(t, err)
		assert.Error(t, schema.Validate(value), to)
	}
}

// A schema that takes anything shows nothing: these are refused.
func TestSchemasRefuse(t *testing.T) {
	var out, msg bytes.Buffer
	require.Equal(t, exitOK, run([]string{"schedule", "openai", "--json"}, nil, &out, &msg))
	refuses(t, "schedule", out.String(), map[string]string{
		`"runs":null`:          `"runs":"never"`,
		`"reached":1`:          `"reached":2`,
		`"total_ns":{`:         `"total":{`,
		`"wait_min_ns":null`:   `"wait_min_ns":1.5`,
		`retrysim.schedule/v1`: `retrysim.run/v1`,
		`"hints":[`:            `"hint":[`,
	})
}

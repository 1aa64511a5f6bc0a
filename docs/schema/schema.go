// Package schema holds the JSON schemas of what retrysim and a conformance run
// write for machines.
package schema

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed *.v1.json
var files embed.FS

// base is what the names of the schemas are relative to.
const base = "https://github.com/retrykit/retrykit/docs/schema/"

const suffix = ".v1.json"

// Kinds lists what there are schemas of, such as "fleet", in lexical order.
func Kinds() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("schema: %v", err)) // they are part of the program
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), suffix))
	}
	return out
}

var references = regexp.MustCompile(`"\$ref": ?"([a-z]+)\.v1\.json`)

// Bundle returns the schema of a kind as one that needs no other: those that it
// refers to are among its definitions. ok is false if there is none of the kind.
func Bundle(kind string) (text []byte, ok bool) {
	needed := []string{kind}
	parts := make(map[string]map[string]any)
	for i := 0; i < len(needed); i++ {
		text, err := files.ReadFile(needed[i] + suffix)
		if err != nil {
			return nil, false
		}
		var part map[string]any
		if err := json.Unmarshal(text, &part); err != nil {
			panic(fmt.Sprintf("schema: %s: %v", needed[i], err)) // a test reads them all
		}
		part["$id"] = base + needed[i] + suffix
		parts[needed[i]] = part
		for _, ref := range references.FindAllSubmatch(text, -1) {
			if !slices.Contains(needed, string(ref[1])) {
				needed = append(needed, string(ref[1]))
			}
		}
	}
	root := parts[kind]
	definitions, _ := root["$defs"].(map[string]any)
	if definitions == nil {
		definitions = make(map[string]any)
		root["$defs"] = definitions
	}
	for _, name := range needed[1:] {
		definitions[name+suffix] = parts[name]
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(fmt.Sprintf("schema: %s: %v", kind, err)) // it was JSON
	}
	return b.Bytes(), true
}

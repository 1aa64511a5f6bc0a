// Package report writes what a command found out, in every format that the
// command line knows: as text for people, as Markdown, as JSON and CSV for
// machines, as a picture, and as a page that is all of them at once.
//
// A command fills a [Document] and knows nothing of formats; a format knows
// nothing of commands.
package report

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
)

// Document is what a command found out.
type Document struct {
	// Kind is the command's name. The schema of the JSON is
	// "retrysim.KIND/v1".
	Kind string
	// Title heads the page: what was looked at.
	Title string
	// Verdict is the answer, in a sentence or two.
	Verdict Verdict
	Tables  []Table
	// Notes follow the tables: sentences that explain them.
	Notes  []string
	Charts []chart.Chart
	Checks []Check
	Hints  []Hint
	// Command is the words of the command line that does the same again, the
	// program's name left out.
	Command []string

	// Input is all that the result depends on, and Result the result. Both
	// are structs whose JSON is the machine's view: durations are integers
	// named *_ns, what is absent is null.
	Input, Result any
	// Records are the rows of the CSV.
	Records Records
	// Own is the text for a terminal, where the tables would not do. It has
	// no colours.
	Own string
	// Lines are the JSON lines, if the document is a list of events. Without
	// them each record is a line.
	Lines []byte
}

// Verdict is the answer of a document.
type Verdict struct {
	Mark Mark
	Text string
	// Unasked says that nobody asked for a judgement: the mark is what the
	// reader sees, and nothing fails for it.
	Unasked bool
}

// Mark says how a verdict or a check came out.
type Mark int

// The marks.
const (
	None Mark = iota // nothing was judged
	Good
	Bad
	Expected // as bad as it was expected to be: nothing failed
)

// Table is a table for people.
type Table struct {
	Title   string
	Columns []Column
	Rows    [][]string
}

// Column is the head of a column and how its cells stand.
type Column struct {
	Group string // above the head, over all neighbours with the same group
	Head  string
	Right bool // numbers
	Wide  bool // a drawing, for fixed-width text only
}

// Check is something that was to hold.
type Check struct {
	Expr  string  `json:"expr"`
	OK    bool    `json:"ok"`
	Got   *string `json:"got"` // nil: there was nothing to compare
	Where *string `json:"where"`
}

// Hint is a mistake that the command noticed.
type Hint struct {
	Name string `json:"name"` // such as "cap-never-reached"
	Text string `json:"text"`
}

// Records are the rows of a CSV file, with its header. An absent value is "".
type Records struct {
	Header []string
	Rows   [][]string
}

// Version is the version of the command, as the module system knows it.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// Schema returns the name of the JSON's schema for a kind of document.
func Schema(kind string) string { return "retrysim." + kind + "/v1" }

// envelope is the JSON of a document. The keys are in this order.
type envelope struct {
	Schema  string          `json:"schema"`
	Tool    tool            `json:"tool"`
	Command []string        `json:"command"`
	Input   json.RawMessage `json:"input"`
	Verdict verdict         `json:"verdict"`
	Result  json.RawMessage `json:"result"`
	Checks  []Check         `json:"checks"`
	Hints   []Hint          `json:"hints"`
}

type tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type verdict struct {
	OK   *bool  `json:"ok"` // null: nothing was judged
	Text string `json:"text"`
}

// JSON returns the document as one JSON object and a line end.
func (d *Document) JSON() ([]byte, error) {
	e := envelope{
		Schema: Schema(d.Kind), Tool: tool{"retrysim", Version()}, Command: d.Command,
		Verdict: verdict{Text: d.Verdict.Text}, Checks: orEmpty(d.Checks), Hints: orEmpty(d.Hints),
	}
	if d.Verdict.Mark != None && !d.Verdict.Unasked {
		ok := d.Verdict.Mark != Bad
		e.Verdict.OK = &ok
	}
	var err error
	if e.Input, err = compact(d.Input); err != nil {
		return nil, err
	}
	if e.Result, err = compact(d.Result); err != nil {
		return nil, err
	}
	out, err := compact(e)
	return append(out, '\n'), err
}

// orEmpty returns a list that JSON writes as [], not as null: an empty list is
// not absent.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Saved is a document that was read back.
type Saved struct {
	Kind    string
	Version string // of the command that wrote it
	Command []string
	Input   json.RawMessage
	Result  json.RawMessage
}

// Read reads what [Document.JSON] wrote, or the page that holds it. An error
// says what is wrong with it: that it is no such file, or from a newer version.
func Read(text []byte) (*Saved, error) {
	if page, ok := embedded(text); ok {
		text = page
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("no JSON that retrysim wrote: %w", err)
	}
	var kind string
	var version int
	if n, _ := fmt.Sscanf(replaceLast(e.Schema, "/v", " "), "retrysim.%s %d", &kind, &version); n != 2 {
		return nil, fmt.Errorf("no JSON that retrysim wrote: its schema is %q", e.Schema)
	}
	if version > 1 {
		return nil, fmt.Errorf("written by a newer retrysim (%s, schema %s): this one reads version 1", e.Tool.Version, e.Schema)
	}
	if len(e.Input) == 0 || len(e.Result) == 0 {
		return nil, fmt.Errorf("no whole %s: its input or its result is missing", e.Schema)
	}
	return &Saved{Kind: kind, Version: e.Tool.Version, Command: e.Command, Input: e.Input, Result: e.Result}, nil
}

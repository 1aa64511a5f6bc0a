package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

type replayFlags struct {
	policy  string
	seed    uint64
	script  string
	context int
	outputFlags
}

func newReplay() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay FILE|-",
		Short: "Do again what was recorded, and show the first difference",
		Long: `Do again what was recorded, and show the first difference: a result that retrysim wrote as
JSON or HTML, which holds all that it depends on, or a trace, such as a Go test or a
recorder in production wrote. A trace does not say under which policy and to which script
it came about: --policy and --script do. Without a script each attempt is given the answer
that the trace has, and the words of errors are not compared.

The exit status is 1 if anything came out otherwise.`,
		Example: `  retrysim run flaky.retry -o before.json && retrysim replay before.json
  retrysim replay before.json --policy exp:base=200ms,attempts=6    # what the new policy changes
  retrysim replay TestCharge.trace.jsonl --policy openai --context 6`,
		Args:              exactlyOne("recording", "the name of a file that retrysim or a trace.Recorder wrote, or - for standard input"),
		ValidArgsFunction: completeRecordings,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringVarP(&f.policy, "policy", "p", "", "play under this policy instead")
	addSeed(c, &f.seed, "play with this seed instead")
	c.Flags().StringVar(&f.script, "script", "", "the file of the script that a trace came from")
	addCount(c, &f.context, "context", 3, "show so many events before the difference")
	f.outputFlags.add(c)
	complete(c, "policy", completePolicies)
	return c
}

// completeRecordings completes the names of files that can be replayed.
func completeRecordings(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"json", "jsonl", "html"}, cobra.ShellCompDirectiveFilterFileExt
}

// overrides are what a replay changes.
type overrides struct {
	policy *retry.Policy
	seed   *uint64
}

// replayers know how each kind of saved result is made again.
var replayers = map[string]func(c *cobra.Command, input json.RawMessage, o overrides) (*report.Document, error){
	"run":       replayRun,
	"fleet":     replayFleet,
	"find":      replayFind,
	"compare":   replayCompare,
	"sweep":     replaySweep,
	"staircase": replaySweep,
	"schedule": func(_ *cobra.Command, input json.RawMessage, o overrides) (*report.Document, error) {
		var in scheduleInput
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, err
		}
		if o.policy != nil {
			in.Policy = *o.policy
		}
		if o.seed != nil {
			in.Seed = *o.seed
		}
		return in.document()
	},
}

func (f *replayFlags) run(c *cobra.Command, file string) error {
	if err := f.outputFlags.check(); err != nil {
		return err
	}
	var o overrides
	if c.Flags().Changed("policy") {
		p, err := readPolicy(c, "--policy", f.policy)
		if err != nil {
			return err
		}
		o.policy = &p
	}
	if c.Flags().Changed("seed") {
		o.seed = &f.seed
	}
	name, text, err := readFile(c, file)
	if err != nil {
		return err
	}
	diff, err := f.compare(c, []byte(text), o)
	if err != nil {
		return fmt.Errorf("replay: %s: %w", name, err)
	}
	if err := f.outputFlags.write(c, diff.document(name)); err != nil {
		return err
	}
	if diff.where != "" {
		return errFailed
	}
	return nil
}

// compare plays a recording again.
func (f *replayFlags) compare(c *cobra.Command, text []byte, o overrides) (difference, error) {
	if firstLine, _, _ := bytes.Cut(text, []byte("\n")); bytes.Contains(firstLine, []byte(trace.Schema)) {
		return f.compareTrace(c, text, o)
	}
	if f.script != "" {
		return difference{}, errors.New("--script is for traces; this file holds its own input")
	}
	saved, err := report.Read(text)
	if err != nil {
		return difference{}, err
	}
	again, ok := replayers[saved.Kind]
	if !ok {
		return difference{}, fmt.Errorf("a result of %s is not replayed; run its command again: %s", saved.Kind, tty.Command(append([]string{"retrysim"}, saved.Command...)...))
	}
	d, err := again(c, saved.Input, o)
	if err != nil {
		return difference{}, err
	}
	now, err := json.Marshal(d.Result)
	if err != nil {
		return difference{}, err
	}
	if saved.Kind == "run" {
		return f.compareRuns(saved.Result, now)
	}
	return compareJSON(saved.Result, now)
}

func (f *replayFlags) compareRuns(recorded, now []byte) (difference, error) {
	var a, b runResult
	if err := json.Unmarshal(recorded, &a); err != nil {
		return difference{}, err
	}
	if err := json.Unmarshal(now, &b); err != nil {
		return difference{}, err
	}
	if d := f.compareEvents(a.Events, b.Events, true); d.where != "" {
		return d, nil
	}
	d, err := compareJSON(recorded, now) // what is not an event
	if d.where == "" {
		d = f.compareEvents(a.Events, b.Events, true)
	}
	return d, err
}

func (f *replayFlags) compareTrace(c *cobra.Command, text []byte, o overrides) (difference, error) {
	recorded, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return difference{}, err
	}
	script, err := f.scriptOf(c, recorded, o)
	if err != nil {
		return difference{}, err
	}
	played, err := simulate.Play(script, simulate.Options{Policy: o.policy, Seed: o.seed})
	if err != nil {
		return difference{}, err
	}
	return f.compareEvents(recorded, played.Trace, f.script != ""), nil
}

// scriptOf returns the script to play: the one named, or one that answers as
// the trace has it.
func (f *replayFlags) scriptOf(c *cobra.Command, recorded trace.Trace, o overrides) (*scripted.Script, error) {
	if f.script != "" {
		name, text, err := readFile(c, f.script)
		if err != nil {
			return nil, err
		}
		return scripted.Parse(name, text)
	}
	policy := retry.Default()
	if o.policy != nil {
		policy = *o.policy
	}
	made, err := simulate.FromTrace(recorded, policy)
	if err != nil {
		return nil, err
	}
	return scripted.Parse("trace", scripted.Format(made))
}

// difference is where a replay first differs from what was recorded.
type difference struct {
	Events *int    `json:"events"` // recorded; nil if the recording is no list of them
	Event  *int    `json:"event"`  // the number of the one that differs, from 1
	Digest *string `json:"sha256"` // of what was recorded, if all is equal

	attempts      int
	where         string
	recorded, now string
	before        []string
}

// compareEvents compares two traces, event by event.
func (f *replayFlags) compareEvents(recorded, now trace.Trace, errorsToo bool) difference {
	streamed := func(e trace.Event) bool {
		return e.Kind == trace.Chunk || e.Kind == trace.EOF || e.Kind == trace.Broken
	}
	if !errorsToo && !slices.ContainsFunc(recorded, streamed) { // nobody watched the streams, or there were none
		now = slices.DeleteFunc(slices.Clone(now), streamed)
	}
	n, digest := len(recorded), recorded.Digest()
	d := difference{Events: &n, Digest: &digest}
	for i := range max(len(recorded), len(now)) {
		a, b := eventAt(recorded, i), eventAt(now, i)
		if a != nil && a.Kind == trace.Attempt {
			d.attempts++
		}
		if a != nil && b != nil && sameEvent(*a, *b, errorsToo) {
			continue
		}
		number := i + 1
		d.Event, d.Digest = &number, nil
		at := a
		if at == nil {
			at = b
		}
		d.where = fmt.Sprintf("event %d (attempt %d, %v)", number, at.Attempt, tty.Short(at.At))
		d.recorded, d.now = describe(a), describe(b)
		for k := max(0, i-f.context); k < i; k++ {
			d.before = append(d.before, describe(&recorded[k]))
		}
		return d
	}
	return d
}

func eventAt(t trace.Trace, i int) *trace.Event {
	if i < len(t) {
		return &t[i]
	}
	return nil
}

// sameEvent compares two events. A trace without its script has lost the words
// of errors, what was an HTTP answer, and the kinds and sizes of chunks.
func sameEvent(a, b trace.Event, errorsToo bool) bool {
	if !errorsToo {
		a.Error, b.Error, a.Chunk, b.Chunk, a.Size, b.Size = "", "", "", "", 0, 0
		a.RetryAfter, b.RetryAfter = nil, nil // the wait says it
		a.Status, b.Status, a.Header, b.Header = 0, 0, nil, nil
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// describe writes an event on one line.
func describe(e *trace.Event) string {
	if e == nil {
		return "nothing more"
	}
	s := fmt.Sprintf("%v  attempt %d  %s", tty.Short(e.At), e.Attempt, e.Kind)
	if e.Wait != nil {
		s += fmt.Sprintf(" %v: %s", tty.Short(*e.Wait), why(*e))
	} else if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Elapsed != nil {
		s += fmt.Sprintf(" after %v", tty.Short(*e.Elapsed))
	}
	if e.Chunk != "" {
		s += fmt.Sprintf(" %s, %s", e.Chunk, count(e.Size, "byte"))
	}
	if e.Error != "" {
		s += ": " + tty.Safe(e.Error)
	}
	return s
}

// compareJSON finds the first place at which two results differ.
func compareJSON(recorded, now []byte) (difference, error) {
	a, err := decode(recorded)
	if err != nil {
		return difference{}, err
	}
	b, err := decode(now)
	if err != nil {
		return difference{}, err
	}
	d := difference{}
	d.where, d.recorded, d.now = firstDifference("result", a, b)
	return d, nil
}

func decode(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// firstDifference walks two values and returns the first place at which they
// differ, "" if they are equal.
func firstDifference(path string, a, b any) (where, was, is string) {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			break
		}
		for _, key := range sortedKeys(x, y) {
			if where, was, is := firstDifference(path+"."+key, x[key], y[key]); where != "" {
				return where, was, is
			}
		}
		return "", "", ""
	case []any:
		y, ok := b.([]any)
		if !ok {
			break
		}
		for i := range max(len(x), len(y)) {
			place := path + "[" + strconv.Itoa(i) + "]"
			if i >= len(x) || i >= len(y) {
				return place, element(x, i), element(y, i)
			}
			if where, was, is := firstDifference(place, x[i], y[i]); where != "" {
				return where, was, is
			}
		}
		return "", "", ""
	}
	if was, is = text(path, a), text(path, b); was != is {
		return path, was, is
	}
	return "", "", ""
}

func sortedKeys(maps ...map[string]any) []string {
	var keys []string
	for _, m := range maps {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func element(list []any, i int) string {
	if i < len(list) {
		return text("", list[i])
	}
	return "nothing more"
}

// text writes a value; one whose name says that it is nanoseconds as a
// duration besides.
func text(path string, v any) string {
	b, _ := json.Marshal(v)
	if n, ok := v.(json.Number); ok && strings.Contains(path, "_ns") {
		if d, err := n.Int64(); err == nil {
			return fmt.Sprintf("%s (%v)", n, tty.Short(time.Duration(d)))
		}
	}
	return string(b)
}

func (d difference) document(name string) *report.Document {
	doc := &report.Document{
		Kind: "replay", Title: "Replay of " + filepath.Base(name),
		Input: struct {
			Recording string `json:"recording"`
		}{name},
		Verdict: report.Verdict{Mark: report.Good, Text: "identical"},
	}
	if d.Digest != nil {
		doc.Verdict.Text = fmt.Sprintf("identical: %s, %s, sha256 %s", count(d.attempts, "attempt"), count(*d.Events, "event"), *d.Digest)
	}
	result := struct {
		Identical bool `json:"identical"`
		difference
		Where    *string  `json:"where"`
		Recorded *string  `json:"recorded"`
		Now      *string  `json:"now"`
		Before   []string `json:"before"`
	}{Identical: d.where == "", difference: d, Before: append([]string{}, d.before...)}
	doc.Records = report.Records{Header: []string{"where", "recorded", "now"}}
	if d.where != "" {
		result.Where, result.Recorded, result.Now = &d.where, &d.recorded, &d.now
		doc.Records.Rows = [][]string{{d.where, d.recorded, d.now}}
		doc.Verdict = report.Verdict{Mark: report.Bad, Text: "diverged at " + d.where}
		t := report.Table{Columns: []report.Column{{Head: ""}, {Head: "event"}}}
		if d.Event == nil {
			t.Columns[1].Head = "value"
		}
		for _, b := range d.before {
			t.Rows = append(t.Rows, []string{"both", b})
		}
		t.Rows = append(t.Rows, []string{"recorded", d.recorded}, []string{"now", d.now})
		doc.Tables = []report.Table{t}
	}
	doc.Result = result
	return doc
}

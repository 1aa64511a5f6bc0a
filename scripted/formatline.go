package scripted

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// The text of each statement.

func settingNodes(s *Script) []node {
	var nodes []node
	add := func(pos Pos, format string, args ...any) {
		nodes = append(nodes, node{pos: pos, head: fmt.Sprintf(format, args...), section: sectionSettings})
	}
	if s.Policy != nil {
		text := s.layout.policyText
		if p, err := retry.ParsePolicy(text); err != nil || p != *s.Policy {
			text = s.Policy.String()
		}
		add(s.layout.policy, "policy %s", text)
	}
	if s.Seed != nil {
		add(s.layout.seed, "seed %d", *s.Seed)
	}
	if s.AttemptTimeout != 0 || s.TotalTimeout != 0 {
		text := "timeout"
		if s.AttemptTimeout != 0 {
			text += fmt.Sprintf(" attempt=%v", s.AttemptTimeout)
		}
		if s.TotalTimeout != 0 {
			text += fmt.Sprintf(" total=%v", s.TotalTimeout)
		}
		add(s.layout.timeout, "%s", text)
	}
	if s.Cancel != nil {
		add(s.layout.cancel, "cancel at %v", *s.Cancel)
	}
	if s.Calls != 0 {
		text := fmt.Sprintf("calls %d", s.Calls)
		if s.AtOnce {
			text += " at once"
		}
		add(s.layout.calls, "%s", text)
	}
	return nodes
}

func bodyNodes(turns []Turn, blocks []Block, expects []Expect) []node {
	var nodes []node
	for _, t := range turns {
		nodes = append(nodes, node{pos: t.Pos, head: t.String(), section: sectionTurns})
	}
	for _, b := range blocks {
		nodes = append(nodes, node{pos: b.Pos, end: b.End, head: "call {", section: sectionBlocks,
			block: append([]node{}, bodyNodes(b.Turns, nil, b.Expects)...)})
	}
	for _, e := range expects {
		nodes = append(nodes, node{pos: e.Pos, head: "expect " + e.String(), section: sectionExpects})
	}
	return nodes
}

func laneNode(l Lane) node {
	return node{pos: l.Pos, end: l.End, head: l.title() + " {", section: sectionBlocks,
		block: append([]node{}, bodyNodes(l.Turns, l.Blocks, l.Expects)...)}
}

// title returns the lane as its head has it, such as
// lane "writer" when model=gpt-4o.
func (l Lane) title() string {
	var s strings.Builder
	s.WriteString("lane " + quote(l.Name))
	for i, f := range l.When {
		if i == 0 {
			s.WriteString(" when")
		}
		s.WriteString(" " + f.Name + "=" + bare(f.Value))
	}
	return s.String()
}

// String returns the turn as a script has it.
func (t Turn) String() string {
	var modifiers string
	if t.After != 0 {
		modifiers += fmt.Sprintf(" after %v", t.After)
	}
	switch {
	case t.Repeat == Forever:
		modifiers += " forever"
	case t.Repeat > 1:
		modifiers += fmt.Sprintf(" x%d", t.Repeat)
	}
	last := modifiers == "" // a reason needs quotes if something follows
	switch a := t.Answer.(type) {
	case Reset:
		return "reset" + modifiers
	case Hang:
		return "hang" + modifiers
	case Stream:
		return a.text(last) + modifiers
	default:
		return failureText(a, last) + modifiers
	}
}

func failureText(f any, last bool) string {
	switch f := f.(type) {
	case Transient:
		return f.String()
	case Permanent:
		if last && isBareReason(f.Reason) {
			return "permanent: " + f.Reason
		}
		return "permanent: " + quote(f.Reason)
	case Status:
		return f.String()
	}
	panic(fmt.Sprintf("scripted: unknown failure %T", f))
}

// isBareReason reports whether permanent: reads the reason back without
// quotes.
func isBareReason(s string) bool {
	return s != "" && strings.Trim(s, " \t") == s && s[0] != '"' && s[0] != '`' &&
		!strings.ContainsAny(s, ";#") && !strings.HasSuffix(s, "}") && badByte(s) < 0 && modifiersAt(s) < 0
}

// String returns the status as a script has it.
func (s Status) String() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(s.Status))
	for i, value := range []string{s.Type, s.Code, s.Message} {
		if value != "" {
			b.WriteString(" " + statusKeys[i] + "=" + bare(value))
		}
	}
	for _, f := range s.Header {
		b.WriteString(" " + f.Name + "=" + headerText(f))
	}
	if s.Stall {
		b.WriteString(" stall")
	}
	return b.String()
}

// headerText is the inverse of headerValue.
func headerText(f Field) string {
	switch f.Name {
	case "retry-after":
		if _, ok := dateOffset(f.Value); ok {
			return f.Value
		}
		n, err := strconv.ParseInt(f.Value, 10, 64)
		if err == nil && n <= math.MaxInt64/int64(time.Second) && strconv.FormatInt(n, 10) == f.Value && n >= 0 {
			return (time.Duration(n) * time.Second).String()
		}
		return strconv.Quote(f.Value)
	case "retry-after-ms":
		if !isDigits(f.Value) {
			return strconv.Quote(f.Value)
		}
	}
	return bare(f.Value)
}

// bare returns a value, in quotes unless it reads back without.
func bare(s string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+*@%,=~"
	if s == "" || strings.Trim(s, letters) != "" {
		return quote(s)
	}
	return s
}

func (s Stream) text(last bool) string {
	var b strings.Builder
	b.WriteString("ok")
	for _, item := range s.Items {
		b.WriteByte(' ')
		writeItem(&b, item)
	}
	switch end := s.End.(type) {
	case nil:
	case Finish:
		b.WriteString(end.text())
	case Cut:
		b.WriteString(" cut")
	case EOF:
		b.WriteString(" eof")
	case Stall:
		b.WriteString(" stall")
	default:
		b.WriteString(" " + failureText(end, last))
	}
	return b.String()
}

func writeItem(b *strings.Builder, item Item) {
	switch i := item.(type) {
	case Text:
		b.WriteString(quote(string(i)))
	case Pause:
		b.WriteString("pause " + time.Duration(i).String())
	case Redacted:
		b.WriteString("redacted " + quote(string(i)))
	case Reasoning:
		b.WriteString("reasoning")
		if i.Signature != "" {
			b.WriteString(" signature=" + bare(i.Signature))
		}
		writeParts(b, i.Parts)
	case Tool:
		b.WriteString("tool " + bare(i.Name))
		if i.ID != "" {
			b.WriteString(" id=" + bare(i.ID))
		}
		writeParts(b, i.Parts)
	case Interleaved:
		items := make([]Item, len(i))
		for j, t := range i {
			items[j] = t
		}
		b.WriteString("interleaved")
		writeParts(b, items)
	default:
		panic(fmt.Sprintf("scripted: unknown item %T", item))
	}
}

func writeParts(b *strings.Builder, parts []Item) {
	b.WriteByte('(')
	for i, part := range parts {
		if i > 0 {
			b.WriteByte(' ')
		}
		writeItem(b, part)
	}
	b.WriteByte(')')
}

func (f Finish) text() string {
	var counts []string
	for i, n := range usageFields(&f.Usage) {
		if *n != 0 {
			counts = append(counts, fmt.Sprintf("%s=%d", usageKeys[i], *n))
		}
	}
	var s string
	if len(counts) > 0 {
		s = " usage(" + strings.Join(counts, " ") + ")"
	}
	switch {
	case f.Reason == "":
		return s
	case slices.Contains(finishReasons, f.Reason):
		return s + " finish " + string(f.Reason)
	}
	return s + " finish " + quote(string(f.Reason))
}

func declNodes(decls []Decl) []node {
	var nodes []node
	for i := range decls {
		d := &decls[i]
		n := node{pos: d.Pos, end: d.End, head: d.text(), section: sectionDecls}
		if len(d.Block)+len(d.Expects) > 0 || d.End != (Pos{}) {
			n.head += " {"
			n.block = append(append([]node{}, declNodes(d.Block)...), bodyNodes(nil, nil, d.Expects)...)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

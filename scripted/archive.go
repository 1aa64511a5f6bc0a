package scripted

import (
	"errors"
	"fmt"
	"strings"
)

// ParseFile reads the text of a file: one script or, if the name ends in
// ".txtar", every script of the archive, a file whose name ends in ".retry".
// Places are those in the archive. An archive without a script is an error, which
// is an [ErrNoScript].
//
// A txtar archive is text before and between files that each begin with a line
// "-- name --"; see golang.org/x/tools/txtar.
func ParseFile(name, text string) ([]*Script, error) {
	if !strings.HasSuffix(name, ".txtar") {
		s, err := Parse(name, text)
		if err != nil {
			return nil, err
		}
		return []*Script{s}, nil
	}
	var scripts []*Script
	var errs SyntaxErrors
	found := 0
	for _, m := range members(text) {
		if !strings.HasSuffix(m.name, ".retry") {
			continue
		}
		found++
		s, err := parse(name, m.text, m.line)
		if bad := (SyntaxErrors)(nil); errors.As(err, &bad) {
			errs = append(errs, bad...)
			continue
		}
		s.Member = m.name
		scripts = append(scripts, s)
	}
	switch {
	case len(errs) > 0:
		return nil, errs
	case found == 0:
		return nil, fmt.Errorf("%s: %w", name, ErrNoScript)
	}
	return scripts, nil
}

// ErrNoScript is the error of an archive that holds none.
var ErrNoScript = errors.New("no file of the archive has a name that ends in .retry")

// FormatFile returns the text of a file with its script in canonical form or, of
// an archive as [ParseFile] reads it, with each of its scripts; every other byte
// of an archive stays. A script whose canonical form would have a line beyond
// [MaxLine] is an error, for Parse would refuse it.
func FormatFile(name, text string) (string, error) {
	scripts, err := ParseFile(name, text)
	if err != nil {
		return "", err
	}
	formatted := Format(scripts[0])
	if strings.HasSuffix(name, ".txtar") {
		formatted = formatMembers(text, scripts)
	}
	if _, err := ParseFile(name, formatted); err != nil {
		return "", fmt.Errorf("the canonical form cannot be read back (break up what makes its line long): %w", err)
	}
	return formatted, nil
}

// formatMembers formats the scripts of an archive, which stand in their order.
func formatMembers(archive string, scripts []*Script) string {
	var b strings.Builder
	at := 0
	for _, m := range members(archive) {
		if !strings.HasSuffix(m.name, ".retry") {
			continue
		}
		b.WriteString(archive[at:m.begin])
		b.WriteString(Format(scripts[0]))
		at, scripts = m.begin+len(m.text), scripts[1:]
	}
	return b.String() + archive[at:]
}

// member is a file of an archive. Its text begins at a byte of the archive, and
// behind a number of its lines.
type member struct {
	name, text  string
	begin, line int
}

func members(archive string) []member {
	var out []member
	number, offset := 0, 0
	end := func() {
		if n := len(out) - 1; n >= 0 {
			out[n].text = archive[out[n].begin:offset]
		}
	}
	for line := range strings.Lines(archive) {
		number++
		marker := strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(marker, "-- ") && strings.HasSuffix(marker, " --") && len(marker) > len("-- ")+len(" --") {
			end()
			out = append(out, member{name: strings.TrimSpace(marker[3 : len(marker)-3]), begin: offset + len(line), line: number})
		}
		offset += len(line)
	}
	end()
	return out
}

// Edit gives an expectation a new value.
type Edit struct {
	Expect Expect // as it was parsed
	Value  string // of an error or text the text itself, else as it is written
}

func (e Edit) text() string {
	if e.Expect.Subject.kind() == isText {
		return quote(e.Value)
	}
	return e.Value
}

// Rewrite returns the text that the expectations were parsed from, with their
// new values and every other byte as it was.
func Rewrite(text string, edits []Edit) string {
	var b strings.Builder
	number := int32(0)
	byLine := make(map[int32][]Edit)
	for _, e := range edits {
		byLine[e.Expect.Pos.Line] = append(byLine[e.Expect.Pos.Line], e)
	}
	for line := range strings.Lines(text) {
		number++
		shift := int32(len(line) - len(strings.TrimPrefix(line, "\ufeff"))) // of a script's first line
		at := int32(0)
		for _, e := range byLine[number] {
			from, to := e.Expect.value.from-1+shift, e.Expect.value.to-1+shift
			b.WriteString(line[at:from] + e.text())
			at = to
		}
		b.WriteString(line[at:])
	}
	return b.String()
}

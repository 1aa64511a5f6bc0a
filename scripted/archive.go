package scripted

import (
	"errors"
	"fmt"
	"strings"
)

// ParseFile reads the text of a file: one script or, if the name ends in
// ".txtar", every script of the archive, a file whose name ends in ".retry".
// Places are those in the archive. An archive without a script is an error.
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
		return nil, fmt.Errorf("%s: no file of the archive has a name that ends in .retry", name)
	}
	return scripts, nil
}

// member is a file of an archive. line is how many lines stand before its text.
type member struct {
	name, text string
	line       int
}

func members(archive string) []member {
	var out []member
	begin, number, offset := 0, 0, 0
	end := func() {
		if len(out) > 0 {
			out[len(out)-1].text = archive[begin:offset]
		}
	}
	for line := range strings.Lines(archive) {
		number++
		marker := strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(marker, "-- ") && strings.HasSuffix(marker, " --") && len(marker) > len("-- ")+len(" --") {
			end()
			out = append(out, member{name: strings.TrimSpace(marker[3 : len(marker)-3]), line: number})
			begin = offset + len(line)
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
	number, bom := int32(0), len(text)-len(strings.TrimPrefix(text, "\ufeff"))
	byLine := make(map[int32][]Edit)
	for _, e := range edits {
		byLine[e.Expect.Pos.Line] = append(byLine[e.Expect.Pos.Line], e)
	}
	for line := range strings.Lines(text) {
		number++
		shift := int32(0)
		if number == 1 {
			shift = int32(bom)
		}
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

package scripted

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/retrykit/retrykit/retry"
)

// isFleetWord reports whether the word begins a statement of a fleet scenario
// where the parser stands.
func (p *parser) isFleetWord(word string) bool {
	return word == "at" || len(formsOf(word, p.place())) > 0
}

func (p *parser) place() place {
	if p.clients != nil {
		return inside
	}
	return top
}

// declare reads a statement of a fleet scenario.
func (p *parser) declare(begin int, word string) bool {
	d := Decl{Pos: p.at(begin), Word: word, source: p.src}
	if p.lane != nil || p.block != nil {
		return p.fail(begin, len(word), fmt.Sprintf("%s is for a fleet: it stands outside lanes and calls", word))
	}
	where := p.place()
	if word == "at" {
		if p.clients != nil {
			return p.fail(begin, len(word), "at is for the whole scenario: it stands outside clients, and names them with clients=")
		}
		at, text := p.wordAfterBlanks()
		when, ok := parseDuration(text)
		if !ok {
			return p.fail(at, len(text), "at which time? such as: at 60s retries off")
		}
		d.At = &when
		begin, d.Word = p.wordAfterBlanks()
		where = timed
		if len(formsOf(d.Word, timed)) == 0 {
			return p.fail(begin, len(d.Word), fmt.Sprintf("unknown change %q%s", d.Word, suggest(d.Word, timedWords())))
		}
	}
	f, ok := p.form(begin, &d, where)
	if where != timed { // only a change says whose it is
		f.args = slices.DeleteFunc(slices.Clone(f.args), func(a argForm) bool { return a.key == "clients" })
	}
	if !ok || !p.declName(&d) || !p.args(&d, f) || !p.required(&d, f, begin) {
		return p.openAnyway(d)
	}
	if where != timed && f.where&once != 0 && !p.onlyOne(begin, &d) {
		return false
	}
	if d.Word == "clients" {
		return p.openClients(d)
	}
	if !p.end() {
		return false
	}
	if p.clients != nil {
		p.clients.Block = append(p.clients.Block, d)
	} else {
		p.script.Decls = append(p.script.Decls, d)
	}
	return true
}

func timedWords() []string {
	var words []string
	for _, f := range forms {
		if f.where&timed != 0 {
			words = append(words, f.word)
		}
	}
	return slices.Compact(words)
}

// form reads the kind, if the word has some, and returns the form.
func (p *parser) form(begin int, d *Decl, where place) (form, bool) {
	list := formsOf(d.Word, where)
	i := slices.IndexFunc(list, func(f form) bool { return f.kind == "" })
	if len(list) == 1 && i == 0 {
		return list[0], true
	}
	p.blanks()
	at, word := p.pos, p.peek()
	var kinds []string
	for _, f := range list {
		if f.kind == word && word != "" {
			p.word()
			d.Kind = word
			return f, true
		}
		if f.kind != "" {
			kinds = append(kinds, f.kind)
		}
	}
	if i >= 0 {
		return list[i], true // a value, or a mistake in one
	}
	if word == "" || strings.Contains(word, "=") {
		p.fail(at, 0, fmt.Sprintf("which %s?%s", d.Word, suggest("", kinds)))
		return form{}, false
	}
	p.fail(at, len(word), fmt.Sprintf("unknown kind of %s %q%s", d.Word, word, suggest(word, kinds)))
	return form{}, false
}

// declName reads the name of clients.
func (p *parser) declName(d *Decl) bool {
	p.blanks()
	if d.Word != "clients" || !p.isQuote() {
		return true
	}
	at := p.pos
	var ok bool
	if d.Name, ok = p.str(); !ok {
		return false
	}
	if d.Name == "" {
		return p.fail(at, p.pos-at, "an empty name is none: leave it out")
	}
	for _, other := range p.script.Decls {
		if other.Word == "clients" && other.Name == d.Name {
			return p.fail(at, p.pos-at, fmt.Sprintf("clients %q stand already in line %d", d.Name, other.Pos.Line))
		}
	}
	return true
}

// args reads the values.
func (p *parser) args(d *Decl, f form) bool {
	for !p.atEnd() && p.next() != '{' {
		begin := p.pos
		if d.Word == "policy" || d.Word == "over" {
			if _, given := d.Arg(""); !given {
				if !p.policyArg(d) {
					return false
				}
				continue
			}
		}
		key, value, quoted, ok := p.field()
		if !ok {
			return false
		}
		if p.pos == begin {
			return p.fail(begin, p.oddLen(), fmt.Sprintf("a value is name=value, and not %s", p.odd()))
		}
		if key == "" {
			return p.fail(begin, p.pos-begin, fmt.Sprintf("%s takes no text, only name=value%s", f.title(), suggest(key, f.keys())))
		}
		i := slices.IndexFunc(f.args, func(a argForm) bool { return a.key == key })
		if i < 0 {
			return p.fail(begin, max(len(key), 1), fmt.Sprintf("%s has no %q%s", f.title(), key, suggest(key, f.keys())))
		}
		if _, given := d.Arg(key); given {
			return p.fail(begin, len(key), fmt.Sprintf("repeated %q", key))
		}
		a := Arg{Key: key, Text: value, column: int32(begin + 1)}
		if read := f.args[i].read; read == nil {
			if value != "" || quoted || strings.HasSuffix(p.src[begin:p.pos], "=") {
				return p.fail(begin, p.pos-begin, fmt.Sprintf("%s stands alone, without a value", key))
			}
		} else if a.Values, ok = read(value); !ok {
			return p.fail(min(begin+len(key)+1, p.pos), max(p.pos-begin-len(key)-1, 0), badValue(f.args[i], value))
		}
		d.Args = append(d.Args, a)
	}
	return true
}

func badValue(a argForm, value string) string {
	msg := fmt.Sprintf("bad value for %s (such as %s=%s)", a.key, a.key, a.example)
	if strings.HasSuffix(a.example, "%") {
		if v, err := strconv.ParseFloat(value, 64); err == nil && v > 0 && v < 1 { // a fraction
			return fmt.Sprintf("bad value for %s: did you mean %s%%?", a.key, strconv.FormatFloat(math.Round(v*1e6)/1e4, 'f', -1, 64))
		}
		if _, ok := readShare(value + "%"); ok {
			return fmt.Sprintf("bad value for %s: did you mean %s%%?", a.key, value)
		}
	}
	return msg
}

// policyArg reads a policy.
func (p *parser) policyArg(d *Decl) bool {
	begin := p.pos
	end := strings.IndexAny(p.src[begin:], " \t;}")
	if end < 0 {
		end = len(p.src) - begin
	}
	p.pos += end
	text := p.src[begin:p.pos]
	if _, err := retry.ParsePolicy(text); err != nil {
		var bad *retry.PolicyError
		if !errors.As(err, &bad) {
			panic(fmt.Sprintf("scripted: ParsePolicy returned %T, which is no *PolicyError", err))
		}
		return p.fail(begin+bad.Offset, len(bad.Word), policyProblem(bad))
	}
	d.Args = append(d.Args, Arg{Text: text, column: int32(begin + 1)})
	return true
}

// required checks that nothing is missing.
func (p *parser) required(d *Decl, f form, begin int) bool {
	if d.Word == "policy" || d.Word == "over" {
		if _, ok := d.Arg(""); !ok {
			return p.fail(p.pos, 0, fmt.Sprintf("which policy? such as: %s exp:base=1s,cap=30s,attempts=3", d.Word))
		}
	}
	for _, a := range f.args {
		if _, ok := d.Arg(a.key); a.required && !ok {
			return p.fail(begin, len(d.Word), fmt.Sprintf("%s needs %s, such as %s=%s", f.title(), a.key, a.key, a.example))
		}
	}
	return true
}

func (f form) title() string {
	if f.kind == "" {
		return f.word
	}
	return f.word + " " + f.kind
}

func (f form) keys() []string {
	var keys []string
	for _, a := range f.args {
		if a.key != "" {
			keys = append(keys, a.key)
		}
	}
	return keys
}

// clientWords lists what may stand in clients.
func clientWords() []string {
	var words []string
	for _, f := range forms {
		if f.where&inside != 0 {
			words = append(words, f.word)
		}
	}
	return append(slices.Compact(words), "expect")
}

// rival words say the same thing: a group has one budget, breaker or throttle.
var rivals = map[string]string{"breaker": "budget", "throttle": "budget"}

// onlyOne checks that a statement does not stand twice in its place.
func (p *parser) onlyOne(begin int, d *Decl) bool {
	same := func(word string) string {
		if r, ok := rivals[word]; ok {
			return r
		}
		return word
	}
	list := p.script.Decls
	if p.clients != nil {
		list = p.clients.Block
	}
	for _, other := range list {
		if other.At == nil && same(other.Word) == same(d.Word) {
			return p.fail(begin, len(d.Word), fmt.Sprintf("there is already a %s in line %d", other.Word, other.Pos.Line))
		}
	}
	return true
}

// openClients opens the block of clients, if they have one.
func (p *parser) openClients(d Decl) bool {
	if p.atEnd() {
		p.script.Decls = append(p.script.Decls, d)
		return true
	}
	if !p.openBrace(true) {
		return false
	}
	p.clients = &d
	return true
}

// openAnyway opens the block of clients whose head has a mistake, so that what
// is in it is read as theirs.
func (p *parser) openAnyway(d Decl) bool {
	p.skip()
	if d.Word == "clients" && p.clients == nil && p.openBrace(false) {
		p.clients = &d
	}
	return false
}

// closeClients closes the block.
func (p *parser) closeClients(at Pos) {
	p.clients.End = at
	p.script.Decls = append(p.script.Decls, *p.clients)
	p.clients = nil
}

// finishFleet checks what only the end of a fleet scenario can tell.
func (p *parser) finishFleet() {
	s := p.script
	first := s.Decls[0]
	if !slices.ContainsFunc(s.Decls, func(d Decl) bool { return d.Word == "fleet" }) {
		p.failAt(first.Pos, len(first.Word), first.source, "a fleet scenario says how long it takes: fleet for=10m")
	}
	if lanes := s.lanes(); len(lanes) > 0 {
		pos := lanes[0].Pos
		if pos == (Pos{}) {
			pos = lanes[0].begins()
		}
		p.failAt(pos, 0, p.lineAt(pos), fmt.Sprintf("a fleet scenario has no turns and lanes: its server is described by the lines server, limit and fault (line %d makes it one)", first.Pos.Line))
	}
	for _, setting := range []struct {
		word string
		pos  Pos
	}{{"cancel", s.layout.cancel}, {"calls", s.layout.calls}} {
		if setting.pos != (Pos{}) {
			p.failAt(setting.pos, len(setting.word), p.lineAt(setting.pos), setting.word+" is for scripts: a fleet scenario has arrive")
		}
	}
	p.rightSubjects(s.Expects, true)
	for _, d := range s.Decls {
		p.rightSubjects(d.Expects, true)
	}
}

// finishSubjects checks the expectations of a script that is no fleet.
func (p *parser) finishSubjects() {
	s := p.script
	p.rightSubjects(s.Expects, false)
	for _, b := range s.Blocks {
		p.rightSubjects(b.Expects, false)
	}
	for _, l := range s.Lanes {
		p.rightSubjects(l.Expects, false)
		for _, b := range l.Blocks {
			p.rightSubjects(b.Expects, false)
		}
	}
}

// rightSubjects checks that expectations are about what the script is about.
func (p *parser) rightSubjects(expects []Expect, fleet bool) {
	for _, e := range expects {
		if e.Subject.ofFleet() == fleet {
			continue
		}
		msg := fmt.Sprintf("%s is about one call, and this is a fleet scenario%s", e.Subject, suggest("", fleetSubjects))
		if !fleet {
			msg = fmt.Sprintf("%s is about a fleet, and this is a script%s", e.Subject, suggest("", subjects))
		}
		p.failAt(e.Pos, len("expect"), p.lineAt(e.Pos), msg)
	}
}

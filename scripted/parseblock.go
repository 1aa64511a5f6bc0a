package scripted

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// openLane reads lane "name" when ... {
func (p *parser) openLane(begin int) bool {
	lane := Lane{Pos: p.at(begin)}
	ok := p.laneHead(&lane)
	switch {
	case p.block != nil || p.lane != nil:
		return p.nested(begin, "lane")
	case !ok:
		p.skip()
	}
	if !p.openBrace(ok) {
		return false
	}
	if ok {
		p.seen["lane "+lane.Name] = p.row
		if msg := p.unreached(lane); msg != "" {
			p.fail(begin, len("lane"), msg)
		}
	}
	p.lane, p.headless = &lane, !ok
	return true
}

func (p *parser) laneHead(lane *Lane) bool {
	p.blanks()
	name := p.pos
	if word := p.peek(); !p.isQuote() {
		return p.fail(name, len(word), fmt.Sprintf("the name of a lane stands in quotes, such as: lane %q", cmp.Or(word, "writer")))
	}
	var ok bool
	if lane.Name, ok = p.str(); !ok {
		return false
	}
	if lane.Name == "" {
		return p.fail(name, p.pos-name, "a lane needs a name, for messages and for its calls")
	}
	if line, ok := p.seen["lane "+lane.Name]; ok {
		return p.fail(name, p.pos-name, fmt.Sprintf("lane %q stands already in line %d", lane.Name, line))
	}
	if len(p.script.Lanes) == MaxLanes {
		return p.fail(name, p.pos-name, fmt.Sprintf("a script has at most %d lanes", MaxLanes))
	}
	if p.atEnd() || p.next() == '{' {
		return true
	}
	if begin, word := p.wordAfterBlanks(); word != "when" {
		return p.fail(begin, max(len(word), 1), fmt.Sprintf("after the lane's name comes when or {, not %q%s", word, suggest(word, []string{"when"})))
	}
	for !p.atEnd() && p.next() != '{' {
		begin := p.pos
		key, value, quoted, read := p.field()
		if !read || !p.condition(begin, key, value, quoted) {
			return false
		}
		for _, f := range lane.When {
			if f.Name == key {
				return p.fail(begin, len(key), fmt.Sprintf("repeated condition %q: all must hold at once", key))
			}
		}
		if len(lane.When) == MaxFields {
			return p.fail(begin, len(key), fmt.Sprintf("a lane has at most %d conditions", MaxFields))
		}
		lane.When = append(lane.When, Field{key, value})
	}
	if len(lane.When) == 0 {
		return p.fail(p.pos, 0, "when what? such as: when model=gpt-4o path=/v1/messages x-agent=writer")
	}
	return true
}

// condition checks a condition of a lane that was read from begin.
func (p *parser) condition(begin int, key, value string, quoted bool) bool {
	if p.pos == begin || strings.IndexByte("\"`", p.src[begin]) >= 0 { // neither word nor field
		p.pos = begin
		return p.fail(begin, p.oddLen(), fmt.Sprintf("a condition is key=value, and not %s", p.odd()))
	}
	if !quoted && value == "" {
		return p.fail(begin+len(key), 0, fmt.Sprintf("%s has no value", key))
	}
	return key == "model" || key == "path" || p.headerName(begin, key, []string{"model", "path"})
}

// openBlock reads call {
func (p *parser) openBlock(begin int) bool {
	if p.block != nil {
		return p.nested(begin, "call")
	}
	turns, _ := p.queue()
	if len(*turns) > 0 {
		p.fail(begin, len("call"), "the turns stand all in call blocks or all outside (some stand outside)")
	}
	if !p.openBrace(true) {
		return false
	}
	p.block = &Block{Pos: p.at(begin)}
	return true
}

// nested reports a block in a block, whose brace strayBrace will skip.
func (p *parser) nested(begin int, word string) bool {
	return p.fail(begin, len(word), fmt.Sprintf("%s stands in the %s: close it first, with }", word, p.open()))
}

// open names the innermost open block.
func (p *parser) open() string {
	if p.clients != nil {
		return fmt.Sprintf("clients of line %d", p.clients.Pos.Line)
	}
	if p.block != nil {
		return fmt.Sprintf("call block of line %d", p.block.Pos.Line)
	}
	return fmt.Sprintf("lane of line %d", p.lane.Pos.Line)
}

// openBrace reads the brace that opens a block; quiet after an error.
func (p *parser) openBrace(report bool) bool {
	if !p.atEnd() && p.next() == '{' {
		p.pos++
		return true
	}
	if report {
		p.fail(p.pos, len(p.peek()), "want { here, on the same line, and later } on its own or behind the last turn")
	}
	p.owed = p.atEnd()
	return false
}

// strayBrace skips a block that no statement opened: what is in it is read as
// if it stood outside, so that one error does not bring others.
func (p *parser) strayBrace() {
	p.pos++
	p.stray++
}

// closeBlock reads }.
func (p *parser) closeBlock() {
	at := p.at(p.pos)
	p.pos++
	switch {
	case p.stray > 0:
		p.stray--
	case p.clients != nil:
		p.closeClients(at)
	case p.block != nil:
		p.block.End = at
		_, blocks := p.queue()
		if len(p.block.Turns) == 0 && len(p.errs) == 0 {
			p.fail(int(at.Col)-1, 1, "a call block without turns: say what the model does on each request of the call")
		}
		*blocks = append(*blocks, *p.block)
		p.block = nil
	case p.lane != nil:
		p.lane.End = at
		if len(p.lane.Turns)+len(p.lane.Blocks) == 0 && len(p.errs) == 0 {
			p.fail(int(at.Col)-1, 1, fmt.Sprintf("lane %q has no turns", p.lane.Name))
		}
		if !p.headless { // nobody knows what it would take
			p.script.Lanes = append(p.script.Lanes, *p.lane)
		}
		p.lane = nil
	default:
		p.fail(p.pos-1, 1, "} closes nothing")
	}
}

// finish checks what only the end of the script can tell.
func (p *parser) finish() {
	s := p.script
	if p.block != nil || p.lane != nil || p.clients != nil {
		p.pos = len(p.src)
		p.fail(p.pos, 0, fmt.Sprintf("the script ends in the %s: close it with }", p.open()))
		return
	}
	if len(p.errs) > 0 {
		return
	}
	if s.IsFleet() {
		p.finishFleet()
		return
	}
	p.finishSubjects()
	lanes := s.lanes()
	if len(lanes) == 0 {
		top := Pos{Line: p.first, Col: 1}
		p.failAt(top, 0, p.lineAt(top), `no turns: a script says what the model does on each call, such as: transient:50; ok "hi"`)
		return
	}
	if len(lanes) > len(s.Lanes) {
		place := lanes[len(s.Lanes)].begins()
		if msg := p.unreached(Lane{}); msg != "" {
			p.failAt(place, 0, p.lineAt(place), msg)
		}
	}
	if s.Calls > 0 {
		p.agree(lanes)
	}
	if s.Policy != nil && s.Policy.AttemptTimeout != 0 && s.AttemptTimeout != 0 {
		line := p.lineAt(s.layout.timeout)
		p.failAt(s.layout.timeout, len("timeout"), line, fmt.Sprintf("the policy in line %d sets an attempt timeout already", s.layout.policy.Line))
	}
}

// agree checks that there is a call for each call block.
func (p *parser) agree(lanes []Lane) {
	s := p.script
	line := p.lineAt(s.layout.calls)
	for _, lane := range lanes {
		n := len(lane.Blocks)
		if n == 0 || n == s.Calls {
			continue
		}
		name := "the script"
		if lane.Name != "" {
			name = "lane " + strconv.Quote(lane.Name)
		}
		p.failAt(s.layout.calls, len("calls"), line, fmt.Sprintf("calls %d, but %s has %s (leave it out, or let them agree)", s.Calls, name, plural(n, "call block")))
	}
}

// begins returns where the first turn of the lane stands, or its first block.
func (l Lane) begins() Pos {
	if len(l.Turns) > 0 {
		return l.Turns[0].Pos
	}
	return l.Blocks[0].Pos
}

// unreached returns what is wrong if no request gets as far as the lane, or,
// for one without conditions, as what stands outside lanes; else "".
func (p *parser) unreached(lane Lane) string {
	lanes := p.script.Lanes
	i := slices.IndexFunc(lanes, func(l Lane) bool { return l.covers(lane) })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("never reached: lane %q in line %d takes every request that could come here", lanes[i].Name, lanes[i].Pos.Line)
}

// covers reports whether each request that fits other fits the lane as well.
func (l Lane) covers(other Lane) bool {
	for _, c := range l.When {
		if c.Value == "*" {
			continue
		}
		i := slices.IndexFunc(other.When, func(f Field) bool { return f.Name == c.Name })
		if i < 0 {
			return false
		}
		// The prefix of the other's open value is what all its values begin with.
		value, open := strings.CutSuffix(other.When[i].Value, "*")
		if prefix, fitsMore := strings.CutSuffix(c.Value, "*"); fitsMore {
			if !strings.HasPrefix(value, prefix) {
				return false
			}
		} else if open || value != c.Value {
			return false
		}
	}
	return true
}

// lineAt returns the line of a place that was read before.
func (p *parser) lineAt(pos Pos) string {
	text := p.text
	for range pos.Line - p.first {
		_, text, _ = strings.Cut(text, "\n")
	}
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r")
}

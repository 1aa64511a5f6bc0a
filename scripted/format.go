package scripted

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Format writes a script in its canonical form: one statement a line, words
// one blank apart, blocks indented by a tab, comments at the ends of
// neighbouring lines in one column, at most one blank line in a row. Statements
// keep the order of the text they were read from, and comments their place;
// what was not read from a text comes behind it, in the order settings, turns,
// lanes, expectations.
//
// [Parse] reads the result back to an equal script, places aside, unless a line
// of it is longer than [MaxLine]; and Format leaves a canonical text as it is.
func Format(s *Script) string {
	nodes := append(settingNodes(s), bodyNodes(s.Turns, s.Blocks, s.Expects)...)
	for _, l := range s.Lanes {
		nodes = append(nodes, laneNode(l))
	}
	nodes = append(nodes, declNodes(s.Decls)...)
	f := formatter{comments: s.Comments}
	if !arrange(nodes) {
		forget(nodes)
		f.comments = nil
		for _, c := range s.Comments {
			f.comment(c, 0)
		}
		f.source = 0
	}
	f.nodes(nodes, 0, Pos{Line: math.MaxInt32})
	for _, c := range f.comments {
		f.comment(c, 0)
	}
	f.align()
	return f.text()
}

// node is a statement. Its head is its line, or the first line of a block.
type node struct {
	pos, end Pos // end: of the closing brace
	head     string
	block    []node // nil: no block
	section  section
}

// section orders statements that have no place.
type section uint8

const (
	sectionSettings section = iota
	sectionDecls
	sectionTurns
	sectionBlocks
	sectionExpects
)

// arrange sorts the statements by their places, those without behind the
// others, and reports whether that kept every kind in the order of its list.
func arrange(nodes []node) bool {
	for i := range nodes {
		if !arrange(nodes[i].block) {
			return false
		}
	}
	place := func(n node) Pos {
		if n.pos == (Pos{}) {
			return Pos{Line: math.MaxInt32, Col: int32(n.section)}
		}
		return n.pos
	}
	var last [sectionExpects + 1]Pos
	for _, n := range nodes {
		if n.section != sectionSettings && place(n).compare(last[n.section]) < 0 {
			return false
		}
		last[n.section] = place(n)
	}
	slices.SortStableFunc(nodes, func(a, b node) int { return place(a).compare(place(b)) })
	return true
}

// forget drops all places: they do not tell the order of the statements.
func forget(nodes []node) {
	for i := range nodes {
		nodes[i].pos, nodes[i].end = Pos{}, Pos{}
		forget(nodes[i].block)
	}
	slices.SortStableFunc(nodes, func(a, b node) int { return cmp.Compare(a.section, b.section) })
}

// formatter collects lines.
type formatter struct {
	lines    []outLine
	comments []Comment // to come
	source   int32     // line of the source that was written last, 0 at the beginning
	opened   bool      // the last line opened a block
	last     section
}

type outLine struct {
	depth         int
	text, comment string
	blank         bool // a blank line goes before
	column        int  // of the comment
}

// nodes writes the statements of a block that ends at the given place.
func (f *formatter) nodes(nodes []node, depth int, end Pos) {
	for _, n := range nodes {
		if n.pos == (Pos{}) {
			f.before(end, depth) // what has no place comes behind what has
		}
		f.before(n.pos, depth)
		f.line(n.head, n.pos.Line, depth, n.section)
		if n.block == nil {
			continue
		}
		f.opened = true
		f.nodes(n.block, depth+1, n.end)
		f.before(n.end, depth+1)
		f.opened = true // no blank line before a brace
		f.line("}", n.end.Line, depth, n.section)
	}
}

// before writes the comments that stand before a place.
func (f *formatter) before(pos Pos, depth int) {
	for len(f.comments) > 0 && f.comments[0].Pos.compare(pos) < 0 {
		f.comment(f.comments[0], depth)
		f.comments = f.comments[1:]
	}
}

// line writes a statement that stood in the given line of the source, 0 if it
// has no place.
func (f *formatter) line(text string, source int32, depth int, s section) {
	blank := source > f.source+1
	if source == 0 {
		blank = s != f.last || s == sectionBlocks
	}
	f.lines = append(f.lines, outLine{depth: depth, text: text, blank: blank && len(f.lines) > 0 && !f.opened})
	f.source, f.opened, f.last = source, false, s
}

// comment writes a comment: at the end of the last line if that is where it
// stood, else on lines of its own.
func (f *formatter) comment(c Comment, depth int) {
	if n := len(f.lines); n > 0 && f.source == c.Pos.Line && c.Pos.Line > 0 && f.lines[n-1].text != "" && f.lines[n-1].comment == "" {
		f.lines[n-1].comment = strings.Trim(c.Text, " \t\r")
		return
	}
	source := c.Pos.Line
	for text := range strings.SplitSeq(c.Text, "\n") {
		f.lines = append(f.lines, outLine{depth: depth, comment: strings.Trim(text, " \t\r"),
			blank: source > f.source+1 && len(f.lines) > 0 && !f.opened})
		f.source, f.opened = source, false
		source++
	}
}

// align gives the comments behind neighbouring lines one column. Lines that
// are long have their own.
func (f *formatter) align() {
	const long = 60
	begin, column := 0, 0
	for i := range f.lines {
		l := &f.lines[i]
		width := columns(l.text)
		in := l.text != "" && l.comment != "" && width <= long
		if l.blank || !in || i > 0 && l.depth != f.lines[i-1].depth {
			begin, column = i, 0
		}
		if !in {
			l.column = width + 2
			begin = i + 1
			continue
		}
		if width+2 > column {
			column = width + 2
			for j := begin; j < i; j++ {
				f.lines[j].column = column
			}
		}
		l.column = column
	}
}

func (f *formatter) text() string {
	var b strings.Builder
	for _, l := range f.lines {
		if l.blank {
			b.WriteByte('\n')
		}
		for range l.depth {
			b.WriteByte('\t')
		}
		b.WriteString(l.text)
		if l.text != "" && l.comment != "" {
			b.WriteString(strings.Repeat(" ", l.column-columns(l.text)))
		}
		b.WriteString(l.comment)
		b.WriteByte('\n')
	}
	return b.String()
}

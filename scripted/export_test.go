package scripted

// Columns returns how many columns of a terminal s takes.
func Columns(s string) int { return columns(s) }

// Distance counts the edits between two words.
func Distance(a, b string) int { return distance(a, b) }

// Covers reports whether lane b gets no request that lane a was asked before.
func Covers(a, b Lane) bool { return a.covers(b) }

// StripPlaces forgets where everything stood, so that scripts can be compared.
func StripPlaces(s *Script) *Script {
	s.Comments, s.layout = nil, layout{}
	stripBody(s.Turns, s.Blocks, s.Expects)
	for i := range s.Lanes {
		l := &s.Lanes[i]
		l.Pos, l.End = Pos{}, Pos{}
		stripBody(l.Turns, l.Blocks, l.Expects)
	}
	return s
}

func stripBody(turns []Turn, blocks []Block, expects []Expect) {
	for i := range turns {
		turns[i].Pos = Pos{}
	}
	for i := range blocks {
		blocks[i].Pos, blocks[i].End = Pos{}, Pos{}
		stripBody(blocks[i].Turns, nil, blocks[i].Expects)
	}
	for i := range expects {
		expects[i].Pos, expects[i].value = Pos{}, span{}
	}
}

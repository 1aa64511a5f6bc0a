package explore

import (
	"fmt"
	"strings"

	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// String tells all that is known of a failure: the rule and what broke it, the
// scenario, what happened with the moment marked that shows it, how to declare it
// if it is meant, and the commands that say more.
func (f *Failure) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s (%s): %s\n", f.Rule.Area, f.Rule.Name, f.Rule.ID, f.What)
	line := func(label, text string) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("    %-9s %s", label, text), " ") + "\n")
	}
	line("promise", fmt.Sprintf("%s (%s)", f.Rule.Says, f.Rule.Guard))
	line("harm", f.Rule.Harm)
	if f.Script != nil {
		line("script", f.shrunk())
		indent(&b, "        ", scripted.Format(f.Script))
		line("seed", fmt.Sprint(seedOf(f.Script)))
		if f.bare {
			line("request", "one message of text, and nothing else")
		}
	}
	if len(f.Trace) > 0 {
		line("timeline", "")
		b.WriteString(f.timeline())
	}
	if dump := f.dump(); dump != "" {
		line("dump", "")
		indent(&b, "        ", dump)
	}
	if f.Script != nil {
		line("expected", "retrysim run --script "+quote(OneLine(f.Script))+"    # what the contract expects")
	}
	if f.choice != "" {
		line("unless", "it is meant, and explore.Options say so: "+f.choice)
	}
	line("more", "retrysim explain "+f.Rule.Name)
	return b.String()
}

// dump returns what a harness had to say beside the finding's one line, or where
// a wait is that did not end with its context.
func (f *Failure) dump() string {
	for _, e := range f.Trace {
		waits := e.Kind == trace.Stuck && f.Rule.Name == "ignored-cancel"
		if what, dump, ok := strings.Cut(e.Error, "\n"); ok && (waits || what == f.What) {
			return dump + "\n"
		}
	}
	return ""
}

// shrunk says how much smaller the script has become.
func (f *Failure) shrunk() string {
	if f.From > len(f.Script.Turns) {
		return fmt.Sprintf("(shrunk from %d turns)", f.From)
	}
	return ""
}

func seedOf(s *scripted.Script) uint64 {
	if s.Seed != nil {
		return *s.Seed
	}
	return 1
}

func indent(b *strings.Builder, by, text string) {
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) != "" {
			b.WriteString(by + l)
		}
	}
}

// OneLine returns a scenario without comments on one line, for a command or an
// environment variable.
func OneLine(s *scripted.Script) string {
	var b strings.Builder
	open := true // no separator is due
	for l := range strings.Lines(scripted.Format(s)) {
		switch l = strings.TrimSpace(l); {
		case l == "":
			continue
		case l == "}":
			b.WriteString(" }")
			open = false
			continue
		case b.Len() > 0 && !open:
			b.WriteString("; ")
		case b.Len() > 0:
			b.WriteString(" ")
		}
		b.WriteString(l)
		open = strings.HasSuffix(l, "{")
	}
	return b.String()
}

// quote quotes a text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// timeline writes the events, one a line, and marks the one that shows the
// fault.
func (f *Failure) timeline() string {
	var b strings.Builder
	offending := f.offending()
	for i, e := range f.Trace {
		text := tell(e)
		if text == "" {
			continue
		}
		mark := " "
		if i == offending {
			mark = ">"
		}
		if many(f.Trace) {
			text = fmt.Sprintf("call %d: %s", e.Call, text)
		}
		fmt.Fprintf(&b, "      %s %-12v %s\n", mark, e.At, text)
	}
	return b.String()
}

// offending returns the index of the first event at the time of the finding, of
// its attempt if there is one; -1 if there is none.
func (f *Failure) offending() int {
	first := -1
	for i, e := range f.Trace {
		switch {
		case e.At != f.At || e.Call != f.Call || tell(e) == "":
		case e.Attempt == f.Attempt:
			return i
		case first < 0:
			first = i
		}
	}
	return first
}

func many(events trace.Trace) bool {
	for _, e := range events {
		if e.Call != events[0].Call {
			return true
		}
	}
	return false
}

// tell says in words what happened, "" for what nobody needs to know.
func tell(e trace.Event) string {
	switch e.Kind {
	case trace.Begin:
		if e.Deadline != nil {
			return fmt.Sprintf("the call begins, with a deadline at %v", *e.Deadline)
		}
		return ""
	case trace.Attempt:
		return fmt.Sprintf("attempt %d", e.Attempt)
	case trace.Failed:
		s := fmt.Sprintf("attempt %d fails: %s", e.Attempt, e.Error)
		if e.RetryAfter != nil {
			s += fmt.Sprintf(" (the server asks for %v)", *e.RetryAfter)
		}
		return s
	case trace.Opened:
		return fmt.Sprintf("attempt %d succeeds", e.Attempt)
	case trace.Sent:
		return fmt.Sprintf("the stream of attempt %d: %s", e.Attempt, e.Chunk)
	case trace.Chunk:
		return "the caller receives: " + e.Chunk
	case trace.EOF:
		return "the caller is at the end of the stream"
	case trace.Broken:
		return "the caller's stream breaks: " + e.Error
	case trace.Notice:
		return fmt.Sprintf("a retry is announced, after attempt %d and %v", e.Attempt, *e.Wait)
	case trace.Cancel:
		return "the caller's context ends"
	case trace.End:
		if e.Error == "" {
			return "the call returns no error"
		}
		return "the call returns: " + e.Error
	}
	return string(e.Kind) + ": " + strings.SplitN(e.Error, "\n", 2)[0]
}

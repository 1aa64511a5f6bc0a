package propertytest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
)

// Files runs scenarios as subtests: every file that the pattern matches, as
// [filepath.Glob] reads it, and of txtar archives every .retry file in them.
// Each is played through the real decorator on virtual time; a subtest fails
// for every expectation that does not hold, with its place and what came
// instead.
//
// No match is a failure, and so is a scenario that cannot be parsed, that does
// not fit its policy or that expects nothing: a test that checks nothing must
// not pass.
//
//	func TestScenarios(t *testing.T) { propertytest.Files(t, "testdata/*.retry") }
func Files(t *testing.T, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatalf("propertytest: %q: %v", pattern, err)
	}
	if len(names) == 0 {
		t.Fatalf("propertytest: no file matches %q", pattern)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Errorf("propertytest: %v", err)
			continue
		}
		scripts, err := scripted.ParseFile(filepath.ToSlash(name), string(text))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, s := range scripts {
			title := filepath.Base(name)
			if s.Member != "" {
				title += "/" + s.Member
			}
			t.Run(title, func(t *testing.T) {
				for _, problem := range check(s) {
					t.Error(problem)
				}
			})
		}
	}
}

// check returns a line for each thing that is wrong with a scenario.
func check(s *scripted.Script) []string {
	r := simulate.Check(s)
	var lines []string
	for _, p := range r.Problems {
		lines = append(lines, fmt.Sprintf("%s: %v", s.Name, p))
	}
	for _, e := range r.Failed() {
		lines = append(lines, fmt.Sprintf("%s:%d: expect %s: got %s", s.Name, e.Pos.Line, e.Expect, e.Got))
	}
	if len(r.Problems) == 0 && len(r.Checks) == 0 {
		lines = append(lines, s.Name+": expects nothing (add a line such as: expect outcome == success)")
	}
	switch {
	case len(lines) == 0:
	case s.Member == "":
		lines = append(lines, "see why: retrysim run "+s.Name)
	default: // run plays no archives
		lines = append(lines, "again: retrysim check "+s.Name)
	}
	return lines
}

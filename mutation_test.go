package retrykit_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var mutate = flag.String("mutate", "", "change each operator of the files that match, such as \"retry/*.go scripted/*.go\", and see a test of their package fail; long")

// survivorsFile lists the mutants that no test can tell from the code, and why:
// "NAME // REASON" a line.
const survivorsFile = "testdata/survivors.txt"

// TestMutants changes one operator after the other and runs the tests of the
// package. A mutant under which they pass is one that they would not miss; each
// such one is listed with a reason, or this test fails. It fails too where a
// listed one dies. Without the flag it requires that the list fits the code.
//
// It stands in for gremlins, which compiles the package anew for each mutant
// and names it by line and column. Here all mutants of a package are compiled
// once, so that whole packages take minutes, and a name lives through changes
// elsewhere.
func TestMutants(t *testing.T) {
	listed := survivors(t)
	files := make(map[string]bool) // that are mutated
	folders := make(map[string]bool)
	for pattern := range strings.FieldsSeq(*mutate) {
		match, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range match {
			if !strings.HasSuffix(f, "_test.go") {
				files[filepath.ToSlash(f)] = true
				folders[path.Dir(filepath.ToSlash(f))] = true
			}
		}
		require.NotEmpty(t, files, "no file matches %s", pattern)
	}
	if *mutate == "" {
		for name := range listed {
			folders[path.Dir(fileOf(name))] = true
		}
	}
	known := make(map[string]bool)
	lives := make(map[string]bool)
	for folder := range folders {
		p := mutated(t, folder)
		for _, m := range p.mutants {
			known[m.name] = true
		}
		if *mutate != "" {
			p.mutants = slices.DeleteFunc(p.mutants, func(m mutant) bool { return !files[m.file] })
			p.run(t, lives)
		}
	}
	for name := range listed {
		if folders[path.Dir(fileOf(name))] {
			assert.True(t, known[name], "%s: the code has no such mutant: %s", survivorsFile, name)
		}
		if known[name] && files[fileOf(name)] {
			assert.True(t, lives[name], "%s: a test kills it now: %s", survivorsFile, name)
		}
	}
	for name := range lives {
		assert.NotEmpty(t, listed[name], "lives: %s", name)
	}
}

// fileOf returns the file in which a mutant of that name is.
func fileOf(name string) string {
	file, _, _ := strings.Cut(name, " ")
	return file
}

// survivors reads the list: the reason by the name.
func survivors(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(survivorsFile)
	require.NoError(t, err)
	listed := make(map[string]string)
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, " // ")
		require.True(t, ok && reason != "", "%s:%d: no reason behind \" // \"", survivorsFile, i+1)
		require.Empty(t, listed[name], "%s:%d: listed twice", survivorsFile, i+1)
		listed[name] = reason
	}
	return listed
}

// run runs the tests of the package under each mutant and adds those to lives
// under which they pass.
func (p mutatedPackage) run(t *testing.T, lives map[string]bool) {
	t.Helper()
	binary := p.compile(t)
	base := p.test(t, binary, 0, "", time.Minute, time.Minute)
	require.True(t, base.passed, "the tests of %s fail without a mutant:\n%s", p.folder, base.output)
	cpu, patience := 2*time.Second+4*base.cpu, 5*time.Second+10*base.wall
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	var wg sync.WaitGroup
	var killers []string // tests that killed the mutants before: they kill the neighbours, too
	live := 0
	for _, m := range p.mutants {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			mu.Lock()
			first := strings.Join(killers, "|")
			mu.Unlock()
			r := result{passed: true}
			if m.constant {
				for _, properties := range []bool{false, true} { // the former compile faster
					if r.passed {
						_, err := testWith(t, m.file, m.text, properties, "")
						r.passed = err == nil
					}
				}
			} else {
				if first != "" {
					r = p.test(t, binary, m.number, "^("+first+")$", cpu, patience)
				}
				if r.passed {
					r = p.test(t, binary, m.number, "", cpu, patience)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if r.failed != "" && !slices.Contains(killers, r.failed) {
				killers = append(killers[max(0, len(killers)-3):], r.failed)
			}
			if r.passed {
				t.Logf("lives: %s", m.name)
				lives[m.name] = true
				live++
			}
		})
	}
	wg.Wait()
	t.Logf("%s: %d mutants, %d live", p.folder, len(p.mutants), live)
}

// compile returns the tests of the package with all its mutants, which sleep.
func (p mutatedPackage) compile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := make(map[string]string)
	for name, text := range p.files {
		changed := filepath.Join(dir, path.Base(name))
		require.NoError(t, os.WriteFile(changed, []byte(text), 0o666))
		real, err := filepath.Abs(name)
		require.NoError(t, err)
		replace[real] = changed
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, overlay, 0o666))
	binary := filepath.Join(dir, "mutants.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay="+file, "-o", binary, "./"+p.folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// A result is what became of a run of the tests.
type result struct {
	passed    bool
	failed    string // the first test that failed, if one said so
	output    string
	cpu, wall time.Duration
}

// test runs the tests that match while a mutant is awake, of which 0 is none.
// One that runs for ever or eats the memory fails.
func (p mutatedPackage) test(t *testing.T, binary string, number int, match string, cpu, patience time.Duration) (r result) {
	limits := fmt.Sprintf(`ulimit -v 8000000; ulimit -t %d; exec "$0" "$@"`, (cpu+time.Second-1)/time.Second)
	c := exec.CommandContext(t.Context(), "sh", "-c", limits, binary,
		"-test.failfast", "-test.short", "-test.timeout="+patience.String(), "-test.run="+match)
	c.Dir = p.folder
	c.Env = append(os.Environ(), fmt.Sprintf("MUTANT=%d", number), "RAPID_SEED=1", "RAPID_NOFAILFILE=1")
	began := time.Now()
	out, err := c.CombinedOutput()
	r = result{passed: err == nil, output: string(out), wall: time.Since(began)}
	if c.ProcessState != nil {
		r.cpu = c.ProcessState.UserTime()
	}
	if m := failure.FindSubmatch(out); m != nil {
		r.failed = string(m[1])
	}
	return r
}

var failure = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

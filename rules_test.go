// Package retrykit_test holds the rules of this repository: which package may
// import which, what no package may call, and what an importer gets.
package retrykit_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const module = "github.com/retrykit/retrykit/"

// A room is a package and what it may import.
type room struct {
	folder string
	ours   []string // packages of this module
	theirs []string // other modules' packages; a trailing / admits what is below
	std    []string // packages of the standard library that are kept out of the other rooms
	why    string
}

// The table of rooms. A package that is not in it may not exist: a new room
// says here what it is for.
var rooms = []room{
	{folder: "retry", theirs: []string{clockwork},
		why: "production code imports it: it brings one dependency and no HTTP"},
	{folder: "retry/trace", ours: []string{"retry"}, theirs: []string{clockwork},
		why: "the one format that all rooms share knows events only"},
	{folder: "retry/provider", ours: []string{"retry"}, std: []string{"net/http"},
		why: "knows headers and bodies of providers, and sends nothing"},
	{folder: "retry/retryhttp", ours: []string{"retry", "retry/provider"}, theirs: []string{clockwork}, std: []string{"net/http"},
		why: "the same decision as a transport"},
	{folder: "retry/dialect", ours: []string{"retry"},
		why: "reads other systems' policies as data, and knows nothing of those systems' code"},
	{folder: "fakeclock", theirs: []string{clockwork},
		why: "any code that takes a clockwork.Clock can use it"},
	{folder: "fakeclock/bubble", ours: []string{"fakeclock"}, theirs: []string{clockwork}, std: []string{"testing"},
		why: "testing/synctest needs a *testing.T; the command must not"},
	{folder: "scripted", ours: []string{"retry", "retry/provider"}, theirs: []string{clockwork}, std: []string{"net/http"},
		why: "a script plays in front of any retry code, on any clock"},
	{folder: "scripted/wire", ours: []string{"scripted", "retry", "retry/"}, theirs: []string{clockwork}, std: []string{"net/http"},
		why: "the script as a server"},
	{folder: "propertytest/verdict", ours: []string{"retry", "retry/trace"},
		why: "rules over a trace serve the command too: no rapid, no testing"},
	{folder: "simulate/fleet", ours: []string{"retry"},
		why: "the engine knows the decision and the limits, and neither scripts nor clocks"},
	{folder: "simulate", ours: []string{"retry", "retry/", "fakeclock", "scripted", "propertytest/verdict", "simulate/fleet"}, theirs: []string{clockwork, "gonum.org/v1/gonum/"},
		why: "calls the production decision and no copy of it"},
	{folder: "docs/schema",
		why: "the schemas as data, for the command to print"},
	{folder: "propertytest/explore", ours: []string{"retry", "retry/", "fakeclock", "scripted", "scripted/wire", "simulate", "propertytest/verdict"}, theirs: []string{clockwork},
		why: "the command fuzzes without rapid and testing"},
	{folder: "propertytest/faults", ours: []string{"retry", "fakeclock", "scripted", "propertytest/verdict", "propertytest/explore"}, theirs: []string{clockwork},
		why: "code that breaks the rules, and is explained by the command: no rapid, no testing"},
	{folder: "propertytest", ours: []string{"retry", "retry/", "fakeclock", "fakeclock/", "scripted", "scripted/", "simulate", "propertytest/"},
		theirs: []string{clockwork, rapid, testify}, std: []string{"testing", "net/http"},
		why: "the only room with rapid in it, whose flags a command must not inherit"},
	{folder: "cmd/retrysim", ours: []string{"retry", "retry/", "fakeclock", "scripted", "scripted/", "simulate", "simulate/", "propertytest/verdict", "propertytest/explore", "propertytest/faults", "docs/schema", "cmd/retrysim/internal/"},
		theirs: []string{clockwork, "github.com/spf13/", "github.com/rogpeppe/go-internal/diff", "github.com/rogpeppe/go-internal/txtar", "golang.org/x/mod/modfile"}, std: []string{"net/http"},
		why: "the command is a program, not a test"},
	{folder: "cmd/retrysim/internal/tty", theirs: []string{"golang.org/x/term"},
		why: "knows terminals, and nothing of retries"},
	{folder: "cmd/retrysim/internal/chart", ours: []string{"cmd/retrysim/internal/tty"}, theirs: []string{"gonum.org/v1/plot", "gonum.org/v1/plot/", "github.com/guptarohit/asciigraph"},
		why: "draws numbers, whatever they are of"},
	{folder: "cmd/retrysim/internal/report", ours: []string{"cmd/retrysim/internal/tty", "cmd/retrysim/internal/chart"}, theirs: []string{"github.com/jedib0t/go-pretty/v6/"},
		why: "writes what a command found out, and knows no command"},
	{folder: "cmd/retrysim/internal/advice", ours: []string{"retry", "simulate", "cmd/retrysim/internal/tty", "cmd/retrysim/internal/report"},
		why: "judges policies the same way for every command"},
}

const (
	clockwork = "github.com/jonboulle/clockwork"
	rapid     = "pgregory.net/rapid"
	testify   = "github.com/stretchr/testify/"
)

// guarded are packages of the standard library that only rooms which name them
// may import.
var guarded = map[string]string{
	"net/http":    "importing the core must not bring an HTTP stack",
	"testing":     "a program must not inherit test flags",
	"crypto/rand": "chance is the injected source's",
	"math/rand":   "math/rand/v2 has the sources that are specified",
	"unsafe":      "nothing here is worth it",
	"C":           "the kit must build everywhere the toolchain does",
	"log":         "a library returns what it has to say",
}

// A call that no package outside tests may make, and why.
var banned = map[string]string{
	"time.Now":       "time is the injected clock's",
	"time.Since":     "time is the injected clock's",
	"time.Until":     "time is the injected clock's",
	"time.Sleep":     "nothing here sleeps for real",
	"time.After":     "waits are the injected clock's",
	"time.AfterFunc": "timers are the injected clock's",
	"time.NewTimer":  "timers are the injected clock's",
	"time.NewTicker": "timers are the injected clock's",
	"time.Tick":      "timers are the injected clock's",

	"context.WithTimeout":       "its deadline is on the wall clock",
	"context.WithTimeoutCause":  "its deadline is on the wall clock",
	"context.WithDeadline":      "its deadline is on the wall clock",
	"context.WithDeadlineCause": "its deadline is on the wall clock",
}

// exempt are the files that may make some of the banned calls.
var exempt = map[string]string{
	"retry/entropy.go":           "rand: the seed of a retrier that was given none",
	"propertytest/bubble.go":     "time: in a bubble it is virtual; the watchdog runs outside, when virtual time does not",
	"propertytest/isolate.go":    "time: another process is waited for, whose time is real",
	"propertytest/httpbubble.go": "time: in a bubble it is virtual; the watchdog runs outside, when virtual time does not",
	"fakeclock/watchdog.go":      "time: the watchdog of stalls runs when virtual time does not",

	"cmd/retrysim/serve.go":    "time: the one command that takes real time",
	"cmd/retrysim/number.go":   "rand: the seed of who asks for a random one, which is printed",
	"cmd/retrysim/progress.go": "time: progress is for a person who waits for real",

	"propertytest/explore/wall.go": "time: whether a subject sleeps for real is seen on the real clock",
}

// bannedTree are folders whose subject is real time inside a bubble, where
// that time is virtual.
var bannedTree = []string{"fakeclock/bubble/"}

// seededRand are the names of math/rand/v2 that do not draw from the global
// source, which nobody can seed.
var seededRand = []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}

// file is a parsed source file of the module.
type file struct {
	path string // with slashes, from the root
	ast  *ast.File
	set  *token.FileSet
}

// sources parses every file of the root module, nested modules left out.
func sources(t *testing.T, tests bool) []file {
	t.Helper()
	var out []file
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(name)
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || exists(filepath.Join(name, "go.mod"))) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") != tests {
			return nil
		}
		parsed, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err == nil {
			out = append(out, file{slashed, parsed, set})
		}
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return out
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	for _, f := range sources(t, false) {
		i := slices.IndexFunc(rooms, func(r room) bool { return r.folder == path.Dir(f.path) })
		if !assert.GreaterOrEqual(t, i, 0, "%s is in no room: give its package a row in the table, with a reason", f.path) {
			continue
		}
		for _, spec := range f.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			assert.Empty(t, forbidden(rooms[i], name), "%s imports %s", f.path, name)
		}
	}
}

// forbidden says why the room may not import the package, "" if it may.
func forbidden(r room, name string) string {
	reason := fmt.Sprintf("%s may not (%s)", r.folder, r.why)
	if ours, ok := strings.CutPrefix(name, module); ok {
		if admits(r.ours, ours) {
			return ""
		}
		return reason
	}
	if strings.Contains(name, ".") {
		if admits(r.theirs, name) {
			return ""
		}
		return reason
	}
	for std, why := range guarded {
		if (name == std || strings.HasPrefix(name, std+"/")) && !strings.HasPrefix(name, std+"/v2") && !admits(r.std, std) {
			return fmt.Sprintf("%s: %s", reason, why)
		}
	}
	return ""
}

// admits reports whether the list has the name, or an entry with a trailing
// slash that it is below.
func admits(list []string, name string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		return entry == name || strings.HasSuffix(entry, "/") && strings.HasPrefix(name, entry)
	})
}

func TestNoBannedCalls(t *testing.T) {
	for _, f := range sources(t, false) {
		if _, ok := exempt[f.path]; ok || slices.ContainsFunc(bannedTree, func(tree string) bool { return strings.HasPrefix(f.path, tree) }) {
			continue
		}
		for _, used := range uses(f.ast) {
			why := banned[used]
			if name, ok := strings.CutPrefix(used, "math/rand/v2."); ok && !slices.Contains(seededRand, name) {
				why = "chance is the injected source's"
			}
			assert.Empty(t, why, "%s uses %s", f.path, used)
		}
	}
	for name := range exempt {
		assert.FileExists(t, name, "an exempt file that is gone")
	}
}

// uses lists what a file uses of the packages it imports, as "path.Name".
func uses(f *ast.File) []string {
	imported := make(map[string]string) // name in the file: path
	for _, spec := range f.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(p)
		if name == "v2" {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = p
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && imported[x.Name] != "" {
				out = append(out, imported[x.Name]+"."+sel.Sel.Name)
			}
		}
		return true
	})
	return out
}

func TestNoLinkname(t *testing.T) {
	for _, f := range append(sources(t, false), sources(t, true)...) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				assert.False(t, strings.HasPrefix(c.Text, "//go:linkname"), "%s reaches into another package", f.path)
			}
		}
		for _, spec := range f.ast.Imports {
			assert.NotContains(t, []string{`"unsafe"`, `"C"`}, spec.Path.Value, f.path)
		}
	}
}

// A dot import would hide a banned call from the test above.
func TestNoDotImports(t *testing.T) {
	for _, f := range sources(t, false) {
		for _, spec := range f.ast.Imports {
			assert.False(t, spec.Name != nil && spec.Name.Name == ".", "%s imports %s into itself", f.path, spec.Path.Value)
		}
	}
}

func TestOnePackageCommentEach(t *testing.T) {
	comments := make(map[string][]string)
	for _, f := range sources(t, false) {
		folder := path.Dir(f.path)
		comments[folder] = append(comments[folder], "")
		if f.ast.Doc != nil {
			comments[folder] = append(comments[folder], f.path)
		}
	}
	for folder, files := range comments {
		files = slices.DeleteFunc(files, func(s string) bool { return s == "" })
		assert.Len(t, files, 1, "%s has one package comment, in one file", folder)
	}
}

// Nothing may outlive its test: where there are tests, TestMain looks for
// goroutines that were left.
func TestEveryPackageLooksForLeaks(t *testing.T) {
	looks := make(map[string]bool)
	for _, f := range sources(t, true) {
		used := uses(f.ast)
		looks[path.Dir(f.path)] = looks[path.Dir(f.path)] || slices.Contains(used, "go.uber.org/goleak.VerifyTestMain") || slices.Contains(used, "go.uber.org/goleak.Find")
	}
	for folder, does := range looks {
		assert.True(t, does, "%s: its tests do not end with goleak", folder)
	}
}

// What an importer gets: a module that imports only retry vendors clockwork
// and nothing else, and its go line is left alone.
func TestImportingRetryBringsClockworkOnly(t *testing.T) {
	root, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	write("go.mod", "module example.com/outside\n\ngo 1.25\n\nrequire github.com/retrykit/retrykit v0.0.0\n\nreplace github.com/retrykit/retrykit => "+strconv.Quote(filepath.ToSlash(root))+"\n")
	write("main.go", "package main\n\nimport \"github.com/retrykit/retrykit/retry\"\n\nfunc main() { println(retry.Default().String()) }\n")
	for _, args := range [][]string{{"mod", "tidy"}, {"mod", "vendor"}, {"build", "-o", os.DevNull, "."}} {
		c := exec.Command("go", args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "go %v\n%s", args, out)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	assert.Contains(t, string(mod), "\ngo 1.25\n", "the importer's go line")
	modules, err := os.ReadFile(filepath.Join(dir, "vendor", "modules.txt"))
	require.NoError(t, err)
	var vendored []string
	for line := range strings.Lines(string(modules)) {
		if p := strings.TrimSpace(line); p != "" && !strings.HasPrefix(p, "#") {
			vendored = append(vendored, p)
		}
	}
	assert.ElementsMatch(t, []string{clockwork, module + "retry"}, vendored)
}

// Each rule above can fail: this is what it says when it does.
func TestTheRulesCatchWhatTheyForbid(t *testing.T) {
	find := func(folder string) room {
		return rooms[slices.IndexFunc(rooms, func(r room) bool { return r.folder == folder })]
	}
	for _, tt := range []struct {
		folder, name string
		allowed      bool
	}{
		{"retry", clockwork, true},
		{"retry", "math/rand/v2", true},
		{"retry", "math/rand", false},
		{"retry", "net/http", false},
		{"retry", "net/http/httptest", false},
		{"retry", module + "fakeclock", false},
		{"fakeclock", module + "retry", false},
		{"fakeclock", "testing", false},
		{"fakeclock", "testing/synctest", false},
		{"fakeclock/bubble", "testing/synctest", true},
		{"propertytest/verdict", rapid, false},
		{"simulate", module + "retry/trace", true},
		{"cmd/retrysim", module + "propertytest", false},
		{"cmd/retrysim", rapid, false},
		{"cmd/retrysim", "testing", false},
	} {
		assert.Equal(t, tt.allowed, forbidden(find(tt.folder), tt.name) == "", "%s imports %s", tt.folder, tt.name)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
import ("time"; r "math/rand/v2")
var _, _ = time.Now, r.IntN`, 0)
	require.NoError(t, err)
	assert.Equal(t, []string{"time.Now", "math/rand/v2.IntN"}, uses(f))
}

// TestTheWorkflowIsTheScript keeps what CI does in one place, .ci/run, which
// runs on any machine: the workflow adds the versions of Go to it and nothing
// else, the lowest that go.mod allows among them.
func TestTheWorkflowIsTheScript(t *testing.T) {
	text, err := os.ReadFile(".github/workflows/ci.yml")
	require.NoError(t, err)
	var workflow struct {
		Jobs map[string]struct {
			Strategy struct{ Matrix struct{ Go []string } }
			Steps    []struct{ Uses, Run string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &workflow))
	require.Len(t, workflow.Jobs, 1)
	for _, job := range workflow.Jobs {
		var runs []string
		for _, s := range job.Steps {
			if s.Run != "" {
				runs = append(runs, s.Run)
			} else {
				assert.Regexp(t, "^actions/(checkout|setup-go)@", s.Uses)
			}
		}
		assert.Equal(t, []string{"bash .ci/run"}, runs)
		mod, err := os.ReadFile("go.mod")
		require.NoError(t, err)
		lowest := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
		require.NotNil(t, lowest)
		assert.Equal(t, []string{string(lowest[1]) + ".x", "stable"}, job.Strategy.Matrix.Go)
	}
	script, err := os.ReadFile(".ci/run")
	require.NoError(t, err)
	assert.Contains(t, string(script), "for target in test $(make --no-print-directory checks) ", "the tests and all of make check")
}

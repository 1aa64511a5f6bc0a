package propertytest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest"
)

// TestFilesChild is run by TestFiles in a process of its own, where it may
// fail.
func TestFilesChild(t *testing.T) {
	pattern := os.Getenv("RETRYKIT_FILES")
	if pattern == "" {
		t.Skip("may fail on purpose: run by TestFiles in a process of its own")
	}
	propertytest.Files(t, pattern)
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	write("good.retry", "transient:5; ok; expect attempts == 2")
	write("red.retry", "ok\nexpect attempts == 2\nexpect outcome == success\nexpect total > 1s")
	write("typo.retry", "trasient")
	write("quiet.retry", "ok")
	write("short.retry", "transient; expect attempts == 2")
	write("suite.txtar", "-- a.retry --\nok; expect attempts == 1\n-- b.retry --\nok; expect attempts == 7\n")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.retry"), 0o777))

	tests := []struct {
		pattern string
		pass    bool
		says    []string
	}{
		{"good.retry", true, []string{"--- PASS: TestFilesChild/good.retry"}},
		{"red.retry", false, []string{"red.retry:2: expect attempts == 2: got 1", "red.retry:4: expect total > 1s: got 0s", "see why: retrysim run "}},
		{"typo.retry", false, []string{`typo.retry:1:1: unknown word "trasient" (did you mean "transient"?)`}},
		{"quiet.retry", false, []string{"quiet.retry: expects nothing"}},
		{"short.retry", false, []string{"finds the script used up"}},
		{"suite.txtar", false, []string{"--- PASS: TestFilesChild/suite.txtar/a.retry", "--- FAIL: TestFilesChild/suite.txtar/b.retry", "suite.txtar:4: expect attempts == 7: got 1", "again: retrysim check "}},
		{"folder.retry", false, []string{"is a directory"}},
		{"none*.retry", false, []string{"no file matches"}},
		{"[.retry", false, []string{"syntax error in pattern"}},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			c := exec.Command(os.Args[0], "-test.run=^TestFilesChild$", "-test.v")
			c.Env = append(os.Environ(), "RETRYKIT_FILES="+filepath.Join(dir, tt.pattern))
			out, err := c.CombinedOutput()
			assert.Equal(t, tt.pass, err == nil, string(out))
			for _, s := range tt.says {
				assert.Contains(t, string(out), s)
			}
		})
	}
}

func TestFilesThatHold(t *testing.T) { propertytest.Files(t, "../simulate/testdata/call*.retry") }

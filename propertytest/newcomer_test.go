package propertytest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a newcomer has: a loop that makes one attempt too many, and takes a clock
// and sleeps on another.
const newcomersLoop = `package shaky

import (
	"context"
	"time"

	"github.com/jonboulle/clockwork"
)

// Retrier calls an operation again, a second later and then two.
type Retrier struct {
	Clock    clockwork.Clock
	Attempts int
}

func (r Retrier) Do(ctx context.Context, op func(context.Context) error) error {
	var err error
	for i := 0; i <= r.Attempts; i++ {
		if err = op(ctx); err == nil {
			return nil
		}
		time.Sleep(time.Second << i)
	}
	return err
}
`

// What it takes to put that to the test: ten lines, its declaration included.
const newcomersTest = `func TestRetrier(t *testing.T) {
	propertytest.Run(t, explore.Func(func(e explore.Env) explore.Do {
		return Retrier{Clock: e.Clock, Attempts: 3}.Do
	}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second}}})
}
`

func TestANewcomer(t *testing.T) {
	assert.LessOrEqual(t, strings.Count(newcomersTest, "\n"), 10)
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	write("go.sum", string(sums))
	write("go.mod", "module example.com/shaky\n\ngo 1.25\n\nrequire github.com/retrykit/retrykit v0.0.0\n\nreplace github.com/retrykit/retrykit => "+strconv.Quote(filepath.ToSlash(root))+"\n")
	write("shaky.go", newcomersLoop)
	write("shaky_test.go", `package shaky

import (
	"testing"
	"time"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

`+newcomersTest)
	test := func(command string, args ...string) string {
		c := exec.Command(command, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off")
		out, err := c.CombinedOutput()
		require.Error(t, err, "the suite finds nothing:\n%s", out)
		require.Contains(t, string(out), "FAIL\texample.com/shaky", "it was not built:\n%s", out)
		return string(out)
	}
	out := test("go", "test", "-count=1", ".")
	for _, s := range []string{
		"waiting/wrong-clock (R11): the code waited 15s on the clock of package time, and not on the clock it was given",
		"attempts/extra-attempt (R05): attempt 4, and the policy allows 3",
		"transient forever",
	} {
		assert.True(t, strings.Contains(out, s), "it does not say %q:\n%s", s, out)
	}

	commands := regexp.MustCompile(`RETRYKIT_SCRIPT='[^']*' go test -run '[^']*(wrong-clock|extra-attempt)\$' example.com/shaky\n`).FindAllString(out, -1)
	require.Len(t, commands, 2, "each verdict has a command to see it again")
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no shell to paste a command into")
	}
	for _, command := range commands {
		again := test("sh", "-c", command)
		assert.Equal(t, 1, strings.Count(again, "    --- FAIL: "), "one rule was asked about:\n%s", again)
		assert.Contains(t, again, "only the scenario in RETRYKIT_SCRIPT was played")
	}
}

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	plainEvery = time.Hour
	testscript.Main(leakChecked{m}, map[string]func(){"retrysim": main})
}

// leakChecked runs the tests and fails if they left a goroutine behind.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// The scripts are whole sessions of the command: arguments, standard input,
// both outputs and the exit status.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
		},
	})
}

// status N ARG...: runs retrysim with the arguments and fails if its exit
// status is not N; the outputs are those of the last command, as after exec.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N retrysim [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// Every example plays, twice to the same bytes, and prints its golden output.
func TestExamples(t *testing.T) {
	t.Chdir("../..") // the outputs name the files as a reader would
	files, err := filepath.Glob("examples/*.retry")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 6)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			verb := "run"
			if isFleet(t, file) { // it has no one call to show
				verb = "check"
			}
			play := func() string {
				var out, msg bytes.Buffer
				assert.Equal(t, exitOK, run([]string{verb, file}, strings.NewReader(""), &out, &msg))
				assert.Empty(t, msg.String())
				return out.String()
			}
			got := play()
			assert.Equal(t, got, play(), "the same command prints the same bytes")
			golden := strings.TrimSuffix(file, ".retry") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o666))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got, "run with -update to accept")
		})
	}
}

// isFleet reports whether the file is a fleet scenario.
func isFleet(t *testing.T, file string) bool {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.Contains(string(text), "\nfleet ")
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
func (brokenPipe) Read([]byte) (int, error)  { return 0, errors.New("no such device") }

func TestIOErrors(t *testing.T) {
	var out, msg bytes.Buffer
	assert.Equal(t, exitIO, run([]string{"run", "--script", "ok"}, nil, brokenPipe{}, &msg))
	assert.Equal(t, "retrysim: standard output: broken pipe\n", msg.String())
	msg.Reset()
	assert.Equal(t, exitUsage, run([]string{"run", "-"}, brokenPipe{}, &out, &msg))
	assert.Equal(t, "retrysim: run: standard input: no such device\n", msg.String())
	assert.Empty(t, out.String())
}

// A full disk and a closed pipe: one line, and 3.
func TestUnwritableOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here, which stands for a full disk: ", err)
	}
	defer full.Close()
	var msg bytes.Buffer
	assert.Equal(t, exitIO, run([]string{"schedule", "openai"}, nil, full, &msg))
	assert.Equal(t, "retrysim: standard output: write /dev/full: no space left on device\n", msg.String())

	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	defer w.Close()
	msg.Reset()
	assert.Equal(t, exitIO, run([]string{"schedule", "openai", "-f", "csv"}, nil, w, &msg))
	assert.Regexp(t, `^retrysim: standard output: write .*: broken pipe\n$`, msg.String())
}

// BenchmarkVersion is a whole process that is asked for its version, which is to
// take less than 20 ms. It is measured and not asserted, because the machine may
// be busy; cpu-ms is the process's own time.
func BenchmarkVersion(b *testing.B) {
	self, err := os.Executable()
	require.NoError(b, err)
	command := filepath.Join(b.TempDir(), "retrysim") // the name by which the test binary is the command
	require.NoError(b, os.Symlink(self, command))
	var own time.Duration
	for b.Loop() {
		c := exec.Command(command, "version")
		out, err := c.Output()
		require.NoError(b, err)
		require.Contains(b, string(out), "retrysim ")
		own += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	b.ReportMetric(float64(own.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

func TestWorkflowCommandsAreEscaped(t *testing.T) {
	assert.Equal(t, "a%25b%0D%0Ac:d,e", escape("a%b\r\nc:d,e", false))
	assert.Equal(t, "a%25b%0D%0Ac%3Ad%2Ce", escape("a%b\r\nc:d,e", true))
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// recipe is what an engine does with a command line of the page about clusters.
type recipe struct {
	engine string
	line   string // for every index
	merge  string // once, afterwards
	parts  int
	env    func(index int) []string // what the engine sets, its index counted from 0
}

// recipes reads the page.
func recipes(t *testing.T) []recipe {
	t.Helper()
	text, err := os.ReadFile("../../docs/howto/cluster.md")
	require.NoError(t, err)
	// On one machine the shell counts the parts itself.
	loop := blocks(string(text), "sh")[0]
	out := []recipe{{engine: "one machine", line: loop, merge: loop, parts: 1, env: func(int) []string { return nil }}}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		var r recipe
		switch {
		case strings.Contains(title, "GitHub"):
			r = gitHub(t, blocks(section, "yaml")[0])
		case strings.Contains(title, "Kubernetes"):
			r = kubernetes(t, blocks(section, "yaml")[0])
			r.merge = blocks(section, "sh")[0]
		case strings.Contains(title, "Slurm"):
			r = slurm(t, blocks(section, "sh")[0])
			r.merge = blocks(section, "sh")[1]
		default:
			t.Fatalf("no test knows the engine of %q", title)
		}
		r.engine = title
		out = append(out, r)
	}
	return out
}

// gitHub runs a job for each value of the matrix: the context strategy has its
// index from 0 and how many there are.
func gitHub(t *testing.T, text string) (r recipe) {
	type job struct {
		Strategy struct{ Matrix map[string][]int }
		Env      map[string]string
		Steps    []struct{ Run string }
	}
	var flow struct{ Jobs map[string]job }
	require.NoError(t, yaml.Unmarshal([]byte(text), &flow))
	part := flow.Jobs["part"]
	require.Len(t, part.Strategy.Matrix, 1)
	for _, values := range part.Strategy.Matrix {
		r.parts = len(values)
	}
	find := func(j job, verb string) string {
		for _, s := range j.Steps {
			if strings.Contains(s.Run, "retrysim "+verb) {
				return s.Run
			}
		}
		t.Fatalf("no step runs retrysim %s", verb)
		return ""
	}
	r.line, r.merge = find(part, "sweep"), find(flow.Jobs["merge"], "merge")
	r.env = func(index int) (env []string) {
		contexts := strings.NewReplacer("${{ strategy.job-index }}", strconv.Itoa(index), "${{ strategy.job-total }}", strconv.Itoa(r.parts))
		for name, value := range part.Env {
			env = append(env, name+"="+contexts.Replace(value))
		}
		return env
	}
	return r
}

// kubernetes runs a pod for each index and sets JOB_COMPLETION_INDEX.
func kubernetes(t *testing.T, text string) (r recipe) {
	var job struct {
		Spec struct {
			Completions    int
			CompletionMode string `yaml:"completionMode"`
			Template       struct {
				Spec struct {
					Containers []struct {
						Env           []struct{ Name, Value string }
						Command, Args []string
					}
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &job))
	assert.Equal(t, "Indexed", job.Spec.CompletionMode)
	c := job.Spec.Template.Spec.Containers[0]
	require.Equal(t, []string{"sh", "-c"}, c.Command)
	r.line, r.parts = c.Args[0], job.Spec.Completions
	r.env = func(index int) []string {
		env := []string{fmt.Sprintf("JOB_COMPLETION_INDEX=%d", index)}
		for _, e := range c.Env {
			env = append(env, e.Name+"="+e.Value)
		}
		return env
	}
	return r
}

// slurm runs a task for each number of the array.
func slurm(t *testing.T, text string) (r recipe) {
	var first, last int
	_, array, ok := strings.Cut(text, "--array=")
	require.True(t, ok)
	_, err := fmt.Sscanf(array, "%d-%d", &first, &last)
	require.NoError(t, err)
	r.line, r.parts = text, last-first+1
	r.env = func(index int) []string {
		return []string{fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d", first+index), fmt.Sprintf("SLURM_ARRAY_TASK_COUNT=%d", r.parts)}
	}
	return r
}

// Each recipe of the page is played, the engine's part by the test: every index,
// then the merge. What comes is what the sweep gives that was not split. The
// scenario is a smaller one under the same name, and it is run less often.
func TestClusterRecipes(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts fifty processes; leave out -short")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("the recipes are for a shell, and there is none here: ", err)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	const scenario = "fleet for=10s every=1s\narrive uniform rate=10/s\npolicy exp:base=100ms,jitter=full,attempts=3\nserver workers=1 service=exp:50ms queue=10\nfault refuse from=3s for=2s\n"
	all := recipes(t)
	require.Len(t, all, 4)
	for _, r := range all {
		t.Run(r.engine, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "examples"), 0o777))
			for _, name := range []string{"metastable.retry", "examples/metastable.retry"} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(scenario), 0o666))
			}
			// The name by which the test binary is the command, both as ./retrysim
			// and on the path.
			require.NoError(t, os.Symlink(self, filepath.Join(dir, "retrysim")))
			shell := func(line string, env []string) {
				t.Helper()
				c := exec.Command("sh", "-c", line)
				c.Dir = dir
				c.Env = append(slices.Clone(env), "PATH="+dir+":"+os.Getenv("PATH"))
				out, err := c.CombinedOutput()
				require.NoError(t, err, "%s\n%s\n%s", env, line, out)
			}
			fewer := strings.NewReplacer("--runs 1000", "--runs 3", "--runs 100 ", "--runs 3 ", "-o sweep.html", "-q -o merged.json")
			line := fewer.Replace(r.line)
			require.Contains(t, line, "--runs 3 ")
			for index := range r.parts {
				shell(line, r.env(index))
			}
			shell(fewer.Replace(r.merge), nil)
			merged, err := os.ReadFile(filepath.Join(dir, "merged.json"))
			require.NoError(t, err)

			words := strings.Fields(line[strings.Index(line, "retrysim sweep"):])
			whole := strings.Join(words[:slices.Index(words, "--shard")], " ") + " -q -o whole.json"
			shell(whole, nil)
			want, err := os.ReadFile(filepath.Join(dir, "whole.json"))
			require.NoError(t, err)
			assert.Equal(t, string(want), string(merged))
			parts, err := filepath.Glob(filepath.Join(dir, "part-*.json"))
			require.NoError(t, err)
			assert.Len(t, parts, max(r.parts, 4))
		})
	}
}

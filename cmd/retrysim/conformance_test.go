package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The module that init writes builds and passes as it stands, in the folder of
// another module, which stays as it was.
func TestInitConformancePasses(t *testing.T) {
	checkout, err := filepath.Abs("../..")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	const lib = "module example.com/lib\n\ngo 1.21\n"
	require.NoError(t, os.WriteFile("go.mod", []byte(lib), 0o666))
	require.NoError(t, os.WriteFile("lib.go", []byte("package lib\n"), 0o666))
	var out, msg bytes.Buffer
	require.Equal(t, exitOK, run([]string{"init", "--conformance", "--checkout", checkout}, nil, &out, &msg), msg.String())
	for _, args := range [][]string{{"mod", "tidy"}, {"vet", "./..."}, {"test", "-count=1", "./..."}} {
		c := exec.Command("go", args...)
		c.Dir = "conformance"
		text, err := c.CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, text)
	}
	got, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	assert.Equal(t, lib, string(got))
}

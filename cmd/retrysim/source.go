package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/retrykit/retrykit/scripted"
	"github.com/spf13/cobra"
)

// source is the script that a result came from, with which the input of each
// command begins.
type source struct {
	Name   string `json:"name"`
	Script string `json:"script"`
	SHA256 string `json:"sha256"` // of the script
}

func newSource(name, text string) source {
	sum := sha256.Sum256([]byte(text))
	return source{Name: name, Script: text, SHA256: hex.EncodeToString(sum[:])}
}

// readFleet reads a scenario and makes sure that it is one.
func readFleet(c *cobra.Command, file string) (source, error) {
	name, text, err := readScript(c, file)
	if err != nil {
		return source{}, err
	}
	s := newSource(name, text)
	_, err = s.fleet()
	return s, err
}

// fleet returns the script, which is to be a fleet scenario.
func (s source) fleet() (*scripted.Script, error) {
	script, err := scripted.Parse(s.Name, s.Script)
	if err == nil && !script.IsFleet() {
		err = fmt.Errorf("%s plays single calls (play it with: retrysim run %[1]s; a fleet has a line such as: fleet for=10m)", s.Name)
	}
	return script, err
}

// files is where recordings are looked for.
func (s source) files() fs.FS { return os.DirFS(filepath.Dir(s.Name)) }

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An update that would leave a file nobody can read leaves it alone.
func TestUpdateThatDoesNotFit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wide.retry")
	text := "ok \"" + strings.Repeat("\u2028", 20_000) + "\"; expect text == ?\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
	var out, msg bytes.Buffer
	assert.Equal(t, exitUsage, run([]string{"check", "--update", file}, nil, &out, &msg))
	assert.Contains(t, msg.String(), "wide.retry: not updated, because with the new values it could not be read")
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, text, string(got))
}

// junitSchema is what the readers of JUnit's XML have in common: which elements
// stand in which, and their attributes.
var junitSchema = map[string]struct{ children, attributes []string }{
	"testsuites": {[]string{"testsuite"}, nil},
	"testsuite":  {[]string{"properties", "testcase"}, []string{"name", "tests", "failures", "errors", "skipped", "time"}},
	"properties": {[]string{"property"}, nil},
	"property":   {nil, []string{"name", "value"}},
	"testcase":   {[]string{"failure", "error"}, []string{"classname", "name", "file", "time"}},
	"failure":    {nil, []string{"message", "type"}},
	"error":      {nil, []string{"message", "type"}},
}

// A report is JUnit's XML whatever stands in the scripts, and its sums are
// right.
func TestJUnitReport(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
		return file
	}
	report := filepath.Join(dir, "report.xml")
	var out, msg bytes.Buffer
	run([]string{"check", "--report", "junit=" + report,
		write("a&<b>\"'.retry", "permanent: \"]]> & <b> \\x00\\x1b\\xff\\n\\u2028\"; expect error == \"<\"; expect attempts == 1"),
		write("broken.retry", "trasient\n\x00"),
		write("unfit.retry", "transient; expect attempts == 2"),
		write("endless.retry", "policy exp:base=0s,attempts=unlimited; reset forever; expect attempts == 1"),
		filepath.Join(dir, "missing.retry"),
	}, nil, &out, &msg)
	assert.NoFileExists(t, report, "a path that does not exist is a mistake in the command line")
	run([]string{"check", "--report", "junit=" + report, dir}, nil, &out, &msg)

	file, err := os.Open(report)
	require.NoError(t, err)
	defer file.Close()
	seen := checkJUnit(t, file)
	assert.Equal(t, map[string]int{"testsuites": 1, "testsuite": 4, "properties": 2, "property": 6, "testcase": 6, "failure": 1, "error": 3}, seen)

	text, err := os.ReadFile(report)
	require.NoError(t, err)
	var suites struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Cases    []struct {
				Failure []struct {
					Message string `xml:"message,attr"`
					Body    string `xml:",chardata"`
				} `xml:"failure"`
				Error []struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(text, &suites))
	for _, s := range suites.Suites {
		failures, errs := 0, 0
		for _, c := range s.Cases {
			failures, errs = failures+len(c.Failure), errs+len(c.Error)
			for _, f := range c.Failure {
				assert.Equal(t, f.Message, f.Body, "readers show the one or the other")
			}
		}
		assert.Equal(t, []int{len(s.Cases), failures, errs}, []int{s.Tests, s.Failures, s.Errors})
	}
}

// checkJUnit compares a document with junitSchema and returns how often each
// element stands in it.
func checkJUnit(t *testing.T, r io.Reader) map[string]int {
	seen := make(map[string]int)
	open := []string{""}
	order := []int{0} // of the last child of each open element
	for d := xml.NewDecoder(r); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return seen
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			name, parent := token.Name.Local, open[len(open)-1]
			seen[name]++
			if parent != "" {
				i := slices.Index(junitSchema[parent].children, name)
				require.GreaterOrEqual(t, i, order[len(order)-1], "%s in %s", name, parent)
				order[len(order)-1] = i
			}
			var attributes []string
			for _, a := range token.Attr {
				attributes = append(attributes, a.Name.Local)
			}
			require.Equal(t, junitSchema[name].attributes, attributes, name)
			open, order = append(open, name), append(order, 0)
		case xml.EndElement:
			open, order = open[:len(open)-1], order[:len(order)-1]
		}
	}
}

// GitHub shows ten errors of a step: as many stand as they are, of more the
// last one says how many are left.
func TestAnnotations(t *testing.T) {
	for _, n := range []int{1, 9, 10, 11, 25} {
		var out, msg bytes.Buffer
		script := "ok" + strings.Repeat("\nexpect attempts == 7", n)
		run([]string{"check", "--report", "github", "-"}, strings.NewReader(script), &out, &msg)
		var lines []string
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "::") {
				lines = append(lines, line)
			}
		}
		require.Len(t, lines, min(n, 10))
		assert.Equal(t, "::error file=<stdin>,line=2,col=1,title=retrysim::expect attempts == 7: got 1\n", lines[0])
		if n > 10 {
			assert.Regexp(t, `^::error title=retrysim::and (2|16) more, see the log\n$`, lines[9])
		} else {
			assert.Contains(t, lines[n-1], "got 1")
		}
	}
	var b bytes.Buffer
	writeAnnotations(&b, []checked{{name: "a:b,c%.retry", err: errors.New("two\r\nlines, 100%: %0A")}})
	assert.Equal(t, "::error file=a%3Ab%2Cc%25.retry,title=retrysim::two%0D%0Alines, 100%25: %250A\n", b.String())
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/scripted"
	"github.com/spf13/cobra"
)

// outputFlags are the flags of every command whose result is a document.
type outputFlags struct {
	format string
	json   bool
	files  []string
}

// A format writes a document. Its name is the value of --format and, with a
// dot, the extension of a file.
type format struct {
	name   string
	binary bool
	write  func(d *report.Document, s tty.Style) ([]byte, error)
}

var formats = []format{
	{name: "table", write: func(d *report.Document, s tty.Style) ([]byte, error) { return []byte(d.Text(s)), nil }},
	{name: "json", write: func(d *report.Document, _ tty.Style) ([]byte, error) { return d.JSON() }},
	{name: "jsonl", write: func(d *report.Document, _ tty.Style) ([]byte, error) { return d.JSONL() }},
	{name: "csv", write: func(d *report.Document, _ tty.Style) ([]byte, error) { return d.CSV() }},
	{name: "md", write: func(d *report.Document, _ tty.Style) ([]byte, error) { return []byte(d.Markdown()), nil }},
	{name: "svg", write: picture(chart.SVG)},
	{name: "png", binary: true, write: picture(chart.PNG)},
	{name: "html", write: func(d *report.Document, _ tty.Style) ([]byte, error) { return d.HTML() }},
}

// picture is a format that draws the charts of a document.
func picture(draw func(io.Writer, int, ...chart.Chart) error) func(*report.Document, tty.Style) ([]byte, error) {
	return func(d *report.Document, _ tty.Style) ([]byte, error) {
		if len(d.Charts) == 0 {
			return nil, fmt.Errorf("%s: there is nothing to draw", d.Kind)
		}
		var b bytes.Buffer
		err := draw(&b, chart.Wide, d.Charts...)
		return b.Bytes(), err
	}
}

func formatNames() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// add adds the flags to a command.
func (f *outputFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&f.format, "format", "f", "table", "the format of standard output: "+strings.Join(formatNames(), ", "))
	c.Flags().BoolVar(&f.json, "json", false, "short for --format json")
	c.Flags().StringArrayVarP(&f.files, "output", "o", nil, "also write a file, its format by its extension; repeatable")
	values(c, "format", formatNames()...)
}

// check finds what is wrong with the flags before any work is done.
func (f *outputFlags) check() error {
	if f.json {
		if f.format != "table" && f.format != "json" {
			return fmt.Errorf("both --json and --format %s are given (use one)", f.format)
		}
		f.format = "json"
	}
	if _, err := oneOf("--format", f.format, formatNames()); err != nil {
		return err
	}
	for _, file := range f.files {
		if _, err := formatOf(file); err != nil {
			return err
		}
	}
	return nil
}

// formatOf returns the format of a file.
func formatOf(file string) (format, error) {
	ext := strings.TrimPrefix(filepath.Ext(file), ".")
	if ext == "txt" {
		ext = "table"
	}
	for _, f := range formats {
		if f.name == ext {
			return f, nil
		}
	}
	return format{}, fmt.Errorf("--output %s: its extension names no format (.txt, .%s)", file, strings.Join(formatNames()[1:], ", ."))
}

// write writes a document to standard output and to every file asked for. It
// makes all of them before it writes any.
func (f *outputFlags) write(c *cobra.Command, d *report.Document) error {
	type made struct {
		file string
		text []byte
	}
	var all []made
	for _, file := range append([]string{""}, f.files...) {
		to, style := formats[0], styleOf(c, c.OutOrStdout())
		if file == "" {
			i := slices.IndexFunc(formats, func(g format) bool { return g.name == f.format })
			to = formats[i]
			if to.binary && isTerminal(c.OutOrStdout()) {
				return fmt.Errorf("%s is no text for a terminal (use -o FILE.%s, or a pipe)", to.name, to.name)
			}
		} else {
			to, _ = formatOf(file)
			style = tty.Style{Width: tty.DefaultWidth}
		}
		text, err := to.write(d, style)
		if err != nil {
			return err
		}
		all = append(all, made{file, text})
	}
	for _, m := range all[1:] {
		if err := writeFile(m.file, m.text); err != nil {
			return ioError{err}
		}
	}
	if err := output(c, all[0].text); err != nil {
		return err
	}
	for _, m := range all[1:] {
		say(c, "wrote %s (%s)", m.file, size(len(m.text)))
	}
	return nil
}

// say writes a message, unless --quiet is given.
func say(c *cobra.Command, format string, args ...any) {
	if quiet, _ := c.Flags().GetBool("quiet"); !quiet {
		fmt.Fprintf(c.ErrOrStderr(), format+"\n", args...)
	}
}

func size(n int) string {
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d KB", (n+500)/1000)
}

// writeFile replaces a file as a whole or not at all. What is no regular file,
// such as a device, is written as it is.
func writeFile(name string, text []byte) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		if e := f.Close(); err == nil {
			err = e
		}
		return err
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return &os.PathError{Op: "write", Path: name, Err: errors.Unwrap(err)}
	}
	_, err = f.Write(text)
	for _, e := range []error{f.Chmod(permissions(name)), f.Close()} {
		if err == nil {
			err = e
		}
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// permissions are those of the file that is replaced, or those of a new one.
func permissions(name string) os.FileMode {
	if info, err := os.Stat(name); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// styleOf returns how text for people is written to one of the outputs.
func styleOf(c *cobra.Command, w io.Writer) tty.Style {
	mode, _ := c.Flags().GetString("color")
	ascii, _ := c.Flags().GetBool("ascii")
	return tty.Of(w, mode, ascii, os.Getenv)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// oneOf returns the value if it is one of the known ones, else an error that
// suggests the nearest.
func oneOf(what, value string, known []string) (string, error) {
	if slices.Contains(known, value) {
		return value, nil
	}
	near, ok := scripted.Nearest(value, known)
	if i := slices.IndexFunc(known, func(k string) bool { return value != "" && strings.HasPrefix(k, value) }); !ok && i >= 0 {
		near, ok = known[i], true
	}
	if ok {
		return "", fmt.Errorf("%s: unknown value %q (did you mean %s?)", what, value, near)
	}
	return "", fmt.Errorf("%s: unknown value %q (known: %s)", what, value, strings.Join(known, ", "))
}

// values makes the shell complete a flag with these words.
func values(c *cobra.Command, flag string, words ...string) {
	err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(fmt.Sprintf("retrysim: completion of a flag that is not there: %v", err))
	}
}

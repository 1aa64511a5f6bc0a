package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/spf13/cobra"
)

type checkFlags struct {
	update  bool
	reports []string
	outputFlags
}

func newCheck() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check PATH...",
		Short: "Play scenarios and evaluate their expectations",
		Long: `Play scenarios and evaluate their expectations: of the files named, of every *.retry and
*.txtar below the folders named, or with - of a script on standard input. One line says what
became of each; every expectation that does not hold follows with its place and what came
instead. Of a txtar archive every *.retry in it counts.

The exit status is 0 if all hold, 1 if one does not or a script does not fit its policy,
2 if an input cannot be read or if there is nothing to check.`,
		Example: `  retrysim check examples
  retrysim check ./... --report junit=retrysim.xml --report github
  retrysim check flaky.retry --update    # write what came as the value of each ==`,
		ValidArgsFunction: completeScripts,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	c.Flags().BoolVar(&f.update, "update", false, "write what came as the value of every == that does not hold, and of every ?")
	c.Flags().StringArrayVar(&f.reports, "report", nil, "also write a report: junit=FILE, or github for annotations on standard output")
	f.outputFlags.add(c)
	values(c, "report", "junit=", "github")
	return c
}

// checked is a file and what became of it.
type checked struct {
	name    string
	text    string
	err     error // it could not be read or parsed
	reports []*simulate.Report
	updated int
}

func (f *checkFlags) run(c *cobra.Command, args []string) error {
	junit, github, err := parseReports(f.reports)
	if err != nil {
		return err
	}
	if err := f.outputFlags.check(); err != nil {
		return err
	}
	if len(args) == 0 {
		return errors.New("check: no path (name files or folders, - for standard input; . is all below this folder)")
	}
	if f.update && slices.Contains(args, stdin) {
		return errors.New("check: cannot update standard input (leave out --update)")
	}
	files, err := expand(args)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	ctx, stop := interruptible(c)
	defer stop()
	all, err := f.checkAll(ctx, c, files)
	switch {
	case err != nil:
		return err
	case len(all) == 0 && ctx.Err() != nil:
		return errInterrupted
	case len(all) == 0:
		return fmt.Errorf("check: no archive under %s holds a file whose name ends in .retry", strings.Join(args, ", "))
	}
	for _, file := range junit {
		if err := writeFile(file, junitReport(all)); err != nil {
			return ioError{err}
		}
	}
	var b bytes.Buffer
	sum := writeChecks(&b, all)
	if err := f.outputFlags.write(c, checkDocument(args, all, sum, b.String())); err != nil {
		return err
	}
	if github {
		if err := f.annotate(c, all); err != nil {
			return err
		}
	}
	err = sum.verdict(c.ErrOrStderr(), all)
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// checkAll checks one file after the other, until the context ends. The error is
// that of writing an update.
func (f *checkFlags) checkAll(ctx context.Context, c *cobra.Command, files []input) ([]checked, error) {
	p := newProgress(c, len(files), 0)
	p.noun = "files"
	defer p.clear()
	var all []checked
	for _, file := range files {
		got, err := f.check(ctx, c, file.name)
		p.step(0)
		if ctx.Err() != nil {
			break // what it says of the file may be half of it
		}
		switch {
		case err != nil:
			return nil, err
		case file.found && errors.Is(got.err, scripted.ErrNoScript):
			continue // an archive of other things
		}
		all = append(all, got)
	}
	return all, nil
}

// annotate writes the annotations where GitHub looks for them and nothing else
// reads: behind the text, or apart from what a machine reads.
func (f *checkFlags) annotate(c *cobra.Command, all []checked) error {
	var b bytes.Buffer
	writeAnnotations(&b, all)
	if f.format != "table" {
		_, err := c.ErrOrStderr().Write(b.Bytes())
		return err
	}
	return output(c, b.Bytes())
}

// check reads, plays and, if it is asked to, updates a file. The error is that
// of writing the update.
func (f *checkFlags) check(ctx context.Context, c *cobra.Command, file string) (checked, error) {
	var got checked
	got.name, got.text, got.err = readFile(c, file)
	if got.err != nil {
		return got, nil
	}
	got.play(ctx)
	if edits := got.edits(); ctx.Err() == nil && f.update && len(edits) > 0 {
		text := scripted.Rewrite(got.text, edits)
		if _, err := scripted.ParseFile(got.name, text); err != nil {
			got.err = fmt.Errorf("%s: not updated, because with the new values it could not be read: %w", got.name, err)
			return got, nil
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			return got, ioError{err}
		}
		got = checked{name: got.name, text: text, updated: len(edits)}
		got.play(ctx)
	}
	return got, nil
}

func (f *checked) play(ctx context.Context) {
	scripts, err := scripted.ParseFile(f.name, f.text)
	f.err = err
	for _, s := range scripts {
		f.reports = append(f.reports, simulate.CheckContext(ctx, s))
	}
}

// edits returns what an update writes. What came of a script that does not fit
// its policy is worthless.
func (f *checked) edits() []scripted.Edit {
	var out []scripted.Edit
	for _, r := range f.reports {
		if len(r.Problems) > 0 {
			continue
		}
		for _, e := range r.Failed() {
			if edit, ok := e.Edit(); ok {
				out = append(out, edit)
			}
		}
	}
	return out
}

// summary counts what writeChecks wrote.
type summary struct {
	scripts, failedScripts int
	expects, failedExpects int
	unreadable             int
}

func (s summary) verdict(msg io.Writer, all []checked) error {
	for _, f := range all {
		if f.err != nil {
			fmt.Fprintf(msg, "retrysim: %v\n", f.err)
		}
	}
	switch {
	case s.unreadable > 0:
		return fmt.Errorf("check: %s could not be checked", count(s.unreadable, "file"))
	case s.failedScripts > 0:
		return errFailed
	case s.expects == 0:
		return errors.New("check: nothing to check: no script expects anything (add a line such as: expect outcome == success)")
	}
	return nil
}

// writeChecks writes a line for each script, what failed in it, and the sums.
func writeChecks(w io.Writer, all []checked) summary {
	var sum summary
	var rows []line
	for _, f := range all {
		if f.err != nil {
			sum.unreadable++
			rows = append(rows, line{"✗", f.name, "not checked", nil})
		}
		if f.updated > 0 {
			rows = append(rows, line{"–", f.name, "updated " + count(f.updated, "value"), nil})
		}
		for _, r := range f.reports {
			sum.add(r)
			mark, what := judge(r)
			rows = append(rows, line{mark, title(r.Script), what, failures(r)})
		}
	}
	width := 0
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r.title))
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%s %s%*s  %s\n", r.mark, r.title, width-utf8.RuneCountInString(r.title), "", r.what)
		for _, b := range r.below {
			fmt.Fprintf(w, "    %s\n", b)
		}
	}
	if sum.scripts > 1 {
		fmt.Fprintf(w, "\n%d of %s failed, %d of %s\n", sum.failedScripts, count(sum.scripts, "script"), sum.failedExpects, count(sum.expects, "expectation"))
	}
	return sum
}

// line is what becomes of one script, and what is wrong with it.
type line struct {
	mark, title, what string
	below             []string
}

// judge says in a word or two what became of a script.
func judge(r *simulate.Report) (mark, what string) {
	switch {
	case len(r.Problems) > 0:
		return "✗", "does not fit"
	case !r.OK():
		return "✗", fmt.Sprintf("%d of %d failed", len(r.Failed()), len(r.Checks))
	case len(r.Checks) == 0:
		return "–", "expects nothing"
	}
	made := count(attemptsOf(r), "attempt")
	if r.Fleet != nil {
		made = count(len(r.Fleet.Runs), "run")
	}
	return "✓", fmt.Sprintf("%s, %s", count(len(r.Checks), "expectation"), made)
}

func (s *summary) add(r *simulate.Report) {
	s.scripts++
	s.failedExpects += len(r.Failed())
	if r.Run != nil {
		s.expects += len(r.Checks)
	}
	if !r.OK() {
		s.failedScripts++
	}
}

func attemptsOf(r *simulate.Report) int {
	n := 0
	for _, c := range r.Calls {
		n += c.Attempts
	}
	return n
}

// title returns the name of a script, and of the archive that it is in.
func title(s *scripted.Script) string {
	if s.Member == "" {
		return s.Name
	}
	return s.Name + ": " + s.Member
}

// failures returns a line for each thing that is wrong.
func failures(r *simulate.Report) []string {
	var lines []string
	for _, p := range r.Problems {
		lines = append(lines, fmt.Sprintf("%s: %s", r.Script.Name, hint(p)))
	}
	for _, e := range r.Failed() {
		lines = append(lines, failure(r.Script.Name, e))
	}
	return lines
}

// hint returns a problem with what to do about it.
func hint(err error) string {
	text := strings.ReplaceAll(err.Error(), "scripted: ", "")
	switch {
	case errors.As(err, new(*scripted.UsedUpError)):
		return text + ": add turns, or limit the attempts"
	case errors.As(err, new(*simulate.EndlessError)):
		return "the calls do not end: limit the attempts of the policy"
	}
	return text
}

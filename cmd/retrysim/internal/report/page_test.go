package report_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
)

// The page names nothing that a browser would fetch.
func TestPageAsksForNothing(t *testing.T) {
	page, err := full().HTML()
	require.NoError(t, err)
	text := string(page)
	for _, address := range regexp.MustCompile(`https?://[^\s"'<>)]+`).FindAllString(text, -1) {
		assert.Contains(t, []string{"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "https://github.com/leeoniya/uPlot"}, address)
	}
	assert.NotRegexp(t, `<(link|img|iframe|object|embed|base)\b`, text)
	assert.NotRegexp(t, `\b(src|href)\s*=\s*["']?(https?:)?//`, text)
	assert.NotContains(t, text, `<script>document.title`, "a policy's name is text")
	assert.Contains(t, text, "The MIT License", "uPlot's licence goes with it")
	again, err := full().HTML()
	require.NoError(t, err)
	assert.Equal(t, page, again)
}

// browser is a headless Chromium with everything switched off that would speak
// to anybody by itself.
type browser struct {
	path  string
	flags []string
	proxy net.Listener // every request would come here
	asked chan string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here, so the page is not looked at in a browser (apt-get install chromium)")
	}
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &browser{path: path, proxy: proxy, asked: make(chan string, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := proxy.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 200)
			n, _ := c.Read(buf)
			c.Close()
			// Some of what the browser itself asks its maker for cannot be
			// switched off. The page cannot have asked: the test above shows
			// that it names no such host.
			if request := string(buf[:n]); n > 0 && !strings.Contains(request, "google") {
				b.asked <- request
			}
		}
	}()
	t.Cleanup(func() { proxy.Close(); <-done })
	b.flags = []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-features=NetworkTimeServiceQuerying,OptimizationHints,MediaRouter,Translate", "--enable-logging=stderr", "--virtual-time-budget=2000",
		"--user-data-dir=" + t.TempDir(), "--proxy-server=" + proxy.Addr().String(), "--proxy-bypass-list=<-loopback>",
	}
	return b
}

// dump loads a file and returns its document afterwards, and what was said on
// the console.
func (b *browser) dump(t *testing.T, file string, width int, more ...string) (dom, console string) {
	t.Helper()
	c := exec.Command(b.path, append(append(append([]string{}, b.flags...), more...), fmt.Sprintf("--window-size=%d,1000", width), "--dump-dom", "file://"+file)...)
	var out, msg bytes.Buffer
	c.Stdout, c.Stderr = &out, &msg
	require.NoError(t, c.Run(), msg.String())
	for line := range strings.Lines(msg.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return out.String(), console
}

func titleOf(dom string) string {
	_, rest, _ := strings.Cut(dom, "<title>")
	title, _, _ := strings.Cut(rest, "</title>")
	return title
}

// probe is put at the end of a page and writes what it measures into the title.
const probe = `<script>
addEventListener('load', function () { setTimeout(function () {
  var small = 99, texts = 0;
  document.querySelectorAll('svg text').forEach(function (t) {
    var box = t.getBoundingClientRect();
    if (box.width === 0) { return; }
    texts++;
    small = Math.min(small, parseFloat(getComputedStyle(t).fontSize) * Math.hypot(t.getScreenCTM().a, t.getScreenCTM().b));
  });
  var wide = document.documentElement.scrollWidth, over = '';
  if (wide > innerWidth) { document.querySelectorAll('*').forEach(function (e) { if (e.getBoundingClientRect().right > innerWidth) { over += ' ' + e.className; } }); }
  document.title = ['probe', wide <= innerWidth || wide + over, small >= 8.5, texts > 0,
    document.querySelectorAll('.uplot canvas').length === 1 && document.querySelector('.uplot canvas').getBoundingClientRect().width <= innerWidth ? 1 : 'too wide', getComputedStyle(document.body).backgroundColor, document.scripts.length].join('|');
}, 500); });
</script>`

// act is put at the end of a page. It presses the button, with a clipboard and
// without one, and then makes the rules for print those of the screen.
const act = `<script>
addEventListener('load', function () { setTimeout(async function () {
  var copied = [], found = [], button = document.getElementById('copy'), code = document.getElementById('command').textContent;
  var wait = function () { return new Promise(function (done) { setTimeout(done, 50); }); };
  function clipboard(write) { Object.defineProperty(navigator, 'clipboard', { value: write && { writeText: write }, configurable: true }); }
  found.push(!button.hidden);
  clipboard(function (text) { copied.push(text); return Promise.resolve(); });
  button.click(); await wait();
  found.push(copied.length === 1 && copied[0] === code, button.textContent);
  clipboard(function () { return Promise.reject(new Error('not allowed')); });
  getSelection().removeAllRanges(); button.click(); await wait();
  found.push(String(getSelection()) === code);
  clipboard(undefined);
  getSelection().removeAllRanges(); button.click(); await wait();
  found.push(String(getSelection()) === code);
  Array.from(document.styleSheets).forEach(function (sheet) { Array.from(sheet.cssRules).forEach(function (rule) {
    if (rule.media && rule.media.mediaText === 'print') { rule.media.mediaText = 'all'; }
  }); });
  await wait();
  var shown = function (e) { return getComputedStyle(e).display !== 'none'; };
  var all = function (what) { return Array.from(document.querySelectorAll(what)); };
  found.push(all('.live').every(function (e) { return !shown(e); }), all('.still.wide').every(shown), !all('.still.narrow').some(shown), !all('button').some(shown), shown(document.getElementById('command')));
  found.push(getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor);
  document.title = 'act|' + found.join('|');
}, 300); });
</script>`

// The button copies the command, or selects it where there is no clipboard; and
// on paper there are the still pictures, black on white also for who reads in the
// dark, and no buttons.
func TestPageButtonAndPrint(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds; leave out -short")
	}
	b := newBrowser(t)
	page, err := full().HTML()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, append(page, act...), 0o666))
	dom, console := b.dump(t, file, 1400, "--blink-settings=preferredColorScheme=0")
	assert.Empty(t, console)
	assert.Equal(t, "act|true|true|Copied|true|true|true|true|true|true|true|rgb(0, 0, 0)|rgb(255, 255, 255)", titleOf(dom))

	paper := filepath.Join(filepath.Dir(file), "page.pdf")
	c := exec.Command(b.path, append(append([]string{}, b.flags...), "--no-pdf-header-footer", "--print-to-pdf="+paper, "file://"+file)...)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	pdf, err := os.ReadFile(paper)
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(pdf, []byte("%PDF-")))
	assert.NotZero(t, bytes.Count(pdf, []byte("/Type /Page\n")), "there are pages")
}

// In a real browser, wide and narrow, light and dark, with scripts and without:
// the page renders, complains about nothing, asks nobody, and can be read.
func TestPageInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds; leave out -short")
	}
	b := newBrowser(t)
	page, err := full().HTML()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, append(page, probe...), 0o666))
	for _, width := range []int{500, 1400} { // headless windows are no narrower than 500, see below
		dom, console := b.dump(t, file, width)
		assert.Empty(t, console, "at %d pixels", width)
		assert.Equal(t, "probe|true|true|true|1|rgb(255, 255, 255)|5", titleOf(dom), "at %d pixels: fits, is large enough, is drawn, is live, is light; no script came with a name", width)
	}
	dom, console := b.dump(t, file, 1400, "--blink-settings=preferredColorScheme=0")
	assert.Empty(t, console)
	assert.Contains(t, titleOf(dom), "|rgb(20, 23, 27)|", "dark")

	// 400 pixels: in a frame of that width.
	frame := filepath.Join(filepath.Dir(file), "frame.html")
	narrow := filepath.Join(filepath.Dir(file), "narrow.html")
	require.NoError(t, os.WriteFile(narrow, append(page, strings.ReplaceAll(probe, "document.title = [", "parent.document.title = [")...), 0o666))
	require.NoError(t, os.WriteFile(frame, []byte(`<title>x</title><iframe src=narrow.html style="width:400px;height:900px;border:0"></iframe>`), 0o666))
	dom, _ = b.dump(t, frame, 800, "--allow-file-access-from-files")
	assert.Contains(t, titleOf(dom), "probe|true|true|true|1|", "at 400 pixels")

	// Without scripts the pictures are still there.
	plain := filepath.Join(filepath.Dir(file), "plain.html")
	require.NoError(t, os.WriteFile(plain, bytes.ReplaceAll(page, []byte("script-src 'unsafe-inline'"), []byte("script-src 'none'")), 0o666))
	dom, _ = b.dump(t, plain, 1400)
	assert.Zero(t, strings.Count(dom, `class="u-wrap"`)+strings.Count(dom, `class="drawn"`), "no script ran")
	assert.Equal(t, 8, strings.Count(dom, "<svg "), "each chart, wide and narrow")

	select {
	case request := <-b.asked:
		t.Errorf("the page asked for something: %s", request)
	default:
	}
	saved, err := report.Read(page)
	require.NoError(t, err)
	assert.Equal(t, "fleet", saved.Kind)
}

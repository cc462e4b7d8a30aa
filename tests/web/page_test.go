package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// terminal is what the player's terminal shows, line by line, as the columns say: between pieces of text there may be nothing.
const terminal = `[...document.querySelectorAll('.ap-term-text > *')].map(line => {
  let text = '', wide = c => /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uff00-\uff60]/.test(c) ? 2 : 1, at = 0;
  for (const piece of line.children) {
    const to = Number(piece.style.getPropertyValue('--offset'));
    text += ' '.repeat(Math.max(0, to - at)) + piece.textContent;
    at = to + [...piece.textContent].reduce((n, c) => n + wide(c), 0);
  }
  return text.trimEnd();
}).join('\n').trimEnd()`

func TestPage(t *testing.T) {
	address, browser := serve(t, world(t)), browse(t)
	for name, size := range map[string][2]int64{"desk": {1280, 860}, "phone": {390, 844}} {
		t.Run(name, func(t *testing.T) {
			b := open(t, browser, address, size[0], size[1])
			lists(b, name)
			plays(b, name)
			others(b, name)
			disarms(b, name)
			b.quiet()
			missing(b)
		})
	}
	t.Run("another port", func(t *testing.T) { anotherPort(t, browser, address) })
}

// lists shows all, and fewer as one types and chooses.
func lists(b *tab, name string) {
	b.is("all are listed", fmt.Sprintf("document.querySelectorAll('#rows a').length === %d", len(scenes())))
	if first, _, _ := strings.Cut(b.rows(), " "); first != played {
		b.t.Errorf("the newest is not the first of %s", b.rows())
	}
	b.shot(name + "-list")
	b.fits("the list")
	b.press(strings.Split("/MAKE shop", "")...)
	b.is("the search narrows", "document.querySelectorAll('#rows a').length === 1 && document.querySelector('#count').textContent === '1 of 6'")
	b.press(strings.Split(" nothing", "")...)
	b.shows("#none", "No recording matches")
	b.press("Escape")
	b.is("Escape clears it", "document.querySelectorAll('#rows a').length === 6")
	for _, filter := range []struct{ name, value, want string }{{"kind", "human", played + " d5e7f9a1b3c5"}, {"kind", "", ""}, {"repo", "demo-stackoverflow", "a1f0c3d5e7b9"}, {"repo", "", ""}} {
		evaluate[any](b, fmt.Sprintf("{ const s = document.getElementById(%q); s.value = %q; s.dispatchEvent(new Event('change')); null }", filter.name, filter.value))
		if got := b.rows(); filter.want != "" && got != filter.want {
			b.t.Errorf("%s %s shows %s, not %s", filter.name, filter.value, got, filter.want)
		}
	}
}

// plays chooses by the keyboard, sees the terminal end as the session's did, and what was decided.
func plays(b *tab, name string) {
	b.press("Escape", "j", "j", "k", "Enter") // out of the search first
	b.is("the terminal ends as the session's did", fmt.Sprintf("(%s) === %q", terminal, strings.Join(screen, "\n")))
	b.shows("aside", "permitted", "by people-work-in-production", "shop.hcl:12", "alice (a person)", "3, attested", "unbroken up to a login", "SHA256:Fz2V4sQb1mWn8kq0h0rXk9m3T2J7dPp5yN6aUe1cLgM",
		"192.0.2.17", "required", "14m3s", played)
	b.shows(".log", "decision", "started", "ended", "exit 0")
	b.fits("a recording")
	b.shot(name + "-shell")
	if got := evaluate[string](b, "location.hash + location.search"); got != "#"+played {
		b.t.Errorf("the address is %s", got)
	}
	b.press("Escape")
	b.is("Escape leads back", "location.hash === '' && !document.querySelector('.ap-player')")
}

// others are the recordings without a terminal, by addresses that name them.
func others(b *tab, name string) {
	b.do(chromedp.Evaluate[chromedp.Void]("location.hash = 'b7m2n4q6s8t0'"))
	b.is("lines begin where lines begin", fmt.Sprintf("(%s).startsWith('go vet ./...\\ngo test ./...\\nok')", terminal))
	b.shows(".transcript", "ok  \tshop/orders\t1.903s", "Makefile:12")
	b.is("standard error is marked", "[...document.querySelectorAll('.transcript .err')].map(e => e.textContent).join('').startsWith('standard error: # shop/pay\\npay/refund.go:88:17')")
	b.shows("aside", "alice-agents (an agent)", "claude-code", "CLAUDECODE=1", "Exit", "1m13s")
	b.fits("a command")
	b.shot(name + "-exec")
	b.do(chromedp.Evaluate[chromedp.Void]("location.hash = 'c2x4y6z8w0v1'"))
	b.shows("table", "/srv/shop/orders.csv", "470.8 KiB", "9f86d081884c", "fixtures/orders-2026.csv → fixtures/orders.csv", "permission denied", `\x1b]0;x\a<b>old</b>`)
	b.fits("operations on files")
	b.shot(name + "-sftp")
}

// disarms shows what would rather run, as text.
func disarms(b *tab, name string) {
	b.do(chromedp.Evaluate[chromedp.Void]("location.hash = '" + hostile + "'"))
	b.is("the terminal shows it as text", fmt.Sprintf("(%s).replaceAll('\\n', '') === %q", terminal, attack+"click abcdone"))
	b.shows("main .command", attack, `\x1b]0;owned\a\u202etxt.exe`)
	b.shows("#rows", `"><svg onload=owned=1>`)
	b.is("nothing of it ran, is a link, or turns text around", `typeof owned === 'undefined' && !document.title.startsWith('owned') &&
		!document.querySelector('main img, main script, main a[href^="javascript" i], #rows svg, #rows img') && !/[\u202a-\u202e\u2066-\u2069\u009b\u009d]/.test(document.body.textContent)`)
	b.is("a window that large is none", "document.querySelectorAll('.ap-term-text > *').length === 30")
	b.fits("a hostile recording")
	b.shot(name + "-hostile")
}

// missing asks for what is not there. It is the control of quiet: what a browser complains of is heard.
func missing(b *tab) {
	b.do(chromedp.Evaluate[chromedp.Void]("location.hash = 'nobody'"))
	b.shows("main", "cannot be shown: there is no recording of such a session")
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) != 1 || !strings.Contains(b.complaints[0], "404") { // the control: what the browser complains of is heard
		b.t.Errorf("%q", b.complaints)
	}
}

package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"forkgate/tests/need"
)

// browse starts a Chromium with an empty profile, that speaks to nobody by itself.
func browse(t *testing.T) context.Context {
	t.Helper()
	need.Tools(t, "chromium")
	ctx, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	must(t, chromedp.Do(ctx))
	return ctx
}

// tab is one of the browser's, and what it complained of or asked others for.
type tab struct {
	t    *testing.T
	ctx  context.Context
	host string

	mu         sync.Mutex
	complaints []string
}

// open opens an address in a tab of such a size.
func open(t *testing.T, browser context.Context, address string, width, height int64) *tab {
	t.Helper()
	at, err := url.Parse(address)
	must(t, err)
	b := &tab{t: t, host: at.Host}
	ctx, stop := chromedp.NewContext(browser, chromedp.WithListener(b.hear))
	t.Cleanup(stop)
	b.ctx = ctx
	b.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(address))
	return b
}

func (b *tab) hear(what any) {
	said := ""
	switch e := what.(type) {
	case *log.EventEntryAdded:
		said = fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *runtime.EventExceptionThrown:
		said = fmt.Sprintf("%+v", e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			said = fmt.Sprintf("console.%s of %d values", e.Type, len(e.Args))
			for _, a := range e.Args {
				said += " " + string(a.Value) + a.Description
			}
		}
	case *network.EventRequestWillBeSent:
		if to, err := url.Parse(e.Request.URL); err != nil || to.Host != b.host {
			said = "asks " + e.Request.URL
		}
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.complaints = append(b.complaints, said)
	}
}

// is waits until an expression is true. Where it does not get so, it says what the page has.
func (b *tab) is(what, expression string) {
	b.t.Helper()
	var got any
	defer func() {
		if b.t.Failed() {
			b.t.Logf("%s: %v; complaints %q", expression, got, b.complaints)
		}
	}()
	need.Eventually(b.t, what, func() bool { got = evaluate[any](b, expression); return got == true })
}

// shows waits until a text is in what a selector finds.
func (b *tab) shows(selector string, texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.is(fmt.Sprintf("%s shows %s", selector, text), fmt.Sprintf("(document.querySelector(%q)?.innerText ?? '').includes(%q)", selector, text))
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	must(b.t, chromedp.Do(b.ctx, actions...))
}

// press presses keys as a person does: who hears of one may keep it from typing anything, which chromedp.KeyEvent does not show.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key}
		switch key {
		case "Enter":
			down.Text, down.WindowsVirtualKeyCode = "\r", '\r'
		case "Escape":
			down.Text, down.WindowsVirtualKeyCode = "", 0x1b
		}
		up := down
		up.Type, up.Text = input.DispatchKeyEventTypeKeyUp, ""
		b.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
			for _, e := range []input.DispatchKeyEventParams{down, up} {
				_, sent := cdp.Call(ctx, t, input.DispatchKeyEvent, e)
				err = errors.Join(err, sent)
			}
			return none, err
		})
	}
}

func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	must(b.t, err)
	return v
}

// fits sees that the page is no wider than the window.
func (b *tab) fits(where string) {
	b.t.Helper()
	if wide := evaluate[int](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		b.t.Errorf("%s is %d pixels too wide", where, wide)
	}
}

// quiet sees that nothing was complained of, and nobody else was asked.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser: %s", c)
	}
}

// shot leaves a picture, if somebody wants some.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	must(b.t, err)
	must(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

// rows are the sessions that the list shows.
func (b *tab) rows() string {
	return strings.Join(evaluate[[]string](b, "[...document.querySelectorAll('#rows a')].map(a => a.dataset.session)"), " ")
}

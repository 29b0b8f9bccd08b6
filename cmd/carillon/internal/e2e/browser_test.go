package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser is a running Chromium in which the tests open tabs.
type browser struct {
	ctx  context.Context //nolint:containedctx // chromedp represents a browser by a context
	stop func()
}

var errNoBrowser = errors.New("no Chromium on the PATH; `make test` installs what the tests need")

func startBrowser(profile string) (*browser, error) {
	path := ""
	for _, name := range []string{"headless_shell", "headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if mac := "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; path == "" {
		if _, err := exec.LookPath(mac); err != nil {
			return nil, errNoBrowser
		}
		path = mac
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless}
	for _, flag := range []string{
		"no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-dev-shm-usage",
		"disable-background-networking", "disable-component-update", "disable-sync", // no connections but those of the tests
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding", // tabs in the background are tested, too
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, forget := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		forget()
		return nil, fmt.Errorf("start %s (`make test` installs what the tests need): %w", path, err)
	}
	return &browser{ctx: ctx, stop: func() {
		_ = chromedp.Cancel(ctx) // the tests are over, so an error does not matter
		cancel()
		forget()
	}}, nil
}

// page is a tab and what the browser reported about it.
type page struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp represents a tab by a context

	mu         sync.Mutex
	complaints []string // errors and warnings: exceptions, failed requests, violations of the Content-Security-Policy
	requests   []string // the URL of every request
	encodings  []string // the content coding of each event stream
}

// openPage opens a URL in a new tab, which is closed at the end of the test.
func openPage(t *testing.T, address string) *page {
	t.Helper()
	p := &page{t: t}
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithListener(p.note))
	t.Cleanup(cancel)
	p.ctx = ctx
	require.NoError(t, chromedp.Do(ctx), "open a tab") // without a timeout, which would apply to the tab
	p.do(chromedp.Navigate(address))
	return p
}

func (p *page) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complaints = append(p.complaints, fmt.Sprintf("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			p.complaints = append(p.complaints, fmt.Sprintf("console.%s", e.Type))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.complaints = append(p.complaints, fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *network.EventResponseReceived:
		if e.Response.MimeType != "text/event-stream" {
			return
		}
		encoding := ""
		for name, value := range e.Response.Headers {
			if strings.EqualFold(name, "Content-Encoding") {
				encoding = fmt.Sprint(value)
			}
		}
		p.encodings = append(p.encodings, encoding)
	}
}

// noted returns a copy of what was noted so far.
func (p *page) noted(what *[]string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(*what)
}

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitTimeout)
	defer cancel()
	require.NoError(p.t, chromedp.Do(ctx, actions...))
}

// eval runs JavaScript in the tab and returns its value; a promise is awaited.
func eval[T any](p *page, js string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitTimeout)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err, "%s", js)
	return v
}

// until waits for a condition in the tab. It polls from outside, because the policy of the page forbids scripts to evaluate
// text.
func (p *page) until(condition string) {
	p.t.Helper()
	limit, again := time.After(waitTimeout), time.NewTicker(25*time.Millisecond)
	defer again.Stop()
	for !eval[bool](p, "Boolean("+condition+")") {
		select {
		case <-again.C:
		case <-limit:
			require.FailNow(p.t, "condition not met in the browser: "+condition, "complaints: %q\nthe page:\n%s",
				p.noted(&p.complaints), eval[string](p, `document.body.innerText.slice(0, 3000)`))
		}
	}
}

// untilNoted waits until the browser has reported something about the tab.
func (p *page) untilNoted(what *[]string, fits func(string) bool) {
	p.t.Helper()
	require.EventuallyWithT(p.t, func(c *assert.CollectT) {
		noted := p.noted(what)
		assert.True(c, slices.ContainsFunc(noted, fits), "%q", noted)
	}, waitTimeout, 25*time.Millisecond)
}

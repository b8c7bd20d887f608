package browser_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// A chromium is one process of the browser with a profile folder of its own.
type chromium struct {
	ctx     context.Context // of its first tab, which no test uses
	cancel  context.CancelFunc
	profile string
	agent   string // what it calls itself to servers
}

// newChromium starts a browser on a profile folder.
func newChromium(profile string) (*chromium, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("%w: deploy/dependencies.sh test installs it", err)
	}
	// Its own processes leave no core files, and nothing of it reaches out: the
	// host rule refuses every name and address but loopback.
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-pings", true), chromedp.Flag("disable-crash-reporter", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("lang", "en-US"), chromedp.Env("HOME="+profile, "LANG=C.UTF-8", "TZ=America/Los_Angeles"))
	allocator, leave := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	c := &chromium{ctx: ctx, profile: profile, cancel: func() { cancel(); leave() }}
	if err := chromedp.Do(ctx); err != nil {
		c.cancel()
		return nil, fmt.Errorf("starting chromium: %w", err)
	}
	version, err := cdp.Call(ctx, chromedp.FromContext(ctx).Browser, browser.GetVersion, cdp.Empty{})
	if err != nil {
		c.cancel()
		return nil, fmt.Errorf("asking chromium for its version: %w", err)
	}
	c.agent = strings.ReplaceAll(version.UserAgent, "Headless", "")
	return c, nil
}

// startChromium starts a browser that one test may kill. An empty profile is a new one.
func startChromium(t testing.TB, profile string) *chromium {
	t.Helper()
	if profile == "" {
		profile = newProfile(t)
	}
	c, err := newChromium(profile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.cancel)
	return c
}

// newProfile makes a folder for a browser's memory.
func newProfile(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "strikevote-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeProfile(dir) })
	return dir
}

// removeProfile removes the folder of a browser that has ended. Its helper processes
// notice a moment later, and may write until then.
func removeProfile(dir string) {
	for range 100 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// kill ends the browser as a phone does that runs out of memory.
func (c *chromium) kill(t testing.TB) {
	t.Helper()
	if err := chromedp.FromContext(c.ctx).Browser.Process().Kill(); err != nil {
		t.Fatal(err)
	}
	<-chromedp.FromContext(c.ctx).Browser.LostConnection
	c.cancel()
	// The lock names a process that is gone.
	for _, name := range []string{"SingletonLock", "SingletonCookie", "SingletonSocket"} {
		if err := os.Remove(c.profile + "/" + name); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// shared is the browser of all tests that do not need one of their own. Each page
// that is opened in it has a memory of its own, as a private window has.
var shared struct {
	sync.Mutex
	c *chromium
}

func sharedChromium(t testing.TB) *chromium {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.c == nil {
		dir, err := os.MkdirTemp("", "strikevote-chromium-")
		if err != nil {
			t.Fatal(err)
		}
		if shared.c, err = newChromium(dir); err != nil {
			removeProfile(dir)
			t.Fatal(err)
		}
	}
	return shared.c
}

func stopShared() {
	if shared.c != nil {
		shared.c.cancel()
		removeProfile(shared.c.profile)
	}
}

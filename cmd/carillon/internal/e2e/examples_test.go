package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startExample builds an example and starts it on a free port with the server of a node. It returns the URL of its page.
// The example is stopped at the end of the test and must then stop in order.
func startExample(t *testing.T, name string, n *node, args ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "carillon/examples/"+name).CombinedOutput()
	require.NoError(t, err, "%s", built)

	cmd := exec.CommandContext(context.Background(), binary, append([]string{"-addr", "127.0.0.1:0", "-carillon", n.URL("")}, args...)...)
	cmd.Env = append(os.Environ(), "CARILLON_TOKEN="+secret)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, reading := bufio.NewReader(out).ReadString('\n')
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		assert.NoError(t, cmd.Wait(), "%s", stderr.String())
	})
	require.NoError(t, reading)
	page, found := strings.CutPrefix(strings.TrimSpace(line), "open ")
	require.True(t, found, "%s printed %q", name, line)
	return page
}

func TestExampleStock(t *testing.T) {
	endToEnd(t)
	n := startNode(t)
	p := openPage(t, startExample(t, "stock", n))
	p.until(`document.querySelectorAll("#shares tr").length === 3`)
	before := eval[string](p, `document.querySelector("#shares").innerText`)
	for _, share := range []string{"ACME", "BELL", "TOLL"} {
		assert.Contains(t, before, share)
	}
	eval[string](p, `globalThis.before = document.querySelector("#shares").innerText`)
	p.until(`document.querySelector("#shares").innerText !== before`)
	assert.Empty(t, p.noted(&p.complaints))
}

func TestExampleDashboard(t *testing.T) {
	endToEnd(t)
	n := startNode(t, "ADMIN_ADDR=127.0.0.1:0")
	address := startExample(t, "dashboard", n, "-admin", "http://"+n.AdminAddr)
	const audienceIs = `document.querySelector("#audience").textContent === `
	first := openPage(t, address)
	first.until(audienceIs + `"1"`)
	second := openPage(t, address)
	second.until(audienceIs + `"2"`)
	first.until(audienceIs + `"2"`)
	first.until(`document.querySelector("#bars").children.length > 1`)
	assert.Regexp(t, `^\d+\.\d\d$`, eval[string](first, `document.querySelector("#load").textContent`))
	second.do(chromedp.Navigate("about:blank"))
	first.until(audienceIs + `"1"`)
	assert.Empty(t, first.noted(&first.complaints))
}

func TestExampleChat(t *testing.T) {
	endToEnd(t)
	n := startNode(t)
	address := startExample(t, "chat", n)
	const roster = `document.querySelector("#roster").textContent === `
	enter := func(name string) *page {
		p := openPage(t, address)
		p.do(fill("#name", name), click("#enter button"))
		return p
	}
	ada := enter("Ada")
	ada.until(roster + `"Ada"`)
	ben := enter("Ben")
	ben.until(roster + `"Ada, Ben"`)
	ada.until(roster + `"Ada, Ben"`)

	ben.do(fill("#text", "hello <b>all</b>"), click("#say button"))
	for _, p := range []*page{ada, ben} {
		p.until(`document.querySelector("#messages").innerText.trim() === "Ben hello <b>all</b>"`)
	}
	late := enter("Cy")
	late.until(`document.querySelector("#messages").innerText.includes("hello")`) // it was sent before Cy came

	ben.do(chromedp.Navigate("about:blank"))
	ada.until(roster + `"Ada, Cy"`)
	assert.Empty(t, ada.noted(&ada.complaints))
}

func TestExampleJob(t *testing.T) {
	endToEnd(t)
	n := startNode(t)
	p := openPage(t, startExample(t, "job", n, "-step", (20*time.Millisecond).String()))
	p.do(click("#start"))
	p.until(`document.querySelector("#bar").value > 10`)
	p.do(chromedp.Reload())
	p.until(`document.querySelector("#bar").value > 20`)
	p.until(`document.querySelector("#said").textContent === "done"`)
	assert.EqualValues(t, 100, eval[int](p, `document.querySelector("#bar").value`))
	assert.Empty(t, p.noted(&p.complaints))
	p.do(chromedp.Reload())
	p.until(`document.querySelector("#said").textContent === "done"`) // also for a page that is opened later
}

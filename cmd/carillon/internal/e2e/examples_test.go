package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
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
	cmd.Env = append(os.Environ(), "CARILLON_TOKEN="+secret, "CARILLON_AUTH_JWT_KEY="+chatKey)
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
	n := startNode(t)
	address := startExample(t, "dashboard", n)
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

// chatKey signs the tokens of the members of the chat.
const chatKey = "a key of the chat, of 32 bytes or more"

// chatSettings let members who left be gone soon.
var chatSettings = []string{"AUTH_JWT_KEY=" + chatKey, "PRESENCE_GRACE=2s"}

func TestExampleChat(t *testing.T) {
	endToEnd(t)
	n := startNode(t, chatSettings...)
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

// restarts are the ways in which a server goes away before it is back. Each takes the events with it, which are in memory.
var restarts = map[string]func(*testing.T, *node){
	"stopped": func(t *testing.T, n *node) { t.Helper(); assert.Zero(t, n.Stop(t)) },
	"killed":  func(t *testing.T, n *node) { t.Helper(); n.Kill(t) },
}

// testRestart runs a test of an example for each way to restart the server. The function that the test gets restarts it,
// and calls away, which may be nil, in between.
func testRestart(t *testing.T, test func(t *testing.T, n *node, restart func(away func()))) {
	t.Helper()
	endToEnd(t)
	for name, end := range restarts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, append(chatSettings, "ADMIN_ADDR=127.0.0.1:0")...)
			test(t, n, func(away func()) {
				end(t, n)
				if away != nil {
					away()
				}
				startNode(t, append(chatSettings, "HTTP_ADDR="+n.Addr, "ADMIN_ADDR="+n.AdminAddr)...)
			})
		})
	}
}

const (
	isAway = `document.querySelector("#status").textContent === "reconnecting"`
	isBack = `document.querySelector("#status").textContent === ""`
)

func TestExampleStockSurvivesARestart(t *testing.T) {
	testRestart(t, func(t *testing.T, n *node, restart func(func())) {
		p := openPage(t, startExample(t, "stock", n))
		p.until(`document.querySelectorAll("#shares tr").length === 3`)
		restart(func() { p.until(isAway) })
		p.until(isBack)
		p.until(`document.querySelectorAll("#shares tr").length === 3`)
		eval[string](p, `globalThis.before = document.querySelector("#shares").innerText`)
		p.until(`document.querySelector("#shares").innerText !== before`)
	})
}

func TestExampleDashboardSurvivesARestart(t *testing.T) {
	testRestart(t, func(t *testing.T, n *node, restart func(func())) {
		p := openPage(t, startExample(t, "dashboard", n))
		p.until(`document.querySelector("#audience").textContent === "1" && document.querySelector("#bars").children.length > 1`)
		restart(func() {
			p.until(isAway)
			eval[string](p, `document.querySelector("#audience").textContent = ""`)
		})
		p.until(isBack)
		p.until(`document.querySelector("#audience").textContent === "1"`)
		bars := `document.querySelector("#bars").children.length`
		p.until(fmt.Sprintf("%s > %d", bars, eval[int](p, bars)))
	})
}

func TestExampleChatSurvivesARestart(t *testing.T) {
	testRestart(t, func(t *testing.T, n *node, restart func(func())) {
		address := startExample(t, "chat", n)
		const roster, messages = `document.querySelector("#roster").textContent === `, `document.querySelector("#messages").innerText`
		enter := func(name string) *page {
			p := openPage(t, address)
			p.do(fill("#name", name), click("#enter button"))
			return p
		}
		say := func(p *page, text string) { p.do(fill("#text", text), click("#say button")) }
		ada, ben := enter("Ada"), enter("Ben")
		ada.until(roster + `"Ada, Ben"`)
		ben.until(roster + `"Ada, Ben"`)
		say(ada, "before")
		ben.until(messages + `.includes("Ada before")`)
		restart(func() {
			ada.until(isAway)
			ben.until(isAway)
			say(ben, "meanwhile")
		})
		for _, p := range []*page{ada, ben} {
			p.until(isBack)
			p.until(messages + `.includes("Ben meanwhile")`)
			p.until(messages + `.includes("messages may be missing here")`)
		}
		cy := enter("Cy")
		for _, p := range []*page{ada, ben, cy} {
			p.until(roster + `"Ada, Ben, Cy"`)
		}
		say(cy, "after")
		ada.until(messages + `.includes("Cy after")`)
		assert.Equal(t, 1, eval[int](ada, messages+`.split("Ben meanwhile").length - 1`), "once, although publishing it was tried several times")
	})
}

func TestExampleJobSurvivesARestart(t *testing.T) {
	testRestart(t, func(t *testing.T, n *node, restart func(func())) {
		address := startExample(t, "job", n, "-step", (20 * time.Millisecond).String())
		started := func() *page {
			p := openPage(t, address)
			p.do(click("#start"))
			p.until(`document.querySelector("#bar").value > 10`)
			return p
		}
		p := started()
		restart(func() { p.until(isAway) })
		p.until(`document.querySelector("#said").textContent === "done"`)

		late := openPage(t, eval[string](p, `location.href`)) // its events are among those of the new server, or fetched
		late.until(`document.querySelector("#said").textContent === "done"`)
	})
}

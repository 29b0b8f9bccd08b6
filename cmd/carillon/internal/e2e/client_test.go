package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/clients/js/jstest"
)

// followScript opens a stream of the client that the server serves, and keeps what it is told.
const followScript = `(async () => {
	const {Carillon} = await import("/client.mjs");
	globalThis.received = [];
	globalThis.states = [];
	globalThis.resets = [];
	globalThis.stream = new Carillon("/events", %s);
	stream.on("*", (e) => received.push({ID: e.id, Type: e.type, Data: e.data, Topics: e.topics, Time: e.time}));
	stream.onreset = (r) => resets.push(r.reason);
	stream.onstatus = (s) => states.push(s.state);
	return true;
})()`

// openClient opens a tab with a stream of the client; options are in JavaScript.
func openClient(t *testing.T, base, options string) *page {
	t.Helper()
	p := openPage(t, base+"/healthz")
	eval[bool](p, fmt.Sprintf(followScript, options))
	return p
}

func (p *page) untilClientIs(state string) {
	p.t.Helper()
	p.until(fmt.Sprintf("states.at(-1) === %q", state))
}

// heard waits for a number of events and returns the data of all.
func (p *page) heard(atLeast int) []string {
	p.t.Helper()
	p.until(fmt.Sprintf("received.length >= %d", atLeast))
	return eval[[]string](p, `received.map((e) => e.Data)`)
}

// streamRequests returns how many streams the tab has requested.
func (p *page) streamRequests() (count int) {
	for _, address := range p.noted(&p.requests) {
		if strings.Contains(address, "format=json") {
			count++
		}
	}
	return count
}

func streamRequests(tabs []*page) (count int) {
	for _, tab := range tabs {
		count += tab.streamRequests()
	}
	return count
}

func TestClientInABrowser(t *testing.T) {
	endToEnd(t)
	n := startNode(t, quiet...)
	l := startLink(t, n.Addr)
	n.publish(t, "news", "", "before")
	p := openClient(t, "http://"+l.addr, `{topics: ["news", "stock/*"], last: 1}`)
	p.untilClientIs("live")
	id := n.publish(t, "stock/ACME", "price", `{"bid":41.5}`)
	require.Equal(t, []string{"before", `{"bid":41.5}`}, p.heard(2))
	type event struct {
		shownEvent
		Topics []string
		Time   time.Time
	}
	price := eval[event](p, `received[1]`)
	assert.Equal(t, shownEvent{ID: id, Type: "price", Data: `{"bid":41.5}`}, price.shownEvent)
	assert.Equal(t, []string{"stock/ACME"}, price.Topics)
	assert.WithinDuration(t, time.Now(), price.Time, waitTimeout)
	assert.Equal(t, id, eval[string](p, `stream.lastEventId`))

	l.cut()
	p.untilClientIs("retrying")
	for i := range 20 {
		n.publish(t, "news", "", fmt.Sprint(i))
	}
	l.restore()
	p.untilClientIs("live")
	n.publish(t, "news", "", "after")
	data := p.heard(23)[2:]
	require.Len(t, data, 21)
	assert.Equal(t, "0", data[0])
	assert.Equal(t, "after", data[20])
	assert.Empty(t, eval[[]string](p, `resets`))
}

func TestClientIsToldWhatItMissed(t *testing.T) {
	endToEnd(t)
	n := startNode(t)
	p := openClient(t, n.URL(""), `{}`) // the clock
	p.heard(1)
	n.Kill(t)
	p.untilClientIs("retrying")
	startNode(t, "HTTP_ADDR="+n.Addr)
	p.until(`resets.length === 1`)
	assert.Equal(t, []string{"epoch"}, eval[[]string](p, `resets`))
	p.heard(eval[int](p, `received.length`) + 2)
}

func TestClientTellsRefusalsThatStandFromOthers(t *testing.T) {
	endToEnd(t)
	n := startNode(t, append(quiet, "AUTH_ANONYMOUS_SUBSCRIBE=public/**", "LIMITS_MAX_STREAMS_PER_IP=1", "STREAM_REFUSED_RETRY=300ms")...)
	closed := openClient(t, n.URL(""), `{topics: ["secret"]}`)
	closed.untilClientIs("refused")
	assert.InDelta(t, http.StatusUnauthorized, eval[float64](closed, `stream.status.problem.status`), 0)
	assert.Equal(t, "unauthorized", eval[string](closed, `stream.status.problem.code`))

	open := openClient(t, n.URL(""), fmt.Sprintf(`{topics: ["secret"], token: async () => %q}`, secret))
	open.untilClientIs("live")
	second := openClient(t, n.URL(""), `{topics: ["public/a"]}`)
	second.until(`states.filter((s) => s === "retrying").length >= 2`)
	assert.Equal(t, "limit", eval[string](second, `(async () => { while (stream.status.state !== "retrying") await new Promise((d) => setTimeout(d)); return stream.status.problem.code; })()`))
	assert.NotContains(t, eval[[]string](second, `states`), "live")
	eval[bool](open, `stream.close() ?? true`)
	second.untilClientIs("live")
}

// A tab leads, and the others get everything from it. Each time it goes, in every way that a tab can go, another takes over,
// and no tab misses or repeats an event.
func TestTabsShareAConnection(t *testing.T) {
	endToEnd(t)
	n := startNode(t, "CLOCK_INTERVAL=1h", "STREAM_HEARTBEAT=500ms")
	var tabs []*page
	for range 5 {
		tabs = append(tabs, openClient(t, n.URL(""), `{topics: ["news"], shared: true, silence: 3000}`))
	}
	for _, tab := range tabs {
		tab.untilClientIs("live")
	}
	require.Equal(t, 1, streamRequests(tabs), "one connection for all")
	require.Equal(t, 1, tabs[0].streamRequests(), "the first one leads")

	var want []string
	publish := func() {
		data := fmt.Sprintf("event %d", len(want))
		n.publish(t, "news", "", data)
		want = append(want, data)
	}
	checkTabs := func(tabs []*page, why string) {
		for _, tab := range tabs {
			require.Equal(t, want, tab.heard(len(want)), why)
			require.Empty(t, eval[[]string](tab, `resets`), why)
		}
	}
	// takeOver waits until a tab has a new connection, and returns its index.
	takeOver := func(before []int, among []*page) (leader int) {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			leader = -1
			for i, tab := range among {
				if tab.streamRequests() > before[i] {
					leader = i
				}
			}
			require.GreaterOrEqual(c, leader, 0)
		}, waitTimeout, 20*time.Millisecond)
		return leader
	}
	counts := func(tabs []*page) (all []int) {
		for _, tab := range tabs {
			all = append(all, tab.streamRequests())
		}
		return all
	}
	publish()
	checkTabs(tabs, "at the start")

	before := counts(tabs)
	eval[bool](tabs[0], `stream.close() ?? true`)
	publish()
	leader := takeOver(before, tabs)
	publish()
	tabs = slices.Delete(tabs, 0, 1)
	leader--
	checkTabs(tabs, "after a stream was closed")

	rest := slices.Delete(slices.Clone(tabs), leader, leader+1)
	before = counts(rest)
	tabs[leader].do(chromedp.Navigate("about:blank"))
	publish()
	leader = takeOver(before, rest)
	publish()
	tabs = rest
	checkTabs(tabs, "after the tab went to another page")

	before = counts(tabs)
	frozen := tabs[leader]
	lifecycle := func(state cdppage.SetWebLifecycleStateState) {
		frozen.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, cdppage.SetWebLifecycleState, cdppage.SetWebLifecycleStateParams{State: state})
			return err
		}))
	}
	lifecycle(cdppage.SetWebLifecycleStateStateFrozen)
	publish()
	rest = slices.Delete(slices.Clone(tabs), leader, leader+1)
	leader = takeOver(slices.Delete(before, leader, leader+1), rest)
	publish()
	checkTabs(rest, "while the tab is frozen")
	lifecycle(cdppage.SetWebLifecycleStateStateActive)
	publish()
	checkTabs(tabs, "after the tab thawed")

	stuck := rest[leader]
	rest = slices.DeleteFunc(slices.Clone(tabs), func(tab *page) bool { return tab == stuck })
	before = counts(rest)
	eval[bool](stuck, `setTimeout(() => { for (const end = Date.now() + 8000; Date.now() < end; ); }) > 0`)
	publish()
	takeOver(before, rest)
	publish()
	checkTabs(rest, "while a tab is stuck")
	checkTabs(tabs, "after the tab went on")
}

func TestClientInNode(t *testing.T) {
	endToEnd(t)
	node, err := jstest.Node()
	require.NoError(t, err)
	for _, transport := range clientTransports {
		t.Run(transport, func(t *testing.T) {
			n := startNode(t, quiet...)
			l := startLink(t, n.Addr)
			c := jstest.Follow(t, node, l.url("/events"), fmt.Sprintf(`{"topics":["news"],"transport":%q,"token":%q}`, transport, secret))
			assert.Equal(t, transport, c.Await(t, "live").Transport)
			id := n.publish(t, "news", "greeting", "hello\nworld")
			e := c.NextEvent(t)
			assert.WithinDuration(t, time.Now(), e.Time, waitTimeout)
			assert.Equal(t, jstest.Event{ID: id, Topics: []string{"news"}, Type: "greeting", Time: e.Time, Data: "hello\nworld"}, e)
			l.cut()
			c.Await(t, "retrying")
			for i := range 10 {
				n.publish(t, "news", "", fmt.Sprint(i))
			}
			l.restore()
			for i := range 10 {
				assert.Equal(t, fmt.Sprint(i), c.NextEvent(t).Data)
			}
			n.Kill(t)
			startNode(t, append(quiet, "HTTP_ADDR="+n.Addr)...)
			c.Next(t, "a reset", func(l jstest.Line) bool { return l.Reset != nil && l.Reset.Reason == "epoch" })
			n.publish(t, "news", "", "after")
			assert.Equal(t, "after", c.NextEvent(t).Data)
		})
	}
}

// The link is cut again and again while events are published, and while the client resumes.
func TestClientMissesAndRepeatsNothingOverBrokenConnections(t *testing.T) {
	endToEnd(t)
	node, err := jstest.Node()
	require.NoError(t, err)
	for _, transport := range clientTransports {
		t.Run(transport, func(t *testing.T) {
			n := startNode(t, append(quiet, "STREAM_RETRY=100ms")...)
			l := startLink(t, n.Addr)
			c := jstest.Follow(t, node, l.url("/events"), fmt.Sprintf(`{"topics":["news"],"transport":%q}`, transport))
			c.Await(t, "live")
			const events = 300
			for i := range events {
				if i%20 == 10 {
					l.cut()
				}
				n.publish(t, "news", "", fmt.Sprint(i))
				if i%20 == 13 {
					l.restore()
				}
			}
			for i := range events {
				require.Equal(t, fmt.Sprint(i), c.NextEvent(t).Data)
			}
		})
	}
}

// clientTransports are the transports of the client.
var clientTransports = []string{"sse", "poll", "ws"}

// A stream begins with the newest event of each topic, whatever the transport; so does each tab, also one that joins others.
func TestClientBeginsWithTheLatest(t *testing.T) {
	endToEnd(t)
	n := startNode(t, quiet...)
	for i := range 6 {
		n.publish(t, fmt.Sprintf("stock/%d", i%2), "", fmt.Sprint(i))
	}
	node, err := jstest.Node()
	require.NoError(t, err)
	var clients []*jstest.Client
	for _, transport := range clientTransports {
		c := jstest.Follow(t, node, n.URL("/events"), fmt.Sprintf(`{"topics":["stock/*"],"latest":true,"transport":%q}`, transport))
		c.Await(t, "live")
		clients = append(clients, c)
	}
	var tabs []*page
	for range 2 {
		tab := openClient(t, n.URL(""), `{topics: ["stock/*"], latest: true, shared: true}`)
		tab.untilClientIs("live")
		tabs = append(tabs, tab)
	}
	n.publish(t, "stock/0", "", "6")
	for _, c := range clients {
		for _, want := range []string{"4", "5", "6"} {
			assert.Equal(t, want, c.NextEvent(t).Data)
		}
	}
	for _, tab := range tabs {
		assert.Equal(t, []string{"4", "5", "6"}, tab.heard(3))
	}
	assert.Equal(t, 1, streamRequests(tabs))
}

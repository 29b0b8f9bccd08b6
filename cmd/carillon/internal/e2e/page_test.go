package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	clockIsLive = `document.querySelector("#state").dataset.state === "live"`
	watchIsLive = `document.querySelector("#watch-state").dataset.state === "live"`
)

// shownEvent is an event as the page shows it or a script received it.
type shownEvent struct{ ID, Type, Data string }

// events returns the events in a list of the page, the oldest first.
func (p *page) events(list string) []shownEvent {
	p.t.Helper()
	events := eval[[]shownEvent](p, fmt.Sprintf(`[...document.querySelectorAll("%s .event")].map((e) => (
		{ID: e.querySelector(".id").textContent, Type: e.querySelector(".type").textContent, Data: e.querySelector(".data").textContent}))`, list))
	slices.Reverse(events)
	return events
}

func click(id string) chromedp.Action[chromedp.Void] { return chromedp.Click(chromedp.CSS(id)) }

func fill(id, text string) chromedp.Action[chromedp.Void] {
	return chromedp.SetValue(chromedp.CSS(id), text)
}

// The time zone is not that of the browser, so what the page shows must come from the server.
func TestPageShowsTheServersTime(t *testing.T) {
	endToEnd(t)
	zone := time.FixedZone("", 13*60*60)
	n := startNode(t, "CLOCK_TIMEZONE=Etc/GMT-13")
	p := openPage(t, n.URL("/"))
	began := time.Now()
	eval[bool](p, `(() => {
		const clock = document.querySelector("#clock");
		globalThis.shown = [];
		new MutationObserver(() => shown.push(clock.dataset.time)).observe(clock, {attributeFilter: ["data-time"]});
		return true;
	})()`)
	p.until(clockIsLive)
	p.until(`shown.length >= 4`)
	shown := eval[[]string](p, `shown`)
	at, err := time.ParseInLocation(time.DateTime, shown[0], zone)
	require.NoError(t, err)
	assert.WithinDuration(t, began, at, waitTimeout)
	for i, text := range shown {
		assert.Equal(t, at.Add(time.Duration(i)*time.Second).Format(time.DateTime), text, "%q", shown)
	}
	assert.Regexp(t, `^-?\d+$`, eval[string](p, `document.querySelector("#offset").dataset.ms`))
	assert.NotContains(t, eval[string](p, `document.querySelector("#offset").textContent`), "not known")
	p.until(`document.querySelector("#clock .zone")?.textContent === "UTC+13:00"`)

	var data []string
	for _, r := range p.events("#log") {
		assert.Equal(t, "message", r.Type)
		assert.NotEmpty(t, r.ID)
		data = append(data, r.Data)
	}
	assert.Subset(t, data, shown)

	assert.Empty(t, p.noted(&p.complaints))
	requests := p.noted(&p.requests)
	for _, address := range requests {
		assert.True(t, strings.HasPrefix(address, n.URL("/")), "the page requested %s", address)
	}
	assert.Contains(t, requests, n.URL("/events?presence=count&format=json"))
	assert.Contains(t, requests, n.URL("/client.mjs"))

	// The check for complaints works: violations of the policy and errors are noticed.
	eval[bool](p, `document.body.append(Object.assign(new Image(), {src: "http://127.0.0.1:9/elsewhere.png"})) ?? true`)
	p.untilNoted(&p.complaints, func(c string) bool { return strings.Contains(c, "Content Security Policy") })
	eval[bool](p, `console.error("noticed") ?? true`)
	p.untilNoted(&p.complaints, func(c string) bool { return c == "console.error" })
}

func TestPageAfterARestart(t *testing.T) {
	endToEnd(t)
	n := startNode(t)
	p := openPage(t, n.URL("/"))
	p.until(`document.querySelectorAll("#log .event").length >= 2`)
	p.until(clockIsLive)
	p.do(click("#watch-start"))
	p.until(watchIsLive)
	n.Kill(t)
	p.until(`document.querySelector("#state").dataset.state === "reconnecting"`)
	assert.Contains(t, eval[string](p, `document.querySelector("#offset").textContent`), "not known")
	p.until(`document.querySelector("#watch-note").textContent.includes("cannot be reached")`)
	before := len(p.events("#log"))

	startNode(t, "HTTP_ADDR="+n.Addr)
	p.until(`document.querySelector("#log .event[data-type='carillon.reset']")`)
	p.until(clockIsLive)
	p.until(fmt.Sprintf(`document.querySelectorAll("#log .event").length >= %d`, before+3))
	p.until(watchIsLive)
	after := p.events("#log")[before:]
	assert.Equal(t, "carillon.reset", after[0].Type, "the first event of the new server")
	assert.Contains(t, after[0].Data, `"reason":"epoch"`)
	epoch := func(e shownEvent) string { return e.ID[:strings.LastIndex(e.ID, "-")] }
	assert.NotEqual(t, epoch(p.events("#log")[0]), epoch(after[1]))
	for _, r := range after[1:] {
		assert.Equal(t, "message", r.Type)
		assert.Equal(t, epoch(after[0]), epoch(r))
	}
	assert.NotEmpty(t, eval[string](p, `document.querySelector("#notice").textContent`), "the page shows a notice")
}

func TestPageWatchesPublishesAndResumes(t *testing.T) {
	endToEnd(t)
	n := startNode(t)
	p := openPage(t, n.URL("/"))
	p.do(click("#watch-start")) // topics, type and data as the page suggests them
	p.until(watchIsLive)
	result := func(outcome string) string {
		p.do(click("#publish-send"))
		p.until(fmt.Sprintf(`document.querySelector("#publish-result").dataset.outcome === %q && !document.querySelector("#publish-send").disabled`, outcome))
		return eval[string](p, `document.querySelector("#publish-result").textContent`)
	}
	assert.Contains(t, result("refused"), "401")
	p.do(fill("#publish-token", secret))
	kept := result("kept")
	p.until(`document.querySelector("#watch-log .event")`)
	published := p.events("#watch-log")
	require.Len(t, published, 1, "the refused event was not published")
	assert.Equal(t, "Hello, world", published[0].Data)
	assert.Equal(t, "message", published[0].Type)
	assert.Contains(t, kept, published[0].ID)

	p.do(fill("#publish-topic", "orders/42/status"), fill("#publish-type", "paid"), fill("#publish-data", "€ 10\n<b>bold</b>"))
	result("kept")
	p.until(`document.querySelectorAll("#watch-log .event").length === 2`)
	assert.Equal(t, "paid", p.events("#watch-log")[1].Type)
	assert.Equal(t, "€ 10\n<b>bold</b>", p.events("#watch-log")[1].Data, "text, not markup")

	p.do(fill("#publish-token", "wrong"))
	assert.Contains(t, result("refused"), "401")

	p.do(fill("#publish-token", secret), click("#resume"))
	p.until(`document.querySelector("#watch-state").dataset.state === "cut"`)
	p.do(fill("#publish-data", "while away"))
	result("kept")
	p.until(`["kept", "lost", "unknown"].includes(document.querySelector("#resume-result").dataset.outcome)`)
	assert.Equal(t, "kept", eval[string](p, `document.querySelector("#resume-result").dataset.outcome`),
		eval[string](p, `document.querySelector("#resume-result").textContent`))
	count := 0
	for _, r := range p.events("#watch-log") {
		assert.NotEqual(t, "carillon.reset", r.Type)
		if r.Data == "while away" {
			count++
		}
	}
	assert.Equal(t, 1, count)
	assert.Contains(t, eval[string](p, `document.querySelector("#resume-result").textContent`), "The one event that was published meanwhile came")
	assert.Equal(t, "greetings, orders/**", eval[string](p, `document.querySelector("#watch-topics").value`))

	p.do(click("#watch-start")) // another subscription: what the one before had does not stay
	p.until(`document.querySelector("#watch-log").childElementCount === 0 && document.querySelector("#resume-result").textContent === ""`)
	p.until(watchIsLive)
	p.do(click("#watch-stop"))
	p.until(`document.querySelector("#watch-state").dataset.state === "closed" && document.querySelector("#watch-stop").disabled`)
}

// The page shows how many listen to the clock, unless that is only for those with a token.
func TestPageShowsHowManyListen(t *testing.T) {
	endToEnd(t)
	const count = `document.querySelector("#listener-count").textContent === `
	n := startNode(t)
	first := openPage(t, n.URL("/"))
	first.until(count + `"only this page"`)
	second := openPage(t, n.URL("/"))
	second.until(count + `"2 streams"`)
	first.until(count + `"2 streams"`)
	second.do(chromedp.Navigate("about:blank"))
	first.until(count + `"only this page"`)
	assert.NotContains(t, fmt.Sprint(first.events("#log")), "carillon.count")

	private := openPage(t, startNode(t, "PRESENCE_PUBLIC_COUNT=false").URL("/"))
	private.until(clockIsLive)
	assert.True(t, eval[bool](private, `document.querySelector("#listeners").hidden`))
}

func TestPageOfAServerWithoutAClock(t *testing.T) {
	endToEnd(t)
	n := startNode(t, "CLOCK_ENABLED=false", "CLOCK_INTERVAL=50ms")
	p := openPage(t, n.URL("/"))
	p.until(clockIsLive)
	p.until(`!document.querySelector("#clock-off").hidden && document.querySelector("#log").childElementCount === 0`)
	n.publish(t, "clock", "", "2002-02-02 02:02:02") // as another server of the same log would
	p.until(`document.querySelector("#clock").dataset.time === "2002-02-02 02:02:02" && document.querySelector("#clock-off").hidden`)
	assert.Len(t, p.events("#log"), 1, "only what was published")
}

// Without the witness nothing can be checked, so nothing is claimed and nothing is cut.
func TestPageWhoseWitnessIsRefused(t *testing.T) {
	endToEnd(t)
	n := startNode(t, "LIMITS_MAX_STREAMS_PER_IP=2")
	p := openPage(t, n.URL("/"))
	p.until(clockIsLive)
	p.do(click("#watch-start"))
	p.until(watchIsLive)
	p.do(click("#resume"))
	p.until(`document.querySelector("#resume-result").dataset.outcome === "unknown"`)
	assert.Contains(t, eval[string](p, `document.querySelector("#resume-result").textContent`), "was not let in")
	p.until(watchIsLive)
}

func TestPageOfAClosedServer(t *testing.T) {
	endToEnd(t)
	n := startNode(t, "AUTH_ANONYMOUS_SUBSCRIBE=")
	p := openPage(t, n.URL("/"))
	const refused = `document.querySelector("#state").textContent === "Token needed" && !document.querySelector("#clock-token-form").hidden`
	p.until(refused)
	p.do(fill("#clock-token", "wrong"), click("#clock-token-use"))
	p.until(`document.querySelector("#notice").textContent.includes("token_invalid")`)
	p.until(refused)

	p.do(fill("#clock-token", secret), click("#clock-token-use"))
	p.until(clockIsLive)
	p.until(`document.querySelector("#clock-token-form").hidden && document.querySelector("#notice").textContent === ""`)
	p.until(`document.querySelector("#log .event")`)
	p.do(click("#watch-start")) // with the same token
	p.until(watchIsLive)
}

// EventSource notifies of "error" and "open". The page tells events of these types from the notifications.
func TestPageWithEventsNamedLikeNotifications(t *testing.T) {
	endToEnd(t)
	n := startNode(t, quiet...)
	p := openPage(t, n.URL("/"))
	p.until(clockIsLive)
	eval[bool](p, `(() => {
		const state = document.querySelector("#state");
		globalThis.states = [];
		new MutationObserver(() => states.push(state.dataset.state)).observe(state, {attributeFilter: ["data-state"]});
		return true;
	})()`)
	for _, kind := range []string{"error", "open", "close"} {
		n.publish(t, "clock", kind, "2001-01-01 00:00:00")
	}
	n.publish(t, "clock", "", "2002-02-02 02:02:02")
	p.until(`document.querySelector("#clock").dataset.time === "2002-02-02 02:02:02"`)
	assert.Empty(t, eval[[]string](p, `states`))
}

func TestPageShowsADrain(t *testing.T) {
	endToEnd(t)
	n := startNode(t)
	p := openPage(t, n.URL("/"))
	p.until(`document.querySelector("#log .event")`)
	p.do(click("#watch-start"))
	p.until(watchIsLive)
	assert.Zero(t, n.Stop(t), "with streams open, within drain.timeout")
	p.until(`document.querySelector("#log .event[data-type='carillon.goaway']")`)
	p.until(`document.querySelector("#watch-log .event[data-type='carillon.goaway']")`)
	for _, list := range []string{"#log", "#watch-log"} {
		events := p.events(list)
		assert.Equal(t, "carillon.goaway", events[len(events)-1].Type)
		assert.JSONEq(t, `{"reason":"drain"}`, events[len(events)-1].Data)
	}
	p.until(`document.querySelector("#state").dataset.state === "reconnecting"`)
}

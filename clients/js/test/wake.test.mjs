import assert from "node:assert/strict";
import { after, test } from "node:test";

// A page, as far as the client looks at it. It has to be there before the client.
const page = new EventTarget();
globalThis.document = Object.assign(new EventTarget(), { baseURI: "http://127.0.0.1/" });
globalThis.addEventListener = page.addEventListener.bind(page);
after(() => {
  delete globalThis.document;
  delete globalThis.addEventListener;
});
const { event, follow, frame, json, opening, serve, sse, until } = await import("./harness.mjs");

const open = (...pieces) => sse([opening(), ...pieces], { open: true });

for (const [leave, come] of [
  [() => page.dispatchEvent(new Event("pagehide")), () => page.dispatchEvent(new Event("pageshow"))],
  [() => document.dispatchEvent(new Event("freeze")), () => document.dispatchEvent(new Event("resume"))],
]) {
  test("a page that sleeps has no connection, and resumes when it is back", async () => {
    let closed = false;
    const { url, requests } = await serve(
      (response) => {
        response.on("close", () => (closed = true));
        open(frame(event("a-1", "one")))(response);
      },
      open(frame(event("a-2", "two"))),
    );
    const { data, states } = follow(url, {});
    await until(() => data.length === 1);
    leave();
    await until(() => closed);
    await new Promise((done) => setTimeout(done, 50));
    assert.equal(requests.length, 1);
    come();
    come();
    await until(() => data.length === 2);
    assert.equal(requests.length, 2);
    assert.equal(requests[1].query.get("last_event_id"), "a-1");
    assert.deepEqual(states, ["connecting", "live", "connecting", "live"]);
  });
}

test("a network that is back gets a new connection at once", async () => {
  const { url, requests } = await serve(open(frame(event("a-1", "one"))), open(frame(event("a-2", "two"))));
  const { data } = follow(url, {});
  await until(() => data.length === 1);
  page.dispatchEvent(new Event("online"));
  await until(() => data.length === 2);
  assert.equal(requests[1].query.get("last_event_id"), "a-1");
});

test("a network that is back, and a page that is looked at, end the wait after failures", async (t) => {
  t.mock.method(Math, "random", () => 1);
  const { url, requests } = await serve(sse([opening(100)]), json({}, 503), json({}, 503), json({}, 503), json({}, 503), open());
  const { states } = follow(url, {});
  await until(() => requests.length === 5 && states.at(-1) === "retrying"); // the next wait would take 1.6 s
  const began = performance.now();
  document.dispatchEvent(new Event("visibilitychange"));
  await until(() => requests.length === 6);
  assert.ok(performance.now() - began < 1000);
});

test("a sleep of the machine is noticed when the page is looked at", async (t) => {
  const now = Date.now;
  let ahead = 0;
  t.mock.method(Date, "now", () => now() + ahead);
  const { url, requests } = await serve(open(frame(event("a-1", "one"))), open());
  const { data } = follow(url, {});
  await until(() => data.length === 1);
  ahead = 50_000;
  document.dispatchEvent(new Event("visibilitychange"));
  await until(() => requests.length === 2);
});

test("a relative URL is that of the page, and nothing listens to the page after close", async () => {
  const { url, requests } = await serve(open());
  document.baseURI = url.replace("events", "app/");
  const { stream, states } = follow("../events", {});
  await until(() => states.at(-1) === "live");
  stream.close();
  page.dispatchEvent(new Event("pageshow"));
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(requests.length, 1);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { event, follow, frame, json, opening, serve, sse, until } from "./harness.mjs";

// stuck is what a client sees behind a proxy that buffers: the head, or nothing, and no body.
const stuck = (response) => response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
const silent = () => {};

for (const [name, buffered] of Object.entries({ "the head alone": stuck, nothing: silent })) {
  test(`polls where a stream brings ${name}`, async () => {
    const { url, requests } = await serve(
      buffered,
      json({ events: [event("a-1", "one")], next: "a-2" }),
      json({ events: [event("a-3", "three")], next: "a-3" }),
      silent,
    );
    const { data, states, statuses } = follow(url, { firstBytes: 50, latest: true });
    await until(() => requests.length === 4);
    assert.deepEqual(data, ["one", "three"]);
    assert.deepEqual(requests.map(({ query }) => query.get("wait")), [null, "0s", "25s", "25s"]);
    assert.deepEqual(requests.map(({ query }) => query.get("last_event_id")), [null, null, "a-2", "a-3"]);
    assert.deepEqual(requests.map(({ query }) => query.get("latest")), ["true", "true", null, null]);
    assert.equal(requests[1].headers.accept, "application/json");
    assert.deepEqual(states, ["connecting", "live"]);
    assert.equal(statuses[1].transport, "poll");
  });
}

test("goes back to streaming where polling fails too", async () => {
  const { url, requests } = await serve(stuck, json({}, 502), sse([opening()], { open: true }));
  const { states, statuses } = follow(url, { firstBytes: 50 });
  await until(() => states.at(-1) === "live");
  assert.equal(statuses.at(-1).transport, "sse");
  assert.equal(requests.length, 3);
  assert.deepEqual(states, ["connecting", "retrying", "connecting", "live"]);
});

test("tries streaming again later, without being seen to interrupt", async (t) => {
  const now = Date.now;
  let ahead = 0;
  t.mock.method(Date, "now", () => now() + ahead);
  const { url, requests } = await serve(
    stuck,
    json({ events: [], next: "a-1" }),
    json({ events: [event("a-2", "two")], next: "a-2" }),
    sse([opening(), frame(event("a-3", "three"))], { open: true }),
  );
  const { stream, data, states, statuses } = follow(url, { firstBytes: 50 });
  stream.on("message", () => (ahead = 61_000));
  await until(() => data.length === 2);
  assert.deepEqual(data, ["two", "three"]);
  assert.equal(requests[3].query.get("last_event_id"), "a-2");
  assert.deepEqual(states, ["connecting", "live", "live"]);
  assert.deepEqual(statuses.map(({ transport }) => transport), [undefined, "poll", "sse"]);
});

test("does not ask a server that does not wait without end", async () => {
  const { url, requests } = await serve(json({ events: [], next: "a-1" }));
  const { states } = follow(url, { transport: "poll" });
  await until(() => states.includes("retrying"));
  assert.equal(requests.length, 2);
});

test("transport: poll polls, and keeps to it", async () => {
  const { url, requests } = await serve(json({ events: [], next: "a-1" }), (response) => response.destroy(), silent);
  const { states } = follow(url, { transport: "poll" });
  await until(() => requests.length === 3);
  assert.ok(requests.every(({ headers }) => headers.accept === "application/json"));
  assert.deepEqual(states, ["connecting", "live", "retrying", "connecting"]);
});

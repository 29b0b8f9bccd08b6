import assert from "node:assert/strict";
import { test } from "node:test";

import { Carillon } from "../src/carillon.mjs";
import { event, follow, frame, json, opening, serve, sse, until } from "./harness.mjs";

test("resumes after the last whole event, as soon as the server allows", async () => {
  const { url, requests } = await serve(
    sse([opening(), frame(event("a-1", "one")), frame(event("a-2", "two")).slice(0, -1)]),
    sse([opening(), frame(event("a-2", "two"))]),
    sse([opening()], { open: true }),
  );
  const { data, states } = follow(url, { topics: ["t", "u/**"] });
  await until(() => requests.length === 3);
  await until(() => states.length === 8);
  assert.deepEqual(data, ["one", "two"]);
  assert.deepEqual(requests.map(({ query }) => query.get("last_event_id")), [null, "a-1", "a-2"]);
  assert.deepEqual(requests[0].query.getAll("topic"), ["t", "u/**"]);
  assert.equal(requests[0].query.get("format"), "json");
  assert.equal(requests[0].headers.accept, "text/event-stream");
  assert.equal(requests[0].headers.authorization, undefined);
  assert.deepEqual(states, ["connecting", "live", "retrying", "connecting", "live", "retrying", "connecting", "live"]);
});

test("hands over what an event has, by its type", async () => {
  const { url } = await serve(sse([opening(), frame(event("a-1", '{"bid":41.5}', "price")), frame(event("a-2", "x")), frame(event("a-3", "y", "*"))], { open: true }));
  const stream = new Carillon(url, {});
  const prices = [];
  const types = [];
  stream.on("price", (e) => prices.push(e));
  stream.on("*", (e) => types.push(e.type));
  const off = stream.on("message", () => assert.fail("was removed"));
  off();
  await until(() => types.length === 3);
  stream.close();
  const [price] = prices;
  assert.deepEqual([price.id, price.topics, price.type, price.time], ["a-1", ["t"], "price", "2026-01-02T03:04:05.000Z"]);
  assert.deepEqual(price.json(), { bid: 41.5 });
  assert.deepEqual(types, ["price", "message", "*"]);
  assert.equal(stream.lastEventId, "a-3");
  assert.equal(stream.status.state, "closed");
});

test("what was delivered is not delivered again", async () => {
  const { url } = await serve(sse([opening(), ...["a-9", "a-9", "a-8", "a-10"].map((id) => frame(event(id, id)))], { open: true }));
  const { data } = follow(url, {});
  await until(() => data.includes("a-10"));
  assert.deepEqual(data, ["a-9", "a-10"]);
});

test("a reset moves the position, also back, and is no event of the application", async () => {
  const reset = event("a-3", '{"reason":"future","requested":"a-9"}', "carillon.reset");
  const { url, requests } = await serve(sse([opening(), frame(reset), frame(event("a-4", "four"))]), sse([opening()], { open: true }));
  const { stream, data, resets } = follow(url, { after: "a-9" });
  const controls = [];
  stream.on("carillon.reset", (e) => controls.push(e.id));
  await until(() => requests.length === 2);
  assert.deepEqual(requests.map(({ query }) => query.get("last_event_id")), ["a-9", "a-4"]);
  assert.deepEqual(data, ["four"]);
  assert.deepEqual(resets, [{ reason: "future", requested: "a-9" }]);
  assert.deepEqual(controls, ["a-3"]);
});

test("a bookmark is the position to resume after, in place of where the stream was to start", async () => {
  const { url, requests } = await serve(sse([opening(), "id: a-7\n\n"]), sse([opening()], { open: true }));
  const { data } = follow(url, { last: 3 });
  await until(() => requests.length === 2);
  assert.deepEqual(requests.map(({ query }) => [query.get("last"), query.get("last_event_id")]), [["3", null], [null, "a-7"]]);
  assert.deepEqual(data, []);
});

test("the token is asked for before each connection", async () => {
  const { url, requests } = await serve(sse([opening()]), sse([opening()]), sse([opening()], { open: true }));
  let count = 0;
  follow(url, { token: async () => `token-${++count}` });
  await until(() => requests.length === 3);
  assert.deepEqual(requests.map(({ headers }) => headers.authorization), ["Bearer token-1", "Bearer token-2", "Bearer token-3"]);
  assert.equal(requests[0].query.get("token"), null);
});

test("a token that cannot be had now is asked for again", async () => {
  const { url, requests } = await serve(sse([opening()], { open: true }));
  let asked = 0;
  const { states, statuses } = follow(url, {
    token: () => {
      if (asked++ === 0) throw new Error("no network");
      return "t";
    },
  });
  await until(() => states.at(-1) === "live");
  assert.deepEqual(states, ["connecting", "retrying", "connecting", "live"]);
  assert.deepEqual(statuses[1].problem, { title: "the token cannot be had", detail: "no network" });
  assert.equal(requests.length, 1);
});

test("a token that no header can carry is refused", async () => {
  const { url, requests } = await serve(sse([opening()], { open: true }));
  const { states, statuses } = follow(url, { token: "a\nb" });
  await until(() => states.at(-1) === "refused");
  assert.equal(statuses.at(-1).problem.status, 401);
  assert.equal(requests.length, 0);
});

test("hurry ends the wait after failures, but not what the server asked for", async (t) => {
  t.mock.method(Math, "random", () => 1);
  const { url, requests } = await serve(sse([opening(500)]), json({}, 503), json({}, 503), sse([opening()], { open: true }));
  const { stream, states } = follow(url, {});
  const refused = (n) => until(() => requests.length === n && states.at(-1) === "retrying");
  await refused(3); // the next wait would take 2 s
  stream.hurry();
  await until(() => requests.length === 4);
  const waited = requests[3].at - requests[2].at;
  assert.ok(waited >= 490 && waited < 1500, `${waited} ms`);
});

for (const status of [400, 401, 403, 404, 406]) {
  test(`a refusal that stands ends it: ${status}`, async () => {
    const { url, requests } = await serve(json({ code: "forbidden", title: "No", detail: "not yours", status }, status));
    const { states, statuses } = follow(url, {});
    await until(() => states.at(-1) === "refused");
    await new Promise((done) => setTimeout(done, 100));
    assert.equal(requests.length, 1);
    assert.deepEqual(states, ["connecting", "refused"]);
    assert.deepEqual(statuses[1].problem, { code: "forbidden", title: "No", detail: "not yours", status });
  });
}

for (const [name, answer] of Object.entries({
  "status 503": json({ title: "Full", code: "stream_limit" }, 503),
  "status 429": json({ title: "Many", code: "rate_limited" }, 429),
  "another media type": (response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<p>Log in"),
  "a connection that breaks": (response) => response.destroy(),
})) {
  test(`is tried again: ${name}`, async () => {
    const { url, requests } = await serve(sse([opening()]), answer, sse([opening()], { open: true }));
    const { states, statuses } = follow(url, {});
    await until(() => states.filter((state) => state === "live").length === 2);
    assert.equal(requests.length, 3);
    const { at, problem } = statuses.findLast(({ state }) => state === "retrying");
    assert.ok(at > 0 && problem.title, JSON.stringify(problem));
  });
}

test("Retry-After is the least time", async () => {
  const { url, requests } = await serve(sse([opening()]), json({}, 503, { "Retry-After": "1" }), sse([opening()], { open: true }));
  follow(url, {});
  await until(() => requests.length === 3);
  assert.ok(requests[2].at - requests[1].at >= 990, `${requests[2].at - requests[1].at} ms`);
});

test("a goaway says why and when; a refusal with one is never live", async () => {
  const goaway = (retry, reason) => `retry: ${retry}\ndata: ${JSON.stringify({ type: "carillon.goaway", data: JSON.stringify({ reason }) })}\n\n`;
  const { url, requests } = await serve(sse([opening(), goaway(300, "drain")]), sse([goaway(400, "limit")]), sse([opening()], { open: true }));
  const { data, states, statuses } = follow(url, {});
  await until(() => requests.length === 3);
  assert.ok(requests[1].at - requests[0].at >= 290);
  assert.ok(requests[2].at - requests[1].at >= 390);
  await until(() => states.at(-1) === "live");
  assert.deepEqual(states, ["connecting", "live", "retrying", "connecting", "retrying", "connecting", "live"]);
  assert.deepEqual(statuses.filter((s) => s.state === "retrying").map((s) => s.problem.code), ["drain", "limit"]);
  assert.deepEqual(data, []);
});

test("a goaway of a proxy, which is not in the JSON form, is understood", async () => {
  const later = 'retry: 50\nevent: carillon.goaway\ndata: {"reason":"unavailable"}\n\n';
  const { url, requests } = await serve(sse([later]), sse([opening()], { open: true }));
  const { states, statuses } = follow(url, {});
  await until(() => states.at(-1) === "live");
  assert.equal(statuses[1].problem.code, "unavailable");
  assert.equal(requests.length, 2);
});

test("a connection that says nothing for too long is given up", async () => {
  const { url, requests } = await serve(sse([opening(), frame(event("a-1", "one"))], { open: true }));
  const { data, states } = follow(url, { silence: 100 });
  await until(() => requests.length === 2);
  assert.deepEqual(data, ["one"]);
  assert.equal(requests[1].query.get("last_event_id"), "a-1");
  assert.deepEqual(states.slice(0, 3), ["connecting", "live", "retrying"]);
});

test("characters cut between two pieces arrive whole, and marks in data stay, but not at the start", async () => {
  const bytes = Buffer.from("\uFEFF" + opening() + frame(event("a-1", "\uFEFF🔔é")));
  const { url } = await serve((response) => {
    sse([], { open: true })(response);
    for (const byte of bytes) response.write(Uint8Array.of(byte));
  });
  const { data } = follow(url, {});
  await until(() => data.length === 1);
  assert.deepEqual(data, ["\uFEFF🔔é"]);
});

test("nothing comes after close", async () => {
  const { url } = await serve(sse([opening(), frame(event("a-1", "one")), frame(event("a-2", "two"))], { open: true }));
  const stream = new Carillon(url, {});
  const data = [];
  const states = [];
  stream.onstatus = ({ state }) => states.push(state);
  stream.on("*", (e) => (data.push(e.data), stream.close()));
  await until(() => states.at(-1) === "closed");
  await new Promise((done) => setTimeout(done, 50));
  assert.deepEqual(data, ["one"]);
  assert.deepEqual(states, ["connecting", "live", "closed"]);
  assert.equal(stream.lastEventId, "a-1");
});

test("options that cannot be right are refused at once", () => {
  assert.throws(() => new Carillon("http://127.0.0.1/events", { transport: "carrier-pigeon" }), TypeError);
  assert.throws(() => new Carillon("/events", {}), TypeError);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff } from "./assets/backoff.mjs";
import { Stream } from "./assets/stream.mjs";

// play responds to each request with the next element of the script: a Response, a function that makes one, or an Error to throw.
function play(script, options = {}) {
  const requests = [];
  const events = [];
  const states = [];
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const stream = new Stream({
    url: "http://example.test/events",
    onEvent: (event) => events.push(event.data),
    onState: (state, note) => {
      states.push(note ? `${state}: ${note}` : state);
      if (state === "closed") end();
    },
    fetch: async (url, init) => {
      requests.push(init);
      const next = script.shift();
      if (next === undefined) {
        queueMicrotask(() => stream.close());
        return new Promise((_, reject) => init.signal.addEventListener("abort", () => reject(init.signal.reason)));
      }
      if (next instanceof Error) throw next;
      if (typeof next === "function") return next(init);
      return next;
    },
    ...options,
  });
  stream.open();
  return ended.then(() => ({ requests, events, states, stream }));
}

const sse = (...pieces) =>
  new Response(
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
        controller.close();
      },
    }),
    { headers: { "Content-Type": "text/event-stream; charset=utf-8" } },
  );

test("resumes after the last whole event, as soon as the server allows", async () => {
  const { requests, events, states, stream } = await play([
    sse("retry: 1\n:\n\nid: a-1\ndata: one\n\nid: a-2\ndata: cut off"),
    sse("id: a-2\ndata: two\n\n"),
  ]);
  assert.deepEqual(events, ["one", "two"]);
  assert.deepEqual(requests.map((request) => request.headers["Last-Event-ID"]), [undefined, "a-1", "a-2"]);
  assert.equal(requests[0].headers.Accept, "text/event-stream");
  assert.equal(requests[0].headers.Authorization, undefined);
  assert.deepEqual(states.filter((state, i) => state !== states[i - 1]), ["connecting", "live", "reconnecting", "live", "reconnecting", "closed"]);
  assert.equal(stream.lastEventId, "a-2");
});

test("carries the token and the position it was given", async () => {
  const { requests } = await play([], { token: "t0k", lastEventId: "é-1" });
  assert.equal(requests[0].headers.Authorization, "Bearer t0k");
  assert.equal(requests[0].headers["Last-Event-ID"], "\u00C3\u00A9-1");
});

test("characters cut between two pieces arrive whole, and marks in data stay", async () => {
  const bytes = new TextEncoder().encode("retry: 1\ndata: \uFEFF🔔é\n\n");
  const { events } = await play([sse(...[...bytes].map((byte) => Uint8Array.of(byte)))]);
  assert.deepEqual(events, ["\uFEFF🔔é"]);
});

for (const status of [400, 401, 403, 404]) {
  test(`a refusal that stands ends it: ${status}`, async () => {
    const answer = new Response('{"code":"forbidden","detail":"not yours"}', { status });
    const { requests, states } = await play([answer]);
    assert.equal(requests.length, 1);
    assert.deepEqual(states, ["connecting", "closed: forbidden: not yours"]);
  });
}

test("another content type ends it", async () => {
  const { states } = await play([new Response("<p>hello</p>", { headers: { "Content-Type": "text/html" } })]);
  assert.equal(states.at(-1), "closed: status 200");
});

test("a refusal that passes, and a server that is away, are tried again", async () => {
  for (const answer of [new Response("", { status: 503 }), new Response("", { status: 429 }), new TypeError("refused")]) {
    const { requests, states } = await play([sse("retry: 1\n\n"), answer, sse("data: back\n\n")]);
    assert.equal(requests.length, 4);
    assert.equal(states.at(-1), "closed");
  }
});

// dumb is a response that opens a stream and says nothing.
const dumb = (init) => {
  const stuck = new ReadableStream({
    start: (controller) => init.signal.addEventListener("abort", () => controller.error(init.signal.reason)),
  });
  return new Response(stuck, { headers: { "Content-Type": "text/event-stream" } });
};

test("a connection that says nothing for too long is given up", async () => {
  const { states } = await play([sse("retry: 1\n\n"), dumb, sse("data: back\n\n")], { silence: 10 });
  assert.ok(states.includes("reconnecting: The connection broke."), states.join(", "));
});

test("an answer that only sends away is never called live", async () => {
  const away = () => sse('retry: 1\nevent: carillon.goaway\ndata: {"reason":"drain"}\n\n');
  const { states } = await play([away(), away(), away()]);
  assert.ok(!states.includes("live"), states.join(", "));
});

test("a stream without events is live after a moment", async () => {
  const states = [];
  await new Promise((live) => {
    const stream = new Stream({
      url: "http://example.test/events",
      onEvent: () => {},
      onState: (state) => {
        states.push(state);
        if (state === "live") stream.close();
        if (state === "closed") live();
      },
      fetch: async (_, init) => dumb(init),
    });
    stream.open();
  });
  assert.deepEqual(states, ["connecting", "live", "closed"]);
});

test("a refusal tells its status", async () => {
  const refusals = [];
  const options = { onState: (state, note, status) => state === "closed" && refusals.push(status) };
  const stream = new Stream({ url: "http://example.test/events", onEvent: () => {}, fetch: async () => new Response("", { status: 401 }), ...options });
  stream.open();
  const unsendable = new Stream({ url: "http://example.test/events", token: "a\nb", onEvent: () => {}, fetch: assert.fail, ...options });
  unsendable.open();
  while (refusals.length < 2) await new Promise((next) => setTimeout(next));
  assert.deepEqual(refusals, [401, 401]);
});

test("hurry ends the waiting after failures, but not what the server asked for", async (t) => {
  t.mock.method(Math, "random", () => 1);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let requests = 0;
  const stream = new Stream({
    url: "http://example.test/events",
    onEvent: () => {},
    onState: () => {},
    fetch: async () => {
      requests++;
      throw new TypeError("refused");
    },
  });
  const pass = async (ms) => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
    t.mock.timers.tick(ms);
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  stream.open();
  await pass(2_000);
  await pass(2_000); // the backoff after the first failure is 4 s
  assert.equal(requests, 2);
  stream.hurry();
  await pass(1_900);
  assert.equal(requests, 2);
  await pass(100);
  assert.equal(requests, 3);
  await pass(2_000);
  await pass(7_900); // the backoff after three failures is 10 s
  assert.equal(requests, 3);
  stream.hurry();
  await pass(0);
  assert.equal(requests, 4);
  stream.close();
});

test("nothing comes after close", async () => {
  const { events } = await new Promise((done) => {
    const events = [];
    const stream = new Stream({
      url: "http://example.test/events",
      onEvent: (event) => (events.push(event.data), stream.close()),
      onState: (state) => state === "closed" && setTimeout(() => done({ events }), 20),
      fetch: async () => sse("id: 1\ndata: one\n\nid: 2\ndata: two\n\n"),
    });
    stream.open();
  });
  assert.deepEqual(events, ["one"]);
});

test("backoff", () => {
  assert.equal(backoff(2000, 0), 2000);
  assert.equal(backoff(2000, 1, () => 0), 2000);
  assert.equal(backoff(2000, 1, () => 1), 4000);
  assert.equal(backoff(2000, 3, () => 0), 5000);
  assert.equal(backoff(2000, 99, () => 0), 5_000);
  assert.equal(backoff(2000, 99, () => 1), 10_000);
  assert.equal(backoff(60_000, 5, () => 0), 60_000, "never sooner than the server asked for");
});

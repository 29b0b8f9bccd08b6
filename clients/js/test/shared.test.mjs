import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { event, follow, frame, opening, serve, until } from "./harness.mjs";

// Locks is as much of navigator.locks as the client uses. Node.js has none, and one client stands for one tab here.
class Locks {
  #held = new Map();
  #waiting = [];

  request(name, { signal, steal }, callback) {
    return new Promise((done, fail) => {
      const wait = { name, callback, done, fail };
      if (steal) {
        this.#held.get(name)?.fail(new Error("stolen"));
        this.#held.delete(name);
        this.#waiting.unshift(wait);
      } else {
        this.#waiting.push(wait);
      }
      signal?.addEventListener("abort", () => {
        const at = this.#waiting.indexOf(wait);
        if (at >= 0) this.#waiting.splice(at, 1);
        fail(signal.reason);
      });
      queueMicrotask(() => this.#grant(name));
    });
  }

  async #grant(name) {
    const at = this.#waiting.findIndex((wait) => wait.name === name);
    if (this.#held.has(name) || at < 0) return;
    const [wait] = this.#waiting.splice(at, 1);
    this.#held.set(name, wait);
    await wait.callback();
    wait.done();
    if (this.#held.get(name) !== wait) return;
    this.#held.delete(name);
    this.#grant(name);
  }
}

beforeEach(() => Object.defineProperty(navigator, "locks", { value: new Locks(), configurable: true }));
afterEach(() => delete navigator.locks);

// serveLog serves a log over streams and polls. It counts the requests for streams.
async function serveLog() {
  const log = [];
  const streams = new Set();
  const offset = (query) => (query.get("last_event_id") ? +query.get("last_event_id").split("-")[1] : log.length);
  const start = (query) => (query.has("last") ? Math.max(0, log.length - query.get("last")) : offset(query));
  const { url, requests } = await serve((response, query) => {
    if (query.get("format") !== "json") {
      const events = log.slice(start(query));
      response.writeHead(200, { "Content-Type": "application/json" });
      return response.end(JSON.stringify({ events, next: `a-${log.length}` }));
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(opening());
    if (!query.has("last_event_id")) response.write(`id: a-${start(query)}\n\n`);
    for (const e of log.slice(start(query))) response.write(frame(e));
    streams.add(response);
    response.on("close", () => streams.delete(response));
  });
  return {
    url,
    requests,
    streams,
    opened: () => requests.filter(({ query }) => query.get("format") === "json").length,
    fetched: () => requests.filter(({ query }) => query.get("format") !== "json").length,
    beat: () => streams.forEach((stream) => stream.write(":\n")),
    publish(...data) {
      for (const each of data) {
        const e = event(`a-${log.length + 1}`, each);
        log.push(e);
        for (const stream of streams) stream.write(frame(e));
      }
    },
  };
}

const live = (tab) => tab.states.at(-1) === "live";

test("tabs share one connection, and each hears everything once", async () => {
  const server = await serveLog();
  const tabs = [1, 2, 3].map(() => follow(server.url, { topics: ["t"], shared: true }));
  await until(() => tabs.every(live));
  server.publish("one", "two");
  await until(() => tabs.every(({ data }) => data.length === 2));
  for (const { data, stream } of tabs) {
    assert.deepEqual(data, ["one", "two"]);
    assert.equal(stream.lastEventId, "a-2");
  }
  assert.equal(server.opened(), 1);
  assert.equal(server.fetched(), 0);
  tabs.forEach(({ stream }) => stream.close());
  await until(() => server.streams.size === 0);
});

test("a tab that comes later starts where it wants to", async () => {
  const server = await serveLog();
  server.publish("one", "two", "three");
  const first = follow(server.url, { shared: true });
  await until(() => live(first));
  server.publish("four");
  await until(() => first.data.length === 1);
  const second = follow(server.url, { shared: true, last: 2 });
  const third = follow(server.url, { shared: true, after: "a-1" });
  const fourth = follow(server.url, { shared: true });
  await until(() => [second, third, fourth].every(live));
  server.publish("five");
  await until(() => [first, second, third, fourth].every(({ data }) => data.at(-1) === "five"));
  assert.deepEqual(first.data, ["four", "five"]);
  assert.deepEqual(second.data, ["three", "four", "five"]);
  assert.deepEqual(third.data, ["two", "three", "four", "five"]);
  assert.deepEqual(fourth.data, ["five"]);
  assert.equal(server.opened(), 1);
});

test("when the leading tab closes, another goes on without a gap or a repeat", async () => {
  const server = await serveLog();
  const tabs = [1, 2, 3].map(() => follow(server.url, { shared: true }));
  await until(() => tabs.every(live));
  server.publish("one");
  await until(() => tabs.every(({ data }) => data.length === 1));
  tabs[0].stream.close();
  server.publish("two");
  await until(() => server.opened() === 2);
  server.publish("three");
  await until(() => tabs.slice(1).every(({ data }) => data.length === 3));
  for (const { data } of tabs.slice(1)) assert.deepEqual(data, ["one", "two", "three"]);
  assert.deepEqual(tabs[0].data, ["one"]);
});

test("a leading tab that has stopped without a word is replaced, and follows when it is back", async (t) => {
  const server = await serveLog();
  const tabs = [1, 2, 3].map(() => follow(server.url, { shared: true, silence: 400 }));
  const beat = setInterval(server.beat, 50);
  t.after(() => clearInterval(beat));
  await until(() => tabs.every(live));
  // A leader that is stuck posts nothing, though its connection is alive.
  const post = t.mock.method(BroadcastChannel.prototype, "postMessage", () => {});
  await until(() => server.opened() === 2);
  post.mock.restore();
  await until(() => server.streams.size === 1);
  server.publish("one");
  await until(() => tabs.every(({ data }) => data.length === 1));
  assert.equal(server.streams.size, 1, "the former leader has left");
});

test("a tab that missed a message fetches what it lacks, in order", async (t) => {
  const server = await serveLog();
  const tabs = [1, 2].map(() => follow(server.url, { shared: true }));
  await until(() => tabs.every(live));
  const post = t.mock.method(BroadcastChannel.prototype, "postMessage", () => {});
  server.publish("one");
  await until(() => tabs[0].data.length === 1);
  post.mock.restore();
  server.publish("two", "three");
  await until(() => tabs[1].data.length === 3);
  assert.deepEqual(tabs[1].data, ["one", "two", "three"]);
  assert.equal(server.opened(), 1);
  assert.ok(server.fetched() >= 1);
});

test("a refusal ends the leader, and the others find out by themselves", async () => {
  const refuse = (response) => {
    response.writeHead(401, { "Content-Type": "application/problem+json" });
    response.end('{"code":"token_expired","title":"The token has expired"}');
  };
  const { url, requests } = await serve(refuse);
  const tabs = ["old", "older"].map((token) => follow(url, { shared: true, token }));
  await until(() => tabs.every(({ states }) => states.at(-1) === "refused"));
  assert.deepEqual(requests.map(({ headers }) => headers.authorization), ["Bearer old", "Bearer older"]);
});

test("other topics, and other groups, are other connections", async () => {
  const server = await serveLog();
  const tabs = [{ topics: ["t"] }, { topics: ["u"] }, { topics: ["t"], shared: "user 2" }].map((options) => follow(server.url, { shared: true, ...options }));
  await until(() => tabs.every(live));
  assert.equal(server.opened(), 3);
});

test("without locks each tab has a stream", async () => {
  Object.defineProperty(navigator, "locks", { value: undefined, configurable: true });
  const server = await serveLog();
  const tabs = [1, 2].map(() => follow(server.url, { shared: true }));
  await until(() => tabs.every(live));
  assert.equal(server.opened(), 2);
});

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { NativeStream } from "./assets/native.mjs";

// A fake of the browser's EventSource, which the test controls.
class FakeSource extends EventTarget {
  static CONNECTING = 0;
  static CLOSED = 2;
  static all = [];
  readyState = 0;

  constructor(url) {
    super();
    this.url = url;
    FakeSource.all.push(this);
  }

  close() {
    this.readyState = FakeSource.CLOSED;
  }

  open() {
    this.onopen();
  }

  say(type, data, id) {
    const message = Object.assign(new Event(type), { data, lastEventId: id });
    if (type === "message") this.onmessage(message);
    else this.dispatchEvent(message);
  }

  fail(readyState) {
    this.readyState = readyState;
    this.onerror();
  }
}

let states;
let events;
let stream;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.EventSource = FakeSource;
  FakeSource.all = [];
  states = [];
  events = [];
  stream = new NativeStream({
    url: "/events",
    onState: (state) => states.at(-1) !== state && states.push(state),
    onEvent: (event) => events.push(`${event.id} ${event.type} ${event.data}`),
  });
  stream.open();
});

afterEach(() => mock.timers.reset());

const last = () => FakeSource.all.at(-1);

test("is live with the first tick, and hands over control events", () => {
  last().open();
  last().say("carillon.reset", "{}", "b-1");
  last().say("message", "noon", "b-2");
  assert.deepEqual(states, ["connecting", "live"]);
  assert.deepEqual(events, ["b-1 carillon.reset {}", "b-2 message noon"]);
});

test("takes an event of type open or error for what it is", () => {
  last().open();
  last().say("message", "noon", "a-1");
  for (const type of ["open", "error"]) last()[`on${type}`](new MessageEvent(type, { data: "x" }));
  mock.timers.tick(1_000);
  assert.deepEqual(states, ["connecting", "live"]);
});

test("leaves EventSource to reconnect by itself", () => {
  last().open();
  last().say("message", "noon", "a-1");
  last().fail(FakeSource.CONNECTING);
  mock.timers.tick(60_000);
  assert.equal(FakeSource.all.length, 1);
  last().open();
  mock.timers.tick(1_000);
  assert.deepEqual(states, ["connecting", "live", "reconnecting", "live"]);
});

test("starts anew, after the last event, where EventSource gives up", () => {
  last().open();
  last().say("message", "noon", "a-1");
  last().fail(FakeSource.CLOSED);
  assert.equal(FakeSource.all.length, 1);
  mock.timers.tick(2_000);
  assert.equal(FakeSource.all.length, 2);
  assert.equal(last().url, "/events?last_event_id=a-1");
  assert.deepEqual(states, ["connecting", "live", "reconnecting"]);
});

test("an answer that only sends away is never called live", () => {
  for (let i = 0; i < 3; i++) {
    last().open();
    last().say("carillon.goaway", '{"reason":"drain"}', "");
    last().fail(FakeSource.CONNECTING);
    mock.timers.tick(10_000);
  }
  assert.deepEqual(states, ["connecting", "reconnecting"]);
});

test("a silence far beyond the stream's rhythm is taken for a dead connection", (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => (now += 1_000));
  last().open();
  for (const id of ["a-1", "a-2", "a-3"]) last().say("message", "tick", id);
  mock.timers.tick(32_000);
  assert.equal(FakeSource.all.length, 1);
  mock.timers.tick(2_000);
  assert.equal(FakeSource.all.length, 2);
  assert.equal(FakeSource.all[0].readyState, FakeSource.CLOSED);
  assert.equal(last().url, "/events?last_event_id=a-3");
  assert.equal(states.at(-1), "reconnecting");
});

test("close ends it, and open goes on from there", () => {
  last().open();
  last().say("message", "noon", "a-1");
  last().fail(FakeSource.CLOSED);
  stream.close();
  mock.timers.tick(600_000);
  assert.equal(FakeSource.all.length, 1, "no attempt outlives close");
  assert.equal(stream.running, false);
  stream.open();
  assert.equal(last().url, "/events?last_event_id=a-1");
  assert.deepEqual(states.slice(-2), ["closed", "connecting"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff } from "../src/link.mjs";
import { reaches } from "../src/position.mjs";

test("waits grow, have a random part and are never shorter than the server asked for", (t) => {
  let random = 0;
  t.mock.method(Math, "random", () => random);
  assert.equal(backoff(2000, 0), 2000);
  assert.equal(backoff(2000, 1), 2000);
  assert.equal(backoff(2000, 3), 8000);
  assert.equal(backoff(2000, 99), 15_000);
  random = 1;
  assert.equal(backoff(2000, 0), 2000);
  assert.equal(backoff(2000, 1), 4000);
  assert.equal(backoff(2000, 99), 30_000);
  assert.equal(backoff(60_000, 5), 60_000);
});

test("positions are compared by number, within an epoch", () => {
  assert.ok(reaches("a-b-10", "a-b-9"));
  assert.ok(reaches("a-b-10", "a-b-10"));
  assert.ok(!reaches("a-b-9", "a-b-10"));
  assert.ok(!reaches("a-c-10", "a-b-9"));
  assert.ok(!reaches("", ""));
  assert.ok(!reaches("", "a-1"));
  assert.ok(!reaches("a-1", ""));
});

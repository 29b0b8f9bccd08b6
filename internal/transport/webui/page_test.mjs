import assert from "node:assert/strict";
import { test } from "node:test";

import { describe, Difference, read } from "./assets/reading.mjs";
import { judge } from "./assets/resume.mjs";
import { control, curlPublish, problem, query } from "./assets/text.mjs";
import { zoneOf } from "./assets/zone.mjs";

const tick = (text, after) => {
  const difference = new Difference();
  difference.add(read(text), after);
  return difference.ahead;
};

test("reads layouts", () => {
  const parts = (data) => {
    const { text, before, time, after } = read(data);
    return [text, before, time, after];
  };
  assert.deepEqual(parts("2025-06-18 09:49:34"), ["2025-06-18 09:49:34", "2025-06-18", "09:49:34", ""]);
  assert.deepEqual(parts("2025-06-18T09:49:34.5+02:00"), ["2025-06-18T09:49:34.5+02:00", "2025-06-18", "09:49:34.5", "+02:00"]);
  assert.deepEqual(parts("Wed, 18 Jun 2025 9:49:34 PM CEST").slice(1), ["Wed, 18 Jun 2025", "9:49:34 PM", "CEST"]);
  assert.deepEqual(parts("Wednesday").slice(1), ["", "Wednesday", ""]);
  assert.deepEqual(parts('{"time":"2025-06-18T09:49:34+02:00","unix_ms":1750232974000,"zone":"Europe/Berlin"}'), [
    "2025-06-18T09:49:34+02:00",
    "2025-06-18",
    "09:49:34",
    "Europe/Berlin",
  ]);
  for (const data of ["{", "{}", '{"time":"noon","unix_ms":1}', '{"time":"2025-06-18T09:49:34Z"}', "null", ""]) {
    assert.equal(read(data).text, data);
  }
});

test("the difference needs no zone", () => {
  const server = Date.UTC(2025, 5, 18, 9, 49, 34);
  for (const text of ["2025-06-18 09:49:34", "2025-06-18 11:49:34", "2025-06-18 15:34:34", "9:49:34 PM", "04:04:34.000"]) {
    assert.equal(tick(text, server + 120), 120, text);
    assert.equal(tick(text, server - 3000), -3000, text);
  }
  assert.equal(tick("2025-06-18 10:00:00", Date.UTC(2025, 5, 18, 9, 59, 59)), -1000, "across the quarter hour");
  assert.equal(tick("2025-06-18 09:59:59", Date.UTC(2025, 5, 18, 10, 0, 1)), 2000);
  assert.equal(tick("09:49", server), null);
  assert.equal(tick("Wednesday", server), null);
  const json = JSON.stringify({ time: "2025-06-18T11:49:34+02:00", unix_ms: server, zone: "Europe/Berlin" });
  assert.equal(tick(json, server + 7_200_000), 7_200_000);
});

test("the earliest of the last arrivals counts", () => {
  const difference = new Difference();
  for (const late of [900, 40, 300]) difference.add({ exact: 0, within: null }, late);
  assert.equal(difference.ahead, 40);
  for (let i = 0; i < 10; i++) difference.add({ exact: 0, within: null }, 500);
  assert.equal(difference.ahead, 500, "an old arrival is forgotten");
});

test("describes the difference", () => {
  assert.equal(describe(120), "browser is 0.12 s ahead");
  assert.equal(describe(-3000), "browser is 3.00 s behind");
  assert.equal(describe(12_340), "browser is 12.3 s ahead");
  assert.equal(describe(192_000), "browser is 3 min 12 s ahead");
  assert.equal(describe(7_260_000), "browser is 2 h 1 min ahead");
  assert.match(describe(10), /^none/);
  assert.match(describe(null), /not known/);
});

const events = (...ids) => ids.map((id) => ({ id, type: "message", data: "" }));

test("judges a resume", () => {
  const after = "a-5";
  const judged = (missed, heard, more = {}) => judge({ after, missed, heard, back: true, ...more });
  assert.deepEqual(judged(events("a-5", "a-6", "a-8"), events("a-6", "a-7", "a-8", "a-9")), {
    outcome: "kept",
    text: "All 2 events that were published meanwhile came, in order and none twice. Nothing was lost.",
  });
  assert.match(judged(events("a-6"), events("a-6")).text, /^The one event/);

  const outcome = (...args) => judged(...args).outcome;
  assert.equal(outcome(events("a-6", "a-8"), events("a-8", "a-9")), "lost", "a hole");
  assert.equal(outcome(events("a-6"), events("a-6", "a-6", "a-9")), "lost", "a repeat");
  assert.equal(outcome(events(), events("a-5", "a-9")), "lost", "the event it resumed after, again");
  assert.equal(outcome(events("a-6"), events()), "lost", "nothing at all");
  assert.equal(outcome(events(), events("a-9")), "unknown", "nothing was published while it was cut");
  assert.equal(outcome(events("a-4", "a-5"), []), "unknown", "only what it had before");
  assert.equal(outcome(events("a-6"), events("a-6"), { witnessed: false }), "unknown", "the witness does not know everything");
  assert.equal(outcome(events("a-6", "a-7"), events("a-7"), { witnessed: false }), "lost", "but it knows of this one");
  const away = judged(events("a-6"), [], { back: false, note: "limit" });
  assert.equal(away.outcome, "unknown");
  assert.match(away.text, /not back.*limit/);
  const reset = { id: "b-1", type: "carillon.reset", data: '{"reason":"epoch"}' };
  assert.deepEqual(outcome([], [reset], { back: false }), "lost");
});

test("a position is compared by number, also past nine", () => {
  assert.equal(judge({ after: "a-b-9", missed: events("a-b-10"), heard: events("a-b-10", "a-b-11"), back: true }).outcome, "kept");
});

test("the zone of a text that has none", () => {
  const utc = Date.UTC(2025, 5, 18, 9, 49, 34);
  assert.equal(zoneOf("2025-06-18 09:49:34", utc + 900), "UTC");
  assert.equal(zoneOf("2025-06-18 11:49:34", utc), "UTC+02:00");
  assert.equal(zoneOf("2025-06-18 00:19:34", utc - 60_000), "UTC-09:30");
  assert.equal(zoneOf("2025-06-18T15:34:34.123", utc + 5_000), "UTC+05:45");
  assert.equal(zoneOf("2025-06-17 22:49:34", utc), "UTC-11:00", "across midnight");
  assert.equal(zoneOf("2025-06-20 09:49:34", utc), "", "no zone is that far away");
  assert.equal(zoneOf("Wed, 18 Jun 2025 9:49:34 PM", utc), "");
  assert.equal(zoneOf("2025-06-18 09:49:34", NaN), "");
});

test("commands are safe to paste", () => {
  const url = `http://localhost:8080/events?${query([["topic", "a b/c&d='e'"], ["type", "x"]])}`;
  assert.equal(
    curlPublish(url, "it's @here; $HOME"),
    `curl -H "Authorization: Bearer $TOKEN" \\\n  --data-raw 'it'\\''s @here; $HOME' \\\n  'http://localhost:8080/events?topic=a%20b/c%26d%3D'\\''e'\\''&type=x'`,
  );
});

test("says what codes mean, and repeats those it does not know", async () => {
  assert.match(control("carillon.reset", '{"reason":"epoch"}'), /began anew/);
  assert.match(control("carillon.goaway", '{"reason":"drain"}'), /stopping/);
  assert.match(control("carillon.goaway", '{"reason":"moon"}'), /moon/);
  assert.match(control("carillon.goaway", "not json"), /unknown/);
  assert.equal(await problem(new Response('{"code":"topic","detail":"too long"}', { status: 400 })), "topic: too long");
  assert.equal(await problem(new Response("oops", { status: 502 })), "status 502");
});

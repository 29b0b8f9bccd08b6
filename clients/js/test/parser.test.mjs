import assert from "node:assert/strict";
import { test } from "node:test";

import { Parser } from "../src/parser.mjs";

function parse(pieces, lastEventId = "") {
  const events = [];
  const retries = [];
  let comments = 0;
  const parser = new Parser(lastEventId, {
    event: (data, type) => events.push({ id: parser.lastEventId, type, data }),
    retry: (ms) => retries.push(ms),
    comment: () => comments++,
  });
  for (const piece of pieces) parser.push(piece);
  return { events, retries, comments, lastEventId: parser.lastEventId };
}

const message = (data, id = "", type = "") => ({ id, type, data });

const grammar = [
  ["an event", "id: a-1\nevent: order\ndata: paid\n\n", [message("paid", "a-1", "order")]],
  ["the default type", "data: x\n\n", [message("x")]],
  ["lines of data", "data: one\ndata: two\ndata:\ndata: four\n\n", [message("one\ntwo\n\nfour")]],
  ["CRLF ends lines", "data: one\r\ndata: two\r\n\r\n", [message("one\ntwo")]],
  ["one space is eaten", "data:one\n\ndata:  two\n\ndata:\tthree\n\n", [message("one"), message(" two"), message("\tthree")]],
  ["data alone is an empty event", "data\n\ndata:\n\n", [message(""), message("")]],
  ["no data is no event", "event: order\n\ndata: x\n\n", [message("x")]],
  ["comments", ": hello\n:data: x\n\ndata: y\n: z\n\n", [message("y")]],
  ["unknown fields, and fields in capitals", "Data: a\ndatas: b\n data: c\ndata: d\n\n", [message("d")]],
  ["a colon in data", "data: a:b\n\n", [message("a:b")]],
  ["a carriage return in a line", "data: a\rb\n\n", [message("a\rb")]],
  ["an unfinished event is dropped", "data: x\n\ndata: y\n", [message("x")]],
  ["the id stays", "id: 1\ndata: x\n\ndata: y\n\n", [message("x", "1"), message("y", "1")]],
  ["an empty id resets", "id: 1\ndata: x\n\nid\ndata: y\n\n", [message("x", "1"), message("y", "")]],
  ["a mark in data stays", ":\n\ndata: \uFEFFx\n\n", [message("\uFEFFx")]],
  ["separators of other alphabets end no line", "data: a\u2028b\u2029c\u0085d\u000Be\n\n", [message("a\u2028b\u2029c\u0085d\u000Be")]],
];

for (const [name, stream, want] of grammar) {
  test(name, () => {
    assert.deepEqual(parse([stream]).events, want, "in one piece");
    assert.deepEqual(parse([...stream]).events, want, "a character at a time");
    for (let cut = 1; cut < stream.length; cut++) {
      assert.deepEqual(parse([stream.slice(0, cut), "", stream.slice(cut)]).events, want, `cut at ${cut}`);
    }
  });
}

test("retry is the time in milliseconds", () => {
  assert.deepEqual(parse(["retry: 1500\nretry:7\n"]).retries, [1500, 7]);
});

test("the position moves with the blank line", () => {
  assert.equal(parse(["id: 1\ndata: x\n\nid: 2\ndata: y\n"]).lastEventId, "1");
  assert.equal(parse(["id: 1\ndata: x\n\nid: 2\n\n"]).lastEventId, "2");
});

test("a new connection goes on from the id of the one before", () => {
  const { events, lastEventId } = parse(["event: carillon.reset\ndata: {}\n\n"], "a-9");
  assert.deepEqual(events, [message("{}", "a-9", "carillon.reset")]);
  assert.equal(lastEventId, "a-9");
});

test("comments are noticed", () => {
  assert.equal(parse([": one\n:\ndata: :\n\n"]).comments, 2);
});

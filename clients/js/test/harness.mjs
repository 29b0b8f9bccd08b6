// A server whose responses a test writes, and a client of it whose events and states the test waits for.

import { createServer } from "node:http";
import { after } from "node:test";

import { Carillon } from "../src/carillon.mjs";

// serve responds to each request with the next function of the script; the last one stays. It returns the URL and the requests.
export async function serve(...script) {
  const requests = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url, "http://host");
    requests.push({ at: Date.now(), headers: request.headers, query: searchParams });
    (script.length > 1 ? script.shift() : script[0])(response, searchParams);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  after(() => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });
  return { url: `http://127.0.0.1:${server.address().port}/events`, requests };
}

export const event = (id, data, type = "message") => ({ id, topics: ["t"], type, time: "2026-01-02T03:04:05.000Z", data });

export const frame = (e) => `${e.id ? `id: ${e.id}\n` : ""}data: ${JSON.stringify(e)}\n\n`;

// opening is what a stream begins with.
export const opening = (retry = 10) => `retry: ${retry}\n: carillon\n`;

// sse responds with a stream of these pieces, and ends it unless it is to stay open.
export const sse = (pieces, { open = false } = {}) => (response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.flushHeaders();
  for (const piece of pieces) response.write(piece);
  if (!open) response.end();
};

export const json = (value, status = 200, headers = {}) => (response) => {
  response.writeHead(status, { "Content-Type": status === 200 ? "application/json" : "application/problem+json", ...headers });
  response.end(JSON.stringify(value));
};

// follow returns a client with what it was told so far. It is closed at the end of the test.
export function follow(url, options) {
  const stream = new Carillon(url, options);
  const told = { stream, data: [], states: [], resets: [], statuses: [] };
  stream.on("*", (e) => told.data.push(e.data));
  stream.onreset = (r) => told.resets.push(r);
  stream.onstatus = (s) => {
    told.statuses.push(s);
    told.states.push(s.state);
  };
  after(() => stream.close());
  return told;
}

export async function until(condition, what = condition.toString()) {
  for (const limit = performance.now() + 20_000; !condition(); ) {
    if (performance.now() > limit) throw new Error(`did not happen: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

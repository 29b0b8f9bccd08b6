// The transports. Each is a function that connects for an attempt and hands over events until the connection ends: it returns,
// or throws a failure.

import { Parser } from "./parser.mjs";
import { address, bearer, failure, request } from "./request.mjs";

export const transports = { sse, poll, ws };

const pollWait = 25;
const patience = 10_000;

async function sse(attempt) {
  const { peer, signal } = attempt;
  attempt.within(peer.options.firstBytes ?? 5000);
  const response = await request(peer, "text/event-stream", { format: "json" }, signal);
  let events = [];
  const parser = new Parser(peer.position, {
    // A proxy may respond with a goaway of its own, which is not in the JSON form.
    event: (data, type) => events.push(type ? { type, data } : JSON.parse(data)),
    retry: (ms) => (attempt.retry = ms),
    // A stream opens with a comment. A temporary refusal has status 200 too, and no comment.
    comment: () => attempt.live(),
  });
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (let piece; !(piece = await reader.read()).done; ) {
    attempt.heard();
    parser.push(decoder.decode(piece.value, { stream: true }));
    attempt.take(events, parser.lastEventId);
    events = [];
  }
}

// poll returns at a time when streaming should be tried again. Its first request does not wait: it shows whether polling works.
async function poll(attempt, until) {
  const { peer, signal } = attempt;
  for (let wait = 0; peer.options.transport || Date.now() < until; wait = pollWait) {
    const began = Date.now();
    attempt.within(wait * 1000 + patience);
    const response = await request(peer, "application/json", { wait: `${wait}s` }, signal);
    const { events, next } = await response.json();
    attempt.live();
    attempt.take(events, next);
    // A goaway says when to come back. So does a server that does not wait, or that has the same state again for each poll.
    if (attempt.goaway || (wait && !events.some((event) => event.id) && Date.now() - began < 1000)) return;
  }
}

// ws has one subscription, that of the URL's query. The token is the first frame, because browsers let no page set headers.
async function ws(attempt) {
  const { peer, signal } = attempt;
  attempt.within(patience);
  const to = address(peer);
  to.protocol = to.protocol.replace("http", "ws");
  if (!to.searchParams.has("topic")) to.searchParams.set("topic", "clock");
  const token = await bearer(peer);
  if (signal.aborted) return;
  const socket = new WebSocket(to);
  // Pages do not see the server's pings. A frame that asks for nothing is answered with a problem.
  const probe = setInterval(() => socket.readyState === 1 && socket.send("{}"), peer.silence / 3);
  try {
    await new Promise((done, fail) => {
      signal.onabort = socket.onclose = socket.onerror = done;
      socket.onopen = () => token && socket.send(JSON.stringify({ token: { value: token } }));
      socket.onmessage = ({ data }) => {
        attempt.heard();
        const event = JSON.parse(data);
        const { problem, type, id } = event;
        if (problem) return problem.code === "invalid_frame" || fail(failure(problem, problem.retry_after));
        if (type !== "carillon.goaway") attempt.live();
        attempt.take([event], id);
        if (attempt.goaway) done();
      };
    });
  } finally {
    clearInterval(probe);
    socket.close();
  }
  // Pages do not see with which status an upgrade is refused either.
  if (!attempt.lived) await request(peer, "application/json", { wait: "0s" }, signal);
}

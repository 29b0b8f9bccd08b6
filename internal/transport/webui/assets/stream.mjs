// A stream over fetch. It behaves like EventSource (it keeps the position, reconnects, obeys retry). In addition it delivers
// events of every type, can send a bearer token, can tell why it was refused, and sees the server's comments, so that it
// notices a connection that died silently.

import { backoff } from "./backoff.mjs";
import { Parser } from "./parser.mjs";
import { problem } from "./text.mjs";

const firstRetry = 2_000;
const longestRetry = 3_600_000;
// The time of several of the comments that the server sends when there are no events.
const longestSilence = 60_000;
// A temporary refusal is a response 200 with a goaway and the end: a stream without events counts as live after this time.
const settle = 250;
const passing = new Set([408, 425, 429]);
const sendable = /^[\x21-\x7e]*$/;

export class Stream {
  #url;
  #token;
  #onEvent;
  #onState;
  #fetch;
  #silence;
  #retry = firstRetry;
  #running = null;
  #opened = false;
  #lastEventId;
  #skip = new AbortController();

  // onState(state, note, status): connecting, live, reconnecting or closed; note is the reason, if there is one, and status
  // that of the response which closed the stream. A token that no header can carry counts as refused with 401.
  constructor({ url, token = "", lastEventId = "", onEvent, onState, fetch = globalThis.fetch.bind(globalThis), silence = longestSilence }) {
    this.#url = url;
    this.#token = token;
    this.#lastEventId = lastEventId;
    this.#onEvent = onEvent;
    this.#onState = onState;
    this.#fetch = fetch;
    this.#silence = silence;
  }

  get running() {
    return this.#running !== null;
  }

  get lastEventId() {
    return this.#lastEventId;
  }

  // open starts the stream, or resumes it after the last event.
  open() {
    if (this.running) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  // close ends the connection at once and keeps the position.
  close() {
    this.#stop("", 0);
  }

  // hurry tells a stream that waits after failures that the server is back. It never reconnects sooner than the server asked.
  hurry() {
    this.#skip.abort();
  }

  #stop(note, status) {
    if (!this.running) return;
    this.#running.abort();
    this.#running = null;
    this.#onState("closed", note, status);
  }

  async #run(signal) {
    let note = "";
    for (let failures = 0; ; ) {
      this.#onState(this.#opened || failures > 0 ? "reconnecting" : "connecting", note, 0);
      const end = await this.#connect(signal);
      if (signal.aborted) return;
      if (end.stands) return this.#stop(end.note, end.status);
      note = end.note;
      failures = end.opened ? 0 : failures + 1;
      this.#onState("reconnecting", note, 0);
      this.#skip = new AbortController();
      await pause(this.#retry, signal);
      await pause(backoff(this.#retry, failures) - this.#retry, AbortSignal.any([signal, this.#skip.signal]));
      if (signal.aborted) return;
    }
  }

  // connect reads one connection until its end, or until it is silent for too long.
  async #connect(signal) {
    const dead = new AbortController();
    let timer;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => dead.abort(), this.#silence);
    };
    alive();
    try {
      return await this.#read(AbortSignal.any([signal, dead.signal]), alive);
    } finally {
      clearTimeout(timer);
    }
  }

  // read returns how the connection ended. stands: another request would be refused again.
  async #read(signal, alive) {
    if (!sendable.test(this.#token)) {
      return { opened: false, stands: true, status: 401, note: "The token holds characters that a header cannot carry." };
    }
    let answer;
    try {
      answer = await this.#fetch(this.#url, { headers: this.#headers(), cache: "no-store", signal });
    } catch {
      return { opened: false, stands: false, note: "The server cannot be reached." };
    }
    const kind = answer.headers.get("Content-Type") ?? "";
    if (answer.status !== 200 || !/^text\/event-stream\s*(;|$)/i.test(kind)) {
      const stands = answer.status < 500 && !passing.has(answer.status);
      return { opened: false, stands, status: answer.status, note: await problem(answer) };
    }

    let settling = setTimeout(() => live(), settle);
    const live = () => {
      if (settling === 0) return;
      clearTimeout(settling);
      settling = 0;
      this.#opened = true;
      this.#onState("live", "", 0);
    };
    try {
      return await this.#receive(answer.body, signal, alive, live);
    } finally {
      clearTimeout(settling);
    }
  }

  async #receive(body, signal, alive, live) {
    const parser = new Parser({
      lastEventId: this.#lastEventId,
      onRetry: (ms) => (this.#retry = Math.min(ms, longestRetry)),
      onEvent: (event) => {
        if (signal.aborted) return;
        if (event.type !== "carillon.goaway") live();
        this.#lastEventId = event.id;
        this.#onEvent(event);
      },
    });
    // The parser removes the byte order mark; a decoder that did so too would remove one from the data.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const reader = body.getReader();
    for (;;) {
      let piece;
      try {
        piece = await reader.read();
      } catch {
        return { opened: true, stands: false, note: "The connection broke." };
      }
      if (piece.done) return { opened: true, stands: false, note: "" };
      alive();
      parser.push(decoder.decode(piece.value, { stream: true }));
      if (signal.aborted) return { opened: true, stands: false, note: "" };
      this.#lastEventId = parser.lastEventId;
    }
  }

  #headers() {
    const headers = { Accept: "text/event-stream" };
    if (this.#lastEventId !== "") headers["Last-Event-ID"] = utf8(this.#lastEventId);
    if (this.#token !== "") headers.Authorization = `Bearer ${this.#token}`;
    return headers;
  }
}

// fetch takes each character of a header value for one byte; EventSource sends ids as UTF-8.
function utf8(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

function pause(ms, signal) {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}

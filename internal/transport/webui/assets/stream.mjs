// A stream over fetch. It behaves like EventSource (position kept, reconnects by itself, obeys retry), and does three things
// more: it hands over events of every type, it can carry a bearer token, and it can say why it was refused. And it hears the
// server's comments, so it notices a connection that died without a word.

import { backoff } from "./backoff.mjs";
import { Parser } from "./parser.mjs";
import { problem } from "./words.mjs";

const firstRetry = 2_000;
const longestRetry = 3_600_000;
// Several of the comments the server sends in silence.
const longestSilence = 60_000;
const passing = new Set([408, 425, 429]);

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

  // onState(state, note): connecting, live, reconnecting or closed; note says why where there is a reason to tell.
  constructor({ url, token = "", lastEventId = "", onEvent, onState, fetch = globalThis.fetch.bind(globalThis), silence = longestSilence }) {
    this.#url = url;
    this.#token = token;
    this.#lastEventId = lastEventId;
    this.#onEvent = onEvent;
    this.#onState = onState;
    this.#fetch = fetch;
    this.#silence = silence;
  }

  get lastEventId() {
    return this.#lastEventId;
  }

  // open starts, or goes on after the last event that came.
  open() {
    if (this.#running !== null) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  // close ends the connection at once and keeps the position.
  close() {
    this.#stop("");
  }

  #stop(note) {
    if (this.#running === null) return;
    this.#running.abort();
    this.#running = null;
    this.#onState("closed", note);
  }

  async #run(signal) {
    let note = "";
    for (let failures = 0; ; ) {
      this.#onState(this.#opened || failures > 0 ? "reconnecting" : "connecting", note);
      const end = await this.#connect(signal);
      if (signal.aborted) return;
      if (end.stands) return this.#stop(end.note);
      note = end.note;
      failures = end.opened ? 0 : failures + 1;
      this.#onState("reconnecting", note);
      await pause(backoff(this.#retry, failures), signal);
      if (signal.aborted) return;
    }
  }

  // connect reads one connection to its end, or to a silence that is too long.
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

  // read answers how the connection ended. stands: asking again would be refused again.
  async #read(signal, alive) {
    let answer;
    try {
      answer = await this.#fetch(this.#url, { headers: this.#headers(), cache: "no-store", signal });
    } catch {
      return { opened: false, stands: false, note: "The server cannot be reached." };
    }
    const kind = answer.headers.get("Content-Type") ?? "";
    if (answer.status !== 200 || !/^text\/event-stream\s*(;|$)/i.test(kind)) {
      const stands = answer.status < 500 && !passing.has(answer.status);
      return { opened: false, stands, note: await problem(answer) };
    }

    this.#opened = true;
    this.#onState("live", "");
    const parser = new Parser({
      lastEventId: this.#lastEventId,
      onRetry: (ms) => (this.#retry = Math.min(ms, longestRetry)),
      onEvent: (event) => {
        if (signal.aborted) return;
        this.#lastEventId = event.id;
        this.#onEvent(event);
      },
    });
    // The parser takes the byte order mark away itself: a decoder that did so too would take one from the data.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const reader = answer.body.getReader();
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

// A header value is bytes to fetch, one for each character; EventSource sends ids as UTF-8.
function utf8(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}

// The clock's stream: the browser's EventSource with two additions. EventSource gives up on any status but 200, and it never
// notices a connection that died silently; here both lead to a new connection that resumes after the last event.

import { backoff } from "./backoff.mjs";

const firstRetry = 1_000;
// A temporary refusal is a response 200 with a goaway and the end: an open stream counts as live only after this time.
const settle = 250;
const patience = 30_000;
const longestSilence = 600_000;
const controls = ["carillon.reset", "carillon.goaway"];

export class NativeStream {
  #url;
  #onEvent;
  #onState;
  #source = null;
  #timers = { settle: 0, retry: 0, silence: 0 };
  #failures = 0;
  #lastEventId = "";
  #lastArrival = 0;
  #longestGap = 0;

  constructor({ url, onEvent, onState }) {
    this.#url = url;
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  get running() {
    return this.#source !== null;
  }

  open() {
    if (this.running) return;
    this.#onState("connecting");
    this.#lastArrival = 0;
    this.#connect();
  }

  close() {
    this.#hangUp();
    this.#source = null;
    this.#onState("closed");
  }

  #connect() {
    const resume = this.#lastEventId === "" ? "" : `?last_event_id=${encodeURIComponent(this.#lastEventId)}`;
    const source = new EventSource(this.#url + resume);
    this.#source = source;
    source.onopen = (event) => {
      if (isMessage(event)) return;
      this.#timers.settle = setTimeout(() => this.#live(), settle);
      this.#watchSilence();
    };
    source.onmessage = (message) => {
      this.#live();
      this.#take(message);
    };
    for (const type of controls) source.addEventListener(type, (message) => this.#take(message));
    source.onerror = (event) => {
      if (isMessage(event)) return;
      clearTimeout(this.#timers.settle);
      clearTimeout(this.#timers.silence);
      this.#onState("reconnecting");
      // Unless it is closed, EventSource reconnects by itself.
      if (source.readyState === EventSource.CLOSED) this.#connectLater();
    };
  }

  #connectLater() {
    this.#failures++;
    this.#timers.retry = setTimeout(() => this.#connect(), backoff(firstRetry, this.#failures));
  }

  #live() {
    clearTimeout(this.#timers.settle);
    this.#failures = 0;
    this.#onState("live");
  }

  #take(message) {
    const now = performance.now();
    if (this.#lastArrival > 0) this.#longestGap = Math.max(this.#longestGap, now - this.#lastArrival);
    this.#lastArrival = now;
    this.#lastEventId = message.lastEventId;
    if (message.type === "carillon.goaway") {
      clearTimeout(this.#timers.settle);
      this.#onState("reconnecting");
    }
    this.#watchSilence();
    this.#onEvent({ id: message.lastEventId, type: message.type, data: message.data });
  }

  // EventSource does not show heartbeats, so silence is measured against the interval of the stream's events.
  #watchSilence() {
    clearTimeout(this.#timers.silence);
    if (this.#longestGap === 0) return;
    this.#timers.silence = setTimeout(() => {
      this.#hangUp();
      this.#onState("reconnecting");
      this.#connect();
    }, Math.min(longestSilence, patience + 3 * this.#longestGap));
  }

  #hangUp() {
    this.#source?.close();
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
  }
}

// Publishers may choose the event types "open" and "error", which EventSource uses for its own events too.
function isMessage(event) {
  return event instanceof MessageEvent;
}

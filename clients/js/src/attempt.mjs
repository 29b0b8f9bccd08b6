// An attempt is one connection from its request to its end, over one transport. It ends connections that are silent.

import { failure } from "./request.mjs";

export class Attempt {
  peer;
  // What the link decides by: whether the connection was live, how often something arrived, whether it ended because nothing
  // did, the reconnection time and the goaway of the server, and whether the link was woken.
  lived = false;
  arrivals = 0;
  silent = false;
  retry;
  goaway;
  woken = false;
  #transport;
  #silence;
  #deadline = Infinity;
  #abort = new AbortController();
  #timer = setInterval(() => this.check(), 1000);

  constructor(peer, transport, silence) {
    this.peer = peer;
    this.#transport = transport;
    this.#silence = silence;
  }

  get signal() {
    return this.#abort.signal;
  }

  // within ends the connection unless something arrives in this time (ms).
  within(ms) {
    this.#deadline = Date.now() + ms;
  }

  // check compares times, because timers stop while a machine sleeps.
  check() {
    if (Date.now() < this.#deadline) return;
    this.silent = true;
    this.end("nothing arrived in time");
  }

  heard() {
    this.arrivals++;
    this.within(this.#silence);
  }

  live() {
    this.lived = true;
    this.peer.status({ state: "live", transport: this.#transport });
  }

  take(events, position) {
    if (this.signal.aborted) return;
    for (const { type, data, retry } of events) {
      this.retry = retry ?? this.retry;
      if (type === "carillon.goaway") this.goaway = { code: JSON.parse(data).reason, title: "the server ended the stream" };
    }
    this.peer.take(events, position);
  }

  end(title = "closed") {
    clearInterval(this.#timer);
    this.#abort.abort(failure({ title }));
  }
}

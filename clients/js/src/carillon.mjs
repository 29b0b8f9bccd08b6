// Carillon's client: events of a server, over whichever transport works, resumed after every interruption.

import { Link } from "./link.mjs";
import { reaches } from "./position.mjs";
import { Shared } from "./shared.mjs";
import { transports } from "./transports.mjs";

class Message {
  constructor(event) {
    Object.assign(this, event);
  }

  json() {
    return JSON.parse(this.data);
  }
}

export class Carillon {
  onreset;
  onstatus;
  #listeners = new Map();
  #position;
  #status = { state: "connecting" };
  #source;
  #leave = new AbortController();

  constructor(url, options = {}) {
    const { transport, shared, after = "", silence = 45_000 } = options;
    if (transport && !transports[transport]) throw new TypeError(`transport: must be ${Object.keys(transports).join(", ")} (got ${transport})`);
    this.#position = after;
    const position = () => this.#position;
    const peer = {
      url: new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href,
      options,
      silence,
      get position() {
        return position();
      },
      take: (events, position) => this.#take(events, position),
      status: (status) => this.#show(status),
      refuse: (problem) => this.#end({ state: "refused", problem }),
    };
    this.#source = shared && globalThis.navigator?.locks && globalThis.BroadcastChannel ? new Shared(peer) : new Link(peer);
    // Later, so that listeners can be added first.
    queueMicrotask(() => this.#begin());
  }

  // lastEventId is the position: the option "after" of another stream continues from here.
  get lastEventId() {
    return this.#position;
  }

  get status() {
    return this.#status;
  }

  // on calls fn with each event of the type, or with "*" of any type that publishers use. It returns a function that ends this.
  on(type, fn) {
    const all = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, all.add(fn));
    return () => void all.delete(fn);
  }

  // hurry ends a wait after failures, though not before the time that the server asked for.
  hurry() {
    this.#source.wake();
  }

  close() {
    this.#end({ state: "closed" });
  }

  #begin() {
    const { signal } = this.#leave;
    if (signal.aborted) return;
    const { document } = globalThis;
    const start = () => this.#source.start();
    const stop = () => this.#source.stop();
    this.#call(this.onstatus, this.#status);
    start();
    for (const [target, type, fn] of [
      [globalThis, "online", () => this.#source.wake(true)],
      [document, "visibilitychange", () => this.#source.wake()],
      // A page in the back/forward cache, or frozen, has no connection and must not lead others.
      [globalThis, "pagehide", stop],
      [globalThis, "pageshow", start],
      [document, "freeze", stop],
      [document, "resume", start],
    ]) {
      target?.addEventListener?.(type, fn, { signal });
    }
  }

  #end(status) {
    this.#leave.abort();
    this.#source.stop();
    this.#show(status);
  }

  #show(status) {
    const { state, transport, at } = this.#status;
    if (status.state === state && status.transport === transport && status.at === at) return;
    this.#status = status;
    this.#call(this.onstatus, status);
  }

  #take(events, position) {
    for (const event of events) {
      if (this.#leave.signal.aborted) return;
      const { id, type } = event;
      const reset = type === "carillon.reset";
      if (id && !reset && reaches(this.#position, id)) continue;
      this.#position = id || this.#position;
      if (reset) this.#call(this.onreset, JSON.parse(event.data));
      const message = new Message(event);
      for (const name of /^(carillon\.|\*$)/.test(type) ? [type] : [type, "*"]) {
        for (const fn of this.#listeners.get(name) ?? []) this.#call(fn, message);
      }
    }
    if (position && !reaches(this.#position, position)) this.#position = position;
  }

  // call reports what a listener throws, as EventTarget does, and goes on.
  #call(fn, argument) {
    try {
      fn?.(argument);
    } catch (error) {
      setTimeout(() => {
        throw error;
      });
    }
  }
}

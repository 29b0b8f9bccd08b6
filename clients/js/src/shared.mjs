// Tabs that share one connection. The tab that holds a lock leads: it has the connection, and passes on what arrives over a
// BroadcastChannel. When it leaves, the lock goes to another tab, which resumes after its own position.
//
// Each tab has its own position. A message says from which position to which its events lead. A tab that is not at or after the
// first one has missed something, or has just been opened, and fetches what it lacks with a request of its own.

import { Link } from "./link.mjs";
import { reaches } from "./position.mjs";
import { address, request } from "./request.mjs";

const longestQueue = 1000;

export class Shared {
  #peer;
  #name;
  #link;
  #channel = null;
  #lock = null; // an AbortController of the request for the lock
  #release = () => {};
  #leads = false;
  #heard = 0;
  #ticked = 0;
  #timer;
  #lead = { state: "connecting" }; // the status of the leader's link
  #fetching = null;
  #queue = [];

  constructor(peer) {
    this.#peer = peer;
    this.#name = `carillon ${peer.options.shared} ${address({ ...peer, position: "-" })}`;
    this.#link = new Link({
      __proto__: peer,
      take: (events, to) => {
        const from = peer.position;
        peer.take(events, to);
        this.#tell(from, events);
      },
      status: (status) => {
        this.#lead = status;
        peer.status(status);
        this.#tell(peer.position, []);
      },
    });
  }

  start() {
    if (this.#channel) return;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#channel.postMessage(null); // the leader says where it is
    this.#heard = this.#ticked = Date.now();
    const period = Math.min(5000, this.#peer.silence / 4);
    this.#timer = setInterval(() => this.#tick(period), period);
    this.#request({});
  }

  stop() {
    clearInterval(this.#timer);
    this.#channel?.close();
    this.#channel = this.#fetching = null;
    this.#lock?.abort();
    this.#lock = null;
    this.#follow();
    this.#release();
  }

  wake(again) {
    this.#link.wake(again);
  }

  // request waits for the lock, or takes it from a tab that does not respond.
  #request(options) {
    this.#lock?.abort();
    const lock = (this.#lock = new AbortController());
    if (!options.steal) options.signal = lock.signal;
    const held = () => {
      if (this.#lock !== lock) return;
      this.#leads = true;
      this.#fetching = null;
      this.#link.start();
      return new Promise((done) => (this.#release = done));
    };
    navigator.locks
      .request(this.#name, options, held)
      .catch(() => {})
      .then(() => {
        if (this.#lock !== lock) return;
        // Another tab took the lock.
        this.#follow();
        this.#request({});
      });
  }

  #follow() {
    this.#leads = false;
    this.#heard = Date.now();
    this.#link.stop();
  }

  #tick(period) {
    const now = Date.now();
    // After a sleep of the machine, or of this tab, the leader has had no time yet either.
    if (now - this.#ticked > 3 * period) this.#heard = now;
    this.#ticked = now;
    if (this.#leads) this.#tell(this.#peer.position, []);
    else if (now - this.#heard > this.#peer.silence * (1 + Math.random() / 4)) this.#request({ steal: true });
  }

  #tell(from, events) {
    if (this.#leads) this.#channel?.postMessage({ from, events, to: this.#peer.position, status: this.#lead });
  }

  #hear(message) {
    if (this.#leads) return message ?? this.#tell(this.#peer.position, []);
    if (!message) return;
    this.#heard = Date.now();
    this.#lead = message.status;
    this.#take(message);
    this.#show();
  }

  #take(message) {
    if (this.#fetching) {
      // A queue that is too long is dropped: what it holds will be fetched.
      if (this.#queue.push(message) > longestQueue) this.#queue = [];
      return;
    }
    const { from, events, to } = message;
    const { latest, last, since } = this.#peer.options;
    // A tab that asks for nothing kept begins where the leader is.
    if (!this.#peer.position && !latest && !last && !since) this.#peer.take([], from || to);
    if (reaches(this.#peer.position, from)) this.#peer.take(events, to);
    else if (to && !reaches(this.#peer.position, to)) void this.#fetch();
  }

  // fetch takes what is kept after the position, then what was heard meanwhile.
  async #fetch() {
    const current = (this.#fetching = {});
    for (let more = true; more; ) {
      try {
        const response = await request(this.#peer, "application/json", { wait: "0s" }, AbortSignal.timeout(10_000));
        const { events, next } = await response.json();
        if (this.#fetching !== current) return;
        this.#peer.take(events, next);
        more = events.length > 0;
      } catch (error) {
        if (this.#fetching !== current) return;
        if (error.final) return this.#peer.refuse(error.problem);
        await new Promise((done) => setTimeout(done, 2000 * (1 + Math.random())));
      }
      if (this.#fetching !== current) return;
    }
    this.#fetching = null;
    for (const message of this.#queue.splice(0)) this.#take(message);
    this.#show();
  }

  #show() {
    this.#peer.status(this.#fetching && this.#lead.state === "live" ? { state: "connecting" } : this.#lead);
  }
}

// A link keeps a subscription connected: it chooses the transport, reconnects and resumes.
//
// Its peer has: url, options, position; take(events, position), status(status), refuse(problem).

import { Attempt } from "./attempt.mjs";
import { transports } from "./transports.mjs";

const longestRetry = 3_600_000;
const longestWait = 30_000;
const longestSilence = 600_000;
const pollTime = 60_000;
const longestPollTime = 600_000;

// backoff returns how long to wait after a number of failures in a row: never less than the server asked for. The random half
// keeps clients that failed together from reconnecting together.
export function backoff(retry, failures) {
  const ceiling = Math.min(longestWait, retry * 2 ** failures);
  return failures ? Math.max(retry, (ceiling * (1 + Math.random())) / 2) : retry;
}

export class Link {
  #peer;
  #attempt = null; // while the link runs
  #skip = () => {};
  #calm = false; // a new attempt shows nowhere: the last one was live, and nothing is wrong
  #retry = 2000;
  #failures = 0;
  #silence;
  #pollUntil = 0;
  #pollFor = pollTime;

  constructor(peer) {
    this.#peer = peer;
    this.#silence = peer.silence;
  }

  start() {
    if (!this.#attempt) void this.#run();
  }

  stop() {
    const attempt = this.#attempt;
    this.#attempt = null;
    attempt?.end();
    this.#skip(true);
  }

  // wake ends a wait, though not before the time that the server asked for, and a connection that is dead or, after a change of
  // network, may be.
  wake(again) {
    this.#skip();
    if (!again || !this.#attempt) return this.#attempt?.check();
    this.#pollUntil = 0;
    this.#attempt.woken = true;
    this.#attempt.end();
  }

  async #run() {
    for (;;) {
      const transport = this.#peer.options.transport ?? (Date.now() < this.#pollUntil ? "poll" : "sse");
      const attempt = (this.#attempt = new Attempt(this.#peer, transport, this.#silence));
      if (!this.#calm) this.#peer.status({ state: "connecting" });
      const { problem = { title: "the connection ended" }, final, wait = 0 } = await connect(transport, attempt, this.#pollUntil);
      attempt.end();
      if (this.#attempt !== attempt) return;
      if (final) return this.#peer.refuse(problem);

      this.#learn(transport, attempt);
      if (this.#calm || attempt.woken) continue;
      const least = Math.max(this.#retry, Math.min(wait, longestRetry));
      const ms = Math.max(least, backoff(this.#retry, this.#failures));
      this.#peer.status({ state: "retrying", at: Date.now() + ms, problem: attempt.goaway ?? problem });
      await this.#pause(least, ms);
      if (this.#attempt !== attempt) return;
    }
  }

  // learn draws conclusions from an attempt that ended.
  #learn(transport, { lived, arrivals, silent, retry = this.#retry }) {
    this.#retry = Math.min(retry, longestRetry);
    this.#failures = lived ? 0 : this.#failures + 1;
    this.#calm = false;
    // A server may be set to send heartbeats more rarely than expected.
    if (silent && lived) this.#silence = arrivals > 1 ? this.#peer.silence : Math.min(2 * this.#silence, longestSilence);
    if (this.#peer.options.transport) return;
    if (transport === "poll") {
      this.#calm = lived && Date.now() >= this.#pollUntil;
      if (!lived) this.#pollUntil = 0;
    } else if (lived) {
      this.#pollFor = pollTime;
    } else if (silent && !arrivals) {
      // Something buffers the stream, now; streaming is tried again later.
      this.#calm = true;
      this.#pollUntil = Date.now() + this.#pollFor;
      this.#pollFor = Math.min(2 * this.#pollFor, longestPollTime);
    }
  }

  // pause waits. skip shortens the wait to its least time, or to none.
  #pause(least, ms) {
    const began = Date.now();
    return new Promise((done) => {
      let timer = setTimeout(done, ms);
      this.#skip = (stop) => {
        clearTimeout(timer);
        timer = setTimeout(done, stop ? 0 : Math.max(0, began + least - Date.now()));
      };
    });
  }
}

// connect returns why the connection ended.
async function connect(transport, attempt, pollUntil) {
  try {
    await transports[transport](attempt, pollUntil);
    return {};
  } catch (error) {
    const title = attempt.arrivals ? "the connection broke" : "the server cannot be reached";
    return error.problem ? error : { problem: { title, detail: error.message } };
  }
}

// Demonstrates that an interrupted stream loses nothing. The clock's stream is not interrupted: it shows which ticks were
// published meanwhile.

import { object } from "./text.mjs";

const away = 3_000;
const patience = 8_000;

export class Resume {
  #page;
  #watch;
  #heard = [];
  #witnessed = [];
  #wake = () => {};

  constructor(page, watch) {
    this.#page = page;
    this.#watch = watch;
    page.resume.addEventListener("click", () => this.#run());
  }

  // heard receives every event of the watched topics, witnessed every event of the clock's stream.
  heard(event) {
    this.#heard.push(event);
    this.#wake();
  }

  witnessed(event) {
    this.#witnessed.push(event);
    this.#wake();
  }

  async #run() {
    // A changed subscription could not be compared.
    const { resume, watchStart } = this.#page;
    resume.disabled = watchStart.disabled = true;
    try {
      await this.#demonstrate();
    } finally {
      resume.disabled = watchStart.disabled = false;
    }
  }

  async #demonstrate() {
    this.#showResult("running", "Waiting for the first event on the watched stream.");
    this.#watch.include("clock");
    this.#forget();
    await this.#until(() => this.#heard.some((event) => event.id !== ""), patience);
    if (this.#watch.lastEventId === "") return this.#showResult("unknown", "Nothing came to resume after. Is the stream live?");

    this.#watch.cut();
    const after = this.#watch.lastEventId;
    this.#forget();
    this.#showResult("running", `Cut after ${after}. Events go on without this stream.`);
    const began = performance.now();
    await this.#until(() => !this.#watch.running, away);
    if (!this.#watch.running) return this.#showResult("unknown", "Stopped by hand before it could resume.");

    const missed = this.#witnessed;
    this.#forget();
    const seconds = (performance.now() - began) / 1000;
    this.#watch.resume();
    // The first tick that both streams receive from now on ends the comparison: by the order of the log, all before it came.
    const live = () => this.#witnessed.find((tick) => tick.id !== "" && this.#heard.some((event) => event.id === tick.id));
    await this.#until(() => live() !== undefined || this.#heard.some(isReset) || !this.#watch.running, patience);
    const { outcome, text } = judge({ after, missed, heard: this.#heard, until: live()?.id });
    this.#showResult(outcome, `Away for ${seconds.toFixed(1)} s, resumed after ${after}. ${text}`);
  }

  #forget() {
    this.#heard = [];
    this.#witnessed = [];
  }

  // until waits until the condition, which is checked after each event, is true, or the time has passed.
  #until(condition, ms) {
    return new Promise((done) => {
      const finish = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        done();
      };
      const timer = setTimeout(finish, ms);
      this.#wake = () => condition() && finish();
      this.#wake();
    });
  }

  #showResult(outcome, text) {
    this.#page.resumeResult.dataset.outcome = outcome;
    this.#page.resumeResult.textContent = text;
  }
}

const isReset = (event) => event.type === "carillon.reset";

// judge compares the events after resuming with those that the clock's stream received in the meantime.
// until is the id of the first event that both received live.
export function judge({ after, missed, heard, until }) {
  const reset = heard.find(isReset);
  if (reset !== undefined) {
    return { outcome: "lost", text: `The server says that this is not the whole: ${object(reset.data).reason ?? "no reason given"}.` };
  }
  const start = position(after);
  const ids = heard.map((event) => event.id).filter((id) => id !== "");
  const offsets = ids.map((id) => position(id).offset);
  const rising = offsets.every((offset, i) => offset > (i === 0 ? start.offset : offsets[i - 1]));
  const rang = missed.map((event) => event.id).filter((id) => {
    const { epoch, offset } = position(id);
    return epoch === start.epoch && offset > start.offset;
  });
  const lost = rang.filter((id) => !ids.includes(id));
  const waiting = until === undefined ? ids.length : ids.indexOf(until);

  if (lost.length > 0) return { outcome: "lost", text: `Not delivered: ${lost.join(", ")}.` };
  if (!rising) return { outcome: "lost", text: "Events came twice or out of order." };
  if (until === undefined && ids.length === 0) {
    return { outcome: "unknown", text: "No event was published since, so there was nothing to check." };
  }
  const account = `${count(waiting, "event was", "events were")} waiting, in order and none twice`;
  const ticks = rang.length === 0 ? "" : `, with ${rang.length === 1 ? "the one tick" : `all ${rang.length} ticks`} that rang meanwhile`;
  return { outcome: "kept", text: `${account}${ticks}. Nothing was lost.` };
}

function count(n, one, many) {
  return `${n} ${n === 1 ? one : many}`;
}

// A position is "<epoch>-<offset>".
function position(id) {
  const dash = id.lastIndexOf("-");
  return { epoch: id.slice(0, dash), offset: Number(id.slice(dash + 1)) };
}

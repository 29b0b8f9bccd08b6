// Demonstrates that an interrupted stream loses nothing. A second stream of the same topics, the witness, is not
// interrupted: it tells which events were published meanwhile.

import { object } from "./text.mjs";

const away = 3_000;
const patience = 8_000;

export class Resume {
  #page;
  #watch;
  #heard = [];
  #wake = () => {};

  constructor(page, watch) {
    this.#page = page;
    this.#watch = watch;
    page.resume.addEventListener("click", () => this.#run());
  }

  // heard receives every event of the watched topics.
  heard(event) {
    this.#heard.push(event);
    this.#wake();
  }

  // changed is called when the state of the watched stream changes.
  changed() {
    this.#wake();
  }

  clear() {
    this.#showResult("", "");
  }

  async #run() {
    // A changed subscription could not be compared.
    const { resume, watchStart } = this.#page;
    resume.disabled = watchStart.disabled = true;
    const witness = new Witness(this.#watch, () => this.#wake());
    try {
      const { outcome, text } = await this.#demonstrate(witness);
      this.#showResult(outcome, text);
    } finally {
      witness.close();
      this.#heard = [];
      resume.disabled = watchStart.disabled = false;
    }
  }

  async #demonstrate(witness) {
    const watch = this.#watch;
    if (!watch.running) watch.start();
    if (!watch.running) return unknown("There is no stream to cut.");
    this.#showResult("running", "Opening the witness, a second stream of the same topics.");
    witness.open();
    await this.#until(() => !watch.running || witness.failed || (watch.state === "live" && watch.lastEventId !== "" && witness.live), patience);
    if (!watch.running) return unknown(`There is no stream to cut. ${watch.note}`);
    if (!witness.live) {
      return unknown(`The witness, a second stream of the same topics, was not let in, so nothing could be checked and nothing was cut. ${witness.note}`);
    }
    if (watch.state !== "live" || watch.lastEventId === "") return unknown(`The watched stream is not live, so nothing was cut. ${watch.note}`);

    watch.cut();
    const after = watch.lastEventId;
    this.#heard = [];
    this.#showResult("running", `Cut after ${after}. Events go on without this stream.`);
    const began = performance.now();
    await this.#until(() => !watch.running, away);
    if (!watch.running) return unknown("Stopped by hand before it could resume.");

    const missed = witness.events.slice();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    watch.resume();
    const newest = missed.at(-1)?.id;
    const caughtUp = () => watch.state === "live" && (newest === undefined || this.#heard.some((event) => event.id === newest));
    await this.#until(() => !watch.running || this.#heard.some(isReset) || caughtUp(), patience);
    const { outcome, text } = judge({
      after, missed, heard: this.#heard, back: watch.state === "live", note: watch.note, witnessed: witness.unbroken,
    });
    return { outcome, text: `Away for ${seconds} s, to resume after ${after}. ${text}` };
  }

  // until waits until the condition, which is checked after each event and change, is true, or the time has passed.
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

// Witness is the stream that is not interrupted.
class Witness {
  #stream;
  events = [];
  live = false;
  failed = false;
  unbroken = true;
  note = "";

  constructor(watch, onChange) {
    this.open = () => {
      this.#stream = watch.witness({
        onEvent: (event) => {
          this.events.push(event);
          onChange();
        },
        onState: (state, note) => {
          if (this.live && state !== "live") this.unbroken = false;
          this.live = state === "live";
          this.failed ||= state === "closed" || state === "reconnecting";
          this.note = note || this.note;
          onChange();
        },
      });
      this.#stream.open();
    };
  }

  close() {
    this.#stream?.close();
  }
}

const isReset = (event) => event.type === "carillon.reset";
const unknown = (text) => ({ outcome: "unknown", text: text.trim() });

// judge compares the events after resuming with those that the witness received while the stream was cut. back: the stream
// is live again, note: why not. witnessed: the witness was live all the time.
export function judge({ after, missed, heard, back, note = "", witnessed = true }) {
  const reset = heard.find(isReset);
  if (reset !== undefined) {
    return { outcome: "lost", text: `The server says that this is not the whole: ${object(reset.data).reason ?? "no reason given"}.` };
  }
  if (!back) return unknown(`The stream is not back, so nothing is known yet. ${note}`);
  const start = position(after);
  const ids = heard.map((event) => event.id).filter((id) => id !== "");
  const offsets = ids.map((id) => position(id).offset);
  if (!offsets.every((offset, i) => offset > (i === 0 ? start.offset : offsets[i - 1]))) {
    return { outcome: "lost", text: "Events came twice or out of order." };
  }
  const published = missed.map((event) => event.id).filter((id) => {
    const { epoch, offset } = position(id);
    return epoch === start.epoch && offset > start.offset;
  });
  const lost = published.filter((id) => !ids.includes(id));
  if (lost.length > 0) return { outcome: "lost", text: `Not delivered: ${lost.join(", ")}.` };
  if (!witnessed) return unknown("The witness was interrupted too, so it does not know everything that was published.");
  if (published.length === 0) {
    return unknown("Nothing was published on these topics meanwhile, so there was nothing to check. Publish something while the stream is cut, or watch clock too.");
  }
  const account = published.length === 1 ? "The one event that was published meanwhile came" : `All ${published.length} events that were published meanwhile came`;
  return { outcome: "kept", text: `${account}, in order and none twice. Nothing was lost.` };
}

// A position is "<epoch>-<offset>".
function position(id) {
  const dash = id.lastIndexOf("-");
  return { epoch: id.slice(0, dash), offset: Number(id.slice(dash + 1)) };
}

// The clock panel: the server's time as it arrives, the state of its stream, and the difference to the browser's clock.

import { NativeStream } from "./native.mjs";
import { describe, Difference, read } from "./reading.mjs";
import { Rows } from "./rows.mjs";
import { control } from "./text.mjs";

const labels = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", closed: "Closed" };
// Longer data on the clock's topic is listed as an event and not shown as a time.
const longestTime = 80;

export class Clock {
  #page;
  #rows;
  #stream;
  #difference = new Difference();
  #sentAway = false;

  constructor(page, onTick) {
    this.#page = page;
    this.#rows = new Rows(page.log);
    this.#stream = new NativeStream({
      url: new URL("events", document.baseURI).href,
      onState: (state) => this.#showState(state),
      onEvent: (event) => {
        this.#rows.add(event);
        if (event.type !== "message") return this.#heed(event);
        this.#tick(event.data, Date.now());
        onTick(event);
      },
    });
    page.clockToggle.addEventListener("click", () => (this.#stream.running ? this.#stream.close() : this.#stream.open()));
    page.noticeDismiss.addEventListener("click", () => {
      this.#notice("");
      page.clockToggle.focus();
    });
  }

  open() {
    this.#stream.open();
  }

  #tick(data, now) {
    const reading = read(data);
    if (reading.text.length > longestTime) return;
    this.#show(reading);
    this.#difference.add(reading, now);
    this.#page.offset.textContent = describe(this.#difference.ahead);
    if (this.#difference.ahead !== null) this.#page.offset.dataset.ms = String(Math.round(this.#difference.ahead));
    this.#swing();
  }

  // The parts remain one text, with the spaces that the server wrote between them.
  #show({ text, before, time, after }) {
    const parts = [
      ["date", before],
      ["time", time],
      ["zone", after],
    ].filter(([, part]) => part !== "");
    const spans = parts.map(([name, part]) => {
      const span = document.createElement("span");
      span.className = name;
      span.textContent = part;
      return span;
    });
    this.#page.clock.replaceChildren(...spans.flatMap((span, i) => (i === 0 ? [span] : [" ", span])));
    this.#page.clock.dataset.time = text;
    this.#page.clock.classList.toggle("long", time.length > 8);
    this.#page.clock.classList.toggle("wordy", time.length > 14);
  }

  // Alternating between two equal animations restarts the animation with each tick.
  #swing() {
    const even = this.#page.bell.classList.toggle("swing-even");
    this.#page.bell.classList.toggle("swing-odd", !even);
  }

  #showState(state) {
    const { state: shown, clock, clockToggle } = this.#page;
    // Only a change is written, because screen readers announce each write.
    if (shown.dataset.state !== state) {
      shown.dataset.state = state;
      shown.textContent = labels[state];
    }
    if (state === "live" && this.#sentAway) this.#notice("");
    clock.classList.toggle("stale", state !== "live");
    clockToggle.textContent = state === "closed" ? "Start the clock stream" : "Stop the clock stream";
  }

  #heed({ type, data }) {
    this.#notice(control(type, data));
    this.#sentAway = type === "carillon.goaway";
  }

  #notice(text) {
    this.#sentAway = false;
    this.#page.notice.textContent = text;
    this.#page.noticeDismiss.hidden = text === "";
  }
}

// The clock panel: the server's time as it arrives, the state of its stream, and the difference to the browser's clock.

import { describe, Difference, read } from "./reading.mjs";
import { Rows } from "./rows.mjs";
import { Stream } from "./stream.mjs";
import { control } from "./text.mjs";
import { ServerTime, zoneOf } from "./zone.mjs";

const labels = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", closed: "Closed", refused: "Token needed" };
// Longer data on the clock's topic is listed as an event and not shown as a time.
const longestTime = 80;

export class Clock {
  #page;
  #rows;
  #stream = null;
  #token = "";
  #state = "";
  #onLive;
  #reading = null;
  #difference = new Difference();
  #server = new ServerTime();
  #sentAway = false;

  constructor(page, { onLive }) {
    this.#page = page;
    this.#rows = new Rows(page.log);
    this.#onLive = onLive;
    page.clockOff.hidden = document.body.dataset.clock !== "off";
    page.clockToggle.addEventListener("click", () => (this.#stream.running ? this.#stream.close() : this.open()));
    page.noticeDismiss.addEventListener("click", () => {
      this.#notice("");
      page.clockToggle.focus();
    });
    page.clockTokenForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#useToken(page.clockToken.value.trim());
    });
  }

  // open starts the stream, or resumes it after the last event.
  open() {
    const stream = new Stream({
      url: new URL(document.body.dataset.count === "on" ? "events?presence=count" : "events", document.baseURI).href,
      token: this.#token,
      lastEventId: this.#stream?.lastEventId ?? "",
      onEvent: (event) => this.#take(event),
      onState: (state, note, status) => stream === this.#stream && this.#changed(state, note, status),
    });
    this.#stream = stream;
    stream.open();
  }

  hurry() {
    this.#stream?.hurry();
  }

  #useToken(token) {
    if (token === "") return this.#page.clockToken.focus();
    this.#token = token;
    this.#notice("");
    this.open();
  }

  #take(event) {
    if (event.type === "carillon.count") return this.#listeners(JSON.parse(event.data).streams);
    this.#rows.add(event);
    if (event.type === "message") this.#tick(event.data, Date.now());
    else if (event.type.startsWith("carillon.")) this.#heed(event);
  }

  #tick(data, now) {
    const reading = read(data);
    if (reading.text.length > longestTime) return;
    this.#reading = reading;
    this.#page.clockOff.hidden = true; // another server of the same log ticks
    this.#show();
    this.#difference.add(reading, now);
    this.#showDifference();
    this.#swing();
  }

  // How many streams have the clock's topic, on all nodes, this page included.
  #listeners(streams) {
    this.#page.listeners.hidden = false;
    this.#page.listenerCount.textContent = streams === 1 ? "only this page" : `${streams} streams`;
  }

  // The parts remain one text, with the spaces that the server wrote between them. A zone that it did not write is added.
  #show() {
    if (this.#reading === null) return;
    const { text, before, time, after } = this.#reading;
    const parts = [
      ["date", before],
      ["time", time],
      ["zone", after === "" ? zoneOf(text, this.#server.now) : after],
    ].filter(([, part]) => part !== "");
    const spans = parts.map(([name, part]) => {
      const span = document.createElement("span");
      span.className = name;
      span.textContent = part;
      return span;
    });
    this.#page.clock.replaceChildren(...spans.flatMap((span, i) => (i === 0 ? [span] : [" ", span])));
    if (this.#page.clock.dataset.time !== text) this.#page.clock.dataset.time = text; // the same tick may be shown again, with its zone
    this.#page.clock.classList.toggle("long", time.length > 8);
    this.#page.clock.classList.toggle("wordy", time.length > 14);
  }

  #showDifference() {
    const { offset } = this.#page;
    const ahead = this.#difference.ahead;
    offset.textContent = this.#state === "live" ? describe(ahead) : "not known while the stream is not live";
    if (ahead === null) delete offset.dataset.ms;
    else offset.dataset.ms = String(Math.round(ahead));
  }

  // Alternating between two equal animations restarts the animation with each tick.
  #swing() {
    const even = this.#page.bell.classList.toggle("swing-even");
    this.#page.bell.classList.toggle("swing-odd", !even);
  }

  #changed(state, note, status) {
    const refused = status === 401 || status === 403;
    if (state === "closed" && note !== "") this.#notice(refused && this.#token === "" ? "" : `Refused. ${note}`);
    this.#showState(refused ? "refused" : state);
  }

  #showState(state) {
    const { state: shown, clock, clockToggle, clockTokenForm, clockToken } = this.#page;
    // Only a change is written, because screen readers announce each write.
    if (this.#state !== state) {
      this.#state = shown.dataset.state = state;
      shown.textContent = labels[state];
      // What came before is no measure for a stream that is new.
      this.#difference = new Difference();
      this.#showDifference();
      if (state === "live") this.#live();
    }
    clock.classList.toggle("stale", state !== "live");
    if (state !== "live") this.#page.listeners.hidden = true;
    clockToggle.textContent = state === "closed" || state === "refused" ? "Start the clock stream" : "Stop the clock stream";
    clockTokenForm.hidden = state !== "refused";
    if (state === "live") clockToken.value = "";
  }

  // A token that opened the stream is filled in for the watched topics, where it is needed most likely too.
  #suggestToken() {
    const { watchToken } = this.#page;
    if (this.#token === "" || watchToken.value !== "") return;
    watchToken.value = this.#token;
    watchToken.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #live() {
    this.#suggestToken();
    if (this.#sentAway) this.#notice("");
    void this.#server.ask().then(() => this.#show());
    this.#onLive();
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

// Subscribes to topics and patterns that the user enters.

import { Rows } from "./rows.mjs";
import { Stream } from "./stream.mjs";
import { control, curlWatch, query } from "./text.mjs";

const labels = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  closed: "Not watching",
  cut: "Cut on purpose",
};

export class Watch {
  #page;
  #rows;
  #stream = null;
  #onEvent;
  #onState;
  #onStart;
  #cut = false;
  #topics = [];
  #token = "";
  // The state of the stream, and why it is in it, if there is a reason.
  state = "closed";
  note = "";

  constructor(page, { onEvent, onState, onStart }) {
    this.#page = page;
    this.#rows = new Rows(page.watchLog);
    this.#onEvent = onEvent;
    this.#onState = onState;
    this.#onStart = onStart;
    page.watchForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    page.watchStop.addEventListener("click", () => this.stop());
    page.watchForm.addEventListener("input", () => this.#showCurl());
    this.#showCurl();
  }

  get running() {
    return this.#stream !== null;
  }

  get lastEventId() {
    return this.#stream?.lastEventId ?? "";
  }

  // start subscribes to what the form says, in place of what was watched before.
  start() {
    this.stop();
    this.#onStart();
    this.#topics = this.#entered();
    this.#token = this.#page.watchToken.value.trim();
    if (this.#topics.length === 0) return this.#show("closed", "Name at least one topic.");
    this.#rows.clear();
    const stream = new Stream({
      url: address(this.#topics, this.#page.watchFrom.value),
      token: this.#token,
      onEvent: (event) => this.#take(event),
      onState: (state, note) => {
        if (stream !== this.#stream) return;
        const refused = state === "closed" && !this.#cut;
        if (refused) this.#stream = null;
        this.#show(this.#cut ? "cut" : state, refused ? `Refused. ${note}` : note);
      },
    });
    this.#stream = stream;
    stream.open();
  }

  // witness returns a second stream of the same topics, from now on, which is not open yet.
  witness({ onEvent, onState }) {
    return new Stream({ url: address(this.#topics, "0"), token: this.#token, onEvent, onState });
  }

  cut() {
    this.#cut = true;
    this.#stream?.close();
  }

  resume() {
    this.#cut = false;
    this.#stream?.open();
  }

  hurry() {
    this.#stream?.hurry();
  }

  stop() {
    const stream = this.#stream;
    this.#stream = null;
    this.#cut = false;
    stream?.close();
    this.#show("closed", "");
  }

  #take(event) {
    this.#rows.add(event);
    if (event.type.startsWith("carillon.")) this.#page.watchNote.textContent = control(event.type, event.data);
    this.#onEvent(event);
  }

  #show(state, note) {
    const { watchState, watchNote, watchStop } = this.#page;
    this.note = note;
    if (this.state !== state) {
      this.state = watchState.dataset.state = state;
      watchState.textContent = labels[state];
    }
    // The reason why the stream ended remains visible until it is live again.
    if (note !== "" || state !== "reconnecting") watchNote.textContent = note;
    watchStop.disabled = !this.running;
    this.#onState(state);
  }

  #entered() {
    const parts = this.#page.watchTopics.value.split(/[,\n]/).map((topic) => topic.trim());
    return [...new Set(parts.filter((topic) => topic !== ""))];
  }

  #showCurl() {
    const { watchCurl, watchFrom, watchToken } = this.#page;
    watchCurl.textContent = curlWatch(address(this.#entered(), watchFrom.value), watchToken.value !== "");
  }
}

function address(topics, last) {
  const pairs = topics.map((topic) => ["topic", topic]);
  if (last !== "0") pairs.push(["last", last]);
  return new URL(`events?${query(pairs)}`, document.baseURI).href;
}

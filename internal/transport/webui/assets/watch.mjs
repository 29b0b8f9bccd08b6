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
  #cut = false;
  #startedWith = "";

  constructor(page, onEvent) {
    this.#page = page;
    this.#rows = new Rows(page.watchLog);
    this.#onEvent = onEvent;
    page.watchForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start("");
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

  // include opens the stream if necessary and adds the topic, keeping the position.
  include(topic) {
    const topics = this.#topics();
    if (!topics.some((each) => each === topic || each === "*" || each === "**")) {
      this.#page.watchTopics.value = [...topics, topic].join(", ");
      this.#showCurl();
    } else if (this.running && this.#startedWith === this.#url()) {
      return;
    }
    this.#start(this.lastEventId);
  }

  cut() {
    this.#cut = true;
    this.#stream?.close();
  }

  resume() {
    this.#cut = false;
    this.#stream?.open();
  }

  stop() {
    const stream = this.#stream;
    this.#stream = null;
    this.#cut = false;
    stream?.close();
    this.#show("closed", "");
  }

  #start(lastEventId) {
    this.stop();
    if (this.#topics().length === 0) return this.#show("closed", "Name at least one topic.");
    this.#startedWith = this.#url();
    const stream = new Stream({
      url: this.#startedWith,
      token: this.#page.watchToken.value.trim(),
      lastEventId,
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

  #take(event) {
    this.#rows.add(event);
    if (event.type.startsWith("carillon.")) this.#page.watchNote.textContent = control(event.type, event.data);
    this.#onEvent(event);
  }

  #show(state, note) {
    const { watchState, watchNote, watchStop } = this.#page;
    if (watchState.dataset.state !== state) {
      watchState.dataset.state = state;
      watchState.textContent = labels[state];
    }
    // The reason why the stream ended remains visible until it is live again.
    if (note !== "" || state !== "reconnecting") watchNote.textContent = note;
    watchStop.disabled = !this.running;
  }

  #topics() {
    const parts = this.#page.watchTopics.value.split(/[,\n]/).map((topic) => topic.trim());
    return [...new Set(parts.filter((topic) => topic !== ""))];
  }

  #url() {
    const pairs = this.#topics().map((topic) => ["topic", topic]);
    const last = this.#page.watchFrom.value;
    if (last !== "0") pairs.push(["last", last]);
    return new URL(`events?${query(pairs)}`, document.baseURI).href;
  }

  #showCurl() {
    this.#page.watchCurl.textContent = curlWatch(this.#url(), this.#page.watchToken.value !== "");
  }
}

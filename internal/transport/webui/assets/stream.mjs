// A stream of the page: the client that every server serves, with what the page needs besides. It can be closed and opened again,
// and goes on from where it was; it shows control events like others.

import { Carillon } from "../client.mjs";

const controls = ["carillon.reset", "carillon.goaway", "carillon.count"];

export class Stream {
  #url;
  #token;
  #lastEventId;
  #onEvent;
  #onState;
  #client = null;
  #opened = false;

  // onState(state, note, status): connecting, live, reconnecting or closed; note is the reason, if there is one, and status
  // that of the response which closed the stream. A token that no header can carry counts as refused with 401.
  constructor({ url, token = "", lastEventId = "", onEvent, onState }) {
    this.#url = url;
    this.#token = token;
    this.#lastEventId = lastEventId;
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  get running() {
    return this.#client !== null;
  }

  get lastEventId() {
    return this.#client?.lastEventId ?? this.#lastEventId;
  }

  // open starts the stream, or resumes it after the last event.
  open() {
    if (this.running) return;
    const client = new Carillon(this.#url, { token: this.#token, after: this.#lastEventId });
    for (const type of ["*", ...controls]) client.on(type, (event) => this.#onEvent(event));
    client.onstatus = (status) => client === this.#client && this.#changed(status);
    this.#client = client;
  }

  // close ends the connection at once and keeps the position.
  close() {
    this.#stop("", 0);
  }

  // hurry tells a stream that waits after failures that the server is back. It never reconnects sooner than the server asked.
  hurry() {
    this.#client?.hurry();
  }

  #stop(note, status) {
    if (!this.running) return;
    this.#lastEventId = this.#client.lastEventId;
    const client = this.#client;
    this.#client = null;
    client.close();
    this.#onState("closed", note, status);
  }

  #changed({ state, problem }) {
    if (state === "refused") return this.#stop(reason(problem), problem.status);
    const shown = state === "retrying" || (state === "connecting" && this.#opened) ? "reconnecting" : state;
    this.#opened ||= state !== "connecting";
    this.#onState(shown, problem === undefined ? "" : reason(problem), 0);
  }
}

// reason returns why there is no connection. A goaway is shown as the event that it is.
function reason({ code, detail, title, status }) {
  if (status !== undefined) return [code, detail ?? title].filter(Boolean).join(": ");
  return code === undefined ? `${title[0].toUpperCase()}${title.slice(1)}.` : "";
}

// A parser for the event-stream grammar of the HTML standard, "9.2.6 Interpreting an event stream", of text that arrives in pieces of
// any size. A parser reads one connection; it starts with the last event id of the previous one.

const lineEnd = /\r\n?|\n/g;

export class Parser {
  #onEvent;
  #onRetry;
  #begun = false;
  #afterCR = false;
  #line = "";
  #data = [];
  #type = "";
  #id;
  // The id to resume after. It changes only at a blank line, so an event that was cut off is requested again.
  lastEventId;

  constructor({ lastEventId = "", onEvent, onRetry = () => {} }) {
    this.lastEventId = this.#id = lastEventId;
    this.#onEvent = onEvent;
    this.#onRetry = onRetry;
  }

  push(text) {
    if (text === "") return;
    let start = 0;
    if (!this.#begun && text[0] === "\uFEFF") start = 1;
    // A CR ends its line at once, without waiting to see whether an LF follows in the next piece.
    if (this.#afterCR && text[0] === "\n") start = 1;
    this.#begun = true;

    lineEnd.lastIndex = start;
    for (let end = lineEnd.exec(text); end !== null; end = lineEnd.exec(text)) {
      const line = this.#line + text.slice(start, end.index);
      this.#line = "";
      start = end.index + end[0].length;
      this.#take(line);
      lineEnd.lastIndex = start;
    }
    this.#line += text.slice(start);
    this.#afterCR = text.endsWith("\r");
  }

  #take(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);

    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.#onRetry(Number(value));
  }

  #dispatch() {
    this.lastEventId = this.#id;
    const data = this.#data;
    const type = this.#type || "message";
    this.#data = [];
    this.#type = "";
    if (data.length > 0) this.#onEvent({ id: this.#id, type, data: data.join("\n") });
  }
}

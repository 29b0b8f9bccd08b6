// A parser for the event-stream grammar (HTML standard, "9.2.6 Interpreting an event stream") of text that arrives in pieces of any
// size. A parser reads one connection; it starts with the last event id of the previous one.

const lineEnd = /\r\n?|\n/g;

export class Parser {
  #on;
  #begun = false;
  #afterCR = false;
  #line = "";
  #data = [];
  #type = "";
  #id;
  // The id to resume after. It changes only at a blank line, so an event that was cut off is requested again.
  lastEventId;

  // on has functions: event(data, type), where the type is "" unless the stream names one; retry(ms); comment().
  constructor(lastEventId, on) {
    this.lastEventId = this.#id = lastEventId;
    this.#on = on;
  }

  push(text) {
    if (text === "") return;
    let start = 0;
    if (!this.#begun && text[0] === "\uFEFF") start = 1;
    // A CR ends its line at once, without waiting to see whether an LF follows in the next piece.
    if (this.#afterCR && text[0] === "\n") start = 1;
    this.#begun = true;

    lineEnd.lastIndex = start;
    for (let end; (end = lineEnd.exec(text)); ) {
      const line = this.#line + text.slice(start, end.index);
      this.#line = "";
      start = lineEnd.lastIndex;
      this.#take(line);
      lineEnd.lastIndex = start; // a listener may have used another parser
    }
    this.#line += text.slice(start);
    this.#afterCR = text.endsWith("\r");
  }

  #take(line) {
    if (line === "") return this.#dispatch();
    const [, name, value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line);
    if (name === "") this.#on.comment();
    else if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.#on.retry(+value);
  }

  #dispatch() {
    this.lastEventId = this.#id;
    const data = this.#data;
    const type = this.#type;
    this.#data = [];
    this.#type = "";
    if (data.length > 0) this.#on.event(data.join("\n"), type);
  }
}

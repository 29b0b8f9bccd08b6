// A parser for event streams (HTML standard, "9.2.6 Interpreting an event stream") as this server and proxies write them, in pieces
// of any size: lines end with LF or CRLF. A parser reads one connection; it starts with the last event id of the previous one.

export class Parser {
  #on;
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
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop();
    for (const line of lines) this.#take(line);
  }

  #take(line) {
    const [, name, value = ""] = /^([^:\r]*)(?:: ?(.*?))?\r?$/s.exec(line);
    if (name) {
      if (name === "data") this.#data.push(value);
      if (name === "event") this.#type = value;
      if (name === "id") this.#id = value;
      if (name === "retry") this.#on.retry(+value);
    } else if (line[0] === ":") {
      this.#on.comment();
    } else {
      this.#dispatch();
    }
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

// A list of the last events, newest first. Bounded in rows and in the text of each, so that neither a page that is open
// for a month nor large events make it grow.

const rows = 200;
const longestText = 2_000;

export class Rows {
  #list;

  constructor(list) {
    this.#list = list;
  }

  clear() {
    this.#list.replaceChildren();
  }

  add({ id, type, data }) {
    const row = document.createElement("li");
    row.className = type.startsWith("carillon.") ? "event control" : "event";
    row.dataset.id = id;
    row.dataset.type = type;
    row.append(cell("at", now()), cell("id", id), cell("type", type), cell("data", shorten(data)));
    this.#list.prepend(row);
    while (this.#list.childElementCount > rows) this.#list.lastElementChild.remove();
  }
}

function cell(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}

function now() {
  const at = new Date();
  const two = (n) => String(n).padStart(2, "0");
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

function shorten(text) {
  if (text.length <= longestText) return text;
  return `${text.slice(0, longestText)}… and ${text.length - longestText} more characters`;
}

// The zone of a time that the server wrote without one. The Date header of a response tells the server's time in UTC; what
// the text differs from it is the zone's offset.

const quarterHour = 15 * 60_000;
const widest = 15 * 3_600_000;
const dateAndTime = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?$/;

// zoneOf returns the zone of a text, such as "UTC+02:00", or "" for another layout. utc is the server's time in Unix
// milliseconds when it wrote the text; it may be inaccurate by some minutes, because zones are whole quarters of an hour.
export function zoneOf(text, utc) {
  const parts = dateAndTime.exec(text)?.slice(1).map(Number);
  if (parts === undefined || !Number.isFinite(utc)) return "";
  const [year, month, ...rest] = parts;
  const offset = Math.round((Date.UTC(year, month - 1, ...rest) - utc) / quarterHour) * quarterHour;
  if (Math.abs(offset) > widest) return "";
  if (offset === 0) return "UTC";
  const minutes = Math.abs(offset) / 60_000;
  const two = (n) => String(n).padStart(2, "0");
  return `UTC${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

// ServerTime knows the server's time in UTC.
export class ServerTime {
  #date = NaN;
  #asked = 0;

  // now is in Unix milliseconds, or NaN while it is not known.
  get now() {
    return this.#date + performance.now() - this.#asked;
  }

  async ask() {
    const answer = await fetch(document.baseURI, { method: "HEAD", cache: "no-store" }).catch(() => null);
    this.#date = Date.parse(answer?.headers.get("Date") ?? "");
    this.#asked = performance.now();
  }
}

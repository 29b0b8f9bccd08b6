// Parses ticks, and estimates the difference between the browser's clock and the server's.

const timeOfDay = /\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:\s?[AaPp][Mm])?/;
const quarterHour = 15 * 60_000;
const remembered = 10;

// read parses the data of a tick: an object with time, unix_ms and zone, or a text in any layout. It returns the unchanged
// text, the parts to show, and the instant: exact, or only its place in the quarter hour, or neither.
export function read(data) {
  const json = parse(data);
  if (json !== null) {
    const [date, rest] = json.time.split("T");
    const time = rest.match(timeOfDay)?.[0] ?? rest;
    return { text: json.time, before: date, time, after: json.zone ?? "", exact: json.unix_ms, within: null };
  }
  const found = data.match(timeOfDay);
  if (found === null) return { text: data, before: "", time: data, after: "", exact: null, within: null };
  return {
    text: data,
    before: data.slice(0, found.index).replace(/[T\s]+$/, ""),
    time: found[0],
    after: data.slice(found.index + found[0].length).trim(),
    exact: null,
    within: placeInQuarter(found[0]),
  };
}

function parse(data) {
  if (!data.startsWith("{")) return null;
  try {
    const { time, unix_ms, zone } = JSON.parse(data);
    const whole = typeof time === "string" && time.includes("T") && Number.isFinite(unix_ms);
    return whole ? { time, unix_ms, zone: typeof zone === "string" ? zone : "" } : null;
  } catch {
    return null;
  }
}

// A text has no zone, but every zone in use is a whole number of quarter hours from UTC: the place in the quarter hour is
// the same everywhere, and needs neither the hour nor AM or PM.
function placeInQuarter(time) {
  const parts = time.match(/:(\d{2}):(\d{2})(?:[.,](\d+))?/);
  if (parts === null) return null;
  const [, minutes, seconds, fraction = "0"] = parts;
  return ((Number(minutes) * 60 + Number(seconds)) * 1000 + Number(`0.${fraction}`) * 1000) % quarterHour;
}

// Difference keeps the last arrivals. A tick can come late but never early, so the smallest difference is the most accurate.
export class Difference {
  #samples = [];

  // add adds a reading and the browser's time of its arrival, in Unix milliseconds.
  add(reading, now) {
    const sample = ahead(reading, now);
    if (sample === null) return;
    this.#samples.push(sample);
    if (this.#samples.length > remembered) this.#samples.shift();
  }

  // Milliseconds by which the browser is ahead of the server, or null.
  get ahead() {
    return this.#samples.length === 0 ? null : Math.min(...this.#samples);
  }
}

function ahead({ exact, within }, now) {
  if (exact !== null) return now - exact;
  if (within === null) return null;
  const late = (((now - within) % quarterHour) + quarterHour) % quarterHour;
  return late > quarterHour / 2 ? late - quarterHour : late;
}

export function describe(ahead) {
  if (ahead === null) return "not known from this layout";
  const size = Math.abs(ahead);
  if (size < 50) return "none, the browser agrees within 0.05 s";
  return `browser is ${duration(size)} ${ahead > 0 ? "ahead" : "behind"}`;
}

function duration(ms) {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

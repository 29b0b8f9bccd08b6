// Texts for the server's codes, and commands to copy.

const resets = {
  expired: "some of the events that this page asked for are no longer kept",
  epoch: "the server's log began anew, as it does when the server restarts",
  malformed: "the server could not read the position this page had",
  future: "the position this page had is ahead of the server's log",
  slow: "this page read too slowly",
};

const goaways = {
  drain: "the server is stopping",
  slow: "this page read too slowly",
  expired: "the token ran out",
  rights_changed: "the rules that allowed this stream have changed",
  closed: "an operator closed this stream",
  limit: "there are too many streams",
  dead: "the connection took nothing for too long",
  keys_unavailable: "the server cannot fetch its signing keys",
  log_unavailable: "the server's event log is unavailable",
  timeout: "the server took too long",
};

// control explains a control event, whatever its data.
export function control(type, data) {
  const { reason = "unknown" } = object(data);
  if (type === "carillon.reset") return `Reset: ${resets[reason] ?? reason}. Events may be missing here.`;
  return `Go away: ${goaways[reason] ?? reason}. The page comes back by itself.`;
}

// problem returns why a request was refused: from problem+json (RFC 9457) if present, else from the status.
export async function problem(answer) {
  const { code, detail, title } = object(await answer.text().catch(() => ""));
  const said = [code, detail ?? title].filter((part) => typeof part === "string" && part !== "");
  return said.length > 0 ? said.join(": ") : `status ${answer.status}`;
}

export function object(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

// query encodes parameters but not the slashes of topics, which a query may contain.
export function query(pairs) {
  return pairs.map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2F", "/")}`).join("&");
}

export function curlWatch(url, withToken) {
  return `curl -N${withToken ? tokenHeader : ""} \\\n  ${quote(url)}`;
}

// --data-raw, because --data takes a leading @ for the name of a file.
export function curlPublish(url, data) {
  return `curl${tokenHeader} \\\n  --data-raw ${quote(data)} \\\n  ${quote(url)}`;
}

const tokenHeader = ' -H "Authorization: Bearer $TOKEN"';

function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// Requests, and what is wrong with their responses.

// failure returns an error that ends a connection. problem is a problem document (RFC 9457), or has at least a title. seconds is
// the least time before the next request. A final failure would come again: every status from 201 to 499 but 408, 421, 425, 429.
export function failure(problem, seconds) {
  const { status = 0, title } = problem;
  const final = status > 200 && status < 500 && ![408, 421, 425, 429].includes(status);
  return Object.assign(new Error(title), { problem, final, wait: 1000 * (parseInt(seconds) || 0) });
}

// address returns the URL of a subscription that starts after the position, or as its options say where there is none.
export function address({ url, options, position }, parameters) {
  const to = new URL(url);
  for (const topic of [options.topics ?? []].flat()) to.searchParams.append("topic", topic);
  const start = position === "" ? { last: options.last, since: options.since, latest: options.latest } : { last_event_id: position };
  for (const [name, value] of Object.entries({ ...start, ...parameters })) {
    if (value !== undefined && value !== false) to.searchParams.set(name, value);
  }
  return to;
}

// bearer returns the token, which may be a function that returns one or a promise of one. It throws a failure if there is none
// now, or if no header can carry it.
export async function bearer({ options: { token } }) {
  try {
    token = typeof token === "function" ? await token() : token;
  } catch (error) {
    throw failure({ title: "the token cannot be had", detail: error.message });
  }
  if (/[^\x21-\x7e]/.test(token)) throw failure({ title: "the token holds characters that a header cannot carry", status: 401 });
  return token;
}

// request returns a response with status 200 and the media type, or throws a failure.
export async function request(peer, type, parameters, signal) {
  const headers = { Accept: type };
  const token = await bearer(peer);
  if (token) headers.Authorization = `Bearer ${token}`;
  const { credentials } = peer.options;
  const response = await fetch(address(peer, parameters), { headers, signal, credentials, cache: "no-store" });
  const { status } = response;
  if (status === 200 && response.headers.get("Content-Type")?.startsWith(type)) return response;

  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // Proxies respond with pages of their own.
  }
  // A response 200 of another type, which is that of a proxy or of a network that wants a login, is not final.
  throw failure({ title: `status ${status}`, ...problem, status }, response.headers.get("Retry-After"));
}

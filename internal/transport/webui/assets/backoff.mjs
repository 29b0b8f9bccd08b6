const longest = 10_000;

// backoff returns how many milliseconds to wait after a number of failures in a row. It is never less than what the server
// asked for; the random half keeps pages that failed together from reconnecting together.
export function backoff(base, failures, random = Math.random) {
  if (failures === 0) return base;
  const ceiling = Math.max(base, Math.min(longest, base * 2 ** failures));
  return Math.max(base, ceiling / 2 + (random() * ceiling) / 2);
}

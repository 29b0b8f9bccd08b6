const longest = 30_000;

// backoff answers how many milliseconds to wait after so many failures in a row. It never goes below what the server asked
// for; the random half keeps pages that failed together from coming back together.
export function backoff(base, failures, random = Math.random) {
  if (failures === 0) return base;
  const ceiling = Math.max(base, Math.min(longest, base * 2 ** failures));
  return Math.max(base, ceiling / 2 + (random() * ceiling) / 2);
}

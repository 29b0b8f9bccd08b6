// A position is "<epoch>-<offset>": offsets rise within an epoch, and positions of different epochs cannot be compared.

function split(position) {
  const dash = position.lastIndexOf("-");
  return [position.slice(0, dash), +position.slice(dash + 1)];
}

// reaches reports whether a position is known to be the same as another one or after it.
export function reaches(position, other) {
  const [epoch, offset] = split(position);
  const [otherEpoch, otherOffset] = split(other);
  return position !== "" && epoch === otherEpoch && offset >= otherOffset;
}

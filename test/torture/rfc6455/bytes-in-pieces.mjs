// Ways in which the bytes of a side can come: nothing may depend on them.

export const CUTS = {
  whole: (bytes) => [bytes],
  halves: (bytes, random) => pieces(bytes, random, 2),
  pieces: (bytes, random) => pieces(bytes, random, random.between(3, 12)),
  bytes: (bytes, random) =>
    bytes.length > 600 ? pieces(bytes, random, 40) : Array.from(bytes, (byte) => Buffer.of(byte)),
}

function pieces(bytes, random, count) {
  const ends = Array.from({ length: count - 1 }, () => random.below(bytes.length + 1))
  const sorted = [0, ...ends.sort((left, right) => left - right), bytes.length]
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end))
}

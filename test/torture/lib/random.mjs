// Random numbers that a seed repeats. Not for secrets.

// Mixes text into a 32-bit state (FNV-1a), so that each test and each trial gets a stream of its
// own from one seed.
function hashText(text) {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}

export class Random {
  #state
  #name

  // `name` is any text; equal names give equal streams.
  constructor(name) {
    this.#name = String(name)
    this.#state = hashText(this.#name)
  }

  // An independent stream, the same whatever has been drawn from this one.
  fork(label) {
    return new Random(`${this.#name}/${label}`)
  }

  // 32 random bits (the SplitMix scheme with a 32-bit finaliser).
  bits() {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return (mixed ^ (mixed >>> 16)) >>> 0
  }

  // In [0, 1), with 53 bits, so that numbers up to 2^53 can be drawn evenly.
  unit() {
    return ((this.bits() >>> 5) * 67108864 + (this.bits() >>> 6)) / 9007199254740992
  }

  // A whole number in [0, bound).
  below(bound) {
    return Math.floor(this.unit() * bound)
  }

  // A whole number in [first, last].
  between(first, last) {
    return first + this.below(last - first + 1)
  }

  chance(probability) {
    return this.unit() < probability
  }
}

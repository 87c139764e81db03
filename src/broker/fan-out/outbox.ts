/**
 * Slices on the way to their sinks. What is to be decided for each subscriber is decided for some
 * of them, one after the other, and then the slice is sent to all of these, one after the other: a
 * system call leaves little of this process in the caches, so that whatever stands between two
 * sends takes several times as long as it does by itself.
 */

/** Who is sent a slice. */
export interface Receiver {
  /** The slice is only lent. Must not throw. */
  deliver(slice: Uint8Array): void
}

/** Others have to wait for so many sends at most, and for so many bytes and one slice. */
const receiversMax = 32
const bytesMax = 128 * 1024
/** A slice as large as this is sent at once: it would leave the caches before its turn. */
const directBytesMin = 16 * 1024

export class Outbox {
  readonly #receivers: (Receiver | undefined)[] = new Array(receiversMax).fill(undefined)
  #slice: Uint8Array | undefined
  #count = 0
  #delivered = 0

  /** A slice for a receiver, which gets it before this slice changes: `flush` has to come first. */
  add(receiver: Receiver, slice: Uint8Array): void {
    if (slice !== this.#slice) {
      this.flush()
      this.#slice = slice
    }
    this.#receivers[this.#count] = receiver
    this.#count += 1
    const isFull = this.#count === receiversMax || this.#count * slice.length >= bytesMax
    if (isFull || slice.length >= directBytesMin) this.flush()
  }

  /** Delivers all that is there. Receivers may call this, too: each gets its slice once. */
  flush(): void {
    const slice = this.#slice
    if (slice === undefined) return
    while (this.#delivered < this.#count) {
      const receiver = this.#receivers[this.#delivered] as Receiver
      this.#receivers[this.#delivered] = undefined
      this.#delivered += 1
      receiver.deliver(slice)
    }
    this.#slice = undefined
    this.#count = 0
    this.#delivered = 0
  }
}

/** A bound for bytes that are on their way and have not been given back. Pure. */

export class Credit {
  readonly limit: number
  #out = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** Bytes on their way. */
  get out(): number {
    return this.#out
  }

  /** What can still be sent; less than nothing while one large batch is on its way. */
  get left(): number {
    return this.limit - this.#out
  }

  /** Whether so many bytes, which cannot be cut, can be sent: within what is left, or alone. */
  allows(bytes: number): boolean {
    return bytes <= this.limit - this.#out || this.#out === 0
  }

  take(bytes: number): void {
    this.#out += bytes
  }

  /** False for more than was taken; nothing has changed then. */
  giveBack(bytes: number): boolean {
    if (bytes > this.#out) return false
    this.#out -= bytes
    return true
  }
}

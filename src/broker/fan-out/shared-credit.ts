/**
 * A bound for what all subscriptions of a broker have on their way. Who finds it used up waits, and
 * goes on when bytes come back: others may be first then, so that one that is held up elsewhere
 * holds up nobody.
 */

import { sliceBytesMax } from '../../limits.ts'
import { Credit } from './credit.ts'

/** Who waits. */
interface Waiting {
  resume(): void
}

export class SharedCredit {
  readonly #credit: Credit
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>()

  constructor(limit: number) {
    this.#credit = new Credit(limit)
  }

  get left(): number {
    return this.#credit.left
  }

  /** Whether somebody waits for what others have on their way. */
  get isContended(): boolean {
    return this.#waiting.size > 0
  }

  /** Whether so many bytes can be sent; whoever asks is woken later where they cannot. */
  allows(asking: Waiting, bytes: number): boolean {
    const isAllowed = this.#credit.allows(bytes)
    if (isAllowed) this.#waiting.delete(asking)
    else this.#waiting.add(asking)
    return isAllowed
  }

  take(bytes: number): void {
    this.#credit.take(bytes)
  }

  /** Wakes as many as may find room for a slice each. */
  giveBack(bytes: number): void {
    this.#credit.giveBack(bytes)
    let room = this.left
    for (const it of this.#waiting) {
      if (room <= 0) break
      room -= sliceBytesMax
      this.#waiting.delete(it)
      it.resume()
    }
  }

  /** It wants nothing more for now. */
  forget(waiting: Waiting): void {
    this.#waiting.delete(waiting)
  }
}

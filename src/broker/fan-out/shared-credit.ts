/**
 * A bound for what many subscriptions have on their way. One of them never has more than is left
 * for the others, but for a batch: those who return nothing leave something to who comes then, if
 * less each time. Who finds too little left waits, and goes on when bytes come back: others may
 * be first then, so that one that is held up elsewhere holds up nobody.
 */

import { sliceBytesMax } from '../../limits.ts'
import { Credit } from './credit.ts'

export interface Sharing {
  /** What it has on its way. */
  readonly bytesOut: number
  resume(): void
}

/** Of those that have something on their way so many are asked again when bytes come back. */
const resumedMax = 4

export class SharedCredit {
  readonly #credit: Credit
  /** Who waits: with nothing on its way, and with something. Each in its order. */
  readonly #starving = new Set<Sharing>()
  readonly #limited = new Set<Sharing>()
  /** Whether there is any of them: mostly not, and this is looked at for every slice. */
  #isWaitedFor = false

  constructor(limit: number) {
    this.#credit = new Credit(limit)
  }

  /** To how many bytes what one sends is cut: no less is left for the next one than it has then. */
  roomFor({ bytesOut }: Sharing): number {
    return Math.floor((this.#credit.left - bytesOut) / 2)
  }

  /** Whether somebody has nothing on its way, and waits for what others have. */
  get isStarving(): boolean {
    return this.#starving.size > 0
  }

  /** Whether one waits that has something on its way. */
  isLimiting(it: Sharing): boolean {
    return this.#limited.has(it)
  }

  /**
   * Whether so many bytes, which cannot be cut, can be sent: of who has nothing on its way all that
   * is left, so that a large batch gets through, or alone. Whoever asks is woken later where they
   * cannot.
   */
  allows(asking: Sharing, bytes: number): boolean {
    const isAllowed = this.#credit.allows(bytes + asking.bytesOut)
    if (isAllowed) this.forget(asking)
    else this.#wait(asking, bytes)
    return isAllowed
  }

  take(bytes: number): void {
    this.#credit.take(bytes)
  }

  /** Wakes as many as may find room for a slice each: first those that have nothing. */
  giveBack(bytes: number): void {
    this.#credit.giveBack(bytes)
    const { left } = this.#credit
    if (left <= 0) return
    resumeFirst(this.#starving, Math.ceil(left / sliceBytesMax))
    resumeFirst(this.#limited, resumedMax)
  }

  /** It wants nothing more for now. */
  forget(waiting: Sharing): void {
    if (!this.#isWaitedFor) return
    this.#starving.delete(waiting)
    this.#limited.delete(waiting)
    this.#isWaitedFor = this.#starving.size + this.#limited.size > 0
  }

  #wait(asking: Sharing, bytes: number): void {
    this.#isWaitedFor = true
    // What is larger than all that there is waits until it is alone: for that nobody is cut off.
    if (asking.bytesOut > 0 || bytes > this.#credit.limit) {
      this.#limited.add(asking)
      return
    }
    this.#limited.delete(asking)
    this.#starving.add(asking)
  }
}

/** They go behind the others, and wait until they are allowed what they ask for. */
function resumeFirst(waiting: Set<Sharing>, countMax: number): void {
  let left = Math.min(countMax, waiting.size)
  if (left === 0) return
  for (const it of waiting) {
    waiting.delete(it)
    waiting.add(it)
    it.resume()
    left -= 1
    if (left === 0) return
  }
}

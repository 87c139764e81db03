/**
 * What all clients together leave unread, and large answers that are being made: no more than the
 * process can afford. Where there is too much, those that have taken nothing for the longest time
 * are cut off, and large answers wait until there is room.
 */

import { getRecordsBytesMax } from '../limits.ts'

/** A connection, as far as it matters here. */
export interface Answered {
  /** Bytes that wait for its client in this process. */
  bufferedBytes(): number
  /** When its client last took something, where something has been waiting ever since. */
  stalledSince(): number | undefined
  /** There may be room for a large answer: to ask again. */
  advance(): void
  /** Its client does not read, and is to be cut off. */
  stalled(): void
}

export interface UnreadAnswersOptions {
  readonly bytesMax: number
  /** Milliseconds; only differences matter. */
  readonly now: () => number
}

/** Whoever takes nothing for so long is cut off where memory is short. */
const stallMillisMax = 1000
const lookMillis = 100

export class UnreadAnswers {
  readonly #bytesMax: number
  readonly #now: () => number
  readonly #stalled: Set<Answered> = new Set()
  readonly #waiting: Set<Answered> = new Set()
  #beingMade = 0
  #timer: NodeJS.Timeout | undefined

  constructor({ bytesMax, now }: UnreadAnswersOptions) {
    this.#bytesMax = bytesMax
    this.#now = now
  }

  /** Whether a large answer may be made now; if not, its connection hears when to ask again. */
  mayBegin(one: Answered): boolean {
    if (this.#hasRoom()) return true
    this.#waiting.add(one)
    this.#lookLater()
    return false
  }

  /** A large answer is being made, or was: it has been sent, or waits in its connection. */
  begin(): void {
    this.#beingMade += 1
  }

  end(one: Answered): void {
    this.#beingMade -= 1
    if (one.stalledSince() !== undefined) this.#stalled.add(one)
    this.#advance()
  }

  /** The client has taken something, or is gone. */
  relieved(one: Answered, isGone: boolean): void {
    if (isGone) this.#waiting.delete(one)
    if (isGone || one.stalledSince() === undefined) this.#stalled.delete(one)
    this.#advance()
  }

  #hasRoom(): boolean {
    let bytes = (this.#beingMade + 1) * getRecordsBytesMax
    if (bytes > this.#bytesMax) return false
    for (const one of this.#stalled) {
      bytes += one.bufferedBytes()
      if (bytes > this.#bytesMax) return false
    }
    return true
  }

  #advance(): void {
    for (const one of this.#waiting) {
      if (!this.#hasRoom()) return
      this.#waiting.delete(one)
      one.advance()
    }
  }

  #lookLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#look()
    }, lookMillis).unref()
  }

  /** Makes room for those that wait, at the cost of who has not read for the longest time. */
  #look(): void {
    if (this.#waiting.size === 0) return
    while (!this.#hasRoom()) {
      const one = this.#oldest()
      if (one === undefined) break
      this.#stalled.delete(one)
      one.stalled()
    }
    this.#advance()
    if (this.#waiting.size > 0) this.#lookLater()
  }

  #oldest(): Answered | undefined {
    let oldest: Answered | undefined
    let since = this.#now() - stallMillisMax
    for (const one of this.#stalled) {
      const stalledSince = one.stalledSince() ?? Number.POSITIVE_INFINITY
      if (stalledSince > since) continue
      oldest = one
      since = stalledSince
    }
    return oldest
  }
}

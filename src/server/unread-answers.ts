/**
 * What all clients together leave unread, and large answers that are being made: no more than the
 * process can afford, and of one principal no more than its share. Where there is too much, large
 * answers wait until there is room, and of those that hold it the slowest are cut off, unless they
 * take enough: a client that takes a byte now and then would hold it for hours.
 */

import { getRecordsBytesMax } from '../limits.ts'

/** A connection, as far as it matters here. */
export interface Answered {
  /** Whose share it takes from: of a principal or an address; undefined: from none. */
  readonly sharer: string | undefined
  /** Bytes that wait for its client in this process. */
  bufferedBytes(): number
  /** Bytes that its client has taken so far. */
  takenBytes(): number
  /** When its client last took something, where something has been waiting ever since. */
  stalledSince(): number | undefined
  /** There may be room for a large answer: to ask again. */
  advance(): void
  /** Its client does not read, or too slowly, and is to be cut off. */
  stalled(): void
}

export interface UnreadLimits {
  readonly unreadTotalBytesMax: number
  readonly unreadShareBytesMax: number
  /** What a client has to take where others wait for the room that it holds. */
  readonly unreadBytesPerSecondMin: number
}

/** For how long a client is watched before it is judged. */
const watchMillis = 1000
const lookMillis = 100
const millisPerSecond = 1000

/** What a client had taken when its watch began. */
interface Watch {
  at: number
  taken: number
}

export class UnreadAnswers {
  readonly #limits: UnreadLimits
  readonly #now: () => number
  readonly #slow: Map<Answered, Watch> = new Map()
  readonly #waiting: Set<Answered> = new Set()
  /** How many large answers are being made, of each share. */
  readonly #beingMade: Map<string | undefined, number> = new Map()
  #timer: NodeJS.Timeout | undefined

  /** `now` in milliseconds, of which only differences matter. */
  constructor(limits: UnreadLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /** Whether a large answer may be made now; if not, its connection hears when to ask again. */
  mayBegin(one: Answered): boolean {
    if (this.#hasRoom() && this.#hasShare(one)) return true
    this.#waiting.add(one)
    this.#lookLater()
    return false
  }

  /** A large answer is being made, or was: it has been sent, or waits in its connection. */
  begin({ sharer }: Answered): void {
    this.#beingMade.set(sharer, (this.#beingMade.get(sharer) ?? 0) + 1)
  }

  end(one: Answered): void {
    const left = (this.#beingMade.get(one.sharer) ?? 1) - 1
    if (left === 0) this.#beingMade.delete(one.sharer)
    else this.#beingMade.set(one.sharer, left)
    if (one.stalledSince() !== undefined) this.#watch(one)
    this.#advance()
  }

  /** The client has taken something, or is gone. */
  relieved(one: Answered, isGone: boolean): void {
    if (isGone) this.#waiting.delete(one)
    if (isGone || one.stalledSince() === undefined) this.#slow.delete(one)
    this.#advance()
  }

  #watch(one: Answered): void {
    this.#slow.set(one, { at: this.#now(), taken: one.takenBytes() })
  }

  #hasRoom(): boolean {
    let made = 0
    for (const count of this.#beingMade.values()) made += count
    return this.#fits(made, this.#limits.unreadTotalBytesMax, () => true)
  }

  #hasShare({ sharer }: Answered): boolean {
    if (sharer === undefined) return true
    const made = this.#beingMade.get(sharer) ?? 0
    return this.#fits(made, this.#limits.unreadShareBytesMax, (it) => it.sharer === sharer)
  }

  /** Whether one more fits beside those that are being made, and what is left unread. */
  #fits(made: number, bytesMax: number, counts: (one: Answered) => boolean): boolean {
    let bytes = (made + 1) * getRecordsBytesMax
    for (const one of this.#slow.keys()) {
      if (bytes > bytesMax) break
      if (counts(one)) bytes += one.bufferedBytes()
    }
    return bytes <= bytesMax
  }

  #advance(): void {
    for (const one of this.#waiting) {
      if (!this.#hasRoom()) return
      if (!this.#hasShare(one)) continue
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

  /** Makes room for those that wait, at the cost of the slowest that hold it. */
  #look(): void {
    if (this.#waiting.size === 0) return
    const slowest = this.#judge()
    for (const one of this.#waiting) {
      this.#cut(slowest, () => !this.#hasRoom())
      const { sharer } = one
      const ofShare = slowest.filter((it) => it.sharer === sharer)
      this.#cut(ofShare, () => !this.#hasShare(one))
    }
    this.#advance()
    if (this.#waiting.size > 0) this.#lookLater()
  }

  #cut(slowest: Answered[], isShort: () => boolean): void {
    while (isShort()) {
      const one = slowest.shift()
      if (one === undefined) return
      if (this.#slow.delete(one)) one.stalled()
    }
  }

  /** Those that take too little, the slowest first; the others are watched anew. */
  #judge(): Answered[] {
    const rates: [Answered, number][] = []
    for (const [one, { at, taken }] of this.#slow) {
      const millis = this.#now() - at
      if (millis < watchMillis) continue
      const perSecond = ((one.takenBytes() - taken) * millisPerSecond) / millis
      if (perSecond < this.#limits.unreadBytesPerSecondMin) rates.push([one, perSecond])
      else this.#watch(one)
    }
    return rates.sort(([, left], [, right]) => left - right).map(([one]) => one)
  }
}

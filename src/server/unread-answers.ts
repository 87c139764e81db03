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

/** Bytes that are left unread, or being made. */
interface Used {
  total: number
  readonly ofSharer: Map<string | undefined, number>
}

function count(used: Used, sharer: string | undefined, bytes: number): void {
  used.total += bytes
  used.ofSharer.set(sharer, (used.ofSharer.get(sharer) ?? 0) + bytes)
}

export class UnreadAnswers {
  readonly #limits: UnreadLimits
  readonly #now: () => number
  readonly #slow: Map<Answered, Watch> = new Map()
  readonly #waiting: Set<Answered> = new Set()
  /** How many large answers are being made, of each share. */
  readonly #beingMade: Map<string | undefined, number> = new Map()
  /** How many were begun so far. */
  #begun = 0
  #isCutting = false
  #timer: NodeJS.Timeout | undefined

  /** `now` in milliseconds, of which only differences matter. */
  constructor(limits: UnreadLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /** Whether a large answer may be made now; if not, its connection hears when to ask again. */
  mayBegin(one: Answered): boolean {
    const used = this.#measure()
    if (this.#hasRoom(used) && this.#hasShare(used, one.sharer)) return true
    this.#waiting.add(one)
    this.#lookLater()
    return false
  }

  /** A large answer is being made, or was: it has been sent, or waits in its connection. */
  begin({ sharer }: Answered): void {
    this.#begun += 1
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

  /** In one pass over those that are slow: each asks the library for what waits. */
  #measure(): Used {
    const used: Used = { total: 0, ofSharer: new Map() }
    for (const [sharer, made] of this.#beingMade) count(used, sharer, made * getRecordsBytesMax)
    for (const one of this.#slow.keys()) count(used, one.sharer, one.bufferedBytes())
    return used
  }

  /** Whether one more fits beside those that are being made, and what is left unread. */
  #hasRoom({ total }: Used): boolean {
    return total + getRecordsBytesMax <= this.#limits.unreadTotalBytesMax
  }

  #hasShare({ ofSharer }: Used, sharer: string | undefined): boolean {
    if (sharer === undefined) return true
    return (ofSharer.get(sharer) ?? 0) + getRecordsBytesMax <= this.#limits.unreadShareBytesMax
  }

  /** What others hold is measured anew only when one has begun: of those there is room for few. */
  #advance(): void {
    if (this.#isCutting || this.#waiting.size === 0) return
    let used = this.#measure()
    let begun = this.#begun
    for (const one of [...this.#waiting]) {
      if (begun !== this.#begun) {
        used = this.#measure()
        begun = this.#begun
      }
      if (!this.#hasRoom(used)) return
      if (!this.#hasShare(used, one.sharer) || !this.#waiting.delete(one)) continue
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
    const sharers = new Set(Array.from(this.#waiting, ({ sharer }) => sharer))
    // Nobody begins meanwhile: what is measured once stays right but for what is cut.
    const used = this.#measure()
    this.#isCutting = true
    for (const one of slowest) {
      const isInTheWay = sharers.has(one.sharer) && !this.#hasShare(used, one.sharer)
      if (isInTheWay || !this.#hasRoom(used)) this.#cut(one, used)
    }
    this.#isCutting = false
    this.#advance()
    if (this.#waiting.size > 0) this.#lookLater()
  }

  #cut(one: Answered, used: Used): void {
    const bytes = one.bufferedBytes()
    if (!this.#slow.delete(one)) return
    count(used, one.sharer, -bytes)
    one.stalled()
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

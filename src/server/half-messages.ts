/**
 * Frees what half-sent messages hold where memory gets short. A library gives out a message once it
 * is complete, so that nobody sees how much of one is there; but a client in the middle of a frame
 * cannot answer a ping, and any other does so at once. Those who do not are cut off, the shorter
 * memory is, the sooner; first those of whom there are most, and last those who have something to
 * read before they come to the ping.
 */

import type { Logger } from './logger.ts'
import type { UsedMemory } from './memory.ts'

/** What of a connection is looked at. */
export interface Probed {
  /** Whose it is; undefined: that of a client of this machine that nobody asks. */
  readonly sharer: string | undefined
  /** When it was asked for a sign of life of which none has come; undefined: it owes none. */
  readonly probedAt: number | undefined
  /** Since when something for it waits to be read, a ping behind it; undefined: nothing does. */
  stalledSince(): number | undefined
  probe(now: number): void
  abandon(): void
}

export interface HalfMessageLimits {
  /** From here on those who owe a sign of life are cut off. */
  readonly halfMessagePercentMax: number
  readonly memoryPercentMax: number
}

/** How much is in use soon: until the next look it may grow by as much again as since the last. */
export class SoonUsed {
  #before = Number.POSITIVE_INFINITY

  of({ bytes, bytesMax }: UsedMemory): UsedMemory {
    const soon = bytes + Math.max(0, bytes - this.#before)
    this.#before = bytes
    return { bytes: soon, bytesMax }
  }
}

/**
 * So much earlier clients are asked, so that it is known who answers when it counts. Fixed, with
 * the rest of these: they follow from how fast clients can fill memory, whatever a broker is for.
 */
const percentAhead = 10
const roundMillis = 500
/**
 * ... and where memory is not short yet, all have answered, and it has hardly grown since, only so
 * often: what it is used for is no message that stops half-way.
 */
const calmRoundMillis = 5000
const percentGrown = 1
/** For each percent that is left until so much before load is shed, a client has so long. */
const patienceMillis = 100
const percentSpare = 10
/** One that is cut off frees at least so much: most hold more, but that is not known. */
const bytesOfOne = 1024 * 1024

export class HalfMessages {
  readonly #limits: HalfMessageLimits
  readonly #logger: Logger
  readonly #open: () => Iterable<Probed>
  #askedAt = Number.NEGATIVE_INFINITY
  /** That were in use since they were asked: what it grew by since then counts from there. */
  #leastBytes = 0
  #haveAnswered = false
  /** So far: for the metrics. */
  cut = 0

  constructor(limits: HalfMessageLimits, logger: Logger, open: () => Iterable<Probed>) {
    this.#limits = limits
    this.#logger = logger
    this.#open = open
  }

  /** Answers whether memory is so short that the next look should come soon. */
  look({ bytes, bytesMax }: UsedMemory, now: number): boolean {
    const { halfMessagePercentMax, memoryPercentMax } = this.#limits
    const percent = (100 * bytes) / bytesMax
    this.#leastBytes = Math.min(this.#leastBytes, bytes)
    if (percent < halfMessagePercentMax - percentAhead) return false
    const isShort = percent >= halfMessagePercentMax
    const isGrown = bytes - this.#leastBytes >= (bytesMax * percentGrown) / 100
    if (isShort || isGrown || !this.#isCalm(now)) this.#ask(bytes, now)
    if (!isShort) return true
    const patience = patienceMillis * Math.max(1, memoryPercentMax - percentSpare - percent)
    const excess = bytes - (bytesMax * halfMessagePercentMax) / 100
    this.#cut(now - patience, Math.ceil(excess / bytesOfOne))
    return true
  }

  /** Whether all have answered since they were asked, and that was not long ago. */
  #isCalm(now: number): boolean {
    if (now - this.#askedAt >= calmRoundMillis) return false
    this.#haveAnswered ||= this.#owing() === 0
    return this.#haveAnswered
  }

  #owing(): number {
    let count = 0
    for (const it of this.#open()) if (it.probedAt !== undefined) count += 1
    return count
  }

  #ask(bytes: number, now: number): void {
    if (now - this.#askedAt < roundMillis) return
    this.#askedAt = now
    this.#leastBytes = bytes
    this.#haveAnswered = false
    for (const it of this.#open()) if (it.probedAt === undefined) it.probe(now)
  }

  #cut(askedBefore: number, count: number): void {
    const silent: Probed[] = []
    for (const it of this.#open()) if (owesSince(it) <= askedBefore) silent.push(it)
    const chosen = inOrder(silent).slice(0, count)
    for (const it of chosen) it.abandon()
    if (chosen.length === 0) return
    this.cut += chosen.length
    const text = 'memory is short: connections were cut that may hold half a message'
    this.#logger.warn({ connections: chosen.length, silent: silent.length }, text)
  }
}

function owesSince({ probedAt }: Probed): number {
  return probedAt ?? Number.POSITIVE_INFINITY
}

function readsFirst(it: Probed): number {
  return it.stalledSince() === undefined ? 0 : 1
}

/**
 * Those who read first come last. Before them those of whom there are most; of each of them who has
 * been silent the longest, and of those that were asked together who came last.
 */
function inOrder(silent: readonly Probed[]): Probed[] {
  const counts = new Map<string | undefined, number>()
  for (const { sharer } of silent) counts.set(sharer, (counts.get(sharer) ?? 0) + 1)
  const countOf = ({ sharer }: Probed) => counts.get(sharer) ?? 0
  return silent
    .toReversed()
    .sort(
      (left, right) =>
        readsFirst(left) - readsFirst(right) ||
        countOf(right) - countOf(left) ||
        owesSince(left) - owesSince(right),
    )
}

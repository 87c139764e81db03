/**
 * Sheds load before the process dies of it: where memory is short nothing more is taken, and where
 * the event loop is late nobody more is let in. What is refused may come again.
 */

import { MillraceError } from '../errors.ts'
import type { Logger } from './logger.ts'
import { LoopDelay } from './loop-delay.ts'
import {
  type MemoryLimits,
  type MemoryUse,
  memorySource,
  roomBytes,
  shortMemory,
  type UsedMemory,
  usedMemory,
} from './memory.ts'

export interface OverloadLimits extends MemoryLimits {
  /** What counts as all of the memory; 0: what the machine or the control group has. */
  readonly memoryBytesMax: number
  /** Lateness of the event loop within a second: see LoopDelay. */
  readonly loopDelayMillisMax: number
  readonly overloadRetryAfterMillis: number
}

export interface OverloadSources {
  readonly memory: () => MemoryUse
  readonly delay: Pick<LoopDelay, 'lateMillis' | 'quantiles' | 'close'>
}

/** Frees what can be freed; answers whether memory is so short that it should be asked soon. */
export type Relieve = (used: UsedMemory, now: number) => boolean

/**
 * Memory is looked at the more often, the sooner half of what may be used could be filled: no
 * clients fill it faster than this. With plenty of it a look every 50 ms would be most of what an
 * idle broker does.
 */
const lookMillis = 50
const lookMillisMax = 500
const filledBytesPerMilli = 4 * 1024 * 1024
const shareOfRoom = 0.5
/**
 * Where messages that are not complete could fill the memory between two looks. Fixed, as the time
 * above: what is promised of them was measured with these.
 */
const closeLookMillis = 20
/** At least: where the loop is late, looks are, too. */
const windowMillis = 1000
/**
 * Who was short of memory is so until there is this much more of it, and for so long. Fixed: with
 * less it would go to and fro, and clients come again after a second.
 */
const percentSpare = 5
const shortMillisMin = 1000
/** How often the log is told. */
const tellMillis = 10_000

/** Until the next look, with so much memory until half of what may be used is. Pure. */
export function lookMillisWith(bytes: number): number {
  const millis = Math.floor(bytes / filledBytesPerMilli)
  return Math.min(lookMillisMax, Math.max(lookMillis, millis))
}

export class Overload {
  readonly #limits: OverloadLimits
  readonly #logger: Logger
  readonly #sources: OverloadSources
  #timer: NodeJS.Timeout | undefined
  readonly #now: () => number
  readonly #relieve: Relieve
  #shortOf: string | undefined
  #shortAt = Number.NEGATIVE_INFINITY
  #lateMillis = 0
  #measuredAt: number
  #toldAt = Number.NEGATIVE_INFINITY
  #isTold = false
  /** So far: for the metrics. */
  shedRequests = 0

  /** `now` in milliseconds, of which only differences matter. */
  constructor(
    limits: OverloadLimits,
    logger: Logger,
    now: () => number,
    relieve: Relieve,
    sources?: OverloadSources,
  ) {
    this.#relieve = relieve
    this.#limits = limits
    this.#now = now
    this.#measuredAt = now()
    this.#logger = logger
    this.#sources = sources ?? {
      memory: memorySource(limits.memoryBytesMax, now),
      delay: new LoopDelay(),
    }
    this.#lookIn(lookMillis)
  }

  get isMemoryShort(): boolean {
    return this.#shortOf !== undefined
  }

  /** Why one more request is not taken, or undefined. Its connection goes on. */
  requestRefusal(): MillraceError | undefined {
    if (this.#shortOf === undefined) return undefined
    this.shedRequests += 1
    return new MillraceError('LIMIT_EXCEEDED', `the broker is overloaded: ${this.#memoryText()}`, {
      retryAfterMs: this.#limits.overloadRetryAfterMillis,
    })
  }

  /** Why one more connection is not let in, or undefined. */
  connectRefusal(): string | undefined {
    if (this.#shortOf !== undefined) return `the broker is overloaded: ${this.#memoryText()}`
    const { loopDelayMillisMax } = this.#limits
    if (this.#lateMillis <= loopDelayMillisMax) return undefined
    const late = `${Math.round(this.#lateMillis)} ms late, at most ${loopDelayMillisMax}`
    return `the broker is overloaded: its event loop is ${late} (loopDelayMillisMax)`
  }

  /** By quantile: for the metrics. */
  delays(): [quantile: string, seconds: number][] {
    return this.#sources.delay.quantiles()
  }

  /** Answers in how many milliseconds the next look should come. */
  look(): number {
    const now = this.#now()
    const millis = this.#lookAtMemory(now)
    this.#lookAtLoop(now)
    this.#tell(now)
    return millis
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#sources.delay.close()
  }

  #lookIn(millis: number): void {
    this.#timer = setTimeout(() => {
      const next = this.look()
      if (this.#timer !== undefined) this.#lookIn(next)
    }, millis)
    this.#timer.unref()
  }

  #lookAtMemory(now: number): number {
    const { memoryPercentMax: most, machinePercentMin } = this.#limits
    const percent = this.isMemoryShort ? most - Math.min(percentSpare, most / 2) : most
    const use = this.#sources.memory()
    const shortOf = shortMemory(use, { memoryPercentMax: percent, machinePercentMin })
    if (shortOf !== undefined) this.#shortAt = now
    if (shortOf !== undefined || now - this.#shortAt >= shortMillisMin) this.#shortOf = shortOf
    if (this.#relieve(usedMemory(use), now)) return closeLookMillis
    const half = { memoryPercentMax: most * shareOfRoom, machinePercentMin }
    return lookMillisWith(roomBytes(use, half))
  }

  #lookAtLoop(now: number): void {
    if (now - this.#measuredAt < windowMillis) return
    this.#measuredAt = now
    this.#lateMillis = this.#sources.delay.lateMillis()
  }

  #tell(now: number): void {
    const refusal = this.connectRefusal()
    if (refusal === undefined) {
      if (this.#isTold) this.#logger.info({}, 'overloaded no longer')
      this.#isTold = false
    } else if (!this.#isTold && now - this.#toldAt >= tellMillis) {
      this.#logger.warn({}, refusal)
      this.#isTold = true
      this.#toldAt = now
    }
  }

  #memoryText(): string {
    return `${this.#shortOf}, at most ${this.#limits.memoryPercentMax} % (memoryPercentMax)`
  }
}

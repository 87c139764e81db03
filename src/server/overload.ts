/**
 * Sheds load before the process dies of it: where memory is short nothing more is taken, and where
 * the event loop is late nobody more is let in. What is refused may come again.
 */

import { MillraceError } from '../errors.ts'
import type { Logger } from './logger.ts'
import { LoopDelay } from './loop-delay.ts'
import { type MemoryUse, measureMemory, shortMemory } from './memory.ts'

export interface OverloadLimits {
  /** Of the memory and of the heap of JavaScript. */
  readonly memoryPercentMax: number
  /** What counts as all of the memory; 0: what the machine or the control group has. */
  readonly memoryBytesMax: number
  /** Lateness of the event loop, on average of a second. */
  readonly loopDelayMillisMax: number
  readonly overloadRetryAfterMillis: number
}

export interface OverloadSources {
  readonly memory: () => MemoryUse
  readonly delay: Pick<LoopDelay, 'meanMillis' | 'quantiles' | 'close'>
}

const lookMillis = 200
const looksPerDelay = 5

export class Overload {
  readonly #limits: OverloadLimits
  readonly #logger: Logger
  readonly #sources: OverloadSources
  readonly #timer: NodeJS.Timeout
  #looks = 0
  #shortOf: string | undefined
  #lateMillis = 0
  /** So far: for the metrics. */
  shedRequests = 0

  constructor(limits: OverloadLimits, logger: Logger, sources?: OverloadSources) {
    this.#limits = limits
    this.#logger = logger
    this.#sources = sources ?? {
      memory: () => measureMemory(limits.memoryBytesMax),
      delay: new LoopDelay(),
    }
    this.#timer = setInterval(() => this.look(), lookMillis)
    this.#timer.unref()
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

  look(): void {
    const { memory, delay } = this.#sources
    const before = this.connectRefusal()
    this.#shortOf = shortMemory(memory(), this.#limits.memoryPercentMax)
    this.#looks += 1
    if (this.#looks % looksPerDelay === 0) this.#lateMillis = delay.meanMillis()
    const after = this.connectRefusal()
    if (before === undefined && after !== undefined) this.#logger.warn({}, after)
    if (before !== undefined && after === undefined) this.#logger.info({}, 'overloaded no longer')
  }

  close(): void {
    clearInterval(this.#timer)
    this.#sources.delay.close()
  }

  #memoryText(): string {
    return `${this.#shortOf}, at most ${this.#limits.memoryPercentMax} % (memoryPercentMax)`
  }
}

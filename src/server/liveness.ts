/** Whether the client of a connection is still there and reads, and when its time is over. Pure. */

export interface LivenessLimits {
  readonly unreadMillisMax: number
  readonly pingMillis: number
  readonly silenceMillisMax: number
  /** 0: for ever. */
  readonly connectionMillisMax: number
}

/** What a look at a client finds; `quiet`: it has to be asked whether it is there. */
export type Finding = 'alive' | 'quiet' | 'silent' | 'stalled'

/**
 * A connection whose time is over waits so long for the answers that it is owed. Fixed: who needs
 * longer asks again.
 */
const lastAnswersMillis = 10_000
/** Of a life. Fixed: the protocol says so. */
const shareByChance = 0.1

/** By chance, so that those which came together do not come back together. */
function lifeMillis(most: number): number {
  return most === 0 ? Number.POSITIVE_INFINITY : most * (1 - shareByChance * Math.random())
}

export class Liveness {
  readonly #limits: LivenessLimits
  readonly #endsAt: number
  /** Whether a message or a pong came since the last look: cheaper than reading the clock. */
  #wasHeard = true
  #heardAt: number
  #wasPinged = false
  #isOver = false
  #probedAt: number | undefined

  constructor(limits: LivenessLimits, now: number) {
    this.#limits = limits
    this.#heardAt = now
    this.#endsAt = now + lifeMillis(limits.connectionMillisMax)
  }

  /** A look has found its time over: nothing more is taken, and it ends once it has its answers. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** A message or a pong came. */
  heard(): void {
    this.#wasHeard = true
    this.#probedAt = undefined
  }

  /** When it was asked for a sign of life of which none has come; undefined: it owes none. */
  get probedAt(): number | undefined {
    return this.#probedAt
  }

  /** It is asked for a sign of life from now on. */
  probed(now: number): void {
    this.#probedAt = now
  }

  /** Notices that its time is over. Answers whether it has to end now, whatever it is owed. */
  endsNow(now: number): boolean {
    this.#isOver ||= now >= this.#endsAt
    return now >= this.#endsAt + lastAnswersMillis
  }

  /**
   * To be called every few seconds. `stalledSince`: when the client last took something, where
   * something has been waiting ever since. It is told to be quiet once in each silence.
   */
  look(now: number, stalledSince: number | undefined): Finding {
    if (this.#wasHeard) {
      this.#wasHeard = false
      this.#wasPinged = false
      this.#heardAt = now
    }
    const { unreadMillisMax, silenceMillisMax, pingMillis } = this.#limits
    if (stalledSince !== undefined) {
      return now - stalledSince >= unreadMillisMax ? 'stalled' : 'alive'
    }
    const silence = now - this.#heardAt
    if (silence >= silenceMillisMax) return 'silent'
    if (silence < pingMillis || this.#wasPinged) return 'alive'
    this.#wasPinged = true
    return 'quiet'
  }
}

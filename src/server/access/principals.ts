/** The principals that are connected: how many connections each has, and what they share. */

import {
  principalBytesPerSecond,
  principalConnectionsMax,
  principalMessageBytesMax,
  principalRequestsPerSecond,
} from '../../limits.ts'
import { RateLimiter, type Rates } from './rate-limiter.ts'

export interface PrincipalLimits extends Rates {
  readonly connections: number
  /** Of one message. */
  readonly messageBytes: number
}

export const defaultPrincipalLimits: PrincipalLimits = {
  requestsPerSecond: principalRequestsPerSecond,
  bytesPerSecond: principalBytesPerSecond,
  connections: principalConnectionsMax,
  messageBytes: principalMessageBytesMax,
}

interface Connected {
  connections: number
  readonly limiter: RateLimiter
}

export class Principals {
  readonly #connected = new Map<string, Connected>()
  readonly #limitsOf: (principal: string) => PrincipalLimits
  readonly #now: () => number

  /** `now` in milliseconds of a clock that never goes back. */
  constructor(limitsOf: (principal: string) => PrincipalLimits, now: () => number) {
    this.#limitsOf = limitsOf
    this.#now = now
  }

  /** Why the principal gets no further connection, or undefined. */
  refusal(principal: string): string | undefined {
    const { connections } = this.#limitsOf(principal)
    const open = this.#connected.get(principal)?.connections ?? 0
    if (open < connections) return undefined
    return `${open} connections of ${principal} are open, at most ${connections} (connections)`
  }

  /** One more connection; what comes back is shared by all of them. */
  connect(principal: string): RateLimiter {
    const connected = this.#connected.get(principal) ?? {
      connections: 0,
      limiter: new RateLimiter(principal, this.#limitsOf(principal), this.#now()),
    }
    connected.connections += 1
    this.#connected.set(principal, connected)
    return connected.limiter
  }

  disconnect(principal: string): void {
    const connected = this.#connected.get(principal)
    if (connected === undefined) return
    // What it has used of its rates stays used: else a new connection would begin them anew.
    connected.connections -= 1
  }

  /** The limits may have changed. */
  renew(): void {
    for (const [principal, { limiter }] of this.#connected) {
      limiter.set(this.#limitsOf(principal), this.#now())
    }
  }
}

/**
 * Who may have one more socket of a port: of an address no more than its share, so that one that
 * opens them and says nothing keeps nobody else out, and a few are kept for this machine, whose
 * probes would end a broker that seems dead.
 */

import { addressBlock } from './address-block.ts'
import { isLoopbackAddress } from './admission.ts'

export interface SocketLimits {
  /** Sockets of the port, whatever they are for. */
  readonly socketsMax: number
  /** ... of one address; loopback is exempt. */
  readonly socketsPerAddressMax: number
}

/**
 * Kept for loopback; an eighth where there are few. Fixed: probes and operators are few, and with
 * none kept a flood would keep them out.
 */
const socketsOfLoopback = 16
const shareOfLoopback = 8

/**
 * For so long a socket that has said nothing counts, at least; twice as long at most. The library
 * for ports without TLS ends it after 10 to 14 s, and does not tell whose it was. Fixed: by those.
 */
const silentMillis = 15_000

export class SocketShares {
  readonly #limits: SocketLimits
  readonly #now: () => number
  readonly #spareForLoopback: number
  #open = 0
  /** By address: those that are known until they go, and those that have said nothing yet. */
  readonly #known: Map<string, number> = new Map()
  #silent: Map<string, number> = new Map()
  #silentBefore: Map<string, number> = new Map()
  #turnedAt: number

  /** `now` in milliseconds, of which only differences matter. */
  constructor(limits: SocketLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
    const { socketsMax } = limits
    this.#spareForLoopback = Math.min(socketsOfLoopback, Math.floor(socketsMax / shareOfLoopback))
    this.#turnedAt = now()
  }

  /** One more is there, until `left`. Answers whether it may stay; it is silent at first. */
  came(remoteAddress: string): boolean {
    this.#open += 1
    const { socketsMax, socketsPerAddressMax } = this.#limits
    if (isLoopbackAddress(remoteAddress)) return this.#open <= socketsMax
    this.#turn()
    const block = addressBlock(remoteAddress)
    if (this.#open > socketsMax - this.#spareForLoopback) return false
    if (this.#countOf(block) >= socketsPerAddressMax) return false
    add(this.#silent, block, 1)
    return true
  }

  left(): void {
    this.#open -= 1
  }

  /** One that was silent has said what it wants, and ends then unless it is held. */
  spoke(remoteAddress: string): void {
    if (isLoopbackAddress(remoteAddress)) return
    const block = addressBlock(remoteAddress)
    const silent = this.#silent.has(block) ? this.#silent : this.#silentBefore
    if (silent.has(block)) add(silent, block, -1)
  }

  /** One that is no more silent stays until it is released. */
  held(remoteAddress: string): void {
    if (!isLoopbackAddress(remoteAddress)) add(this.#known, addressBlock(remoteAddress), 1)
  }

  released(remoteAddress: string): void {
    if (!isLoopbackAddress(remoteAddress)) add(this.#known, addressBlock(remoteAddress), -1)
  }

  #countOf(block: string): number {
    const counts = [this.#known, this.#silent, this.#silentBefore]
    return counts.reduce((sum, it) => sum + (it.get(block) ?? 0), 0)
  }

  /** Forgets those that have gone by now. */
  #turn(): void {
    const passed = this.#now() - this.#turnedAt
    if (passed < silentMillis) return
    this.#silentBefore = passed < 2 * silentMillis ? this.#silent : new Map()
    this.#silent = new Map()
    this.#turnedAt = this.#now()
  }
}

function add(counts: Map<string, number>, block: string, change: number): void {
  const count = (counts.get(block) ?? 0) + change
  if (count > 0) counts.set(block, count)
  else counts.delete(block)
}

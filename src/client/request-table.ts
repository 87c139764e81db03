/**
 * The requests of a client: those that wait to be sent, in order, and those that wait for an
 * answer. Decides what may be sent and what becomes of each when a connection is lost. No sockets
 * and no timers.
 */

import { MillraceError } from '../errors.ts'
import type { Request } from './request.ts'

const requestIdMax = 2 ** 32 - 1
/** A request that has met so many lost connections in a row is given up. */
const lossesMax = 3
/** What has met so many is sent alone, so that the next loss has one culprit. */
const lossesOfSuspect = 2
/** Below this many it does not pay to look for requests that were given up. */
const sweepMin = 64

export class RequestTable {
  #lastId = 0
  #lastTurn = 0
  #waiting: Request[] = []
  #waitingAt = 0
  /** At so many of them, those that were given up are taken out. */
  #sweepAt = sweepMin
  /** In the order in which they were sent. */
  readonly #sent = new Map<number, Request>()

  /** How many are held until they can be sent, some of those that were given up among them. */
  get waitingCount(): number {
    return this.#waiting.length - this.#waitingAt
  }

  /** Whether somebody waits for anything. */
  get hasCallers(): boolean {
    for (const request of this.#sent.values()) if (!request.settled) return true
    return this.#waiting.slice(this.#waitingAt).some((it) => !it.settled)
  }

  /** An id for a new request. Ids come round after 2^32: one that still waits is passed over. */
  newId(): number {
    do {
      this.#lastId = this.#lastId === requestIdMax ? 1 : this.#lastId + 1
    } while (this.#sent.has(this.#lastId))
    return this.#lastId
  }

  add(request: Request): void {
    this.#waiting.push(request)
    if (this.#waiting.length >= this.#sweepAt) this.#sweep()
  }

  /** The next request to be sent, which then counts as sent; undefined when none may be. */
  next(inFlightMax: number): Request | undefined {
    let request = this.#waiting[this.#waitingAt]
    while (request?.settled === true) {
      this.#dropFirst()
      request = this.#waiting[this.#waitingAt]
    }
    if (request === undefined || this.#sent.size >= inFlightMax) return undefined
    if (this.#sent.size > 0 && (isSuspect(request) || this.#suspectIsSent())) return undefined
    this.#dropFirst()
    this.#sent.set(request.id, request)
    this.#lastTurn += 1
    request.turn = this.#lastTurn
    return request
  }

  /** Takes the request that an answer is for. Throws a MillraceError, PROTOCOL_VIOLATION. */
  take(id: number, opcode: number): Request {
    const request = this.#sent.get(id)
    if (request === undefined || request.opcode !== opcode) {
      throw new MillraceError('PROTOCOL_VIOLATION', `an answer to no request (id ${id})`)
    }
    this.#sent.delete(id)
    return request
  }

  /** A request that was answered but not carried out keeps its turn for when sending goes on. */
  putBack(request: Request): void {
    this.#putFirst([request])
  }

  /**
   * The connection is lost. What may be repeated waits again, before everything else and in the
   * order in which it was sent; the rest is rejected. `abrupt`: without a goodbye of the broker,
   * which is all that a client sees when the broker refuses to read its frame (1006).
   */
  lose(abrupt: boolean, what: string): void {
    const again: Request[] = []
    for (const request of this.#sent.values()) {
      if (request.settled) continue
      if (abrupt) request.losses += 1
      if (!request.repeatable) request.reject(unknownOutcome(request.name, what))
      else if (request.losses >= lossesMax) request.reject(tooManyLosses(request, what))
      else again.push(request)
    }
    this.#sent.clear()
    this.#putFirst(again)
  }

  /** Rejects everything. */
  rejectAll(error: unknown): void {
    const all = [...this.#sent.values(), ...this.#waiting.slice(this.#waitingAt)]
    this.#sent.clear()
    this.#waiting = []
    this.#waitingAt = 0
    for (const request of all) request.reject(error)
  }

  #suspectIsSent(): boolean {
    if (this.#sent.size !== 1) return false
    for (const request of this.#sent.values()) return isSuspect(request)
    return false
  }

  /** While a broker is away nothing is sent, and the frames of what was given up would pile up. */
  #sweep(): void {
    this.#waiting = this.#waiting.slice(this.#waitingAt).filter((it) => !it.settled)
    this.#waitingAt = 0
    this.#sweepAt = Math.max(sweepMin, 2 * this.#waiting.length)
  }

  #putFirst(requests: readonly Request[]): void {
    const rest = this.#waiting.slice(this.#waitingAt)
    // Some may stand there already that were sent before or between these.
    this.#waiting = [...requests, ...rest].sort((a, b) => a.turn - b.turn)
    this.#waitingAt = 0
  }

  #dropFirst(): void {
    this.#waitingAt += 1
    if (this.#waitingAt < 1024 && this.#waitingAt < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#waitingAt)
    this.#waitingAt = 0
  }
}

function isSuspect(request: Request): boolean {
  return request.losses >= lossesOfSuspect
}

function unknownOutcome(name: string, what: string): MillraceError {
  return new MillraceError(
    'CONNECTION_LOST',
    `the connection was lost before ${name} was answered (${what}); ` +
      'whether it was carried out is not known, so it is not repeated',
  )
}

function tooManyLosses({ name, frame }: Request, what: string): MillraceError {
  return new MillraceError(
    'CONNECTION_LOST',
    `${lossesMax} connections in a row were lost while ${name} (${frame.length} bytes) waited ` +
      `for its answer (${what}); it is given up, and whether it was carried out is not known`,
  )
}

/** One request, from its call to its answer. */

import { MillraceError } from '../errors.ts'
import { repeatMillisMax } from '../limits.ts'
import { putBatch, putRecord, putRecords } from '../wire/operations.ts'
import type { Patience } from './patience.ts'

const putOpcodes = new Set<number>([putRecord, putRecords, putBatch].map((it) => it.opcode))

export interface RequestParts {
  readonly id: number
  readonly opcode: number
  /** For messages: `GetRecords`. */
  readonly name: string
  readonly frame: Uint8Array
  /** Whether it may be carried out twice. */
  readonly repeatable: boolean
  readonly patience: Patience
  resolve(answer: Uint8Array): void
  reject(error: unknown): void
}

export class Request {
  readonly id: number
  readonly opcode: number
  readonly name: string
  readonly frame: Uint8Array
  readonly repeatable: boolean
  readonly #parts: RequestParts
  /** Lost connections on which it was waiting for an answer. */
  losses = 0
  /** Its place in the order in which requests were sent; the last where it never was. */
  turn: number = Number.MAX_SAFE_INTEGER
  /** When it was sent first, on the client's clock; undefined where it never was. */
  sentAt: number | undefined
  /** The caller waits no more. A request that was sent keeps its place until it is answered. */
  settled = false

  constructor(parts: RequestParts) {
    this.id = parts.id
    this.opcode = parts.opcode
    this.name = parts.name
    this.frame = parts.frame
    this.repeatable = parts.repeatable
    this.#parts = parts
  }

  /** Why it must not be sent, whatever it was before; undefined where it may. */
  refusal(frameBytesMax: number, nowMillis: number): MillraceError | undefined {
    if (this.frame.length > frameBytesMax) return frameTooLarge(this, frameBytesMax)
    return this.#isTooOld(nowMillis) ? tooOld(this) : undefined
  }

  /** Whether it is a put that was sent so long ago that a broker may not know the repeat. */
  #isTooOld(nowMillis: number): boolean {
    const { sentAt = nowMillis } = this
    return putOpcodes.has(this.opcode) && nowMillis - sentAt > repeatMillisMax
  }

  resolve(answer: Uint8Array): void {
    this.#settle()
    this.#parts.resolve(answer)
  }

  reject(error: unknown): void {
    this.#settle()
    this.#parts.reject(error)
  }

  #settle(): void {
    this.settled = true
    this.#parts.patience.end()
  }
}

function frameTooLarge({ name, frame }: Request, bytesMax: number): MillraceError {
  return new MillraceError(
    'RECORD_TOO_LARGE',
    `${name} makes a frame of ${frame.length} bytes, the broker takes at most ${bytesMax} ` +
      '(frameBytesMax); send fewer or smaller records at a time',
  )
}

function tooOld({ name }: Request): MillraceError {
  return new MillraceError(
    'CONNECTION_LOST',
    `the connection was lost before ${name} was answered, which was sent more than ` +
      `${repeatMillisMax} ms ago: the broker may not know a repeat any more; ` +
      'whether it was carried out is not known',
  )
}

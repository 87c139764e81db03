/**
 * A client of the protocol that was written from PROTOCOL.md and nothing else: it imports no code
 * of ours. What cannot be written from that page is missing there.
 */

import { decode, encode } from '@msgpack/msgpack'
import { WebSocket } from 'ws'

export interface Closed {
  readonly code: number
  readonly reason: string
}

/** An error answer. */
export class ForeignError extends Error {
  readonly code: string
  readonly retryable: boolean
  readonly retryAfterMs: number | null

  constructor(code: string, message: string, retryable: boolean, retryAfterMs: number | null) {
    super(message)
    this.code = code
    this.retryable = retryable
    this.retryAfterMs = retryAfterMs
  }
}

interface Waiter {
  readonly opcode: number
  readonly resolve: (fields: unknown[]) => void
  readonly reject: (error: Error) => void
}

export const opcodes = {
  createStream: 0x10,
  deleteStream: 0x11,
  describeStream: 0x12,
  describeStreamSummary: 0x13,
  listStreams: 0x14,
  listShards: 0x15,
  addTagsToStream: 0x16,
  listTagsForStream: 0x18,
  putRecord: 0x20,
  putRecords: 0x21,
  getShardIterator: 0x22,
  getRecords: 0x23,
  putBatch: 0x24,
  registerStreamConsumer: 0x30,
  describeStreamConsumer: 0x31,
  listStreamConsumers: 0x32,
  deregisterStreamConsumer: 0x33,
  getCheckpoints: 0x34,
  setCheckpoint: 0x35,
  acquireLeases: 0x36,
  renewLeases: 0x37,
  releaseLease: 0x38,
  listLeases: 0x39,
} as const

const welcomeOpcode = 0x01
/** R7: above it a number would be packed as a float. */
const numberMax = 2 ** 32 - 1

/** R7: numbers as integers. */
function packable(value: unknown): unknown {
  if (typeof value === 'number' && value > numberMax) return BigInt(value)
  return Array.isArray(value) ? value.map(packable) : value
}

export class ForeignClient {
  readonly socket: WebSocket
  readonly closed: Promise<Closed>
  readonly welcome: Promise<readonly unknown[]>
  readonly #waiters = new Map<number, Waiter>()
  #nextId = 1

  constructor(url: string, subprotocols: string[] = ['millrace.v1']) {
    this.socket = new WebSocket(url, subprotocols, { perMessageDeflate: false })
    this.socket.binaryType = 'nodebuffer'
    let welcomed: (fields: readonly unknown[]) => void
    this.welcome = new Promise((resolve) => {
      welcomed = resolve
    })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        for (const { reject } of this.#waiters.values()) reject(new Error(`closed with ${code}`))
        resolve({ code, reason: reason.toString() })
      })
    })
    this.socket.on('error', () => undefined)
    this.socket.on('message', (data: Buffer) => {
      const values = decode(data, { useBigInt64: true }) as unknown[]
      if (values[0] === welcomeOpcode) welcomed(values.slice(1))
      else this.#answered(values)
    })
  }

  /** Connects, and waits for the welcome. */
  static async connect(url: string): Promise<ForeignClient> {
    const client = new ForeignClient(url)
    await Promise.race([client.welcome, client.closed])
    return client
  }

  /** The fields of the answer. */
  request(opcode: number, ...fields: readonly unknown[]): Promise<unknown[]> {
    const id = this.#nextId
    this.#nextId += 1
    const answer = this.answerTo(opcode, id)
    this.socket.send(encode([opcode, id, ...fields.map(packable)], { useBigInt64: true }))
    return answer
  }

  /** The answer to a request that is sent by other means. */
  answerTo(opcode: number, id: number): Promise<unknown[]> {
    return new Promise((resolve, reject) => this.#waiters.set(id, { opcode, resolve, reject }))
  }

  close(): void {
    this.socket.close(1000)
  }

  #answered([opcode, id, status, ...rest]: unknown[]): void {
    const waiter = this.#waiters.get(Number(id))
    // R9: what is not known is ignored.
    if (waiter === undefined || waiter.opcode !== opcode) return
    this.#waiters.delete(Number(id))
    if (status === null) {
      waiter.resolve(rest)
      return
    }
    const [message, retryable, retryAfterMs] = rest as [string, boolean, number | null]
    waiter.reject(new ForeignError(String(status), message, retryable, retryAfterMs))
  }
}

/**
 * Collects records into requests, with a bound of the memory that it takes, and puts them until
 * they are acknowledged. Works over any Exchange; batch-sender.ts does the sending.
 */

import { InvalidTypeError, MillraceError } from '../errors.ts'
import { checkBytes } from '../wire/arguments.ts'
import type { PutAnswer, RecordInput } from '../wire/verbs.ts'
import { BatchSender, type SenderParts } from './batch-sender.ts'
import type { Clock } from './clock.ts'
import { Emitter } from './emitter.ts'
import { orderKeyOf } from './lane.ts'
import { unlessAborted } from './on-abort.ts'
import type { AckWaiter } from './producer-batch.ts'
import { Refusals, type RefusedRecord } from './refusals.ts'
import { Room } from './room.ts'

/** A UTF-16 unit is 3 bytes of UTF-8 at most. */
const utf8BytesPerUnit = 3
/** Headers of a record, and an explicit hash key. */
const recordOverheadBytes = 32
/** Bytes taken in one turn of the event loop: a loop of puts must not starve the socket. */
const turnBytesMax = 1024 * 1024

const taken: Promise<void> = Promise.resolve()

interface ProducerEvents {
  refused: RefusedRecord
}

export interface TakeOptions {
  /** Stops waiting for room. */
  readonly signal?: AbortSignal | undefined
}

/** Numbers of a producer since it was made. */
export interface ProducerStats {
  /** Bytes that are held now, and the most that ever were. */
  readonly bufferedBytes: number
  readonly bufferedBytesPeak: number
  /** Records that are held now. */
  readonly bufferedRecords: number
  readonly acknowledgedRecords: number
  readonly refusedRecords: number
  /** Requests that were sent; a repeat after a lost connection is not counted. */
  readonly requests: number
  /** Requests that were sent because an earlier one was refused, or failed, in whole or in part. */
  readonly retries: number
}

export class Producer implements AsyncDisposable {
  readonly #sender: BatchSender
  readonly #clock: Clock
  readonly #recordBytesMax: number
  readonly #room: Room
  readonly #events = new Emitter<ProducerEvents>()
  readonly #refusals = new Refusals()
  #turnBytes = 0
  #isClosed = false

  /** Made by `producer` of a client, and of a broker in this process. */
  constructor(parts: SenderParts) {
    this.#clock = parts.clock
    this.#recordBytesMax = parts.settings.recordBytesMax
    this.#room = new Room(parts.settings.bytesMax)
    this.#sender = new BatchSender(parts, {
      wentAside: (bytes) => this.#room.goAside(bytes),
      freed: (bytes, wereAside) => this.#room.free(bytes, wereAside ? 'aside' : 'usual'),
      refused: (refused) => {
        if (this.#events.has('refused')) this.#events.emit('refused', refused)
        else this.#refusals.add(refused)
      },
    })
  }

  get stats(): ProducerStats {
    const { taken, acknowledged, refused, requests, retries } = this.#sender
    return {
      bufferedBytes: this.#room.bytes,
      bufferedBytesPeak: this.#room.bytesPeak,
      bufferedRecords: taken - acknowledged - refused,
      acknowledgedRecords: acknowledged,
      refusedRecords: refused,
      requests,
      retries,
    }
  }

  /**
   * Calls `listener` with each record that is given up, except those of `putAcknowledged`. Without
   * a listener `flush` and `close` reject with what was refused. What comes back removes it.
   */
  on(name: 'refused', listener: (refused: RefusedRecord) => void): () => void {
    return this.#events.on(name, listener)
  }

  /**
   * Takes a record. Answers when it is taken, not when it is stored: at once while there is room,
   * else when there is; the data is copied and may change after that. Rejects: CLIENT_CLOSED after
   * `close`, RECORD_TOO_LARGE for what no request can hold; a TypeError or a RangeError for what is
   * no record.
   */
  put(record: RecordInput, options: TakeOptions = {}): Promise<void> {
    try {
      return this.#take(record, undefined, options.signal) ?? taken
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As `put`, of many records, in their order. It waits as often as it must. */
  async putMany(records: Iterable<RecordInput>, options: TakeOptions = {}): Promise<void> {
    for (const record of records) {
      const room = this.#take(record, undefined, options.signal)
      if (room !== undefined) await room
    }
  }

  /** As `put`, but answers with the record's acknowledgement, or rejects with why it has none. */
  putAcknowledged(record: RecordInput, options: TakeOptions = {}): Promise<PutAnswer> {
    return new Promise((resolve, reject) => {
      this.#take(record, { resolve, reject }, options.signal)?.catch(reject)
    })
  }

  /**
   * Sends what is held without waiting for more, and answers when every record that was taken
   * before is acknowledged. Rejects with a RecordsRefusedError when records were refused that no
   * listener and no `putAcknowledged` has told of.
   */
  async flush(options: TakeOptions = {}): Promise<void> {
    await unlessAborted(this.#sender.flush(), options.signal)
    const refused = this.#refusals.take()
    if (refused !== undefined) throw refused
  }

  /** Takes no more records, and flushes. What waits for room rejects with CLIENT_CLOSED. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#room.refuseWaiters(closedError())
    await this.flush()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Takes a record, at once or, with a promise, when there is room. Throws as `put` rejects. */
  #take(
    record: RecordInput,
    ack: AckWaiter | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> | undefined {
    if (this.#isClosed) throw closedError()
    const heldBytes = this.#checkSize(record)
    const kind = this.#sender.isAside(orderKeyOf(record)) ? 'aside' : 'usual'
    if (!this.#room.take(heldBytes, kind)) {
      return this.#wait(record, heldBytes, ack, signal)
    }
    this.#add(record, heldBytes, ack)
    return undefined
  }

  async #wait(
    record: RecordInput,
    bytes: number,
    ack: AckWaiter | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let leave: (() => void) | undefined
    const isAside = () => {
      leave = this.#sender.waitAside(orderKeyOf(record))
      return leave !== undefined
    }
    try {
      const enter = () => this.#add(record, bytes, ack)
      await this.#room.wait({ bytes, enter, isAside }, signal)
    } finally {
      leave?.()
    }
  }

  /** The most bytes that the record can take. */
  #checkSize({ key, data }: RecordInput): number {
    if (key !== undefined && typeof key !== 'string') {
      throw new InvalidTypeError(`key: wanted a string, got ${typeof key}`)
    }
    checkBytes('data', data)
    const bytes = (key?.length ?? 0) * utf8BytesPerUnit + data.length + recordOverheadBytes
    const recordBytesMax = this.#recordBytesMax
    if (bytes <= recordBytesMax) return bytes
    throw new MillraceError(
      'RECORD_TOO_LARGE',
      `the record needs ${bytes} bytes, at most ${recordBytesMax}: the least of bytesMax of the ` +
        'producer and of what one request can hold',
    )
  }

  #add(record: RecordInput, heldBytes: number, ack: AckWaiter | undefined): void {
    try {
      this.#sender.add(record, heldBytes, ack)
    } catch (error) {
      this.#room.free(heldBytes, 'usual')
      throw error
    }
    this.#countTurn(heldBytes)
  }

  /** After many bytes in one turn of the event loop nobody enters before the next. */
  #countTurn(bytes: number): void {
    this.#turnBytes += bytes
    if (this.#turnBytes < turnBytesMax) return
    this.#room.shut()
    const next = () => {
      this.#turnBytes = 0
      this.#room.open()
    }
    this.#clock.after(0, next).keepAlive(true)
  }
}

function closedError(): MillraceError {
  return new MillraceError('CLIENT_CLOSED', 'the producer is closed')
}

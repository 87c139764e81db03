/** A broker that is spoken to in frames, as over a socket; it can be reopened and killed. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker } from '../../src/broker/broker.ts'
import { MillraceError } from '../../src/errors.ts'
import {
  decodeBrokerFrame,
  decodeRequest,
  encodeAnswer,
  encodeError,
  encodeRequest,
  parseAnswer,
  parseRequest,
} from '../../src/wire/frame.ts'
import {
  type AnswerOf,
  describeStreamSummary,
  type Operation,
  type RequestOf,
} from '../../src/wire/operations.ts'
import { copyLive } from '../support/copy-live.ts'

const logOptions = {
  segmentBytesMin: 64 * 1024,
  segmentBytesMax: 64 * 1024,
  diskLowWaterBytes: 1,
}

export class RealBroker {
  broker: Broker
  readonly #base: string
  #generation = 0

  static async make(): Promise<RealBroker> {
    const base = mkdtempSync(join(tmpdir(), 'millrace-broker-model-'))
    return new RealBroker(base, await RealBroker.#open(join(base, '0')))
  }

  static #open(dir: string): Promise<Broker> {
    return Broker.open({ dir, logOptions, catalogSnapshotBytesMin: 2000 })
  }

  private constructor(base: string, broker: Broker) {
    this.#base = base
    this.broker = broker
  }

  get #dir(): string {
    return join(this.#base, String(this.#generation))
  }

  async reopen(): Promise<void> {
    await this.broker.close()
    this.broker = await RealBroker.#open(this.#dir)
  }

  /** Goes on with a copy of the directory as it is now: as after a kill. */
  async crash(): Promise<void> {
    const from = this.#dir
    this.#generation += 1
    copyLive(from, this.#dir)
    await this.broker.close()
    rmSync(from, { recursive: true })
    this.broker = await RealBroker.#open(this.#dir)
  }

  /** A call as frames; rejects with the error of an error answer. */
  async call<Op extends Operation>(operation: Op, request: RequestOf<Op>): Promise<AnswerOf<Op>> {
    const received = decodeRequest(encodeRequest(operation, 7, request))
    let answer: Uint8Array
    try {
      const checked = parseRequest(operation, received)
      answer = encodeAnswer(operation, 7, await this.broker.call(operation, checked))
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      answer = encodeError(operation.opcode, 7, error)
    }
    return read(operation, answer)
  }

  async put<Op extends Operation>(operation: Op, frame: Uint8Array): Promise<AnswerOf<Op>> {
    // The frame is only lent.
    const lent = new Uint8Array(frame)
    const answer = await new Promise<Uint8Array>((resolve) => {
      this.broker.put(lent, resolve)
      lent.fill(0xc1)
    })
    return read(operation, answer)
  }

  /** Waits until a stream is ACTIVE, or gone. */
  async untilSettled(streamName: string): Promise<void> {
    for (;;) {
      const status = await this.call(describeStreamSummary, { streamName }).then(
        (it) => it.streamStatus,
        (error: MillraceError) => error.code,
      )
      if (status === 'ACTIVE' || status === 'STREAM_NOT_FOUND') return
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async remove(): Promise<void> {
    await this.broker.close()
    rmSync(this.#base, { recursive: true, force: true })
  }
}

function read<Op extends Operation>(operation: Op, frame: Uint8Array): AnswerOf<Op> {
  const decoded = decodeBrokerFrame(frame)
  if (decoded.kind === 'error') throw decoded.error
  if (decoded.kind !== 'answer') throw new Error(`answered by ${decoded.kind}`)
  return parseAnswer(operation, decoded.values)
}

/** What the commands of the model test of the log share. */

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import {
  BatchBuilder,
  MillraceError,
  type NativeLog,
  openLog,
  type Position,
  type SequenceNumber,
  type ShardId,
  SliceCursor,
  sequenceNumber,
} from '../../src/index.ts'
import { copyLive } from '../support/copy-live.ts'
import { ModelCommand } from './command.ts'
import type { ModelRecord, Outcome, ShardModel } from './log-model.ts'

export const firstNumbers = [1n, 2n ** 32n - 3n, 2n ** 53n - 3n]
const options = { segmentBytesMin: 64 * 1024, segmentBytesMax: 64 * 1024, diskLowWaterBytes: 1 }

export interface Model {
  readonly shards: ShardModel[]
}

/** The real log; `reopen` and `crash` put another one in its place. */
export class Real {
  log: NativeLog
  readonly #base: string
  #generation = 0
  readonly ids: ShardId[]

  static async make(): Promise<Real> {
    const base = mkdtempSync(join(tmpdir(), 'millrace-model-'))
    const log = await openLog({ ...options, dir: join(base, '0') })
    return new Real(base, log, await log.createShards(firstNumbers.map(sequenceNumber)))
  }

  private constructor(base: string, log: NativeLog, ids: ShardId[]) {
    this.#base = base
    this.log = log
    this.ids = ids
  }

  id(shard: number): ShardId {
    return this.ids[shard] as ShardId
  }

  async reopen(): Promise<void> {
    await this.log.close()
    this.log = await openLog({ ...options, dir: join(this.#base, String(this.#generation)) })
  }

  /** Goes on with a copy of the directory as it is on disk now: as after a kill. */
  async crash(): Promise<void> {
    const from = join(this.#base, String(this.#generation))
    this.#generation += 1
    const to = join(this.#base, String(this.#generation))
    copyLive(from, to)
    await this.log.close()
    rmSync(from, { recursive: true })
    this.log = await openLog({ ...options, dir: to })
  }

  async remove(): Promise<void> {
    await this.log.close()
    rmSync(this.#base, { recursive: true, force: true })
  }
}

export abstract class Command extends ModelCommand<Model, Real> {
  abstract override toString(): string
}

/** A command for one shard. */
export abstract class ShardCommand extends Command {
  protected readonly shard: number

  constructor(shard: number) {
    super()
    this.shard = shard
  }

  async compare({ shards }: Model, real: Real): Promise<void> {
    await this.compareShard(shards[this.shard] as ShardModel, real.log, real.id(this.shard))
  }

  abstract compareShard(shard: ShardModel, log: NativeLog, id: ShardId): Promise<void>
}

/** Asks vitest for its words only when there is a difference: it keeps what it was ever shown. */
export function same(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected)
}

export async function outcomeOf(promise: ReturnType<NativeLog['append']>): Promise<Outcome> {
  try {
    const { firstSequenceNumber, count, duplicate } = await promise
    return { firstSequenceNumber, count, duplicate }
  } catch (error) {
    if (error instanceof MillraceError) return { code: error.code }
    throw error
  }
}

export function build(records: readonly ModelRecord[]): BatchBuilder {
  const builder = new BatchBuilder()
  for (const { key, data } of records) builder.add(key, data)
  return builder
}

/** A record as a short text, which is compared sooner than its bytes are one by one. */
export function describeRecord(sequence: bigint, key: string, data: Uint8Array): string {
  return `${sequence} ${key} ${data.length} ${createHash('md5').update(data).digest('hex')}`
}

/** A place of the readable part: 0 its oldest record, 1 one past its last. */
export function placeIn(shard: ShardModel, part: number): SequenceNumber {
  const span = Number(shard.next - shard.oldest)
  return sequenceNumber(shard.oldest + BigInt(Math.round(span * part)))
}

/** What can be read from a position on: of each record its text, and when its batch arrived. */
export async function readFrom(
  log: NativeLog,
  id: ShardId,
  position: Position,
  { bytesMax, borrow }: { readonly bytesMax: number; readonly borrow: boolean },
): Promise<{ text: string; arrivalMillis: number }[]> {
  const seen: { text: string; arrivalMillis: number }[] = []
  for (let from = position; ; ) {
    const slice = await log.read(id, { position: from }, bytesMax, { borrow })
    if (slice.bytes.length === 0) return seen
    for (const { sequenceNumber: at, partitionKey, data, arrivalMillis } of new SliceCursor(
      slice.bytes,
    )) {
      seen.push({ text: describeRecord(at, partitionKey ?? '', data), arrivalMillis })
    }
    from = slice.nextPosition
  }
}

/** What the model has from a place on, as `readFrom` says it. */
export function textsFrom(shard: ShardModel, place: bigint): string[] {
  return shard.readFrom(place).map(([at, it]) => describeRecord(at, it.key, it.data))
}

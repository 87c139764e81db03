/**
 * The catalog: which streams there are, as records of the first shard of the log. CATALOG.md has
 * its form. What cannot be read completely is refused, and nothing is concluded from it.
 */

import { randomBytes } from 'node:crypto'
import { MillraceError } from '../errors.ts'
import {
  type Log,
  type Position,
  type SequenceNumber,
  type ShardId,
  type Slice,
  sequenceNumber,
} from '../log/log.ts'
import { BatchBuilder } from '../wire/batch-builder.ts'
import { SliceCursor } from '../wire/slice-cursor.ts'
import {
  type CatalogRecord,
  catalogMagic,
  catalogVersion,
  decodeCatalogRecord,
  encodeCatalogRecord,
  unreadable,
} from './catalog-records.ts'
import { CatalogState } from './catalog-state.ts'
import { ChangeQueue } from './change-queue.ts'

const instanceKeyBytes = 32
const readBytes = 1024 * 1024
/** Snapshots are cut into batches of about this size. */
const batchBytesMax = 1024 * 1024
const firstSequenceNumber = sequenceNumber(1n)

export interface CatalogOptions {
  /** A snapshot is due after so many bytes of changes, or four snapshots' worth if that is more. */
  readonly snapshotBytesMin?: number
}

export interface ChangeOptions {
  readonly usesReserve?: boolean
  readonly isUrgent?: boolean
}

const snapshotBytesMinDefault = 256 * 1024
const snapshotFactor = 4

type Header = Extract<CatalogRecord, { kind: 'header' }>

/** What a replay has found. */
interface Replayed {
  /** Where the catalog ends. */
  readonly nextSequenceNumber: SequenceNumber
  readonly state: CatalogState
  readonly instanceKey: Uint8Array
  readonly bytes: number
  /** Whether a snapshot at the end was cut short: the next record has to begin another one. */
  readonly interrupted: boolean
}

export class StreamCatalog {
  readonly #log: Log
  readonly shard: ShardId
  readonly #builder = new BatchBuilder()
  readonly #snapshotBytesMin: number
  readonly instanceKey: Uint8Array
  readonly state: CatalogState
  /** Of the next record. */
  #next: SequenceNumber
  readonly #queue = new ChangeQueue()
  #bytesSinceSnapshot: number
  #snapshotBytes = 0
  #interrupted: boolean
  /** Of the change that is being made. */
  #usesReserve = false

  /**
   * Reads the catalog of a log; a log without shards gets one. Rejects: CATALOG_UNREADABLE,
   * FORMAT_UNSUPPORTED, and what the log rejects with.
   */
  static async open(log: Log, options: CatalogOptions = {}): Promise<StreamCatalog> {
    const shards = [...(await log.listShards())].sort((a, b) => (a < b ? -1 : 1))
    const shard = shards[0] ?? (await log.createShards([firstSequenceNumber]))[0]
    if (shard === undefined) throw new MillraceError('INTERNAL', 'the log made no shard')
    const stats = await log.shardStats(shard)
    // Neither an open that was killed right here, nor a new directory, has anything to lose.
    const isEmpty = stats.nextSequenceNumber === firstSequenceNumber && stats.damaged.length === 0
    const isNew = isEmpty && shards.length <= 1
    if (isNew) return await StreamCatalog.#create(log, shard, options)
    return new StreamCatalog(log, shard, await replay(log, shard), options)
  }

  static async #create(log: Log, shard: ShardId, options: CatalogOptions): Promise<StreamCatalog> {
    const instanceKey = new Uint8Array(randomBytes(instanceKeyBytes))
    const made = {
      nextSequenceNumber: firstSequenceNumber,
      state: new CatalogState(),
      instanceKey,
      bytes: 0,
      interrupted: true,
    }
    const catalog = new StreamCatalog(log, shard, made, options)
    await catalog.#queue.add(() => catalog.#writeSnapshot())
    return catalog
  }

  private constructor(log: Log, shard: ShardId, replayed: Replayed, options: CatalogOptions) {
    this.#log = log
    this.shard = shard
    this.#next = replayed.nextSequenceNumber
    this.state = replayed.state
    this.instanceKey = replayed.instanceKey
    this.#bytesSinceSnapshot = replayed.bytes
    this.#interrupted = replayed.interrupted
    this.#snapshotBytesMin = options.snapshotBytesMin ?? snapshotBytesMinDefault
  }

  /**
   * Changes the catalog: `decide` says by which records, given what the state is when all earlier
   * changes are done; what it throws is the answer. The change is on disk, and in `state`, when
   * this answers. `usesReserve` is for changes that free space: they are made on a full disk too.
   * `isUrgent` is for those that go ahead of others that wait. Rejects as `Log.append` does, with
   * nothing changed.
   */
  change(
    decide: () => readonly CatalogRecord[],
    { usesReserve = false, isUrgent = false }: ChangeOptions = {},
  ): Promise<void> {
    return this.#queue.add(async () => {
      const records = decide()
      if (records.length === 0) return
      this.#usesReserve = usesReserve
      if (this.#interrupted || this.#isSnapshotDue()) await this.#writeSnapshot()
      this.#builder.clear()
      this.#add(records)
      await this.#flush()
      for (const record of records) this.state.apply(record)
    }, isUrgent)
  }

  /** Answers when what was begun has ended, however it did. */
  async settled(): Promise<void> {
    await this.#queue.settled()
  }

  #isSnapshotDue(): boolean {
    const due = Math.max(this.#snapshotBytesMin, snapshotFactor * this.#snapshotBytes)
    return this.#bytesSinceSnapshot >= due
  }

  /**
   * A header, the state, and an end without which a replay passes over it. Until that is on disk,
   * nothing of what it replaces is trimmed; and no other record may follow a snapshot that was
   * interrupted, as it would be taken for a part of it. A small one is one batch, and so is the
   * first of a new catalog: it is there or not.
   */
  async #writeSnapshot(): Promise<void> {
    this.#interrupted = true
    this.#bytesSinceSnapshot = 0
    const builder = this.#builder
    builder.clear()
    this.#add([this.#header()])
    let start: SequenceNumber | undefined
    for (const records of this.state.snapshot()) {
      if (builder.size > batchBytesMax) start ??= await this.#flush()
      this.#add(records)
    }
    const last = await this.#flush()
    this.#snapshotBytes = this.#bytesSinceSnapshot
    this.#bytesSinceSnapshot = 0
    this.#interrupted = false
    await this.#log.trim(this.shard, start ?? last)
  }

  #header(): Header {
    const { instanceKey } = this
    return { kind: 'header', magic: catalogMagic, version: catalogVersion, instanceKey }
  }

  #add(records: readonly CatalogRecord[]): void {
    for (const record of records) this.#builder.add(keyOf(record), encodeCatalogRecord(record))
  }

  /** Appends what was added; answers the sequence number of the first record of it. */
  async #flush(): Promise<SequenceNumber> {
    const builder = this.#builder
    this.#bytesSinceSnapshot += builder.size
    const answer = await this.#log.append(this.shard, builder, {
      usesReserve: this.#usesReserve,
      // Somebody else who writes to the catalog has another state: this one is not written over it.
      expectedSequenceNumber: this.#next,
    })
    this.#next = sequenceNumber(this.#next + BigInt(answer.count))
    builder.clear()
    return answer.firstSequenceNumber
  }
}

/** For who looks at the records with a tool; nothing reads it. */
function keyOf(record: CatalogRecord): string {
  if ('streamName' in record) return record.streamName
  return 'streamNumber' in record ? String(record.streamNumber) : 'catalog'
}

async function replay(log: Log, shard: ShardId): Promise<Replayed> {
  const stats = await log.shardStats(shard)
  if (stats.damaged.length > 0) throw unreadable('a part of it is damaged')
  const replayer = new Replayer()
  let position = stats.trimmedStart as Position
  let next = stats.firstSequenceNumber
  for (;;) {
    const slice = await readSlice(log, shard, position)
    if (slice.bytes.length === 0) break
    if (slice.firstSequenceNumber !== next) throw unreadable('a part of it is missing')
    for (const { data } of new SliceCursor(slice.bytes)) replayer.take(decodeCatalogRecord(data))
    replayer.bytes += slice.bytes.length
    position = slice.nextPosition
    next = slice.nextSequenceNumber
  }
  if (next !== stats.nextSequenceNumber) throw unreadable('its end is missing')
  return replayer.end(sequenceNumber(next))
}

async function readSlice(log: Log, shard: ShardId, position: Position): Promise<Slice> {
  try {
    return await log.read(shard, { position }, readBytes)
  } catch (cause) {
    const isDamage = cause instanceof MillraceError && cause.code === 'LOG_CORRUPT'
    throw isDamage ? unreadable(`a part of it is damaged (${cause.message})`, cause) : cause
  }
}

/** Adds up records; the newest snapshot that is complete replaces what was before it. */
class Replayer {
  bytes = 0
  #complete: CatalogState | undefined
  #pending: CatalogState | undefined
  #header: Header | undefined

  take(record: CatalogRecord): void {
    if (record.kind === 'header') {
      if (record.magic !== catalogMagic) throw unreadable('its header is that of something else')
      this.#header = record
      this.#pending = new CatalogState()
      return
    }
    const state = this.#pending ?? this.#complete
    if (state === undefined) {
      throw unreadable(
        'its first record is no header (has a program that embeds the log made the directory?)',
      )
    }
    state.apply(record)
    if (record.kind !== 'snapshotEnd' || this.#pending === undefined) return
    this.#complete = this.#pending
    this.#pending = undefined
  }

  end(nextSequenceNumber: SequenceNumber): Replayed {
    if (this.#complete === undefined || this.#header === undefined) {
      throw unreadable('it has no complete snapshot')
    }
    return {
      nextSequenceNumber,
      state: this.#complete,
      instanceKey: this.#header.instanceKey,
      bytes: this.bytes,
      interrupted: this.#pending !== undefined,
    }
  }
}

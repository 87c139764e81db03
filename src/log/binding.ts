/**
 * The only file that loads the addon. What native exports is declared here once; a test compares
 * the two.
 */

import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type ErrorCode, MillraceError } from '../errors.ts'
import type { BatchLayout } from '../wire/batch-layout.ts'

/**
 * Fields of the memory that a handle shares (`native/addon/call_block.h`), as indexes into its two
 * arrays.
 */
export interface BlockConstants {
  readonly slot: number
  readonly start: number
  readonly end: number
  readonly count: number
  readonly flags: number
  readonly durability: number
  readonly epoch: number
  readonly producerSequence: number
  readonly producerId: number
  readonly expectedSequence: number
  readonly place: number
  readonly bytesMax: number
  readonly routes: number
  readonly keysRequired: number
  readonly recordBytesMax: number
  readonly usesReserve: number
  readonly isMetered: number
  readonly route: number
  readonly repeatsOnly: number
  readonly nowMillis: number
  readonly answerFlags: number
  readonly bytes: number
  readonly firstSequence: number
  readonly nextSequence: number
  readonly position: number
  readonly nextPosition: number
  readonly batchCount: number
  readonly recordCount: number
  readonly viewOffset: number
  readonly rowCount: number
  readonly failedCount: number
  readonly moved: number
  readonly retryMillis: number
  readonly rows: number
  readonly putAnswer: number
  readonly putAnswerBytesMax: number
  readonly answerDuplicate: number
  readonly answerCommitted: number
  readonly answerDurabilityOs: number
  readonly answerThrottled: number
}

/** One shard's part of a PutRecords answer: its size in bytes, and its fields as indexes. */
export interface RowConstants {
  readonly bytes: number
  readonly endPosition: number
  readonly firstSequence: number
  readonly slot: number
  readonly count: number
  readonly code: number
  readonly answerFlags: number
  readonly route: number
  readonly retryMillis: number
}

/**
 * One shard's line of the committed positions, in 64-bit words (`native/log/committed_table.h`).
 */
export interface SlotConstants {
  readonly slotsPerChunk: number
  readonly words: number
  readonly committedEnd: number
  readonly committedNextSequence: number
  readonly trimmedStart: number
  readonly firstSequence: number
  readonly syncedEnd: number
  readonly appendedEnd: number
  readonly state: number
  readonly shard: number
}

/** Constants that native owns and TypeScript uses. */
export interface NativeConstants {
  readonly batch: BatchLayout
  readonly segment: {
    readonly formatVersion: number
    readonly headerBlockBytes: number
    readonly trailerBlockBytes: number
    readonly bytesMin: number
    readonly bytesMax: number
  }
  readonly block: BlockConstants
  readonly row: RowConstants
  readonly slot: SlotConstants
  readonly controlOperations: {
    readonly createShards: number
    readonly deleteShards: number
    readonly sealShards: number
    readonly scrub: number
    readonly flush: number
    readonly close: number
  }
  readonly statsKinds: {
    readonly log: number
    readonly shard: number
    readonly shardList: number
    readonly shardState: number
    readonly shardTraffic: number
  }
  readonly durabilities: { readonly disk: number; readonly os: number }
  /** The names of the codes, by number; the first is "OK". */
  readonly errorCodes: readonly string[]
  /** The names of the options of `open`, in their order, and their defaults. */
  readonly openOptions: readonly string[]
  readonly openDefaults: BigUint64Array
}

/** How a slow operation ends. `error` is undefined when it worked. */
export type Done = (error: unknown, answer: unknown) => void

/**
 * A log as one thread has it open. Requests and answers of the quick calls are in `block`; which
 * fields each call uses is in `native/addon/log_calls.h`. What fails throws a MillraceError.
 */
export interface NativeLogHandle {
  readonly block: ArrayBuffer
  append(bytes: Uint8Array): void
  putRecords(body: Uint8Array): void
  read(target: Uint8Array | null): ArrayBuffer | undefined
  seek(byTime: boolean): void
  trim(): void
  setRoutes(number: number, table: Uint8Array | null, limits: BigUint64Array | null): void
  setKeys(table: Uint8Array): BigUint64Array
  setEncryption(shards: BigUint64Array, keyId: string | null, keyCheck: bigint): void
  control(
    operation: number,
    shard: bigint,
    amount: bigint,
    list: BigUint64Array | null,
    done: Done,
  ): void
  stats(kind: number, slot: number): unknown
  committedChunk(index: number): ArrayBuffer | undefined
  shardSlot(shard: bigint): number
  setReferenced(flag: boolean): void
}

type ErrorFactory = (code: string, message: string, start?: bigint, end?: bigint) => Error

/** What the addon exports. */
export interface NativeBinding {
  open(path: string, options: BigUint64Array, onWake: () => void, done: Done): void
  verify(path: string, done: Done): void
  /** Keys and data of records of a slice, without the first `skip` of them. */
  payloadBytes(slice: Uint8Array, skip: number, recordCount: number): number
  /** At the sockets of this process that listen on the port; answers how many there are. */
  setListenBacklog(port: number, backlog: number): number
  setErrorFactory(factory: ErrorFactory): void
  /** Maps of segments that are alive in this process; for tests of lifetimes. */
  liveMappings(): number
  readonly constants: NativeConstants
  readonly version: string
}

/** The names of both, for the test that compares them with what native exports. */
export const declaredExports: Readonly<Record<keyof NativeBinding, true>> = {
  open: true,
  verify: true,
  payloadBytes: true,
  setListenBacklog: true,
  setErrorFactory: true,
  liveMappings: true,
  constants: true,
  version: true,
}

export const declaredHandle: Readonly<Record<keyof NativeLogHandle, true>> = {
  block: true,
  append: true,
  putRecords: true,
  read: true,
  seek: true,
  trim: true,
  setRoutes: true,
  setKeys: true,
  setEncryption: true,
  control: true,
  stats: true,
  committedChunk: true,
  shardSlot: true,
  setReferenced: true,
}

function makeError(code: string, message: string, start?: bigint, end?: bigint): Error {
  const range = start === undefined || end === undefined ? undefined : { start, end }
  // A test compares the codes of native with the table.
  return new MillraceError(code as ErrorCode, message, { range })
}

function requireAddon(path: string): NativeBinding {
  try {
    return createRequire(import.meta.url)(path) as NativeBinding
  } catch (cause) {
    const remedy = 'compile it for this machine with: npm rebuild millrace'
    throw new Error(`the native addon ${path} does not load; ${remedy}`, { cause })
  }
}

function load(): NativeBinding {
  // Another build of the addon, such as a sanitized one, can stand in for the installed one.
  const path =
    process.env['MILLRACE_ADDON'] ??
    fileURLToPath(new URL('../../build/Release/millrace.node', import.meta.url))
  const loaded = requireAddon(path)
  loaded.setErrorFactory(makeError)
  return loaded
}

export const binding: NativeBinding = load()
export const constants: NativeConstants = binding.constants

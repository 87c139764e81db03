/** What a producer can be told, and what it does unless it is told. */

import { requestBytesMax, requestRecordsMax } from '../limits.ts'
import { checkInteger } from '../wire/arguments.ts'
import type { Durability } from '../wire/verbs.ts'

export interface ProducerOptions {
  /** Records of one request: 1 to 500, 500 unless it is given; fewer where frames are small. */
  readonly batchRecordsMax?: number | undefined
  /**
   * Bytes of one request, 256 KiB unless it is given, or what the broker takes if that is less; a
   * larger record goes alone.
   */
  readonly batchBytesMax?: number | undefined
  /**
   * How long a record waits for others to fill its request, in ms. 0, unless it is given: until the
   * next turn of the event loop. Records collect anyway while earlier requests are on their way.
   */
  readonly lingerMillis?: number | undefined
  /**
   * The bound of what is held: bytes of all records that are not acknowledged yet, 32 MiB unless it
   * is given. At the bound `put` waits; for a key whose shard has no room for the time being, from
   * half of it on, so that records for others go on.
   */
  readonly bytesMax?: number | undefined
  /** What an acknowledgement means: `disk` unless it is given. */
  readonly durability?: Durability | undefined
  /**
   * Whether the broker shall know repeats: true unless it is given. A request whose answer was lost
   * is then sent again without the risk that its records are stored twice, and the records of a key
   * are stored in the order in which they were put, whatever is refused and comes later.
   *
   * With false a request whose answer was lost is given up, and its records are refused with
   * CONNECTION_LOST. Records of a key keep their order then, too, but in one case: where a shard of
   * a PROVISIONED stream has no room for a record, it may take a smaller one behind it in the same
   * request.
   */
  readonly idempotent?: boolean | undefined
  /**
   * Requests on their way at the same time: 1 to 64, 8 unless it is given; and one more for each
   * shard that has no room for the time being. With `idempotent` each counts as a producer of its
   * own among the 1024 that a shard remembers.
   */
  readonly inFlightMax?: number | undefined
  /** How long what the broker refuses for the time being is tried again, in ms; 120,000. */
  readonly retryMillisMax?: number | undefined
}

export interface ProducerSettings {
  readonly batchRecordsMax: number
  readonly batchBytesMax: number
  readonly lingerMillis: number
  readonly bytesMax: number
  readonly durability: Durability | undefined
  readonly idempotent: boolean
  readonly inFlightMax: number
  readonly retryMillisMax: number
  /** Key and data of one record with what is around them. */
  readonly recordBytesMax: number
}

const batchBytesDefault = 256 * 1024
const bytesMaxDefault = 32 * 1024 * 1024
const inFlightDefault = 8
const inFlightHighest = 64
const retryMillisDefault = 120_000
const dayMillis = 86_400_000

/** What a frame has besides its records: the head, and for each of them an explicit hash key. */
const headBytesMax = 1024
const hashKeyBytesMax = 20

/** Half of a small frame is for the records themselves: it holds fewer than a request can. */
function recordsMaxOf(frameBytesMax: number): number {
  const fitting = Math.floor((frameBytesMax - headBytesMax) / 2 / hashKeyBytesMax)
  return Math.min(requestRecordsMax, fitting)
}

/**
 * The options with what is not given filled in. `frameBytesMax` is the largest frame that the
 * broker takes. Throws a TypeError or a RangeError that names the option.
 */
export function producerSettings(
  options: ProducerOptions,
  frameBytesMax: number,
): ProducerSettings {
  const recordsMax = recordsMaxOf(frameBytesMax)
  // A record that is larger than a batch goes alone, with one hash key.
  const recordBytesMax = frameBytesMax - headBytesMax - hashKeyBytesMax
  const batchBytesHighest = Math.min(
    frameBytesMax - headBytesMax - recordsMax * hashKeyBytesMax,
    requestBytesMax,
  )
  const {
    batchRecordsMax = requestRecordsMax,
    batchBytesMax = Math.min(batchBytesDefault, batchBytesHighest),
    lingerMillis = 0,
    bytesMax = bytesMaxDefault,
    durability,
    idempotent = true,
    inFlightMax = inFlightDefault,
    retryMillisMax = retryMillisDefault,
  } = options
  checkInteger('batchRecordsMax', batchRecordsMax, 1, requestRecordsMax)
  checkInteger('batchBytesMax', batchBytesMax, 1, batchBytesHighest)
  checkInteger('lingerMillis', lingerMillis, 0, dayMillis)
  checkInteger('bytesMax', bytesMax, 1, Number.MAX_SAFE_INTEGER)
  checkInteger('inFlightMax', inFlightMax, 1, inFlightHighest)
  checkInteger('retryMillisMax', retryMillisMax, 0, Number.MAX_SAFE_INTEGER)
  return {
    batchRecordsMax: Math.min(batchRecordsMax, recordsMax),
    batchBytesMax,
    lingerMillis,
    bytesMax,
    durability,
    idempotent,
    inFlightMax,
    retryMillisMax,
    recordBytesMax: Math.min(recordBytesMax, bytesMax),
  }
}

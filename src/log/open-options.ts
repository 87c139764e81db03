/** The options of a log, in the form in which native takes them. */

import { InvalidTypeError, InvalidValueError } from '../errors.ts'
import { checkInteger, describe, unsigned32Max } from '../wire/arguments.ts'
import { constants } from './binding.ts'

/** All in bytes, milliseconds or counts; what is left out has the default of the core. */
export interface LogOptions {
  /** The data directory. It is created when it is missing; its parent has to exist. */
  readonly dir: string
  /** Size of a shard's first segment file; segments grow by four with the shard's traffic ... */
  readonly segmentBytesMin?: number
  /** ... up to this one. Both are 64 KiB to 64 MiB. */
  readonly segmentBytesMax?: number
  /** Segment files that are kept ready. */
  readonly spareSegments?: number
  /** Free space below which appends are refused with DISK_FULL; 0 = 5 % or two segments. */
  readonly diskLowWaterBytes?: number
  /** How long a shard is quiet before its tail is proven by a marker batch. */
  readonly idleMarkerMillis?: number
  /** Idempotent producers that are remembered per shard. */
  readonly producersMax?: number
  /** Segments mapped for readers at a time; 0 = a quarter of the limit of the process. */
  readonly mappedSegmentsMax?: number
  /** Pace of the background scrub; 0 = none. */
  readonly scrubBytesPerSecond?: number
  /** Never write a disk page with acknowledged bytes again, for disks that may tear it. */
  readonly alignCommits?: boolean
  /** Shares the log with nobody else in this process: LOG_LOCKED where somebody has it open. */
  readonly exclusive?: boolean
}

type NativeOption = Exclude<keyof LogOptions, 'dir'>

const switches: ReadonlySet<string> = new Set(['alignCommits', 'exclusive'])

const highest: Record<NativeOption, number> = {
  segmentBytesMin: constants.segment.bytesMax,
  segmentBytesMax: constants.segment.bytesMax,
  spareSegments: 1024,
  diskLowWaterBytes: Number.MAX_SAFE_INTEGER,
  idleMarkerMillis: unsigned32Max,
  producersMax: 1024 * 1024,
  mappedSegmentsMax: unsigned32Max,
  scrubBytesPerSecond: Number.MAX_SAFE_INTEGER,
  alignCommits: 1,
  exclusive: 1,
}

/** The options as `open` of the addon takes them. Throws a TypeError or a RangeError. */
export function encodeOptions(options: LogOptions): BigUint64Array {
  const values = BigUint64Array.from(constants.openDefaults)
  constants.openOptions.forEach((name, index) => {
    const value = options[name as NativeOption]
    if (value === undefined) return
    if (switches.has(name)) {
      if (typeof value !== 'boolean') {
        throw new InvalidTypeError(`${name}: wanted a boolean, got ${describe(value)}`)
      }
      values[index] = value ? 1n : 0n
      return
    }
    const lowest = name.startsWith('segmentBytes') ? constants.segment.bytesMin : 0
    checkInteger(name, value, lowest, highest[name as NativeOption])
    values[index] = BigInt(value)
  })
  return values
}

/** Throws a TypeError or a RangeError for what is no directory name. */
export function checkDirectory(dir: unknown): asserts dir is string {
  if (typeof dir !== 'string')
    throw new InvalidTypeError(`dir: wanted a string, got ${describe(dir)}`)
  if (dir === '' || dir.includes('\0')) {
    throw new InvalidValueError('dir is empty or has a zero byte, wanted the name of a directory')
  }
}

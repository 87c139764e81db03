/**
 * Where a batch has its fields, in bytes from its start, and its bounds: what clients need to read
 * slices without the addon. The home of these numbers is `native/format/batch_format.h`; a test
 * compares them with what native exports.
 */

export interface BatchLayout {
  readonly marker: number
  readonly crcAt: number
  readonly checksummedStart: number
  readonly shardAt: number
  readonly firstSequenceAt: number
  readonly countAt: number
  readonly arrivalAt: number
  readonly epochAt: number
  readonly producerIdAt: number
  readonly producerSequenceAt: number
  readonly syncedUptoAt: number
  readonly flagsAt: number
  readonly recordsLengthAt: number
  readonly headerBytes: number
  readonly bytesMax: number
  readonly recordsBytesMax: number
  readonly recordCountMax: number
  readonly codecNone: number
  readonly codecMask: number
}

const bytesMax = 11 * 1024 * 1024
const headerBytes = 76

export const batchLayout: BatchLayout = {
  marker: 0x9b,
  crcAt: 2,
  checksummedStart: 6,
  shardAt: 7,
  firstSequenceAt: 16,
  countAt: 25,
  arrivalAt: 30,
  epochAt: 39,
  producerIdAt: 44,
  producerSequenceAt: 53,
  syncedUptoAt: 58,
  flagsAt: 67,
  recordsLengthAt: 72,
  headerBytes,
  bytesMax,
  recordsBytesMax: bytesMax - headerBytes,
  recordCountMax: 2 ** 20,
  codecNone: 0,
  codecMask: 0xff,
}

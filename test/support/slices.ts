/** Slices as the core would write them. */

import { BatchBuilder } from '../../src/wire/batch-builder.ts'
import { batchLayout as at } from '../../src/wire/batch-layout.ts'
import { crc32c, maskCrc } from '../../src/wire/crc32c.ts'

const u32 = 0xce
const u64 = 0xcf
const bin32 = 0xc6
const fieldTypes: readonly (readonly [field: number, type: number])[] = [
  [at.crcAt, u32],
  [at.shardAt, u64],
  [at.firstSequenceAt, u64],
  [at.countAt, u32],
  [at.arrivalAt, u64],
  [at.epochAt, u32],
  [at.producerIdAt, u64],
  [at.producerSequenceAt, u32],
  [at.syncedUptoAt, u64],
  [at.flagsAt, u32],
  [at.recordsLengthAt, bin32],
]

/** A batch, of shard 7 unless it is given, with its checksum. */
export function makeBatch(
  first: bigint,
  records: Uint8Array,
  count: number,
  flags = 0,
  shard = 7n,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(at.headerBytes + records.length)
  const fields = new DataView(bytes.buffer)
  bytes[0] = at.marker
  for (const [field, type] of fieldTypes) bytes[field - 1] = type
  fields.setBigUint64(at.shardAt, shard)
  fields.setBigUint64(at.firstSequenceAt, first)
  fields.setUint32(at.countAt, count)
  fields.setBigUint64(at.arrivalAt, 1_700_000_000_123n)
  fields.setUint32(at.flagsAt, flags)
  fields.setUint32(at.recordsLengthAt, records.length)
  bytes.set(records, at.headerBytes)
  fields.setUint32(at.crcAt, maskCrc(crc32c(bytes, at.checksummedStart, bytes.length)))
  return bytes
}

/** Encoded records: key, and how many bytes of data. */
export function makeRecords(...list: readonly (readonly [key: string, dataBytes: number])[]): {
  bytes: Uint8Array<ArrayBuffer>
  count: number
} {
  const builder = new BatchBuilder()
  for (const [key, bytes] of list) builder.add(key, new Uint8Array(bytes).fill(bytes))
  return { bytes: builder.bytes.slice(), count: builder.count }
}

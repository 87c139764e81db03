// Frames of the raw server: of the size of a batch, with a header that generators can follow.
import { loadPart } from '../micro/package.mjs'
import { someBytes } from '../micro/some-bytes.mjs'

const { BatchBuilder } = await loadPart('wire/batch-builder.js')
const { batchLayout } = await loadPart('wire/batch-layout.js')

/** Type bytes of MessagePack by the offsets at which a batch header has them. */
const typeBytes = [
  [0, batchLayout.marker],
  [batchLayout.crcAt - 1, 0xce],
  [batchLayout.shardAt - 1, 0xcf],
  [batchLayout.firstSequenceAt - 1, 0xcf],
  [batchLayout.countAt - 1, 0xce],
  [batchLayout.arrivalAt - 1, 0xcf],
  [batchLayout.epochAt - 1, 0xce],
  [batchLayout.producerIdAt - 1, 0xcf],
  [batchLayout.producerSequenceAt - 1, 0xce],
  [batchLayout.syncedUptoAt - 1, 0xcf],
  [batchLayout.flagsAt - 1, 0xce],
  [batchLayout.recordsLengthAt - 1, 0xc6],
]

/** Records as the generator makes them: keys of 16 characters, data that does not compress. */
export function packedRecords(records, recordBytes, seed = 1) {
  const builder = new BatchBuilder()
  const data = someBytes(records * recordBytes, seed)
  for (let i = 0; i < records; i += 1) {
    const key = data.toString('hex', i * recordBytes, i * recordBytes + 8)
    builder.add(key, data.subarray(i * recordBytes, (i + 1) * recordBytes))
  }
  return builder.bytes.slice()
}

/** A batch without a checksum. */
export function rawBatch(records, recordBytes) {
  const packed = packedRecords(records, recordBytes)
  const bytes = new Uint8Array(batchLayout.headerBytes + packed.length)
  for (const [at, type] of typeBytes) bytes[at] = type
  const view = new DataView(bytes.buffer)
  view.setBigUint64(batchLayout.shardAt, 1n)
  view.setBigUint64(batchLayout.firstSequenceAt, 1n)
  view.setUint32(batchLayout.countAt, records)
  view.setUint32(batchLayout.recordsLengthAt, packed.length)
  bytes.set(packed, batchLayout.headerBytes)
  return { bytes, view, records }
}

export function stampSequence({ view }, sequence) {
  view.setBigUint64(batchLayout.firstSequenceAt, BigInt(sequence))
}

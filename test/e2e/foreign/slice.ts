/** Slices, read by hand: PROTOCOL.md, R31 and R32. Imports no code of ours. */

export interface ForeignRecord {
  readonly shardNumber: bigint
  readonly sequenceNumber: bigint
  readonly arrivalMillis: number
  /** Null where the record has none. */
  readonly key: string | null
  readonly data: Buffer
}

const headerBytes = 76
const polynomial = 0x82f63b78

function maskedCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0)
  }
  crc = (crc ^ 0xffffffff) >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0x6d696c6c) >>> 0
}

/** All records of a slice. Throws an Error for what is none. */
export function readSlice(slice: Uint8Array): ForeignRecord[] {
  const bytes = Buffer.from(slice.buffer, slice.byteOffset, slice.byteLength)
  const records: ForeignRecord[] = []
  let at = 0
  while (at < bytes.length) {
    if (bytes[at] !== 0x9b || bytes.length - at < headerBytes) throw new Error(`no batch at ${at}`)
    const end = at + headerBytes + bytes.readUInt32BE(at + 72)
    if (end > bytes.length) throw new Error(`the batch at ${at} is cut short`)
    const batch = bytes.subarray(at, end)
    if (batch.readUInt32BE(2) !== maskedCrc32c(batch.subarray(6))) {
      throw new Error(`the checksum of the batch at ${at} is wrong`)
    }
    if ((batch.readUInt32BE(67) & 0xff) !== 0) throw new Error('a codec that is not known')
    readRecords(batch, records)
    at = end
  }
  return records
}

function readRecords(batch: Buffer, records: ForeignRecord[]): void {
  const first = batch.readBigUInt64BE(16)
  const count = batch.readUInt32BE(25)
  let at = headerBytes
  for (let i = 0; i < count; i += 1) {
    const pair = header(batch, at, 'array')
    if (pair.length !== 2) throw new Error('a record is a pair')
    const hasKey = batch.readUInt8(pair.end) !== nil
    const key = hasKey ? header(batch, pair.end, 'str') : { length: 0, end: pair.end + 1 }
    const data = header(batch, key.end + key.length, 'bin')
    at = data.end + data.length
    records.push({
      shardNumber: batch.readBigUInt64BE(7),
      sequenceNumber: first + BigInt(i),
      arrivalMillis: Number(batch.readBigUInt64BE(30)),
      key: hasKey ? batch.toString('utf8', key.end, key.end + key.length) : null,
      data: batch.subarray(data.end, at),
    })
  }
  if (count > 0 && at !== batch.length) throw new Error('bytes follow the records')
}

const nil = 0xc0
const types = {
  array: { fixed: 0x90, fixedMax: 15, sized: { 220: 2, 221: 4 } },
  str: { fixed: 0xa0, fixedMax: 31, sized: { 217: 1, 218: 2, 219: 4 } },
  bin: { fixed: 0, fixedMax: -1, sized: { 196: 1, 197: 2, 198: 4 } },
} as const

/** The length in a header of MessagePack, and where the header ends. */
function header(
  bytes: Buffer,
  at: number,
  kind: keyof typeof types,
): { length: number; end: number } {
  const type = bytes.readUInt8(at)
  const { fixed, fixedMax, sized } = types[kind]
  if (type >= fixed && type <= fixed + fixedMax) return { length: type - fixed, end: at + 1 }
  const width = (sized as Readonly<Record<number, number>>)[type]
  if (width === undefined) throw new Error(`wanted ${kind} at ${at}, found ${type}`)
  return { length: bytes.readUIntBE(at + 1, width), end: at + 1 + width }
}

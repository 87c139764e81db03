/**
 * CRC32C (Castagnoli), for clients that check what they were sent; native is not there in browsers.
 * Eight bytes at a time with eight tables (Kounavis and Berry, "slicing-by-8").
 */

const polynomial = 0x82f63b78
const tableCount = 8
const tableSize = 256
const maskDelta = 0x6d696c6c

function makeTables(): Uint32Array {
  const tables = new Uint32Array(tableCount * tableSize)
  for (let byte = 0; byte < tableSize; byte += 1) {
    let crc = byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0)
    tables[byte] = crc
  }
  // Table k has the effect of a byte that is followed by k zero bytes.
  for (let i = tableSize; i < tables.length; i += 1) {
    const before = tables[i - tableSize] as number
    tables[i] = (before >>> 8) ^ (tables[before & 0xff] as number)
  }
  return tables
}

let tables: Uint32Array | undefined

/** The CRC32C of bytes `start` up to, not including, `end`. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  tables ??= makeTables()
  const t = tables
  const at = (i: number) => bytes[i] as number
  let crc = 0xffffffff
  let i = start
  for (; i + tableCount <= end; i += tableCount) {
    crc ^= at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24)
    crc =
      (t[0x700 + (crc & 0xff)] as number) ^
      (t[0x600 + ((crc >>> 8) & 0xff)] as number) ^
      (t[0x500 + ((crc >>> 16) & 0xff)] as number) ^
      (t[0x400 + (crc >>> 24)] as number) ^
      (t[0x300 + at(i + 4)] as number) ^
      (t[0x200 + at(i + 5)] as number) ^
      (t[0x100 + at(i + 6)] as number) ^
      (t[at(i + 7)] as number)
  }
  for (; i < end; i += 1) crc = (crc >>> 8) ^ (t[(crc ^ at(i)) & 0xff] as number)
  return ~crc >>> 0
}

/**
 * As checksums are kept in batches: over bytes that end in their own CRC a CRC is a constant, and a
 * record could contain log bytes.
 */
export function maskCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + maskDelta) >>> 0
}

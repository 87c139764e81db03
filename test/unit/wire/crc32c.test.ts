import { describe, expect, it } from 'vitest'
import { crc32c, maskCrc } from '../../../src/wire/crc32c.ts'

const of = (bytes: Uint8Array) => crc32c(bytes, 0, bytes.length)

/** Bit by bit, as the definition says. */
function reference(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}

describe('CRC32C', () => {
  it('has the values of RFC 3720, B.4', () => {
    expect(of(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(of(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(of(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
    expect(of(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c)
    expect(of(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
    expect(of(new Uint8Array(0))).toBe(0)
  })

  it('agrees with the definition at every length and start', () => {
    const bytes = Uint8Array.from({ length: 200 }, (_, i) => (i * 151 + 7) ^ (i >> 2))
    for (let start = 0; start < 10; start += 1) {
      for (let end = start; end < bytes.length; end += 1) {
        expect(crc32c(bytes, start, end)).toBe(reference(bytes.subarray(start, end)))
      }
    }
  })

  it('is masked as native/FORMAT.md says', () => {
    expect(maskCrc(0x3599d6c9)).toBe(0x1afbd79f)
    expect(maskCrc(0)).toBe(0x6d696c6c)
    expect(maskCrc(0xffffffff)).toBe(0x6d696c6b)
  })
})

import { expect, it } from 'vitest'
import {
  formatBytes,
  formatCount,
  formatMillis,
  parseAge,
  parseBytes,
  plural,
} from '../../../src/cli/units.ts'

it('writes numbers as people read them', () => {
  expect([0, 1023, 1024, 1536, 150 * 1024, 5 * 1024 ** 3].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '150 KiB',
    '5.0 GiB',
  ])
  expect([0.123, 12.3, 999, 1500, 65_000].map(formatMillis)).toEqual([
    '0.1 ms',
    '12 ms',
    '999 ms',
    '1.5 s',
    '1 min 5 s',
  ])
  expect(formatCount(1_234_567n)).toBe('1,234,567')
  expect([plural(1, 'stream'), plural(0, 'stream')]).toEqual(['1 stream', '0 streams'])
})

it.each([
  ['1ms', 1],
  ['2s', 2000],
  ['3m', 180_000],
  ['m', undefined],
  ['3 m', undefined],
])('reads the age %s', (text, millis) => {
  expect(parseAge(text)).toBe(millis)
})

it.each([
  ['512', 512],
  ['1KiB', 1024],
  ['1.5 gib', 1.5 * 1024 ** 3],
  ['2TiB', 2 * 1024 ** 4],
  ['1GB', undefined],
  ['GiB', undefined],
  ['-1MiB', undefined],
])('reads the size %s', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes)
})

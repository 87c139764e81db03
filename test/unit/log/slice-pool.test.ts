import { expect, it } from 'vitest'
import { SlicePool } from '../../../src/log/slice-pool.ts'

it('slices never overlap, whatever is reserved and however little of it is taken', () => {
  const pool = new SlicePool()
  const slices: Uint8Array[] = []
  for (let i = 0; i < 500; i += 1) {
    const reserved = (i * 7919) % 100_000
    const taken = Math.floor(reserved / (1 + (i % 3)))
    const { memory, start } = pool.reserve(reserved)
    expect(memory.length - start).toBeGreaterThanOrEqual(reserved)
    slices.push(pool.take(memory, start, taken).fill(i))
  }
  slices.forEach((slice, i) => {
    expect(slice.every((byte) => byte === i % 256)).toBe(true)
  })
})

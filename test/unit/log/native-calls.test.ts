import { expect, it } from 'vitest'
import { constants, type NativeLogHandle } from '../../../src/log/binding.ts'
import { NativeCalls } from '../../../src/log/native-calls.ts'
import { SlicePool } from '../../../src/log/slice-pool.ts'

const gibibyte = 2 ** 30

it.each([
  [2 ** 32 - 1, BigInt(5 * gibibyte), constants.segment.bytesMax],
  [2 ** 32 - 1, 700n, 700],
  [500, BigInt(5 * gibibyte), 500],
])('a read of at most %i bytes of %i reserves %i', (bytesMax, available, wanted) => {
  const handle = { block: new ArrayBuffer(64 * 1024), read: () => undefined }
  const calls = new NativeCalls(handle as unknown as NativeLogHandle, () => undefined)
  const pool = new SlicePool()
  const reserved: number[] = []
  const room = {
    reserve: (bytes: number) => {
      reserved.push(bytes)
      return pool.reserve(1024)
    },
    take: pool.take.bind(pool),
  }
  calls.read(0, 0n, bytesMax, available, 1n, room)
  expect(reserved).toEqual([wanted])
})

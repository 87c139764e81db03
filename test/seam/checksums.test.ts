/** What the core writes is what clients check: the same checksum, over the same bytes. */

import { expect, it } from 'vitest'
import type { Position } from '../../src/index.ts'
import { SliceCursor } from '../../src/wire/slice-cursor.ts'
import { makeBatch, makeLog } from './harness.ts'

it('the checksums of slices of a log hold, and tell of any changed byte', async () => {
  const { log, shard } = await makeLog()
  for (const [count, dataBytes] of [
    [1, 0],
    [7, 13],
    [300, 100],
    [2, 5000],
  ] as const) {
    await log.append(shard, makeBatch(count, dataBytes))
  }
  const { bytes } = await log.read(shard, { position: 0n as Position }, 1024 * 1024)
  expect([...new SliceCursor(bytes, { verify: true })].length).toBe(310)
  for (let i = 0; i < bytes.length; i += 997) {
    const damaged = new Uint8Array(bytes)
    damaged[i] = (damaged[i] as number) ^ 1
    expect(() => [...new SliceCursor(damaged, { verify: true })], `byte ${i}`).toThrow()
  }
})

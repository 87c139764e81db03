/** Encrypted shards through the addon: the bytes that JavaScript gets, and what it may not do. */

import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { KeyName, MasterKey, NativeLog, ShardId, Slice } from '../../src/index.ts'
import { batchLayout } from '../../src/wire/batch-layout.ts'
import { SliceCursor } from '../../src/wire/slice-cursor.ts'
import { collectUntil, makeBatch, makeLog, runChild, temporaryDirectory } from './harness.ts'

const start = { sequenceNumber: 1n as never }

function keyOf(id: string, byte = 1): MasterKey {
  return { id, bytes: new Uint8Array(32).fill(byte) }
}

function nameOf(log: NativeLog, ...keys: MasterKey[]): KeyName {
  return log.setKeys(keys).at(-1) as KeyName
}

async function makeEncrypted(): Promise<{ log: NativeLog; shard: ShardId; name: KeyName }> {
  const { log, shard } = await makeLog({ diskLowWaterBytes: 1, idleMarkerMillis: 60_000 })
  const name = nameOf(log, keyOf('k1'))
  log.setEncryption([shard], name)
  return { log, shard, name }
}

function sizes({ bytes }: Slice): number[] {
  return Array.from(new SliceCursor(bytes), ({ data }) => data.length)
}

it('a copy, a view and a watcher get the same plain batches', async () => {
  const { log, shard } = await makeEncrypted()
  for (let i = 0; i < 3; i += 1) await log.append(shard, makeBatch(2, 1000))
  const copy = await log.read(shard, start, 1024 * 1024)
  const view = await log.read(shard, start, 1024 * 1024, { borrow: true })
  expect(sizes(copy)).toEqual(new Array(6).fill(1000))
  expect(view.bytes).toEqual(copy.bytes)
  expect(view.nextPosition).toBe(copy.nextPosition)
  expect(Number(copy.nextPosition)).toBeGreaterThan(copy.bytes.length)
  const stored = await log.read(shard, start, 1024 * 1024, { asStored: true })
  expect(stored.bytes.length).toBe(Number(stored.nextPosition))
  expect(stored.bytes[batchLayout.flagsAt + 3]).toBe(1)
  // What one read asks for is not left to the next.
  expect((await log.read(shard, start, 1024 * 1024)).bytes).toEqual(copy.bytes)
})

it('views of decrypted memory end with a trim and with the log, and are collected', async () => {
  const { log, shard } = await makeEncrypted()
  const { endPosition } = await log.append(shard, makeBatch(1, 100_000))
  await log.append(shard, makeBatch(1, 100_000))
  const first = await log.read(shard, start, 1, { borrow: true })
  const second = await log.read(shard, { position: endPosition }, 1, { borrow: true })
  expect(first.bytes.length).toBeGreaterThan(100_000)
  await log.trim(shard, 2n as never)
  expect(first.bytes.length).toBe(0)
  expect(second.bytes.length).toBeGreaterThan(100_000)
  let collected = 0
  const registry = new FinalizationRegistry(() => {
    collected += 1
  })
  for (let i = 0; i < 20; i += 1) {
    const { bytes } = await log.read(shard, { position: endPosition }, 1, { borrow: true })
    registry.register(bytes.buffer, undefined)
  }
  // The last of them may still be in a register.
  expect(await collectUntil(() => collected >= 19)).toBe(true)
  await log.close()
  expect(second.bytes.length).toBe(0)
})

it('takes no keys that are none', async () => {
  const { log, shard, name } = await makeEncrypted()
  const set = (key: unknown) => () => log.setKeys([key as MasterKey])
  expect(set({ id: 'k1', bytes: new Uint8Array(31) })).toThrow(RangeError)
  expect(set({ id: 'k1', bytes: 'x'.repeat(32) })).toThrow(TypeError)
  expect(set({ id: 7, bytes: new Uint8Array(32) })).toThrow(TypeError)
  expect(set(keyOf('k'.repeat(65)))).toThrow(RangeError)
  expect(set(keyOf(''))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  expect(set(keyOf('a b'))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  expect(() => log.setKeys([keyOf('k1'), keyOf('k1', 2)])).toThrow(/two keys with the id k1/)
  expect(() => log.setEncryption([99n as ShardId], name)).toThrow(
    expect.objectContaining({ code: 'SHARD_NOT_FOUND' }),
  )
  // None of this has changed anything.
  await log.append(shard, makeBatch(1, 10))
  expect(sizes(await log.read(shard, start, 1024))).toEqual([10])
  await log.close()
  expect(() => log.setKeys([])).toThrow(expect.objectContaining({ code: 'LOG_CLOSED' }))
  expect(() => log.setEncryption([shard], name)).toThrow(
    expect.objectContaining({ code: 'LOG_CLOSED' }),
  )
})

it('the codec of the log itself is refused', async () => {
  const { log, shard } = await makeEncrypted()
  const { bytes, count } = makeBatch(1, 10)
  await expect(log.append(shard, { bytes, count, codec: 1 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
})

it('worker threads share the keys of a log, and no nonce comes twice', async () => {
  const result = await runChild('encrypted-workers.mjs', [join(temporaryDirectory(), 'log')])
  expect(result).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(JSON.parse(result.stdout)).toEqual({ batches: 600, nonces: 600 })
})

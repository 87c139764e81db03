/** Creations and deletions that a kill falls into: between any two changes of the log. */

import { cpSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Log } from '../../../src/log/log.ts'
import { CutLog } from './cut-log.ts'
import { find, openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

const request = { streamName: 's', shardCount: 3, tags: [{ key: 'k', value: 'v' }] }

/** Whether a promise was kept; a kill keeps none. */
function isKept(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => true,
    () => false,
  )
}

async function checkShards(log: Log, streamShards: number): Promise<void> {
  expect(await log.listShards()).toHaveLength(1 + streamShards)
}

test('a creation is done in full or not at all, wherever it is cut', async () => {
  let cuts = 0
  let wasWhole = false
  for (let atChange = 1; !wasWhole; atChange += 1) {
    for (const isMade of [false, true]) {
      const dir = temporaryDirectory()
      let cut: CutLog | undefined
      const wrap = (log: Log) => {
        cut = new CutLog(log, { atChange, isMade })
        return cut
      }
      const first = await openStreams(dir, { wrap }).catch(() => undefined)
      const accepted = first !== undefined && (await isKept(first.streams.create(request)))
      if (first !== undefined && accepted) {
        const isDone = () => cut?.isDead === true || find(first.streams, 's')?.status === 'ACTIVE'
        await expect.poll(isDone, { interval: 1, timeout: 20_000 }).toBe(true)
      }
      wasWhole = cut?.isDead === false
      cuts += wasWhole ? 0 : 1
      await first?.close()

      const { streams, log, close } = await openStreams(dir)
      await untilQuiet(streams)
      const stream = find(streams, 's')
      // What was accepted is there; what was not may be there, but then in full.
      if (accepted) expect(stream).toBeDefined()
      if (stream !== undefined) {
        expect(stream).toMatchObject({ status: 'ACTIVE', tags: new Map([['k', 'v']]) })
        expect([...stream.shards.keys()]).toEqual([0, 1, 2])
      }
      await checkShards(log, stream === undefined ? 0 : 3)
      if (stream === undefined) await streams.create(request)
      await untilQuiet(streams)
      await checkShards(log, 3)
      await close()
    }
  }
  // The catalog itself, the stream, its shards, and that it is ACTIVE.
  expect(cuts).toBeGreaterThanOrEqual(2 * 4)
}, 60_000)

test('a deletion that was accepted is done in full, wherever it is cut', async () => {
  let cuts = 0
  let wasWhole = false
  for (let atChange = 1; !wasWhole; atChange += 1) {
    for (const isMade of [false, true]) {
      const dir = temporaryDirectory()
      const before = await openStreams(dir)
      await before.streams.create(request)
      await untilQuiet(before.streams)
      await before.close()

      let cut: CutLog | undefined
      const wrap = (log: Log) => {
        cut = new CutLog(log, { atChange, isMade })
        return cut
      }
      const second = await openStreams(dir, { wrap })
      const accepted = await isKept(second.streams.delete('s'))
      if (accepted) {
        const isDone = () => cut?.isDead === true || find(second.streams, 's') === undefined
        await expect.poll(isDone, { interval: 1, timeout: 20_000 }).toBe(true)
      }
      wasWhole = cut?.isDead === false
      cuts += wasWhole ? 0 : 1
      await second.close()

      const { streams, log, close } = await openStreams(dir)
      await untilQuiet(streams)
      const stream = find(streams, 's')
      if (accepted) expect(stream).toBeUndefined()
      else if (!isMade) expect(stream?.status).toBe('ACTIVE')
      await checkShards(log, stream === undefined ? 0 : 3)
      if (stream === undefined) await streams.create(request)
      await untilQuiet(streams)
      await checkShards(log, 3)
      await close()
    }
  }
  // That it began, its shards, and that it is gone.
  expect(cuts).toBe(2 * 3)
}, 60_000)

test('a snapshot of the catalog changes nothing, wherever it is cut', async () => {
  const names = Array.from({ length: 90 }, (_, i) => `stream-${i}`)
  // So many tags that a snapshot takes several batches.
  const tags = Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, value: 'v'.repeat(256) }))
  const original = temporaryDirectory()
  const before = await openStreams(original)
  await Promise.all(
    names.map((streamName) => before.streams.create({ streamName, shardCount: 1, tags })),
  )
  await untilQuiet(before.streams)
  await before.close()

  let cuts = 0
  let wasWhole = false
  for (let atChange = 1; !wasWhole; atChange += 1) {
    for (const isMade of [false, true]) {
      const dir = temporaryDirectory()
      cpSync(original, dir, { recursive: true })
      let cut: CutLog | undefined
      const wrap = (log: Log) => {
        cut = new CutLog(log, { atChange, isMade })
        return cut
      }
      const second = await openStreams(dir, { wrap, snapshotBytesMin: 1 })
      const change = second.streams.settings.changeTags(
        'stream-3',
        [{ key: 'k0', value: 'new' }],
        [],
      )
      const accepted = await isKept(change)
      wasWhole = cut?.isDead === false
      cuts += wasWhole ? 0 : 1
      await second.close()

      // Twice: what the open after a kill writes is read by the one after it. No snapshot is due
      // then, other than for the one that was cut short.
      for (const value of ['newer', 'newest']) {
        const { streams, log, close } = await openStreams(dir, { snapshotBytesMin: 2 ** 30 })
        expect([...streams.all].map((it) => it.name)).toEqual(names)
        expect([...streams.all].every((it) => it.status === 'ACTIVE')).toBe(true)
        if (accepted || value === 'newest') {
          expect(find(streams, 'stream-3')?.tags.get('k0')).not.toBe('v'.repeat(256))
        }
        expect(find(streams, 'stream-4')?.tags.get('k0')).toBe('v'.repeat(256))
        await checkShards(log, names.length)
        await streams.settings.changeTags('stream-3', [{ key: 'k0', value }], [])
        await close()
      }
    }
  }
  // The parts of the snapshot, the trim of what it replaces, and the tags.
  expect(cuts).toBeGreaterThanOrEqual(2 * 4)
}, 60_000)

import { expect, test } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import type { AppendAnswer, Log } from '../../../src/log/log.ts'
import { openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

/** A log whose disk is full for the first append after shards were created. */
function fullAfterShards(log: Log): { readonly log: Log; refused: number } {
  let isDue = false
  const full = {
    refused: 0,
    log: new Proxy(log, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (name === 'append' && isDue && full.refused === 0) {
            full.refused += 1
            return Promise.reject<AppendAnswer>(new MillraceError('DISK_FULL'))
          }
          if (name === 'createShards') isDue = true
          return value.apply(target, args) as unknown
        }
      },
    }),
  }
  return full
}

test('a creation that a full disk stopped leaves no shards behind when it goes on', async () => {
  let full: { readonly log: Log; refused: number } | undefined
  const wrap = (log: Log) => {
    full = fullAfterShards(log)
    return full.log
  }
  const dir = temporaryDirectory()
  // The catalog is there already: its own shard is not what the disk is full for.
  await (await openStreams(dir)).close()
  const { streams, log, errors, close } = await openStreams(dir, { wrap })
  await streams.create({ streamName: 'orders', shardCount: 3 })
  await untilQuiet(streams)
  expect(full?.refused).toBe(1)
  expect(errors).toMatchObject([{ code: 'DISK_FULL' }])
  expect(await log.listShards()).toHaveLength(1 + 3)
  await close()
})

import { expect, test } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import { type Log, sequenceNumber } from '../../../src/log/log.ts'
import { find, openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

/** A log whose disk is full for some calls: `isFull` is asked about each. */
function fullFor(
  isFull: (name: string | symbol, args: readonly unknown[]) => boolean,
): (log: Log) => Log {
  return (log) =>
    new Proxy(log, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        return (...args: unknown[]) =>
          isFull(name, args)
            ? Promise.reject<never>(new MillraceError('DISK_FULL'))
            : (value.apply(target, args) as unknown)
      },
    })
}

/** For the first call of `name` after shards were created. */
function fullAfterShards(names: readonly string[]): (log: Log) => Log {
  const left = new Set<string | symbol>(names)
  let isDue = false
  return fullFor((name) => {
    if (name === 'createShards') isDue = true
    return isDue && left.delete(name)
  })
}

test('a creation that a full disk stopped leaves no shards behind when it goes on', async () => {
  const dir = temporaryDirectory()
  // The catalog is there already: its own shard is not what the disk is full for.
  await (await openStreams(dir)).close()
  const wrap = fullAfterShards(['append'])
  const { streams, log, errors, close } = await openStreams(dir, { wrap })
  await streams.create({ streamName: 'orders', shardCount: 3 })
  await untilQuiet(streams)
  expect(errors).toMatchObject([{ code: 'DISK_FULL' }])
  expect(await log.listShards()).toHaveLength(1 + 3)
  await close()
})

test('the shards of such a creation that could not be deleted go with the next sweep', async () => {
  const dir = temporaryDirectory()
  await (await openStreams(dir)).close()
  let isFull = true
  const noDeletion = fullFor((name) => name === 'deleteShards' && isFull)
  const wrap = (log: Log) => noDeletion(fullAfterShards(['append'])(log))
  const { streams, log, errors, close } = await openStreams(dir, { wrap })
  await streams.create({ streamName: 'orders', shardCount: 3 })
  await untilQuiet(streams)
  expect(new Set(errors.map((it) => (it as MillraceError).code))).toEqual(new Set(['DISK_FULL']))
  expect(await log.listShards()).toHaveLength(1 + 3 + 3)
  isFull = false
  await streams.retention.sweep()
  expect(await log.listShards()).toHaveLength(1 + 3)
  await close()
})

test('an open on a full disk keeps the shards that nobody names until there is room', async () => {
  const dir = temporaryDirectory()
  const first = await openStreams(dir)
  await first.streams.create({ streamName: 'orders', shardCount: 1 })
  await untilQuiet(first.streams)
  await first.log.createShards([sequenceNumber(1n), sequenceNumber(1n)])
  await first.close()

  let isFull = true
  const wrap = fullFor((name) => name === 'deleteShards' && isFull)
  const { streams, log, errors, close } = await openStreams(dir, { wrap })
  expect(errors).toMatchObject([{ code: 'DISK_FULL' }])
  expect(find(streams, 'orders')?.status).toBe('ACTIVE')
  await streams.retention.sweep()
  expect(await log.listShards()).toHaveLength(1 + 1 + 2)
  isFull = false
  await streams.retention.sweep()
  expect(await log.listShards()).toHaveLength(1 + 1)
  await close()
})

test('more shards than there is room to tell of at a time go in parts', async () => {
  const dir = temporaryDirectory()
  const wrap = fullFor((name, [shards]) => name === 'deleteShards' && (shards as []).length > 2)
  const { streams, log, errors, close } = await openStreams(dir, { wrap })
  await streams.create({ streamName: 'orders', shardCount: 7 })
  await untilQuiet(streams)
  expect(await log.listShards()).toHaveLength(1 + 7)
  await streams.delete('orders')
  await untilQuiet(streams)
  expect(errors).toEqual([])
  expect(await log.listShards()).toHaveLength(1)
  await close()
})

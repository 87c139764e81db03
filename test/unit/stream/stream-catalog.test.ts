import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { MillraceError } from '../../../src/errors.ts'
import { sequenceNumber } from '../../../src/log/log.ts'
import { openLog } from '../../../src/log/native-log.ts'
import { StreamCatalog } from '../../../src/stream/stream-catalog.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import { packMessage } from '../../../src/wire/codec.ts'
import { logOptions, openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'no error',
    (error: MillraceError) => error.code,
  )
}

/** Every file of a directory with its bytes. */
function contents(dir: string): Map<string, string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
  return new Map(
    files
      .filter((it) => it.isFile())
      .map((it) => join(it.parentPath, it.name))
      .map((path) => [path, readFileSync(path, 'base64')]),
  )
}

async function makeDirectory(): Promise<string> {
  const dir = temporaryDirectory()
  const { streams, close } = await openStreams(dir)
  await streams.create({ streamName: 'one', shardCount: 2 })
  await streams.create({ streamName: 'two', shardCount: 1, streamMode: 'PROVISIONED' })
  await untilQuiet(streams)
  await streams.settings.changeTags('one', [{ key: 'k', value: 'v' }], [])
  await streams.consumers.register(streams.require('one'), 'there', [])
  await close()
  return dir
}

/** Appends a record to the catalog of a directory, whatever it is. */
async function addRecord(dir: string, values: readonly unknown[]): Promise<void> {
  const log = await openLog({ ...logOptions, dir })
  const [shard] = await log.listShards()
  if (shard === undefined) throw new Error('there is no catalog')
  const builder = new BatchBuilder()
  builder.add('k', packMessage(values))
  await log.append(shard, builder)
  await log.close()
}

test('what the catalog was told is there after an open', async () => {
  const dir = await makeDirectory()
  const { streams, close } = await openStreams(dir)
  const [one, two] = streams.all
  expect(one).toMatchObject({ name: 'one', status: 'ACTIVE', mode: 'ON_DEMAND' })
  expect(one?.tags).toEqual(new Map([['k', 'v']]))
  expect(one?.shards.size).toBe(2)
  expect(one === undefined ? [] : streams.consumers.of(one)).toMatchObject([{ name: 'there' }])
  expect(two).toMatchObject({ name: 'two', status: 'ACTIVE', mode: 'PROVISIONED' })
  await close()
})

test('the key of a directory is random, and stays', async () => {
  const keys: Uint8Array[] = []
  const dir = temporaryDirectory()
  for (const it of [dir, dir, temporaryDirectory()]) {
    const log = await openLog({ ...logOptions, dir: it })
    keys.push((await StreamCatalog.open(log, { snapshotBytesMin: 1 })).instanceKey)
    await log.close()
  }
  expect(keys[0]).toHaveLength(32)
  expect(keys[1]).toEqual(keys[0])
  expect(keys[2]).not.toEqual(keys[0])
})

test('a damaged catalog stops the open, with nothing changed, at every place of it', async () => {
  const original = await makeDirectory()
  const log = join(original, 'log')
  const segment = readdirSync(log).find((it) =>
    readFileSync(join(log, it)).includes('millrace-catalog'),
  )
  const bytes = readFileSync(join(log, segment ?? ''))
  const end = bytes.lastIndexOf('PROVISIONED')
  let refused = 0
  for (let at = 4096; at < end; at += 37) {
    const dir = temporaryDirectory()
    cpSync(original, dir, { recursive: true })
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] as number) ^ 0x10
    writeFileSync(join(dir, 'log', segment ?? ''), changed)
    const shards = await codeOf(openStreams(dir))
    expect(shards).toBe('CATALOG_UNREADABLE')
    // It says so again: the shards and their records are where they were.
    expect(await codeOf(openStreams(dir))).toBe('CATALOG_UNREADABLE')
    const opened = await openLog({ ...logOptions, dir })
    expect(await opened.listShards()).toHaveLength(4)
    await opened.close()
    refused += 1
  }
  expect(refused).toBeGreaterThan(5)
})

test('a log that is that of another program is refused, and left as it is', async () => {
  const dir = temporaryDirectory()
  // Spares belong to the process that made them: an open removes them.
  const log = await openLog({ ...logOptions, dir, spareSegments: 0 })
  const [shard] = await log.createShards([sequenceNumber(1n)])
  const builder = new BatchBuilder()
  builder.add('key', new TextEncoder().encode('not a catalog'))
  if (shard !== undefined) await log.append(shard, builder)
  await log.close()
  const before = contents(dir)
  expect(await codeOf(openStreams(dir))).toBe('CATALOG_UNREADABLE')
  expect(contents(dir)).toEqual(before)
})

test('what a newer version wrote is refused as such', async () => {
  for (const values of [
    [99, 1],
    [1, 'millrace-catalog', 2, new Uint8Array(32), 'more'],
  ]) {
    const dir = await makeDirectory()
    await addRecord(dir, values)
    expect(await codeOf(openStreams(dir))).toBe('FORMAT_UNSUPPORTED')
  }
})

test('records that cannot follow one another are refused', async () => {
  const unreadable = [
    [5, 77, 'ACTIVE'],
    [5, 1, 'SLEEPING'],
    [5, 1],
    [8, 77],
    [3, 1, 'other', 0, 'ON_DEMAND', 1, 24, 1, 1, []],
    [3, 9, 'one', 0, 'ON_DEMAND', 1, 24, 1, 1, []],
    [6, 1, [['k']]],
    [1, 'something-else', 1, new Uint8Array(32)],
    [10, 77, 'c', 0, []],
    [10, 1, '', 0, []],
    [10, 1, 'there', 0, []],
    [11, 1, 'nobody'],
    [12, 1, 'nobody', [[0, 5]]],
    [12, 2, 'there', [[0, 5]]],
    [12, 1, 'there', [[-1, 5]]],
    [13, 1, 'nobody', []],
    [13, 1, 'there', [[0, 5]]],
    [14],
  ]
  for (const values of unreadable) {
    const dir = await makeDirectory()
    await addRecord(dir, values)
    expect([values, await codeOf(openStreams(dir))]).toEqual([values, 'CATALOG_UNREADABLE'])
  }
})

test('a shard with records that no stream names: the catalog has lost something', async () => {
  const dir = await makeDirectory()
  const log = await openLog({ ...logOptions, dir })
  const [empty, used] = await log.createShards([sequenceNumber(1n), sequenceNumber(1n)])
  if (empty === undefined || used === undefined) throw new Error('no shards')
  await log.close()
  const first = await openStreams(dir)
  expect(await first.log.listShards()).toHaveLength(4)
  const [orphan] = await first.log.createShards([sequenceNumber(1n)])
  const builder = new BatchBuilder()
  builder.add('key', new Uint8Array(1))
  if (orphan !== undefined) await first.log.append(orphan, builder)
  await first.close()
  expect(await codeOf(openStreams(dir))).toBe('CATALOG_UNREADABLE')
  const after = await openLog({ ...logOptions, dir })
  expect(await after.listShards()).toHaveLength(5)
  await after.close()
})

test('a shard of a stream that is not there is no stream without it', async () => {
  const dir = await makeDirectory()
  const log = await openLog({ ...logOptions, dir })
  const shards = await log.listShards()
  const last = shards.at(-1)
  if (last !== undefined) await log.deleteShard(last)
  await log.close()
  expect(await codeOf(openStreams(dir))).toBe('CATALOG_UNREADABLE')
})

test('snapshots replace what came before them', async () => {
  const dir = temporaryDirectory()
  const { streams, log, close } = await openStreams(dir, { snapshotBytesMin: 1000 })
  await streams.create({ streamName: 's', shardCount: 1 })
  await untilQuiet(streams)
  const [catalog] = await log.listShards()
  if (catalog === undefined) throw new Error('there is no catalog')
  for (let i = 0; i < 200; i += 1) {
    await streams.settings.changeTags('s', [{ key: 'k', value: String(i) }], [])
  }
  const stats = await log.shardStats(catalog)
  expect(stats.nextSequenceNumber).toBeGreaterThan(200n)
  expect(stats.nextSequenceNumber - stats.firstSequenceNumber).toBeLessThan(150n)
  await close()
  const again = await openStreams(dir)
  expect([...again.streams.all][0]?.tags).toEqual(new Map([['k', '199']]))
  await again.close()
})

test('changes that are refused leave no trace, and the next ones work', async () => {
  const dir = temporaryDirectory()
  const { streams, close } = await openStreams(dir)
  await streams.create({ streamName: 's' })
  const results = await Promise.all([
    codeOf(streams.create({ streamName: 's' })),
    codeOf(streams.create({ streamName: 't' })),
    codeOf(streams.create({ streamName: 't' })),
    codeOf(streams.delete('u')),
  ])
  expect(results).toEqual(['STREAM_EXISTS', 'no error', 'STREAM_EXISTS', 'STREAM_NOT_FOUND'])
  await untilQuiet(streams)
  expect([...streams.all].map((it) => it.name)).toEqual(['s', 't'])
  await close()
})

test('two that write to one catalog: the second is fenced off, nothing is mixed up', async () => {
  const dir = temporaryDirectory()
  const one = await openStreams(dir)
  const two = await openStreams(dir)
  await one.streams.create({ streamName: 's', shardCount: 1 })
  await untilQuiet(one.streams)
  expect(await codeOf(two.streams.create({ streamName: 's', shardCount: 1 }))).toBe('WRITER_FENCED')
  await one.close()
  await two.close()
  const again = await openStreams(dir)
  expect([...again.streams.all].map((it) => it.name)).toEqual(['s'])
  await again.close()
})

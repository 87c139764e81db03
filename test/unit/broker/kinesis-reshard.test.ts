/**
 * The behaviours of Kinesis that emulators most often get wrong, by their numbers in the list of
 * twenty; here those of splits and merges.
 */

import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Broker } from '../../../src/broker/broker.ts'
import type { Log } from '../../../src/log/log.ts'
import { openLog } from '../../../src/log/native-log.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import {
  addTagsToStream,
  deleteStream,
  describeStream,
  describeStreamSummary,
  listShards,
  listTagsForStream,
  mergeShards,
  splitShard,
  updateShardCount,
} from '../../../src/wire/operations.ts'
import type { PutProducer } from '../../../src/wire/put-builder.ts'
import {
  failure,
  get,
  iteratorOf,
  logOptions,
  makeBroker,
  makeStream,
  put,
  putMany,
  putSealed,
  readShard,
  temporaryDirectory,
  textRecord,
  untilActive,
  untilGone,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'
const top = 2n ** 128n - 1n
const half = 2n ** 127n
const provisioned = { streamMode: 'PROVISIONED' } as const
const id = (index: number) => `shardId-${String(index).padStart(12, '0')}`
const at = (explicitHashKey: bigint, text: string) => ({
  ...textRecord('k', text),
  explicitHashKey,
})

/** Calls of the log that wait until they are let go on. */
class Gates {
  readonly #waiting = new Map<string, () => void>()
  readonly #shut = new Set<string>()

  shut(...calls: string[]): void {
    for (const call of calls) this.#shut.add(call)
  }

  /** Waits until a call has come to its gate. */
  async reached(call: string): Promise<void> {
    await expect.poll(() => this.#waiting.has(call), { interval: 1, timeout: 10_000 }).toBe(true)
  }

  open(call: string): void {
    this.#shut.delete(call)
    this.#waiting.get(call)?.()
  }

  over(log: Log): Log {
    return new Proxy(log, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        const call = String(name)
        if (!this.#shut.has(call)) return value.bind(target)
        return async (...args: unknown[]) => {
          await new Promise<void>((resolve) => this.#waiting.set(call, resolve))
          return value.apply(target, args) as unknown
        }
      },
    })
  }
}

/** A broker whose reshards stop before the children are made, and before the parents are closed. */
async function makeGated(): Promise<{ readonly broker: Broker; readonly gates: Gates }> {
  const gates = new Gates()
  const log = await openLog({ ...logOptions, dir: join(temporaryDirectory(), 'data') })
  const broker = await Broker.over(gates.over(log))
  onTestFinished(() => broker.close())
  await makeStream(broker, streamName, 1, provisioned)
  gates.shut('createShards', 'sealShards')
  return { broker, gates }
}

async function statesOf(broker: Broker): Promise<string[]> {
  const { shards } = await broker.call(listShards, { streamName })
  return shards.map((it) => (it.endingSequenceNumber === undefined ? 'open' : 'closed'))
}

async function statusOf(broker: Broker): Promise<string> {
  return (await broker.call(describeStreamSummary, { streamName })).streamStatus
}

test('Kinesis 5: records stay; from the switch on new ones are in the children', async () => {
  const { broker, gates } = await makeGated()
  await put(broker, { streamName }, at(0n, 'before'))
  await broker.call(splitShard, { streamName, shardToSplit: '0' })
  await gates.reached('createShards')
  expect(await statusOf(broker)).toBe('UPDATING')
  // A put during a split lands in the parent until the switch.
  expect(await put(broker, { streamName }, at(top, 'during'))).toMatchObject({ shardId: id(0) })
  expect(await statesOf(broker)).toEqual(['open'])

  gates.open('createShards')
  await gates.reached('sealShards')
  const results = await putMany(broker, { streamName }, [at(0n, 'lower'), at(half, 'upper')])
  expect(results.map((it) => it.shardId)).toEqual([id(1), id(2)])
  // Nobody sees the children before the parent has its end.
  expect([await statusOf(broker), await statesOf(broker)]).toEqual(['UPDATING', ['open']])
  const early = { streamName, shardId: '1', shardIteratorType: 'LATEST' } as const
  expect((await failure(iteratorOf(broker, early))).code).toBe('SHARD_NOT_FOUND')
  const parent = { streamName, shardId: '0', shardIteratorType: 'TRIM_HORIZON' } as const
  const open = await get(broker, await iteratorOf(broker, parent))
  expect(open.records.map((it) => it.text)).toEqual(['before', 'during'])
  expect(open.nextShardIterator).toBeDefined()

  gates.open('sealShards')
  await untilActive(broker, streamName)
  expect(await statesOf(broker)).toEqual(['closed', 'open', 'open'])
  const texts = async (shardId: string) =>
    (await readShard(broker, streamName, shardId)).map((it) => it.text)
  expect([await texts('0'), await texts('1'), await texts('2')]).toEqual([
    ['before', 'during'],
    ['lower'],
    ['upper'],
  ])
  const { shards } = await broker.call(describeStream, { streamName })
  const [ended, ...children] = shards
  expect(ended?.endingSequenceNumber).toBe(2n)
  // 7: higher than all of the parent, whatever it still got.
  for (const it of children) expect(it.startingSequenceNumber).toBe(2n ** 32n + 2n)
})

test('Kinesis 5: a PutBatch to a closed shard is SHARD_CLOSED, from the switch on', async () => {
  const { broker, gates } = await makeGated()
  const records = (text: string) => {
    const builder = new BatchBuilder()
    builder.add('k', new TextEncoder().encode(text))
    return builder.bytes.slice()
  }
  const batch = (shardIndex: number, text: string, producer?: PutProducer) =>
    putSealed(
      broker,
      { streamName, ...(producer === undefined ? {} : { producer }) },
      { shardIndex, count: 1, records: records(text) },
    )
  const producer = { producerId: 7n, producerSequence: 0 }
  const first = await batch(0, 'a', producer)
  await broker.call(splitShard, { streamName, shardToSplit: '0' })
  await gates.reached('createShards')
  expect((await failure(batch(1, 'x'))).code).toBe('SHARD_NOT_FOUND')
  gates.open('createShards')
  await gates.reached('sealShards')
  const refused = await failure(batch(0, 'b'))
  expect(`${refused.code}: ${refused.message}`).toBe(
    `SHARD_CLOSED: Shard ${id(0)} in stream s is closed; ` +
      'list the shards to see which replaced it.',
  )
  expect((await batch(1, 'c')).firstSequenceNumber).toBe(2n ** 32n + 2n)
  // The parent is not sealed yet: what is new does not get in behind what its children have.
  const next = { ...producer, producerSequence: 1 }
  expect((await failure(batch(0, 'late', next))).code).toBe('SHARD_CLOSED')
  expect(await batch(0, 'a', producer)).toEqual({ ...first, duplicate: true })
  gates.open('sealShards')
  await untilActive(broker, streamName)
  expect((await failure(batch(0, 'd'))).code).toBe('SHARD_CLOSED')
  expect((await failure(batch(0, 'e', next))).code).toBe('SHARD_CLOSED')
  // A repeat gets its first answer.
  expect(await batch(0, 'a', producer)).toEqual({ ...first, duplicate: true })
  expect((await readShard(broker, streamName, '0')).map((it) => it.text)).toEqual(['a'])
})

test('Kinesis 5: a repeat is answered by the parent, also after an open', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName, 2, provisioned)
  const records = [at(0n, 'a'), at(half - 1n, 'b'), at(top, 'c')]
  const of = (producerSequence: number) => ({
    streamName,
    producer: { producerId: 9n, producerSequence },
  })
  const first = await putMany(made.broker, of(1), records)
  await made.broker.call(splitShard, { streamName, shardToSplit: '0' })
  await untilActive(made.broker, streamName)
  expect(await putMany(made.broker, of(1), records)).toEqual(first)
  const second = await putMany(made.broker, of(2), records)
  expect(second.map((it) => it.shardId)).toEqual([id(2), id(3), id(1)])
  const names = { shardToMerge: '2', adjacentShardToMerge: '3' }
  await made.broker.call(mergeShards, { streamName, ...names })
  await untilActive(made.broker, streamName)
  // What it has of its last reshards it has from the catalog, however long it was away.
  made.clock.millis += 12 * 3_600_000
  await made.reopen()
  expect(await putMany(made.broker, of(1), records)).toEqual(first)
  expect(await putMany(made.broker, of(2), records)).toEqual(second)
  const texts = async (shardId: string) =>
    (await readShard(made.broker, streamName, shardId)).map((it) => it.text)
  expect(await Promise.all(['0', '1', '2', '3', '4'].map(texts))).toEqual([
    ['a', 'b'],
    ['c', 'c'],
    ['a'],
    ['b'],
    [],
  ])
})

test('Kinesis 6: both children of a split name their parent, behind everything', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName, 1, provisioned)
  await put(broker, { streamName }, at(0n, '1'))
  const moves = [
    { startingHashKey: 0n, endingHashKey: half - 1n, shardIds: [id(0)] },
    { startingHashKey: half, endingHashKey: top, shardIds: [id(0)] },
  ]
  expect(await broker.call(splitShard, { streamName, shardToSplit: '0' })).toEqual({ moves })
  const old = { streamName, shardId: '0', shardIteratorType: 'TRIM_HORIZON' } as const
  const iterator = await iteratorOf(broker, old)
  await untilActive(broker, streamName)
  const end = await get(broker, iterator)
  expect(end.records.map((it) => it.text)).toEqual(['1'])
  expect(end.nextShardIterator).toBeUndefined()
  expect(end.childShards).toEqual(
    moves.map(({ shardIds: parentShards, ...range }, i) => ({
      shardId: id(1 + i),
      parentShards,
      ...range,
    })),
  )
})

test('Kinesis 7: only closed shards have an end, and it is below their children', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName, 2, provisioned)
  const everywhere = [0n, half - 1n, half, top]
  const putAll = () =>
    putMany(
      broker,
      { streamName },
      everywhere.map((it) => at(it, 'x')),
    )
  for (const change of [
    () => broker.call(splitShard, { streamName, shardToSplit: '1' }),
    () => broker.call(mergeShards, { streamName, shardToMerge: '0', adjacentShardToMerge: '2' }),
    () => broker.call(updateShardCount, { streamName, targetShardCount: 4 }),
    // Of shards that never got a record.
    () => broker.call(updateShardCount, { streamName, targetShardCount: 2 }),
  ]) {
    if ((await statesOf(broker)).length < 9) await putAll()
    await change()
    await untilActive(broker, streamName)
  }
  const { shards } = await broker.call(listShards, { streamName })
  const ends = new Map(shards.map((it) => [it.shardId, it.endingSequenceNumber]))
  expect(shards.filter((it) => it.endingSequenceNumber === undefined)).toHaveLength(2)
  for (const { shardId, startingSequenceNumber, endingSequenceNumber, ...rest } of shards) {
    const records = await readShard(broker, streamName, shardId)
    const numbers = records.map((it) => it.sequenceNumber)
    for (const number of numbers) {
      expect(number >= startingSequenceNumber).toBe(true)
      if (endingSequenceNumber !== undefined) expect(number <= endingSequenceNumber).toBe(true)
    }
    for (const parent of [rest.parentShardId, rest.adjacentParentShardId]) {
      if (parent !== undefined)
        expect(startingSequenceNumber).toBeGreaterThan(ends.get(parent) ?? 0n)
    }
  }
})

test('Kinesis 17: UPDATING refuses what would change the shards, and nothing else', async () => {
  const { broker, gates } = await makeGated()
  await broker.call(updateShardCount, { streamName, targetShardCount: 2 })
  await gates.reached('createShards')
  const refused = [
    broker.call(splitShard, { streamName, shardToSplit: '0' }),
    broker.call(mergeShards, { streamName, shardToMerge: '0', adjacentShardToMerge: '1' }),
    broker.call(updateShardCount, { streamName, targetShardCount: 1 }),
  ]
  for (const it of refused) {
    const { code, message } = await failure(it)
    expect(`${code}: ${message}`).toBe(
      'STREAM_IN_USE: Stream s not ACTIVE, instead in state UPDATING',
    )
  }
  await broker.call(addTagsToStream, { streamName, tags: [{ key: 'k', value: 'v' }] })
  expect((await broker.call(listTagsForStream, { streamName })).tags).toHaveLength(1)
  await put(broker, { streamName }, at(0n, 'x'))
  expect(await readShard(broker, streamName, '0')).toHaveLength(1)
  expect(await statesOf(broker)).toEqual(['open'])
  gates.open('createShards')
  gates.open('sealShards')
  await untilActive(broker, streamName)
  expect((await broker.call(listTagsForStream, { streamName })).tags).toHaveLength(1)
})

test.each(['createShards', 'sealShards'])(
  'Kinesis 17: a stream can be deleted before %s',
  async (call) => {
    const { broker, gates } = await makeGated()
    await broker.call(splitShard, { streamName, shardToSplit: '0' })
    await gates.reached('createShards')
    if (call === 'sealShards') gates.open('createShards')
    await gates.reached(call)
    await broker.call(deleteStream, { streamName })
    expect((await failure(put(broker, { streamName }, at(0n, 'x')))).code).toBe('STREAM_NOT_FOUND')
    gates.open('createShards')
    gates.open('sealShards')
    await untilGone(broker, streamName)
    const { log } = await broker.stats()
    expect(log.shardCount).toBe(1)
  },
)

test('Kinesis 18: ListShards tiles the hash space at each instant of reshards', async () => {
  const made = await makeBroker()
  const { broker, clock } = made
  await makeStream(broker, streamName, 2, provisioned)
  const instants: number[] = []
  const pass = (millis: number) => {
    clock.millis += millis
    instants.push(clock.millis)
  }
  for (const change of [
    () => broker.call(splitShard, { streamName, shardToSplit: '1' }),
    () => broker.call(mergeShards, { streamName, shardToMerge: '0', adjacentShardToMerge: '2' }),
    () => broker.call(updateShardCount, { streamName, targetShardCount: 3 }),
  ]) {
    pass(60_000)
    clock.millis += 60_000
    await change()
    await untilActive(broker, streamName)
    pass(0)
  }
  pass(60_000)
  const sizes: number[] = []
  for (const timestamp of instants) {
    const shardFilter = { type: 'AT_TIMESTAMP', timestamp } as const
    const { shards } = await broker.call(listShards, { streamName, shardFilter })
    const sorted = [...shards].sort((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1))
    let next = 0n
    for (const it of sorted) {
      expect(it.startingHashKey).toBe(next)
      next = it.endingHashKey + 1n
    }
    expect(next).toBe(top + 1n)
    sizes.push(shards.length)
  }
  expect(sizes).toEqual([2, 3, 3, 2, 2, 3, 3])
  const list = async (shardFilter: { type: 'AT_LATEST' | 'FROM_TRIM_HORIZON' }) =>
    (await broker.call(listShards, { streamName, shardFilter })).shards
  expect(await list({ type: 'AT_LATEST' })).toHaveLength(3)
  const all = await list({ type: 'FROM_TRIM_HORIZON' })
  expect(all.slice(0, 2).map((it) => it.shardId)).toEqual([id(0), id(1)])
  const { openShardCount } = await broker.call(describeStreamSummary, { streamName })
  expect(openShardCount).toBe(3)
})

/** Streams that split and merge their shards by themselves, with loads and a clock as told. */

import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MillraceError } from '../../../../src/errors.ts'
import type { AppendAnswer, Log, ShardTraffic } from '../../../../src/log/log.ts'
import type { Shard } from '../../../../src/shard/shard.ts'
import type { ScalingEvent } from '../../../../src/stream/scaling/scaling.ts'
import type { ScalingSettings } from '../../../../src/stream/scaling/settings.ts'
import { openShards } from '../../../../src/stream/stream.ts'
import { BatchBuilder } from '../../../../src/wire/batch-builder.ts'
import type { ShardId } from '../../../../src/wire/numbers.ts'
import { type OpenedStreams, openStreams, temporaryDirectory, untilQuiet } from '../harness.ts'

const streamName = 's'
const lookMillis = 10_000

/** Windows of 60 s and 10 min; looks come from the tests alone. */
const scaling: Partial<ScalingSettings> = {
  shardRecordsPerSecond: 100,
  lookMillis: 86_400_000,
  mergeMillis: 600_000,
  shardsMin: 1,
}

/** A log that says what a test wants of what has come in, and counts what it is asked for. */
class Bench {
  readonly calls: string[] = []
  readonly events: ScalingEvent[] = []
  readonly #totals = new Map<ShardId, number>()
  isDiskFull = false
  millis = 0
  opened!: OpenedStreams

  wrap(log: Log): Log {
    return new Proxy(log, {
      get: (target, name) => {
        if (name === 'shardTraffic') return async () => this.#traffic()
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          this.calls.push(String(name))
          if (name === 'append' && this.isDiskFull) {
            return Promise.reject<AppendAnswer>(new MillraceError('DISK_FULL'))
          }
          return value.apply(target, args) as unknown
        }
      },
    })
  }

  get streams() {
    return this.opened.streams
  }

  get open(): Shard[] {
    return openShards(this.streams.require(streamName))
  }

  /** The ranges, in percent, of the open shards. */
  get starts(): number[] {
    return this.open.map((it) => Number((it.startingHashKey * 10_000n) >> 128n) / 100)
  }

  /** Some looks, with so many records a second of each hash key, or of shards by default. */
  async pass(looks: number, rateOf: (shard: Shard) => number): Promise<void> {
    for (let look = 0; look < looks; look += 1) {
      this.flow(rateOf)
      await this.streams.scaling.look()
      await untilQuiet(this.streams)
    }
  }

  /** Time goes by, and nobody looks. */
  flow(rateOf: (shard: Shard) => number): void {
    for (const shard of this.open) {
      const total = this.#totals.get(shard.number) ?? 0
      this.#totals.set(shard.number, total + (rateOf(shard) * lookMillis) / 1000)
    }
    this.millis += lookMillis
  }

  describe() {
    return this.streams.scaling.describe(this.streams.require(streamName))
  }

  counts() {
    return this.streams.scaling.countsOf(this.streams.require(streamName))
  }

  #traffic(): ShardTraffic[] {
    const shards = [...this.streams.all].flatMap((it) => openShards(it))
    return shards.map(({ number: shard }) => {
      const records = this.#totals.get(shard) ?? 0
      return { shard, records, bytes: records, throttledRecords: 0 }
    })
  }
}

async function makeBench(
  dir: string,
  changed: Partial<ScalingSettings> = {},
  bench = new Bench(),
): Promise<Bench> {
  bench.opened = await openStreams(dir, {
    wrap: (log) => bench.wrap(log),
    scaling: { ...scaling, ...changed },
    onScaling: (event) => bench.events.push(event),
    elapsed: () => bench.millis,
  })
  return bench
}

async function create(bench: Bench, shardCount: number, isProvisioned = false): Promise<void> {
  const streamMode = isProvisioned ? 'PROVISIONED' : 'ON_DEMAND'
  await bench.streams.create({ streamName, shardCount, streamMode })
  await untilQuiet(bench.streams)
  await bench.pass(1, () => 0)
}

/** A load on the keys of this range alone. */
const on = (percent: number, rate: number) => (shard: Shard) => {
  const key = (BigInt(percent) << 128n) / 100n
  return shard.startingHashKey <= key && key <= shard.endingHashKey ? rate : 0
}

test('a hot shard is split, and what is cold is merged again, to what was asked for', async () => {
  const bench = await makeBench(temporaryDirectory())
  await create(bench, 2)
  await bench.pass(5, () => 80)
  expect(bench.starts).toEqual([0, 50])
  await bench.pass(1, () => 80)
  expect(bench.starts).toEqual([0, 25, 50, 75])
  expect(bench.events).toMatchObject([
    { kind: 'scaled', streamName, split: [0, 1], merged: [], openShardCount: 2 },
  ])
  expect(bench.events[0]?.reasons).toHaveLength(2)
  await bench.pass(20, () => 40)
  expect(bench.starts).toEqual([0, 25, 50, 75])
  await bench.pass(59, () => 0)
  expect(bench.starts).toEqual([0, 25, 50, 75])
  await bench.pass(3, () => 0)
  expect(bench.starts).toEqual([0, 50])
  expect(bench.events[1]).toMatchObject({
    split: [],
    merged: [
      [2, 3],
      [4, 5],
    ],
  })
  expect(bench.counts()).toMatchObject({ splits: 2, merges: 2, blocked: new Map() })
  expect(bench.counts().changedMillis).toBeGreaterThan(1_700_000_000_000)
  await bench.pass(200, () => 0)
  expect(bench.starts).toEqual([0, 50])
  expect(bench.opened.errors).toEqual([])
  await bench.opened.close()
})

test('a close waits for a look that is under way: the log is closed behind it', async () => {
  const calls: string[] = []
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const note = async (name: string, then: () => Promise<unknown>) => {
    calls.push(name)
    return await then()
  }
  const wrap = (log: Log): Log =>
    new Proxy(log, {
      get: (target, name) => {
        if (name === 'shardTraffic') {
          return () => note(name, () => held.then(() => target.shardTraffic()))
        }
        if (name === 'close') return () => note(name, () => target.close())
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  const options = { wrap, scaling: { ...scaling, lookMillis: 10 } }
  const { close, errors } = await openStreams(temporaryDirectory(), options)
  await expect.poll(() => calls).toEqual(['shardTraffic'])
  const closing = close()
  await setTimeout(50)
  expect(calls).toEqual(['shardTraffic'])
  release()
  await closing
  expect([calls, errors]).toEqual([['shardTraffic', 'close'], []])
})

test('an open measures anew, and goes on', async () => {
  const dir = temporaryDirectory()
  const bench = await makeBench(dir)
  await create(bench, 1)
  await bench.pass(5, () => 80)
  await bench.opened.close()
  await makeBench(dir, {}, bench)
  await bench.pass(6, () => 80)
  expect(bench.starts).toEqual([0])
  await bench.pass(1, () => 80)
  expect(bench.starts).toEqual([0, 50])
  await bench.opened.close()
})

test('a PROVISIONED stream is left alone until it is ON_DEMAND, and again', async () => {
  const bench = await makeBench(temporaryDirectory())
  await create(bench, 1, true)
  await bench.pass(10, () => 80)
  expect(bench.starts).toEqual([0])
  expect((await bench.describe()).plan.splits).toEqual([])
  await bench.streams.settings.setMode(streamName, 'ON_DEMAND')
  await untilQuiet(bench.streams)
  await bench.pass(1, () => 80)
  expect(bench.starts).toEqual([0, 50])
  await bench.streams.settings.setMode(streamName, 'PROVISIONED')
  await untilQuiet(bench.streams)
  await bench.pass(20, () => 80)
  expect(bench.starts).toEqual([0, 50])
  await bench.opened.close()
})

test('it can be switched off, and measures all the same', async () => {
  const bench = await makeBench(temporaryDirectory(), { disabled: true })
  await create(bench, 1)
  await bench.pass(10, () => 80)
  expect(bench.starts).toEqual([0])
  const { open, history } = await bench.describe()
  expect(history.get(open[0]?.number as ShardId)?.at(-1)?.recordsPerSecond).toBe(80)
  await bench.opened.close()
})

test('what would be done is told, and not done', async () => {
  const bench = await makeBench(temporaryDirectory(), { splitMillis: 30_000 })
  await create(bench, 2)
  await bench.pass(5, on(10, 80))
  expect((await bench.describe()).plan).toMatchObject({ splits: [], restMillis: 10_000 })
  bench.flow(on(10, 80))
  const { plan, shardsMin, open } = await bench.describe()
  expect([plan.restMillis, shardsMin, open.map((it) => it.index)]).toEqual([0, 2, [0, 1]])
  expect(plan.splits.map((it) => it.replacement.parents)).toEqual([[0]])
  expect([bench.starts, bench.counts().splits]).toEqual([[0, 50], 0])
  await bench.pass(1, on(10, 80))
  expect(bench.starts).toEqual([0, 25, 50])
  await bench.opened.close()
})

test('a split is where the load of the last records is halved', async () => {
  const bench = await makeBench(temporaryDirectory())
  await create(bench, 1)
  const batch = new BatchBuilder()
  for (let i = 0; i < 60; i += 1) batch.add(i % 2 === 0 ? 'a' : 'c', Buffer.from('text'))
  await bench.opened.log.append((bench.open[0] as Shard).number, batch)
  await bench.pass(6, () => 80)
  const md5 = { a: 0x0cc175b9, c: 0x4a8a08f0 }
  const between = (md5.a + md5.c) / 2 / 2 ** 32
  expect(bench.starts[1]).toBeCloseTo(100 * between, 1)
  await bench.opened.close()
})

test('a key that is too much for a shard is reported once, and not split for ever', async () => {
  const bench = await makeBench(temporaryDirectory())
  await create(bench, 1)
  await bench.pass(60, on(3, 500))
  expect(bench.starts).toEqual([0, 12.5, 25, 50])
  expect(bench.counts().blocked).toEqual(new Map([['HOT_KEY', 1]]))
  expect(bench.counts()).toMatchObject({ splits: 3, merges: 0 })
  const blocked = bench.events.filter((it) => it.kind === 'blocked')
  expect(blocked).toHaveLength(1)
  expect(blocked[0]?.reasons[0]).toMatch(/^shard \d+: HOT_KEY: it has 500 % .*, and the last 3/)
  await bench.pass(200, on(3, 500))
  expect([bench.counts().splits, bench.starts.length]).toEqual([3, 2])
  await bench.pass(3, () => 0)
  expect(bench.counts().blocked).toEqual(new Map())
  await bench.opened.close()
})

test('a full disk is told and counted, and the split is tried again after a rest', async () => {
  const bench = await makeBench(temporaryDirectory())
  await create(bench, 1)
  bench.isDiskFull = true
  await bench.pass(6, () => 80)
  expect(bench.events.map((it) => it.kind)).toEqual(['failed'])
  expect(bench.events[0]?.reasons[0]).toMatch(/^DISK_FULL: /)
  expect(bench.opened.errors).toMatchObject([{ code: 'DISK_FULL' }])
  expect(bench.counts().failures).toEqual(new Map([['DISK_FULL', 1]]))
  await bench.pass(5, () => 80)
  expect(bench.events).toHaveLength(1)
  await bench.pass(1, () => 80)
  expect(bench.counts().failures).toEqual(new Map([['DISK_FULL', 2]]))
  bench.isDiskFull = false
  await bench.pass(6, () => 80)
  expect(bench.starts).toEqual([0, 50])
  await bench.opened.close()
})

test('one change of a stream is begun at a time', async () => {
  const bench = await makeBench(temporaryDirectory(), { cooldownMillis: 0 })
  await create(bench, 1)
  await bench.pass(5, () => 80)
  bench.millis += lookMillis
  const looks = [bench.pass(1, () => 160), bench.streams.scaling.look()]
  await Promise.all([...looks, bench.streams.scaling.look()])
  await untilQuiet(bench.streams)
  expect(bench.starts).toEqual([0, 50])
  expect(bench.counts().splits).toBe(1)
  await bench.opened.close()
})

test('a plan of shards that are closed by now begins nothing', async () => {
  const bench = await makeBench(temporaryDirectory())
  await create(bench, 1)
  const { resharding } = bench.streams
  const before = bench.streams.require(streamName)
  const replacement = { parents: [0], startingHashKeys: [0n, 2n ** 127n] }
  expect(await resharding.replace(before, [replacement])).toBe(true)
  // Nor does one while the stream is UPDATING.
  const other = { parents: [0], startingHashKeys: [0n, 2n ** 126n] }
  expect(await resharding.replace(before, [other])).toBe(false)
  await untilQuiet(bench.streams)
  expect(await resharding.replace(before, [other])).toBe(false)
  expect(await resharding.replace(before, [{ ...other, parents: [1] }])).toBe(true)
  await untilQuiet(bench.streams)
  expect(bench.starts).toEqual([0, 25, 50])
  await bench.opened.close()
})

test('streams at rest cost one question to the log, however many they are', async () => {
  const bench = await makeBench(temporaryDirectory(), { shardsMin: 4 })
  for (let stream = 0; stream < 20; stream += 1) {
    await bench.streams.create({ streamName: `s${stream}`, shardCount: 50 })
  }
  await create(bench, 4)
  bench.calls.length = 0
  await bench.pass(100, () => 0)
  expect(bench.calls).toEqual([])
  await bench.opened.close()
})

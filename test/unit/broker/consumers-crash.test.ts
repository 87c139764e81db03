/** Consumers, checkpoints and leases that a kill falls into: between any two changes of the log. */

import { cpSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { Consumers } from '../../../src/broker/consumers/consumers.ts'
import type { Log } from '../../../src/log/log.ts'
import type { CheckpointPlace, Consumer } from '../../../src/stream/consumer-table.ts'
import type { Streams } from '../../../src/stream/streams.ts'
import { CutLog } from '../stream/cut-log.ts'
import { openStreams, temporaryDirectory, untilQuiet } from '../stream/harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 120_000 })

const streamName = 's'
const worker = { leaseMillis: 60_000 }

async function makeDirectory(): Promise<string> {
  const dir = temporaryDirectory()
  const { streams, close } = await openStreams(dir)
  await streams.create({ streamName, shardCount: 4 })
  await untilQuiet(streams)
  await close()
  return dir
}

/** What was promised, and what was asked for: after a kill the truth lies between them. */
class Promised {
  readonly checkpoints = new Map<number, bigint>()
  readonly asked = new Map<number, bigint>()
  /** By name: whether it is there; undefined while the question is open. */
  readonly consumers = new Map<string, boolean | undefined>()
  /** Of consumer `c`: by shard the counter of its lease; undefined while the question is open. */
  readonly leases = new Map<number, bigint | undefined>()
  highestCounter = 0n
  /** Operations that answered. */
  kept = 0
}

/** Some of everything, one after the other, until the log dies. */
async function work(streams: Streams, promised: Promised): Promise<void> {
  const consumers = new Consumers(streams, () => 0)
  const keep = async (ask: Promise<unknown>) => {
    await ask
    promised.kept += 1
  }
  const register = async (name: string) => {
    promised.consumers.set(name, undefined)
    await keep(consumers.stored.register(streams.require(streamName), name, []))
    promised.consumers.set(name, true)
  }
  const acquire = async (consumer: Consumer, workerId: string) => {
    const before = new Map(promised.leases)
    for (const index of [0, 1, 2, 3]) promised.leases.set(index, undefined)
    const { leases } = await consumers.leases.acquire(consumer, { ...worker, workerId })
    for (const [index, counter] of before) promised.leases.set(index, counter)
    for (const [index, { counter }] of leases) {
      expect(counter).toBeGreaterThan(promised.highestCounter)
      promised.leases.set(index, counter)
    }
    for (const { counter } of leases.values()) {
      if (counter > promised.highestCounter) promised.highestCounter = counter
    }
    promised.kept += 1
  }
  const checkpoint = async (consumer: Consumer, shardIndex: number, number: bigint) => {
    promised.asked.set(shardIndex, number)
    const leaseCounter = promised.leases.get(shardIndex)
    const place = number as CheckpointPlace
    await keep(consumers.checkpoints.set(consumer, { shardIndex, place, leaseCounter }))
    const known = promised.checkpoints.get(shardIndex) ?? 0n
    if (number > known) promised.checkpoints.set(shardIndex, number)
  }

  await register('c')
  const c = streams.consumers.require(streams.require(streamName), 'c')
  await acquire(c, 'a')
  for (let round = 1n; round <= 3n; round += 1n) {
    await Promise.all([0, 1, 2, 3, 0, 0].map((it, i) => checkpoint(c, it, 10n * round + BigInt(i))))
  }
  await acquire(c, 'b')
  const released = promised.leases.get(0) ?? 0n
  promised.leases.set(0, undefined)
  await keep(consumers.leases.release(c, 'a', { shardIndex: 0, leaseCounter: released }))
  promised.leases.delete(0)
  await register('d')
  promised.consumers.set('d', undefined)
  await keep(consumers.deregister(streamName, 'd'))
  promised.consumers.set('d', false)
}

function check(streams: Streams, promised: Promised): void {
  const stream = streams.require(streamName)
  for (const [name, isThere] of promised.consumers) {
    const found = streams.consumers.find(stream.number, name) !== undefined
    if (isThere !== undefined) expect([name, found]).toEqual([name, isThere])
  }
  expect(streams.consumers.highestLeaseCounter).toBeGreaterThanOrEqual(promised.highestCounter)
  const consumer = streams.consumers.find(stream.number, 'c')
  if (consumer === undefined) return
  for (const [shardIndex, promisedNumber] of promised.checkpoints) {
    const place = consumer.checkpoints.get(shardIndex) as bigint
    expect(place).toBeGreaterThanOrEqual(promisedNumber)
    // One that was in flight is there or not; nothing that nobody asked for.
    expect(place).toBeLessThanOrEqual(promised.asked.get(shardIndex) ?? 0n)
  }
  for (const [shardIndex, counter] of promised.leases) {
    if (counter !== undefined) expect(consumer.leases.get(shardIndex)?.counter).toBe(counter)
  }
}

test.each([
  ['changes', 2 ** 30],
  ['snapshots before every other change', 1],
])('each cut leaves what was promised: %s', async (_, snapshotBytesMin) => {
  const original = await makeDirectory()
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
      const first = await openStreams(dir, { wrap, snapshotBytesMin })
      const promised = new Promised()
      await work(first.streams, promised).catch((error: unknown) => {
        if (cut?.isDead !== true) throw error
      })
      wasWhole = cut?.isDead === false
      cuts += wasWhole ? 0 : 1
      await first.close()

      // Twice: what the open after a kill writes is read by the one after it.
      for (const workerId of ['x', 'y']) {
        const { streams, close } = await openStreams(dir, { snapshotBytesMin })
        check(streams, promised)
        let millis = 0
        const consumers = new Consumers(streams, () => millis)
        const stream = streams.require(streamName)
        const consumer =
          streams.consumers.find(stream.number, 'c') ??
          (await streams.consumers.register(stream, 'c', []))
        const before = streams.consumers.highestLeaseCounter
        // By then the leases of those that were before have expired.
        millis += worker.leaseMillis
        const { leases } = await consumers.leases.acquire(consumer, { ...worker, workerId })
        expect(leases.size).toBe(4)
        for (const { counter } of leases.values()) expect(counter).toBeGreaterThan(before)
        promised.leases.clear()
        await close()
      }
    }
  }
  // Registration, leases, checkpoints, leases, release, registration and its end.
  expect(cuts).toBeGreaterThanOrEqual(2 * 8)
})

/**
 * Random workers that come, die, renew, work and are stolen from, over shards that are split and
 * merged and a broker that restarts. Whatever they do: no counter is given twice, of those who
 * believe to have a shard one alone can write its checkpoint, no child is begun before its parents
 * are finished; and once they are left in peace they share the shards evenly.
 */

import { expect, test, vi } from 'vitest'
import { Consumers } from '../../../src/broker/consumers/consumers.ts'
import { openShards } from '../../../src/stream/stream.ts'
import { Random } from '../../support/random.ts'
import { mergeShards, splitShard } from '../../support/reshard.ts'
import {
  type OpenedStreams,
  openStreams,
  temporaryDirectory,
  untilQuiet,
} from '../stream/harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 120_000 })

const streamName = 's'
const consumerName = 'c'
const leaseMillis = 9000
const openShardsMax = 12

class Worker {
  readonly id: string
  readonly leasesMax: number | undefined
  /** By shard the counters of the leases that it believes to have. */
  readonly held = new Map<number, bigint>()

  constructor(id: string, leasesMax: number | undefined) {
    this.id = id
    this.leasesMax = leasesMax
  }
}

class World {
  readonly #random: Random
  readonly #dir = temporaryDirectory()
  #opened!: OpenedStreams
  #consumers!: Consumers
  #millis = 0
  #workers: Worker[] = []
  /** Those that died, or were cut off: they still believe what they believed. */
  readonly #zombies: Worker[] = []
  #born = 0
  /** Who got a counter. */
  readonly #given = new Map<bigint, string>()
  #highest = 0n
  readonly #finished = new Set<number>()
  readonly counts = { acquired: 0, stolen: 0, finished: 0, refused: 0, restarts: 0, reshards: 0 }

  constructor(random: Random) {
    this.#random = random
  }

  async begin(): Promise<void> {
    await this.#open()
    const shardCount = 1 + this.#random.below(6)
    await this.#opened.streams.create({ streamName, shardCount, streamMode: 'PROVISIONED' })
    await untilQuiet(this.#opened.streams)
    await this.#consumers.stored.register(this.#stream, consumerName, [])
  }

  async end(): Promise<void> {
    await this.#opened.close()
  }

  async #open(): Promise<void> {
    this.#opened = await openStreams(this.#dir, { snapshotBytesMin: 2000 })
    this.#consumers = new Consumers(this.#opened.streams, () => this.#millis)
  }

  get #stream() {
    return this.#opened.streams.require(streamName)
  }

  get #consumer() {
    return this.#consumers.find(streamName, consumerName).consumer
  }

  async step(): Promise<void> {
    const random = this.#random
    this.#millis += random.below(1500)
    const kind = random.below(40)
    if (kind < 3) this.#come()
    else if (kind === 3) this.#die()
    else if (kind === 4) await this.#leave()
    else if (kind === 5) await this.#reshard()
    else if (kind === 6) await this.#restart()
    else if (kind < 14) await this.#work(random.pick([...this.#workers, ...this.#zombies]))
    else if (this.#workers.length > 0) await this.#round(random.pick(this.#workers))
  }

  #come(): void {
    if (this.#workers.length >= 6) return
    this.#born += 1
    const leasesMax = this.#random.chance(4) ? 1 + this.#random.below(3) : undefined
    this.#workers.push(new Worker(`worker-${this.#born}`, leasesMax))
  }

  #take(): Worker | undefined {
    if (this.#workers.length === 0) return undefined
    return this.#workers.splice(this.#random.below(this.#workers.length), 1)[0]
  }

  #die(): void {
    const dead = this.#take()
    if (dead !== undefined) this.#zombies.push(dead)
  }

  async #leave(): Promise<void> {
    const worker = this.#take()
    for (const [shardIndex, leaseCounter] of worker?.held ?? []) {
      await this.#consumers.leases
        .release(this.#consumer, worker?.id ?? '', { shardIndex, leaseCounter })
        .catch(expectLost)
    }
  }

  async #restart(): Promise<void> {
    this.counts.restarts += 1
    await this.#opened.close()
    await this.#open()
    expect(this.#consumers.stored.highestLeaseCounter).toBe(this.#highest)
  }

  async #reshard(): Promise<void> {
    const open = openShards(this.#stream)
    const { streams } = this.#opened
    const at = this.#random.below(open.length)
    const [lower, upper] = [open[at], open[at + 1]]
    if (lower === undefined) return
    this.counts.reshards += 1
    if (upper !== undefined && (open.length >= openShardsMax || this.#random.chance(2))) {
      await mergeShards(streams, streamName, [lower, upper])
    } else if (open.length < openShardsMax) {
      await splitShard(streams, streamName, lower)
    }
  }

  /** What a worker does a few times in each `leaseMillis`. */
  async #round(worker: Worker): Promise<void> {
    this.#renew(worker)
    const { leasesMax } = worker
    const request = { workerId: worker.id, leaseMillis, leasesMax }
    const before = new Map(this.#consumer.leases)
    const { leases } = await this.#consumers.leases.acquire(this.#consumer, request)
    for (const [index, { counter }] of leases) {
      expect(this.#given.has(counter), `counter ${counter} was given before`).toBe(false)
      expect(counter).toBeGreaterThan(this.#highest)
      this.#given.set(counter, worker.id)
      const shard = this.#stream.shards.get(index)
      expect(this.#finished.has(index)).toBe(false)
      for (const parent of shard?.parents ?? []) expect(this.#finished.has(parent)).toBe(true)
      this.counts.acquired += 1
      const earlier = before.get(index)
      if (earlier !== undefined && earlier.workerId !== worker.id) this.counts.stolen += 1
      worker.held.set(index, counter)
    }
    for (const { counter } of leases.values()) {
      if (counter > this.#highest) this.#highest = counter
    }
    expect(worker.held.size).toBeLessThanOrEqual(leasesMax ?? Number.POSITIVE_INFINITY)
  }

  #renew(worker: Worker): void {
    const held = Array.from(worker.held, ([shardIndex, leaseCounter]) => ({
      shardIndex,
      leaseCounter,
    }))
    for (const { shardIndex } of this.#consumers.leases.renew(this.#consumer, worker.id, held)) {
      worker.held.delete(shardIndex)
    }
  }

  /** Finishes a shard, if it is closed; all others who believe to have it are fenced off. */
  async #work(worker: Worker | undefined): Promise<void> {
    if (worker === undefined || worker.held.size === 0) return
    const index = this.#random.pick([...worker.held.keys()])
    const shard = this.#stream.shards.get(index)
    const place = shard?.closing === undefined ? (shard?.startingSequenceNumber ?? 1n) : 'finished'
    const all = [...this.#workers, ...this.#zombies].filter((it) => it.held.has(index))
    const results = await Promise.allSettled(
      all.map((it) => {
        const wanted = { shardIndex: index, place, leaseCounter: it.held.get(index) }
        return this.#consumers.checkpoints.set(this.#consumer, wanted as never)
      }),
    )
    const written = all.filter((_, i) => results[i]?.status === 'fulfilled')
    expect(written.length, `writers of shard ${index}`).toBeLessThanOrEqual(1)
    this.counts.refused += all.length - written.length
    for (const result of results) if (result.status === 'rejected') expectLost(result.reason)
    const [owner] = written
    if (owner === undefined || place !== 'finished') return
    this.#finished.add(index)
    this.counts.finished += 1
    const leaseCounter = owner.held.get(index) as bigint
    await this.#consumers.leases.release(this.#consumer, owner.id, {
      shardIndex: index,
      leaseCounter,
    })
    owner.held.delete(index)
  }

  /** Leaves them in peace: then the shards are shared evenly, and stay where they are. */
  async settle(): Promise<void> {
    if (this.#workers.length === 0) this.#come()
    const round = async () => {
      this.#millis += leaseMillis / 3
      for (const worker of this.#workers) await this.#round(worker)
    }
    // The leases of the dead expire, then one is stolen at a time.
    for (let i = 0; i < 4 + openShardsMax; i += 1) await round()
    const shares = () => this.#workers.map((it) => [...it.held.keys()].sort((a, b) => a - b))
    const settled = shares()
    await round()
    expect(shares()).toEqual(settled)

    const held = settled.flat()
    expect(new Set(held).size, 'a shard has two workers').toBe(held.length)
    const free = this.#workers.map((it) => (it.leasesMax ?? 99) - it.held.size)
    const available = [...this.#stream.shards.values()].filter(
      (it) => !this.#finished.has(it.index) && it.parents.every((p) => this.#finished.has(p)),
    )
    // All is held, unless nobody wants more.
    if (free.some((it) => it > 0)) expect(held.length).toBe(available.length)
    const most = Math.max(...settled.map((it) => it.length))
    for (const [i, { length }] of settled.entries()) {
      if ((free[i] ?? 0) > 0) expect(length).toBeGreaterThanOrEqual(most - 1)
    }
  }
}

function expectLost(error: unknown): void {
  expect(error).toMatchObject({ code: 'LEASE_LOST' })
}

const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`leases of a group are exclusive, fenced and even (seed ${seed})`, async () => {
  const random = new Random(seed)
  const total = { acquired: 0, stolen: 0, finished: 0, refused: 0, restarts: 0, reshards: 0 }
  for (let world = 0; world < 4; world += 1) {
    const it = new World(random)
    await it.begin()
    for (let phase = 0; phase < 5; phase += 1) {
      for (let step = 0; step < 60; step += 1) await it.step()
      await it.settle()
    }
    await it.end()
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += it.counts[key]
  }
  // Each of these happened, and often: else nothing was tested.
  for (const [what, count] of Object.entries(total)) expect(count, what).toBeGreaterThan(5)
})

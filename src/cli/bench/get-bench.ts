/** `bench get`: records are put, then read with GetRecords, shard by shard. */

import type { ChildShard, ShardDescription } from '../../wire/operations.ts'
import { DeliveryCheck } from '../delivery-check.ts'
import { allShards } from '../stream-shards.ts'
import { type BenchFigures, type BenchRun, type Measured, MeasuredPart } from './bench-run.ts'
import { named, putFigures } from './figures.ts'
import { Latency } from './latency.ts'
import { PutLoad, producerSender } from './put-load.ts'
import { takeRecords } from './readers.ts'
import { dueMillis, keepTimetable, type Timetable } from './timetable.ts'

const lateMillis = 1
/** Of a timetable: beyond, requests are sent late and their clocks run. */
const requestsOutstandingMax = 10_000

export async function benchGet(run: BenchRun): Promise<BenchFigures> {
  const shards = await pinShards(run)
  const load = new PutLoad(run, producerSender(run))
  const { records, recordBytes } = run.plan
  run.show({ counts: { put: () => load.acknowledged }, recordBytes })
  await load.putWhile((taken) => taken < records)
  const gets = new Gets(run, shards)
  run.show({ counts: { get: () => gets.check.delivered }, recordBytes, latency: gets.latency })
  const measured = await gets.run()
  run.show(undefined)
  return {
    measured,
    percentiles: named({ 'request to answer': gets.latency.percentiles() }),
    reports: [gets.check.report(load.taken, load.refused)],
    ...putFigures(load),
    lateShare: gets.lateShare,
  }
}

/** A shard while it is read: one request after the other, as each needs the answer before it. */
interface ShardLane {
  readonly shardId: string
  /** Undefined at the end of a closed shard. */
  iterator: string | undefined
  isAtEnd: boolean
  tail: Promise<void>
}

/** The open shards, at the ends that they have now. */
async function pinShards({ client, stream }: BenchRun): Promise<ShardLane[]> {
  const all = await allShards(client, stream)
  const open = all.filter((it: ShardDescription) => it.endingSequenceNumber === undefined)
  return await Promise.all(
    open.map(async ({ shardId }) =>
      lane(
        shardId,
        await client.getShardIterator(stream, { shardId, shardIteratorType: 'LATEST' }),
      ),
    ),
  )
}

function lane(shardId: string, iterator: string): ShardLane {
  return { shardId, iterator, isAtEnd: false, tail: Promise.resolve() }
}

class Gets {
  readonly check = new DeliveryCheck()
  readonly latency = new Latency()
  readonly #run: BenchRun
  readonly #lanes: ShardLane[]
  readonly #begun = new Set<string>()
  #next = 0
  #sent = 0
  #late = 0
  #outstanding = 0
  readonly #failed = new AbortController()

  constructor(run: BenchRun, lanes: ShardLane[]) {
    this.#run = run
    this.#lanes = lanes
  }

  get lateShare(): number | undefined {
    return this.#run.plan.rate === undefined ? undefined : this.#late / Math.max(1, this.#sent)
  }

  async run(): Promise<Measured> {
    const { rate } = this.#run.plan
    const part = new MeasuredPart(() => this.check.delivered, this.#run)
    part.begin()
    if (rate === undefined) {
      await this.#drain()
      return await part.end()
    }
    await this.#byTimetable(rate)
    const measured = part.end()
    // Shards are not equally long: what is left of some is read beside the timetable.
    await this.#drain()
    return await measured
  }

  async #byTimetable(rate: number): Promise<void> {
    const { records, batch } = this.#run.plan
    const timetable = {
      startMillis: performance.now(),
      perSecond: rate / batch,
      count: Math.ceil(records / batch),
    }
    const asked: Promise<void>[] = []
    await keepTimetable(timetable, {
      send: (number) => asked.push(this.#getDue(timetable, number)),
      hasRoom: () => this.#outstanding < requestsOutstandingMax,
      signal: AbortSignal.any([this.#run.signal, this.#failed.signal]),
    })
    await Promise.all(asked)
  }

  /** A request that is due goes to the next shard with something left, behind those before it. */
  #getDue(timetable: Timetable, number: number): Promise<void> {
    const shard = this.#nextLane()
    if (shard === undefined) return Promise.resolve()
    const due = dueMillis(timetable, number)
    if (performance.now() - due > lateMillis) this.#late += 1
    this.#sent += 1
    this.#outstanding += 1
    shard.tail = shard.tail.then(async () => {
      await this.#get(shard)
      this.#outstanding -= 1
      this.latency.record(performance.now() - due)
    })
    // It ends the timetable, which rejects with it.
    shard.tail.catch((error) => this.#failed.abort(error))
    return shard.tail
  }

  #nextLane(): ShardLane | undefined {
    for (let tries = 0; tries < this.#lanes.length; tries += 1) {
      const shard = this.#lanes[this.#next % this.#lanes.length]
      this.#next += 1
      if (shard !== undefined && !shard.isAtEnd) return shard
    }
    return undefined
  }

  /** Reads on in all shards at once until nothing is left. */
  async #drain(): Promise<void> {
    for (;;) {
      const left = this.#lanes.filter((it) => !it.isAtEnd)
      if (left.length === 0) return
      await Promise.all(
        left.map(async (shard) => {
          while (!shard.isAtEnd) await this.#get(shard)
        }),
      )
    }
  }

  async #get(shard: ShardLane): Promise<void> {
    if (shard.iterator === undefined) return
    const { client, plan, signal } = this.#run
    const answer = await client.getRecords(shard.iterator, { limit: plan.batch }, { signal })
    const before = this.check.delivered
    takeRecords(this.#run, this.check, answer.records)
    shard.iterator = answer.nextShardIterator
    // Others may put into the stream without an end.
    shard.isAtEnd = answer.millisBehindLatest === 0 && this.check.delivered === before
    if (shard.iterator !== undefined) return
    shard.isAtEnd = true
    await this.#begin(answer.childShards)
  }

  /** What follows shards that were split or merged is read once all of them are through. */
  async #begin(children: readonly ChildShard[]): Promise<void> {
    const { client, stream } = this.#run
    for (const { shardId, parentShards } of children) {
      const isThrough = (parent: string) =>
        this.#lanes.every((it) => it.shardId !== parent || it.iterator === undefined)
      if (this.#begun.has(shardId) || !parentShards.every(isThrough)) continue
      this.#begun.add(shardId)
      const start = { shardId, shardIteratorType: 'TRIM_HORIZON' } as const
      this.#lanes.push(lane(shardId, await client.getShardIterator(stream, start)))
    }
  }
}

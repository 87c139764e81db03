/**
 * Random splits, merges, puts and reopenings against a small reference: who has which keys, who
 * comes from whom, and which records are where. The ranges tile at all times; what is closed can be
 * read completely; numbers of children lie above those of their parents.
 */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  describeStream,
  mergeShards,
  splitShard,
  updateShardCount,
} from '../../../src/wire/operations.ts'
import {
  get,
  iteratorOf,
  makeBroker,
  makeStream,
  putMany,
  type ReadRecord,
  type TestBroker,
  textRecord,
  untilActive,
} from './harness.ts'

const streamName = 's'
const hashSpace = 2n ** 128n
const runs = Number(process.env['MILLRACE_RESHARD_RUNS'] ?? 100)

type Step =
  | { readonly kind: 'put'; readonly keys: readonly bigint[] }
  | { readonly kind: 'split'; readonly at: bigint }
  | { readonly kind: 'merge'; readonly at: bigint }
  | { readonly kind: 'scale'; readonly by: number }
  | { readonly kind: 'reopen' }

const key = fc.bigInt({ min: 0n, max: hashSpace - 1n })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      keys: fc.array(key, { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('split' as const), at: key }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('merge' as const), at: key }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('scale' as const),
      by: fc.double({ min: 0.5, max: 2, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
)

interface ModelShard {
  readonly start: bigint
  readonly end: bigint
  readonly parents: readonly number[]
  readonly texts: string[]
  isOpen: boolean
}

class Model {
  readonly shards: ModelShard[] = []

  constructor(count: number) {
    const width = hashSpace / BigInt(count)
    for (let i = 0; i < count; i += 1) {
      const end = i === count - 1 ? hashSpace - 1n : BigInt(i + 1) * width - 1n
      this.#add(BigInt(i) * width, end, [])
    }
  }

  get open(): number[] {
    const open = [...this.shards.keys()].filter((index) => this.#of(index).isOpen)
    return open.sort((a, b) => (this.#of(a).start < this.#of(b).start ? -1 : 1))
  }

  /** The open shard that has a key. */
  at(hashKey: bigint): number {
    const has = ({ start, end }: ModelShard) => start <= hashKey && hashKey <= end
    return this.open.find((index) => has(this.#of(index))) as number
  }

  put(hashKey: bigint, text: string): number {
    const index = this.at(hashKey)
    this.#of(index).texts.push(text)
    return index
  }

  split(index: number, hashKey: bigint): boolean {
    const { start, end } = this.#of(index)
    if (hashKey <= start + 1n || hashKey >= end) return false
    this.#of(index).isOpen = false
    this.#add(start, hashKey - 1n, [index])
    this.#add(hashKey, end, [index])
    return true
  }

  merge(lower: number, upper: number): void {
    this.#of(lower).isOpen = false
    this.#of(upper).isOpen = false
    this.#add(this.#of(lower).start, this.#of(upper).end, [lower, upper])
  }

  /** Takes over what the broker has made of its own accord. */
  add(shards: readonly ModelShard[]): void {
    for (const it of shards) this.shards.push({ ...it, texts: [] })
    for (const it of shards) for (const index of it.parents) this.#of(index).isOpen = false
  }

  #of(index: number): ModelShard {
    return this.shards[index] as ModelShard
  }

  #add(start: bigint, end: bigint, parents: readonly number[]): void {
    this.shards.push({ start, end, parents, texts: [], isOpen: true })
  }
}

function indexOf(shardId: string | undefined): number {
  return Number(shardId?.slice(8))
}

class Run {
  readonly #made: TestBroker
  readonly #model: Model
  #count = 0

  constructor(made: TestBroker, model: Model) {
    this.#made = made
    this.#model = model
  }

  async do(next: Step): Promise<void> {
    const { broker } = this.#made
    const model = this.#model
    switch (next.kind) {
      case 'put':
        await this.#put(next.keys)
        return
      case 'split': {
        const index = model.at(next.at)
        const request = { streamName, shardToSplit: String(index), newStartingHashKey: next.at }
        const done = await broker.call(splitShard, request).then(
          () => true,
          () => false,
        )
        expect(done).toBe(model.split(index, next.at))
        break
      }
      case 'merge': {
        const { open } = model
        const place = open.indexOf(model.at(next.at))
        const [lower, upper] = [open[place], open[place + 1]]
        if (lower === undefined || upper === undefined) return
        const names = { shardToMerge: String(lower), adjacentShardToMerge: String(upper) }
        await broker.call(mergeShards, { streamName, ...names })
        model.merge(lower, upper)
        break
      }
      case 'scale':
        await this.#scale(next.by)
        return
      case 'reopen':
        // Sometimes in the middle of what came before.
        await this.#made.reopen()
        return
    }
    await untilActive(this.#made.broker, streamName)
    await this.#compare()
  }

  async end(): Promise<void> {
    await untilActive(this.#made.broker, streamName)
    await this.#compare()
    const records = await Promise.all(
      this.#model.shards.map((_, index) => this.#read(index, this.#model.shards.length)),
    )
    records.forEach((found, index) => {
      const { texts, parents } = this.#model.shards[index] as ModelShard
      expect(found.map((it) => it.text)).toEqual(texts)
      for (const parent of parents) {
        const last = records[parent]?.at(-1)?.sequenceNumber ?? 0n
        for (const it of found) expect(it.sequenceNumber).toBeGreaterThan(last)
      }
    })
  }

  async #put(keys: readonly bigint[]): Promise<void> {
    const records = keys.map((explicitHashKey, i) => ({
      ...textRecord('k', String(this.#count + i)),
      explicitHashKey,
    }))
    const results = await putMany(this.#made.broker, { streamName }, records)
    keys.forEach((hashKey, i) => {
      const wanted = this.#model.put(hashKey, String(this.#count + i))
      expect(indexOf(results[i]?.shardId)).toBe(wanted)
    })
    this.#count += keys.length
  }

  /** Only the outcome is given: how many there are, and of which ranges. */
  async #scale(by: number): Promise<void> {
    const { broker } = this.#made
    const before = this.#model.shards.length
    const target = Math.max(1, Math.round(this.#model.open.length * by))
    const request = { streamName, targetShardCount: target }
    const done = await broker.call(updateShardCount, request).then(
      () => true,
      () => false,
    )
    if (!done) return
    await untilActive(broker, streamName)
    const { shards } = await broker.call(describeStream, { streamName, limit: 10_000 })
    this.#model.add(
      shards.slice(before).map((it) => ({
        start: it.startingHashKey,
        end: it.endingHashKey,
        parents: [it.parentShardId, it.adjacentParentShardId]
          .filter((id) => id !== undefined)
          .map(indexOf),
        texts: [],
        isOpen: true,
      })),
    )
    const width = hashSpace / BigInt(target)
    const { open } = this.#model
    expect(open.map((index) => this.#model.shards[index]?.start)).toEqual(
      Array.from({ length: target }, (_, i) => BigInt(i) * width),
    )
    await this.#compare()
  }

  async #compare(): Promise<void> {
    const { shards } = await this.#made.broker.call(describeStream, { streamName, limit: 10_000 })
    const model = this.#model
    expect(
      shards.map((it) => ({
        start: it.startingHashKey,
        end: it.endingHashKey,
        parents: [it.parentShardId, it.adjacentParentShardId]
          .filter((id) => id !== undefined)
          .map(indexOf),
        isOpen: it.endingSequenceNumber === undefined,
      })),
    ).toEqual(model.shards.map(({ texts: _, ...it }) => it))
    let next = 0n
    for (const index of model.open) {
      expect(model.shards[index]?.start).toBe(next)
      next = (model.shards[index]?.end ?? 0n) + 1n
    }
    expect(next).toBe(hashSpace)
  }

  /** All records of a shard; a closed one ends with the children that it has. */
  async #read(index: number, limit: number): Promise<ReadRecord[]> {
    const { broker } = this.#made
    const records: ReadRecord[] = []
    let next: string | undefined = await iteratorOf(broker, {
      streamName,
      shardId: String(index),
      shardIteratorType: 'TRIM_HORIZON',
    })
    while (next !== undefined) {
      const answer: Awaited<ReturnType<typeof get>> = await get(broker, next, limit)
      records.push(...answer.records)
      next = answer.nextShardIterator
      expect(answer.childShards.length > 0).toBe(next === undefined)
      const isOpen = this.#model.shards[index]?.isOpen === true
      if (next !== undefined && isOpen && answer.millisBehindLatest === 0) break
      if (next !== undefined) continue
      const children = [...this.#model.shards.keys()].filter((it) =>
        this.#model.shards[it]?.parents.includes(index),
      )
      expect(answer.childShards.map((it) => indexOf(it.shardId))).toEqual(children)
    }
    return records
  }
}

test('any sequence of splits, merges, puts and reopenings leaves what the model has', async () => {
  const arbitrary = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 20 }))
  const property = fc.asyncProperty(arbitrary, async ([count, steps]) => {
    // Each look at the clock is a second later: PROVISIONED streams are read 5 times a second.
    let elapsed = 0
    const made = await makeBroker({
      elapsed: () => {
        elapsed += 1000
        return elapsed
      },
    })
    try {
      await makeStream(made.broker, streamName, count, { streamMode: 'PROVISIONED' })
      const run = new Run(made, new Model(count))
      for (const next of steps) await run.do(next)
      await run.end()
    } finally {
      await made.broker.close()
    }
  })
  // A failure prints the seed and the steps; MILLRACE_RESHARD_RUNS asks for more of them.
  await fc.assert(property, { numRuns: runs })
}, 120_000)

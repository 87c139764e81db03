import { expect, test } from 'vitest'
import { type HandleOptions, handleBatchesBy } from '../../../src/client/handle-batches.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { InvalidValueError } from '../../../src/errors.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

/** Batches whose records are numbers; tells when the iteration was left. */
class Batches implements AsyncIterable<RecordBatch> {
  readonly #batches: readonly (readonly number[])[]
  wasLeft = false
  asked = 0

  constructor(...batches: readonly (readonly number[])[]) {
    this.#batches = batches
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (const numbers of this.#batches) {
        this.asked += 1
        const batch = { recordCount: numbers.length, [Symbol.iterator]: () => numbers.values() }
        yield batch as unknown as RecordBatch
      }
    } finally {
      this.wasLeft = true
    }
  }
}

/** A clock that writes down what it was asked to wait for. */
class PausesClock extends FakeClock {
  readonly pauses: number[] = []

  override after(millis: number, action: () => void) {
    this.pauses.push(millis)
    return super.after(millis, action)
  }
}

interface Given extends HandleOptions {
  readonly batches: Batches
  /** Throws what it fails with. */
  readonly handler: (numbers: readonly number[]) => void
}

/** Handles all of it on a clock that goes on by itself, as late as the pauses allow. */
async function handle({ batches, handler, ...options }: Given) {
  const clock = new PausesClock()
  clock.luck = 1
  const calls: (readonly number[])[] = []
  let outcome: unknown = 'goes on'
  const handling = handleBatchesBy(
    clock,
    batches,
    async (records) => {
      const numbers = records as unknown as readonly number[]
      calls.push(numbers)
      await settle()
      handler(numbers)
    },
    options,
  )
  handling.then(
    () => {
      outcome = 'done'
    },
    (error) => {
      outcome = error
    },
  )
  for (let step = 0; step < 1000 && outcome === 'goes on'; step += 1) await clock.advance(50)
  return { calls, outcome, pauses: clock.pauses }
}

/** Fails on batches that have one of these. */
const failOn =
  (...poison: readonly number[]) =>
  (numbers: readonly number[]) => {
    if (numbers.some((it) => poison.includes(it))) throw new Error(`poison in ${numbers}`)
  }

test('what does not fail is handed over once, a batch at a time', async () => {
  const batches = new Batches([1, 2], [], [3])
  const { calls, outcome } = await handle({ batches, handler: () => undefined })
  expect([calls, outcome]).toEqual([[[1, 2], [3]], 'done'])
})

test('what fails for a while is tried again as a whole, after pauses that grow', async () => {
  let failures = 4
  const handler = () => {
    failures -= 1
    if (failures >= 0) throw new Error('not now')
  }
  const failed: number[] = []
  const onFailure = (record: unknown) => failed.push(record as number)
  const { calls, outcome, pauses } = await handle({
    batches: new Batches([1, 2], [3]),
    handler,
    onFailure,
  })
  expect(calls).toEqual([[1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [3]])
  expect([failed, outcome]).toEqual([[], 'done'])
  expect(pauses).toEqual([50, 100, 200, 400])
})

test('what fails for good is found by halving, put aside, and the others are handled', async () => {
  const batches = new Batches([1, 2, 3, 4, 5, 6, 7, 8], [9])
  const failed: [unknown, string][] = []
  const done: number[] = []
  const isPoison = failOn(3, 8)
  const { calls, outcome, pauses } = await handle({
    batches,
    handler: (numbers) => {
      isPoison(numbers)
      done.push(...numbers)
    },
    onFailure: (record, error) => failed.push([record, (error as Error).message]),
  })
  expect(failed).toEqual([
    [3, 'poison in 3'],
    [8, 'poison in 8'],
  ])
  expect([done, outcome]).toEqual([[1, 2, 4, 5, 6, 7, 9], 'done'])
  // The whole of it six times, then a few halves, without another pause.
  expect(calls.filter((it) => it.length === 8)).toHaveLength(6)
  expect(calls).toHaveLength(6 + 10 + 1)
  expect(pauses).toEqual([50, 100, 200, 400, 800])
})

test('without a place for what fails the iteration ends, and so where that fails', async () => {
  const batches = new Batches([1, 2], [3])
  const { outcome } = await handle({ batches, handler: failOn(2), retries: 1 })
  expect(outcome).toEqual(new Error('poison in 1,2'))
  expect([batches.wasLeft, batches.asked]).toEqual([true, 1])

  const others = new Batches([1, 2], [3])
  const full = new Error('full')
  const onFailure = () => Promise.reject(full)
  const ended = await handle({ batches: others, handler: failOn(2), retries: 0, onFailure })
  expect(ended.outcome).toBe(full)
  expect([others.wasLeft, others.asked]).toEqual([true, 1])
})

test('a signal ends a pause, and what fails behind it is not put aside', async () => {
  const stop = new AbortController()
  const reason = new Error('enough')
  const failed: unknown[] = []
  let calls = 0
  const handler = () => {
    calls += 1
    if (calls === 2) stop.abort(reason)
    throw new Error('not now')
  }
  const batches = new Batches([1], [2])
  const onFailure = (record: unknown) => failed.push(record)
  const { outcome } = await handle({
    batches,
    handler,
    onFailure,
    retries: 1,
    signal: stop.signal,
  })
  expect(outcome).toBe(reason)
  expect([calls, failed, batches.wasLeft]).toEqual([2, [], true])
})

test('a number of retries that is none is refused', async () => {
  const batches = new Batches([1])
  const { outcome } = await handle({ batches, handler: () => undefined, retries: -1 })
  expect(outcome).toBeInstanceOf(InvalidValueError)
  expect(batches.asked).toBe(0)
})

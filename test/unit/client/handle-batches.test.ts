import { expect, test } from 'vitest'
import {
  type BatchHandler,
  type BatchSource,
  type HandleOptions,
  handleBatches,
  handleBatchesBy,
} from '../../../src/client/handle-batches.ts'
import { LeaseLostError } from '../../../src/client/lease-lost-error.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { InvalidTypeError, InvalidValueError } from '../../../src/errors.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

interface Gone {
  readonly gap: string
}

/** Batches whose records are numbers, or that tell of a gap; tells when the iteration was left. */
class Batches implements BatchSource {
  readonly #batches: readonly (readonly number[] | Gone)[]
  state = 'live'
  wasLeft = false
  asked = 0
  isLost = false

  constructor(...batches: readonly (readonly number[] | Gone)[]) {
    this.#batches = batches
  }

  hasLost(): boolean {
    return this.isLost
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (const it of this.#batches) {
        this.asked += 1
        const numbers = 'gap' in it ? [] : it
        const batch = {
          shardId: 'shard',
          gap: 'gap' in it ? it.gap : undefined,
          recordCount: numbers.length,
          resumeToken: `behind ${numbers}`,
          [Symbol.iterator]: () => numbers.values(),
        }
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
  /** Throws what it fails with; the array is its own. */
  readonly handler: (numbers: number[]) => void
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
      const numbers = records as unknown as number[]
      calls.push([...numbers])
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
  const batches = new Batches([1, 2], { gap: 'some' }, [3])
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

test.each(['handler', 'onFailure', 'onHandled', 'onGap'])(
  '%s that is none is refused',
  async (name) => {
    const batches = new Batches([1])
    const handler = (name === 'handler' ? {} : () => undefined) as BatchHandler
    const error = await handleBatches(batches, handler, { [name]: {} }).catch((it: unknown) => it)
    expect(error).toBeInstanceOf(InvalidTypeError)
    expect(error).toMatchObject({ message: `${name}: wanted a function, got Object` })
    expect(batches.asked).toBe(0)
  },
)

test('a handler that takes records off its array is given all of them again', async () => {
  const failed: unknown[] = []
  const { calls, outcome } = await handle({
    batches: new Batches([1, 2, 3]),
    handler: (numbers) => {
      while (numbers.length > 0) if (numbers.shift() === 3) throw new Error('3')
    },
    onFailure: (record) => failed.push(record),
    retries: 1,
  })
  expect(calls).toEqual([[1, 2, 3], [1, 2, 3], [1, 2], [3]])
  expect([failed, outcome]).toEqual([[3], 'done'])
})

test('what stands behind a batch is to be had when all of it is handled or put aside', async () => {
  const told: unknown[] = []
  const note = (what: string, ...more: readonly unknown[]) => told.push([what, ...more])
  await handleBatches(
    new Batches([1, 2], { gap: 'some' }, [3]),
    (records, origin) => {
      note('handler', records, origin)
      failOn(2)(records as unknown as number[])
    },
    {
      retries: 0,
      onFailure: (record, _error, origin) => note('failure', record, origin),
      onGap: (gap) => note('gap', gap),
      onHandled: ({ resumeToken }) => note('handled', resumeToken),
    },
  )
  const origin = { shardId: 'shard' }
  expect(told).toEqual([
    ['handler', [1, 2], origin],
    ['handler', [1], origin],
    ['handler', [2], origin],
    ['failure', 2, origin],
    ['handled', 'behind 1,2'],
    ['gap', 'some'],
    ['handled', 'behind '],
    ['handler', [3], origin],
    ['handled', 'behind 3'],
  ])
})

test('a batch that ends the iteration is not told of as handled', async () => {
  const handled: unknown[] = []
  const onHandled = ({ resumeToken }: RecordBatch) => handled.push(resumeToken)
  const handler = failOn(2)
  await handle({ batches: new Batches([1], [2]), handler, retries: 0, onHandled })
  expect(handled).toEqual(['behind 1'])
})

test.each(['onGap', 'onHandled'])('the iteration ends where %s fails', async (name) => {
  const batches = new Batches({ gap: 'some' }, [1])
  const full = new Error('full')
  const options = { [name]: () => Promise.reject(full) }
  const { outcome } = await handle({ batches, handler: () => undefined, ...options })
  expect([outcome, batches.asked, batches.wasLeft]).toEqual([full, 1, true])
})

/** How often the handler is called by then. */
const tries = { attempt: 1, half: 3, single: 4, failure: 4, end: 8 }
const sizes = { 4: 'attempt', 2: 'half', 1: 'single' } as const

/** Fails on the first batch, in which `moment` its shard is lost. */
async function lose(batches: Batches, moment: keyof typeof tries) {
  const failed: unknown[] = []
  const handled: unknown[] = []
  const lost = (is: typeof moment) => {
    if (is === moment) batches.isLost = true
  }
  const { calls, outcome } = await handle({
    batches,
    handler: (numbers) => {
      if (numbers.includes(9)) return
      lost(sizes[numbers.length as 1 | 2 | 4])
      throw new Error('not now')
    },
    retries: 1,
    onFailure: (record) => {
      lost('failure')
      failed.push(record)
    },
    onHandled: (batch) => {
      lost('end')
      if (batches.isLost && batch.recordCount === 4) throw new LeaseLostError('shard', 1n)
      handled.push(batch.resumeToken)
    },
  })
  return { calls, outcome, failed, handled }
}

test.each([
  ['attempt', []],
  ['half', []],
  ['single', []],
  ['failure', [1]],
  ['end', [1, 2, 3, 4]],
] as const)('a batch whose shard is lost at its %s is let go', async (moment, aside) => {
  const { calls, outcome, failed, handled } = await lose(new Batches([1, 2, 3, 4], [9]), moment)
  expect([calls.length, calls.at(-1), failed]).toEqual([tries[moment] + 1, [9], aside])
  expect([handled, outcome]).toEqual([['behind 9'], 'done'])
})

test('behind the end of a consumer nothing is tried again, and the error is told', async () => {
  const batches = new Batches([1, 2, 3, 4], [9])
  batches.state = 'closed'
  const { calls, outcome, failed } = await lose(batches, 'attempt')
  expect([calls.length, failed, outcome]).toEqual([1, [], new Error('not now')])
})

test('a lease that somebody else has lost is no fault of the records', async () => {
  const error = new LeaseLostError('shard', 1n)
  const failed: unknown[] = []
  const { calls, outcome } = await handle({
    batches: new Batches([1], [2]),
    handler: () => {
      throw error
    },
    onFailure: (record) => failed.push(record),
  })
  expect([calls, failed]).toEqual([[[1]], []])
  expect(outcome).toBe(error)
})

/** A signal ends the loop of `handleBatches` whatever it waits for. */

import { expect, test } from 'vitest'
import { handleBatches } from '../../../src/client/handle-batches.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { settle } from '../../support/fake-clock.ts'

const never = new Promise<never>(() => undefined)

test('a signal ends an iteration that waits, for a generator, too', async () => {
  async function* waiting(): AsyncGenerator<RecordBatch> {
    yield await never
  }
  const stop = new AbortController()
  const { signal } = stop
  const handling = handleBatches(waiting(), () => undefined, { signal })
  await settle()
  const reason = new Error('enough')
  stop.abort(reason)
  await expect(handling).rejects.toBe(reason)
  await expect(handleBatches(waiting(), () => undefined, { signal })).rejects.toBe(reason)
})

/** Waits for ever, and takes its time to close. */
class SlowToClose implements AsyncIterableIterator<RecordBatch> {
  closes = 0
  fail: (error: Error) => void = () => undefined

  next(): Promise<never> {
    return never
  }

  close(): Promise<void> {
    this.closes += 1
    return new Promise((_resolve, reject) => {
      this.fail = reject
    })
  }

  async return() {
    await this.close()
    return { done: true, value: undefined } as const
  }

  [Symbol.asyncIterator]() {
    return this
  }
}

test('a signal has the source closed, and what that writes down is waited for', async () => {
  const stop = new AbortController()
  const source = new SlowToClose()
  let outcome: unknown = 'goes on'
  handleBatches(source, () => undefined, { signal: stop.signal }).catch((error) => {
    outcome = error
  })
  await settle()
  stop.abort('enough')
  await settle()
  expect([source.closes, outcome]).toEqual([1, 'goes on'])
  source.fail(new Error('not written'))
  await settle()
  expect(outcome).toBe('enough')
})

test('a signal ends it with its reason where the source ends meanwhile', async () => {
  const stop = new AbortController()
  const ending: AsyncIterable<RecordBatch> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        stop.abort('enough')
        return { done: true, value: undefined }
      },
    }),
  }
  const handling = handleBatches(ending, () => undefined, { signal: stop.signal })
  await expect(handling).rejects.toBe('enough')
})

test('a signal during a batch ends it behind that, and the source is left', async () => {
  const stop = new AbortController()
  const told: string[] = []
  async function* endless(): AsyncGenerator<RecordBatch> {
    try {
      for (;;) yield { recordCount: 1, *[Symbol.iterator]() {} } as unknown as RecordBatch
    } finally {
      told.push('left')
    }
  }
  const handling = handleBatches(endless(), () => stop.abort('enough'), {
    signal: stop.signal,
    onHandled: () => told.push('handled'),
  })
  await expect(handling).rejects.toBe('enough')
  expect(told).toEqual(['handled', 'left'])
})

test('a source that fails is told of as it is', async () => {
  const broken = new Error('broken')
  let left = 0
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(broken),
      return: async () => {
        left += 1
        return { done: true, value: undefined } as const
      },
    }),
  }
  await expect(handleBatches(source, () => undefined)).rejects.toBe(broken)
  expect(left).toBe(0)
})

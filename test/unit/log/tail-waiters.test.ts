import { expect, it } from 'vitest'
import { type TailProgress, TailWaiters } from '../../../src/log/tail-waiters.ts'

function progressOf(end: bigint, closed = false, reason?: unknown): TailProgress {
  return { committedEnd: () => end, isClosed: () => closed, stopReason: () => reason }
}

function makeWaiter(position: bigint, told: unknown[]) {
  return {
    position,
    moved: (end: bigint, closed: boolean) => told.push([end, closed]),
    failed: (error: unknown) => told.push(error),
  }
}

it('waiters are told of more than they know, of an end, or why not', () => {
  const waiters = new TailWaiters()
  const told: unknown[] = []
  waiters.add(1, makeWaiter(10n, told))
  waiters.add(1, makeWaiter(20n, told))
  waiters.settle(progressOf(10n))
  expect(told).toEqual([])
  waiters.settle(progressOf(15n))
  expect(told).toEqual([[15n, false]])
  waiters.settle(progressOf(15n, true))
  expect(told.splice(1)).toEqual([[15n, true]])
  expect(waiters.isEmpty).toBe(true)
  waiters.add(2, makeWaiter(10n, told))
  waiters.settle(progressOf(0n, false, 'failed'))
  expect(told.splice(1)).toEqual(['failed'])
  const leaves = makeWaiter(0n, told)
  waiters.add(3, leaves)
  waiters.remove(3, leaves)
  waiters.settle(progressOf(9n))
  waiters.add(3, makeWaiter(0n, told))
  waiters.failAll('closed')
  expect(told.splice(1)).toEqual(['closed'])
  expect(waiters.isEmpty).toBe(true)
})

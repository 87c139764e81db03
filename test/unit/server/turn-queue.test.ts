import { expect, it } from 'vitest'
import { TurnQueue } from '../../../src/server/turn-queue.ts'

function make() {
  const begun: number[] = []
  const finish: (() => void)[] = []
  const state = { isClear: true }
  const queue = new TurnQueue<number>(
    (request) =>
      new Promise((resolve) => {
        begun.push(request)
        finish.push(resolve)
      }),
    () => state.isClear,
  )
  const finishOne = async () => {
    finish.shift()?.()
    await Promise.resolve()
    await Promise.resolve()
  }
  return { begun, state, queue, finishOne }
}

it('carries requests out one after the other, in their order', async () => {
  const { begun, queue, finishOne } = make()
  for (const request of [1, 2, 3]) queue.add(request)
  expect(begun).toEqual([1])
  await finishOne()
  expect(begun).toEqual([1, 2])
  await finishOne()
  expect(begun).toEqual([1, 2, 3])
})

it('begins none while it is not clear, and goes on when it is told', async () => {
  const { begun, state, queue, finishOne } = make()
  queue.add(1)
  queue.add(2)
  state.isClear = false
  await finishOne()
  queue.advance()
  expect(begun).toEqual([1])
  state.isClear = true
  queue.advance()
  expect(begun).toEqual([1, 2])
})

it('forgets what waits', async () => {
  const { begun, queue, finishOne } = make()
  queue.add(1)
  queue.add(2)
  queue.clear()
  await finishOne()
  queue.advance()
  expect(begun).toEqual([1])
})

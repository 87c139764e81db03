import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { WakeTurns } from '../../../src/log/wake-turns.ts'

/** What the clock of a turn says, in milliseconds, and how far it goes on whenever it is asked. */
let clock: { millis: number; step: number }

beforeEach(() => {
  clock = { millis: 1000, step: 0 }
  vi.spyOn(performance, 'now').mockImplementation(() => {
    clock.millis += clock.step
    return clock.millis
  })
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** Until another thing of this turn of the event loop, behind all wake-ups of it, has run. */
function behindThisTurn(told: string[]): Promise<void> {
  return new Promise((resolve) =>
    setImmediate(() => {
      told.push('something else')
      resolve()
    }),
  )
}

/** Asks again whenever it is woken, as one does who appends in answer to what was appended. */
function makeAnswering(told: string[], times: number): WakeTurns {
  let left = times
  const turns = new WakeTurns(() => {
    told.push('woken')
    left -= 1
    if (left <= 0) return
    process.nextTick(() => void Promise.resolve().then(async () => turns.ask()))
  })
  return turns
}

it('wakes once for all that comes together, and not before the turn is over', async () => {
  const told: string[] = []
  const turns = makeAnswering(told, 1)
  turns.ask()
  await new Promise<void>((resolve) => process.nextTick(resolve))
  turns.ask()
  expect(told).toEqual([])
  await behindThisTurn(told)
  expect(told).toEqual(['woken', 'something else'])
})

it('wakes in the same turn for what comes from who was woken', async () => {
  const told: string[] = []
  makeAnswering(told, 4).ask()
  await behindThisTurn(told)
  expect(told).toEqual(['woken', 'woken', 'woken', 'woken', 'something else'])
})

it('leaves the rest to another turn when one has lasted for long', async () => {
  const told: string[] = []
  clock.step = 0.04
  makeAnswering(told, 10).ask()
  await behindThisTurn(told)
  // It goes on 0.04 and 0.08 ms after it has begun, and does not after 0.12.
  expect(told).toEqual([...Array(3).fill('woken'), 'something else'])
  await behindThisTurn(told)
  expect(told.slice(4)).toEqual([...Array(3).fill('woken'), 'something else'])
})

it('gathers again what comes when nobody is being woken', async () => {
  const told: string[] = []
  const turns = makeAnswering(told, 1)
  turns.ask()
  await behindThisTurn(told)
  turns.ask()
  await new Promise<void>((resolve) => process.nextTick(resolve))
  turns.ask()
  expect(told).toHaveLength(2)
  await behindThisTurn(told)
  expect(told.slice(2)).toEqual(['woken', 'something else'])
})

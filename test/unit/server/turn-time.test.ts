import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { TurnTime } from '../../../src/server/turn-time.ts'
import { makeConnections } from './fakes.ts'
import { getFrame } from './frames.ts'

const limits = { turnMillisMax: 5 }

/** All that can happen within this turn. */
async function restOfTurn() {
  for (let times = 0; times < 50; times += 1) await Promise.resolve()
}

describe('the time of a turn', () => {
  it('is over after 5 ms, and the next turn has its own', async () => {
    const clock = { now: 1000 }
    const time = new TurnTime(limits, () => clock.now)
    expect(time.hasTime()).toBe(true)
    clock.now += 4.9
    expect(time.hasTime()).toBe(true)
    clock.now += 0.1
    expect(time.hasTime()).toBe(false)
    await nextTurn()
    expect(time.hasTime()).toBe(true)
  })

  it('is for one of those that take longer, and others come between them', async () => {
    const clock = { now: 0 }
    const time = new TurnTime(limits, () => clock.now)
    const seen: string[] = []
    const work = async (name: string) => {
      await time.later()
      seen.push(name)
      clock.now += 10
    }
    const working = Promise.all(['a', 'b', 'c'].map(work))
    const others = (async () => {
      for (let turns = 0; turns < 4; turns += 1) {
        await nextTurn()
        seen.push('-')
      }
    })()
    await Promise.all([working, others])
    expect(seen.join('')).toMatch(/^-?a-b-c-*$/)
  })

  it('bounds the large answers of all connections together', async () => {
    const { broker, clock, open } = makeConnections()
    const clients = [open(), open(), open()]
    for (const { connection } of clients) {
      connection.receive(getFrame(1), true)
      clock.now += 10
    }
    await restOfTurn()
    expect(broker.calls).toHaveLength(1)
    await nextTurn()
    await nextTurn()
    expect(broker.calls).toHaveLength(3)
  })

  it('can be set', async () => {
    const { broker, clock, open } = makeConnections({ turnMillisMax: 11 })
    for (const { connection } of [open(), open(), open()]) {
      connection.receive(getFrame(1), true)
      clock.now += 10
    }
    await restOfTurn()
    expect(broker.calls).toHaveLength(2)
  })
})

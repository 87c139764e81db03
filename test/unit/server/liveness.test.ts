import { describe, expect, it } from 'vitest'
import { Liveness } from '../../../src/server/liveness.ts'

const limits = {
  unreadMillisMax: 60_000,
  pingMillis: 25_000,
  silenceMillisMax: 55_000,
  connectionMillisMax: 0,
}

describe('a client that says nothing', () => {
  it('is asked once in each silence, and is silent after the time for it', () => {
    const liveness = new Liveness(limits, 0)
    const found = [1, 25_000, 25_001, 30_000, 55_000, 55_001].map((now) =>
      liveness.look(now, undefined),
    )
    expect(found).toEqual(['alive', 'alive', 'quiet', 'alive', 'alive', 'silent'])
    liveness.heard()
    expect(liveness.look(60_000, undefined)).toBe('alive')
    expect(liveness.look(85_000, undefined)).toBe('quiet')
  })
})

it('a client that takes nothing is stalled after its own time, and not silent before', () => {
  const liveness = new Liveness({ ...limits, silenceMillisMax: 10_000 }, 0)
  expect(liveness.look(59_999, 0)).toBe('alive')
  expect(liveness.look(60_000, 0)).toBe('stalled')
})

describe('the time of a connection', () => {
  it('is over between nine tenths of it and all, and ends at once 10 s later', () => {
    const lives = Array.from({ length: 100 }, () => {
      const liveness = new Liveness({ ...limits, connectionMillisMax: 100_000 }, 0)
      expect(liveness.endsNow(89_999)).toBe(false)
      expect(liveness.isOver).toBe(false)
      let now = 90_000
      for (; !liveness.isOver; now += 100) liveness.endsNow(now + 100)
      expect(now).toBeLessThanOrEqual(100_100)
      expect(liveness.endsNow(now + 9800)).toBe(false)
      expect(liveness.endsNow(now + 10_000)).toBe(true)
      return now
    })
    expect(new Set(lives).size).toBeGreaterThan(10)
  })

  it('never is where none is set', () => {
    const liveness = new Liveness(limits, 0)
    expect(liveness.endsNow(Number.MAX_SAFE_INTEGER)).toBe(false)
    expect(liveness.isOver).toBe(false)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  dueCount,
  dueMillis,
  keepTimetable,
  type Timetable,
} from '../../../../src/cli/bench/timetable.ts'

const never = new AbortController().signal

describe('what is due', () => {
  it.each([
    [99, 0],
    [100, 1],
    [100.9, 1],
    [101, 2],
    [109, 10],
    [1e6, 10],
  ])('at %d ms are %i', (now, count) => {
    expect(dueCount({ startMillis: 100, perSecond: 1000, count: 10 }, now)).toBe(count)
  })

  it('is due when its time has come, and not before', () => {
    const timetables = fc.record({
      startMillis: fc.double({ min: 0, max: 1e9, noNaN: true }),
      perSecond: fc.double({ min: 0.1, max: 1e7, noNaN: true }),
      count: fc.integer({ min: 1, max: 1e9 }),
    })
    fc.assert(
      fc.property(timetables, fc.double({ min: 0, max: 1, noNaN: true }), (timetable, at) => {
        const number = Math.floor(at * (timetable.count - 1))
        const due = dueMillis(timetable, number)
        // Of a time in ms a double has a part of 2^-52.
        const blur = 1e-3 + 2 / timetable.perSecond
        expect(dueCount(timetable, due + blur)).toBeGreaterThan(number)
        expect(dueCount(timetable, due - blur)).toBeLessThanOrEqual(number + 1)
      }),
    )
  })
})

/** What was sent, by a timetable that began a while ago and is all due. */
function overdue(count: number): Timetable {
  return { startMillis: performance.now() - 1000, perSecond: count, count }
}

describe('a timetable that is kept', () => {
  it('sends each number once and in order, late ones too', async () => {
    const sent: number[] = []
    const send = (number: number) => sent.push(number)
    const run = { send, hasRoom: () => true, signal: never }
    expect(await keepTimetable(overdue(2000), run)).toBe(2000)
    expect(sent).toEqual(Array.from({ length: 2000 }, (_, number) => number))
  })

  it('sends nothing before its time', async () => {
    const timetable = { startMillis: performance.now() + 20, perSecond: 500, count: 20 }
    const early: number[] = []
    await keepTimetable(timetable, {
      send: (number) => {
        if (performance.now() < dueMillis(timetable, number) - 1e-3) early.push(number)
      },
      hasRoom: () => true,
      signal: never,
    })
    expect(early).toEqual([])
  })

  it('waits for room, turn by turn', async () => {
    let room = 0
    let full = 0
    const hasRoom = () => {
      if (room > 0) return true
      full += 1
      setImmediate(() => {
        room = 3
      })
      return false
    }
    const send = () => {
      room -= 1
    }
    expect(await keepTimetable(overdue(30), { send, hasRoom, signal: never })).toBe(30)
    expect(full).toBeGreaterThanOrEqual(10)
  })

  it('gives up when it takes more than twice as long as it should, and at the signal', async () => {
    const late = { startMillis: performance.now() - 60_000, perSecond: 10, count: 10 }
    const run = { send: () => undefined, hasRoom: () => true, signal: never }
    expect(await keepTimetable(late, run)).toBe(0)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(keepTimetable(overdue(10), { ...run, signal })).rejects.toThrow('enough')
  })
})

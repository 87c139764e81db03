import { describe, expect, it } from 'vitest'
import { clockSpansMax } from '../../../src/stream/catalog-records.ts'
import {
  advance,
  hasStepped,
  horizonOf,
  type RetentionTime,
  resumeTime,
  type StoredTime,
} from '../../../src/stream/retention-clock.ts'
import { Random } from '../../support/random.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const year = 365 * day
const start = 1_800_000_000_000

function began(wallMillis = start): RetentionTime {
  return resumeTime(undefined, 'boot', 0, wallMillis)
}

/** The time after steps of `[elapsed, wall]`. */
function following(time: RetentionTime, ...steps: readonly (readonly [number, number])[]) {
  return steps.reduce((now, [elapsed, wall]) => advance(now, elapsed, wall), time)
}

describe('the horizon', () => {
  it('is a retention period ago, less the second between two looks', () => {
    const time = following(began(), [30 * hour, start + 30 * hour])
    expect(horizonOf(time, day)).toBe(start + 6 * hour - second)
    expect(horizonOf(time, 30 * hour)).toBe(start - second)
  })

  it('is not known before a whole retention period has been seen', () => {
    const time = following(began(), [day - 1, start + day - 1])
    expect(horizonOf(time, day)).toBe(0)
    expect(horizonOf(following(time, [1, start + day]), day)).toBe(start - second)
  })

  it('does not follow a clock that leaps ahead, and comes to what was stamped after it', () => {
    const ahead = 10 * year
    let time = following(began(), [hour, start + hour], [1, start + hour + ahead])
    expect(horizonOf(time, day)).toBe(0)
    time = following(time, [day - hour, start + day + ahead])
    // What came before the leap goes a day after it came, and not sooner.
    expect(horizonOf(time, day)).toBeLessThanOrEqual(start)
    time = following(time, [hour, start + day + hour + ahead])
    expect(horizonOf(time, day)).toBeGreaterThan(start + hour - 2 * second)
    time = following(time, [2 * hour, start + day + 3 * hour + ahead])
    expect(horizonOf(time, day)).toBe(start + 3 * hour + ahead - second)
  })

  it('waits for a clock that was set back', () => {
    const back = 10 * day
    let time = following(began(), [30 * hour, start + 30 * hour])
    time = following(time, [1, start + 30 * hour - back])
    expect(horizonOf(time, day)).toBeLessThan(start - 8 * day)
    time = following(time, [day + hour, start + 55 * hour - back])
    expect(horizonOf(time, day)).toBeLessThan(start)
    time = following(time, [back, start + 55 * hour])
    expect(horizonOf(time, day)).toBe(start + 31 * hour - second)
  })

  it('takes what was wrong for a while for what it was', () => {
    const time = following(
      began(),
      [hour, start + hour],
      [minute, start + 1000 * hour],
      [minute, start + hour + 2 * minute],
      [25 * hour, start + 26 * hour + 2 * minute],
    )
    expect(horizonOf(time, day)).toBe(start + 2 * hour + 2 * minute - second)
  })
})

describe('an open', () => {
  const stored: StoredTime = {
    runMillis: start + 30 * hour,
    spans: [{ runMillis: start, wallMillis: start }],
    bootId: 'boot',
    steadyMillis: 7 * day,
  }

  it('counts the time for which the machine went on', () => {
    const time = resumeTime(stored, 'boot', 8 * day, start + 54 * hour)
    expect(time).toEqual({ runMillis: start + 54 * hour, spans: stored.spans })
  })

  it.each([
    ['restarted', 'other', 8 * day],
    ['without a name for its run', undefined, 8 * day],
    ['whose clock has begun anew', 'boot', hour],
  ])('does not count what a machine %s cannot know', (_, bootId, steadyMillis) => {
    const time = resumeTime(stored, bootId, steadyMillis, start + 10 * year)
    expect(time.runMillis).toBe(stored.runMillis)
    expect(horizonOf(time, day)).toBe(start + 6 * hour - second)
  })

  it('goes on with a clock that was set back meanwhile', () => {
    const time = resumeTime(stored, 'other', 0, start - day)
    expect(horizonOf(time, day)).toBe(start - day - second)
  })

  it('has something to write down after a step, and nothing else', () => {
    expect(hasStepped(resumeTime(stored, 'boot', 7 * day, start + 30 * hour), stored)).toBe(false)
    expect(hasStepped(resumeTime(stored, 'boot', 7 * day, start + 40 * hour), stored)).toBe(true)
    expect(hasStepped(began(), undefined)).toBe(true)
    // Where the retention clock is where it was left the spans begin at the same time.
    const again = { ...stored, spans: [...stored.spans, { runMillis: 30, wallMillis: 900 }] }
    const other = { ...stored, spans: [...stored.spans, { runMillis: 30, wallMillis: 700 }] }
    expect([hasStepped(again, other), hasStepped(other, again)]).toEqual([true, true])
    expect(hasStepped(again, again)).toBe(false)
  })
})

describe('spans', () => {
  it('are not begun for a clock that is a little ahead, nor for one that trembles', () => {
    let time = began()
    for (let i = 1; i <= 1000; i += 1) {
      time = advance(time, second, start + i * second + (i % 7) * 100 - (i % 3))
    }
    expect(time.spans).toHaveLength(1)
  })

  it('are dropped when no retention period reaches back to them', () => {
    let time = following(
      began(),
      [hour, start + 3 * hour],
      [400 * day, start + 400 * day + 3 * hour],
    )
    time = advance(time, hour, start)
    expect(time.spans.map((span) => span.runMillis)).toEqual([start + hour, time.runMillis])
  })

  it('are at most 100: the oldest become one, which is the lower', () => {
    let time = began()
    let wall = start
    for (let i = 0; i < 300; i += 1) {
      wall += hour + (i % 2 === 0 ? 10 * minute : -10 * minute)
      time = advance(time, hour, wall)
    }
    expect(time.spans.length).toBe(clockSpansMax)
    expect(time.spans[0]).toEqual({ runMillis: start, wallMillis: start })
    expect(horizonOf(time, 300 * hour)).toBe(start - second)
  })

  it('that reach below 1970 when they become one begin later', () => {
    let time = began()
    for (let i = 1; i <= clockSpansMax; i += 1) time = advance(time, hour, i % 2 === 0 ? start : 0)
    expect(time.spans).toHaveLength(clockSpansMax)
    expect(time.spans[0]?.wallMillis).toBe(0)
    expect(time.spans[0]?.runMillis).toBeGreaterThan(start)
  })
})

/** A record as a machine stamps it, and when it really came. */
interface Stamped {
  readonly stamp: number
  readonly bornMillis: number
}

/** A broker on a machine whose clock does as it likes, and whose restarts take any time. */
class Machine {
  readonly #random: Random
  /** Real time. */
  millis = 0
  #wallMillis = start
  #bootId = 1
  #bootMillis = 0
  #seenMillis = 0
  #lastStamps = [0, 0, 0]
  #stored: StoredTime | undefined
  time: RetentionTime
  #records: Stamped[] = []

  constructor(random: Random) {
    this.#random = random
    this.time = this.#open()
  }

  #open(): RetentionTime {
    const steady = this.millis - this.#bootMillis
    this.#seenMillis = this.millis
    return resumeTime(this.#stored, `boot-${this.#bootId}`, steady, this.#wallMillis)
  }

  #store(): void {
    const steadyMillis = this.millis - this.#bootMillis
    this.#stored = { ...this.time, bootId: `boot-${this.#bootId}`, steadyMillis }
  }

  #pass(millis: number): void {
    this.millis += millis
    this.#wallMillis += millis
  }

  #step(): void {
    const random = this.#random
    const size = random.pick([second, 10 * second, minute, hour, day, 10 * day, 10 * year])
    const by = random.below(size) * random.pick([-1, 1])
    this.#wallMillis = Math.max(0, this.#wallMillis + by)
  }

  /** A look at the clocks follows each change of them; a step is written down at once. */
  #look(): void {
    this.time = advance(this.time, this.millis - this.#seenMillis, this.#wallMillis)
    this.#seenMillis = this.millis
    if (hasStepped(this.time, this.#stored)) this.#store()
  }

  #put(): void {
    const shard = this.#random.below(this.#lastStamps.length)
    const stamp = Math.max(this.#lastStamps[shard] ?? 0, this.#wallMillis)
    this.#lastStamps[shard] = stamp
    this.#records.push({ stamp, bornMillis: this.millis })
  }

  /** Off for a while, or killed and back at once. */
  #restart(): void {
    const random = this.#random
    if (random.chance(2)) this.#store()
    this.#pass(random.below(random.pick([minute, day, 30 * day])))
    if (random.chance(2)) {
      this.#bootId += 1
      this.#bootMillis = this.millis - random.below(minute)
    }
    if (random.chance(3)) this.#step()
    this.time = this.#open()
    if (hasStepped(this.time, this.#stored)) this.#store()
  }

  /** Records that are below the horizon for the first time. */
  takeExpired(): Stamped[] {
    const horizon = horizonOf(this.time, day)
    const gone = this.#records.filter((it) => it.stamp < horizon)
    if (gone.length > 0) this.#records = this.#records.filter((it) => it.stamp >= horizon)
    return gone
  }

  act(): void {
    const random = this.#random
    this.#pass(random.below(random.pick([second, minute, 6 * hour])))
    this.#look()
    if (random.chance(4)) this.#put()
    if (random.chance(20)) this.#step()
    this.#look()
    if (random.chance(40)) this.#restart()
    if (random.chance(30)) this.#store()
  }
}

describe('nothing goes early', () => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

  it(`whatever the clock does, and whenever the machine restarts (seed ${seed})`, () => {
    let expired = 0
    for (let run = 0; run < 60; run += 1) {
      const machine = new Machine(new Random(seed + run))
      for (let i = 0; i < 1500; i += 1) {
        machine.act()
        const gone = machine.takeExpired()
        expired += gone.length
        const early = gone.filter((it) => machine.millis - it.bornMillis < day)
        if (early.length > 0) expect(early, `run ${run}, action ${i}`).toEqual([])
      }
    }
    expect(expired).toBeGreaterThan(1000)
  })

  it('and everything goes in time while the clock is right', () => {
    let time = began()
    for (let millis = 0; millis < 3 * day; millis += 10 * minute) {
      time = advance(time, 10 * minute, start + millis + 10 * minute)
      const age = time.runMillis - horizonOf(time, day)
      if (millis >= day) expect(age).toBe(day + second)
    }
  })
})

import { describe, expect, it } from 'vitest'
import { ReadQuota } from '../../../src/shard/read-quota.ts'
import { Random } from '../../support/random.ts'

const mib = 1024 * 1024

/** A quota of which so many MiB were read at once, at time 0. */
function spent(megabytes: number): ReadQuota {
  const quota = new ReadQuota()
  expect(quota.admit(0)).toBe(0)
  quota.charge(megabytes * mib, 0)
  return quota
}

describe('reads of a shard', () => {
  it('are 5 within any second', () => {
    const quota = new ReadQuota()
    for (const millis of [0, 100, 200, 300, 400]) expect(quota.admit(millis)).toBe(0)
    expect(quota.admit(400)).toBe(600)
    expect(quota.admit(999)).toBe(1)
    expect(quota.admit(1000)).toBe(0)
    expect(quota.admit(1000)).toBe(100)
    expect(quota.admit(1100)).toBe(0)
  })

  it.each([
    // MiB of an answer, and for how long the next read waits
    [10, 5000],
    [3, 1500],
    [2, 0],
    [0, 0],
  ])('wait after %d MiB for %d ms', (megabytes, wait) => {
    expect(spent(megabytes).admit(0)).toBe(wait)
    const quota = spent(megabytes)
    if (wait > 0) expect(quota.admit(wait - 1)).toBe(1)
    expect(quota.admit(wait)).toBe(0)
  })

  it('wait together for what all of them have read', () => {
    const quota = spent(1.5)
    expect(quota.admit(0)).toBe(0)
    quota.charge(1.5 * mib, 0)
    expect(quota.admit(0)).toBe(1500)
    expect(quota.admit(1500)).toBe(0)
  })

  it('that are refused count for nothing', () => {
    const quota = spent(10)
    for (let i = 0; i < 100; i += 1) expect(quota.admit(1)).toBe(4999)
    expect(quota.admit(5000)).toBe(0)
  })

  const seed = Math.floor(Math.random() * 2 ** 31)

  it(`come to 2 MiB and 5 reads a second in the long run (seed ${seed})`, () => {
    const random = new Random(seed)
    const quota = new ReadQuota()
    let now = 0
    let bytes = 0
    const admitted: number[] = []
    while (now < 600_000) {
      const wait = quota.admit(now)
      if (wait === 0) {
        const answer = random.below(random.pick([1, mib, 10 * mib]))
        quota.charge(answer, now)
        bytes += answer
        admitted.push(now)
      }
      now += wait > 0 ? wait : random.below(300)
    }
    expect(bytes).toBeLessThanOrEqual(2 * mib * 600 + 12 * mib)
    expect(bytes).toBeGreaterThan(1.6 * mib * 600)
    for (let i = 5; i < admitted.length; i += 1) {
      expect((admitted[i] as number) - (admitted[i - 5] as number)).toBeGreaterThanOrEqual(1000)
    }
  })

  it('are forgotten when all of it is paid off', () => {
    const quota = spent(10)
    expect(quota.isFresh(4999)).toBe(false)
    expect(quota.isFresh(5000)).toBe(true)
    expect(spent(0).isFresh(999)).toBe(false)
    expect(new ReadQuota().isFresh(0)).toBe(true)
  })

  it('are others where that is wanted', () => {
    const quota = new ReadQuota({ readsPerSecond: 2, bytesPerSecond: 1000 })
    expect([quota.admit(0), quota.admit(0), quota.admit(0)]).toEqual([0, 0, 1000])
    quota.charge(3000, 0)
    expect(quota.admit(1000)).toBe(2000)
    expect(quota.admit(3000)).toBe(0)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Failures } from '../../../../src/server/access/failures.ts'
import { Principals } from '../../../../src/server/access/principals.ts'
import { RateLimiter } from '../../../../src/server/access/rate-limiter.ts'
import { TokenBucket } from '../../../../src/server/access/token-bucket.ts'

describe('a bucket', () => {
  it('gives what it holds at once, and then as fast as it fills', () => {
    const bucket = new TokenBucket(10, 3, 0)
    const taken: number[] = []
    for (let now = 0; now < 1000; now += 10) {
      if (bucket.waitMillis(now) > 0) continue
      bucket.take(1)
      taken.push(now)
    }
    expect(taken).toEqual([0, 10, 20, 100, 200, 300, 400, 500, 600, 700, 800, 900])
  })

  it('never gives more than burst and rate allow, and never less to one who waits', () => {
    const steps = fc.array(fc.tuple(fc.nat(500), fc.integer({ min: 1, max: 50 })), {
      maxLength: 50,
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), steps, (rate, all) => {
        const bucket = new TokenBucket(rate, rate, 0)
        let now = 0
        let taken = 0
        for (const [pause, amount] of all) {
          now += pause
          const millis = bucket.waitMillis(now)
          if (millis > 0) {
            expect(bucket.waitMillis(now + millis)).toBe(0)
            now += millis
          }
          // What came before the last one has been paid.
          expect(taken).toBeLessThanOrEqual(rate + (rate * now) / 1000)
          bucket.take(amount)
          taken += amount
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('rates', () => {
  it('name the limit that is used up, and say how long to wait', () => {
    const limiter = new RateLimiter('writer', { requestsPerSecond: 2, bytesPerSecond: 1000 }, 0)
    limiter.take(1)
    limiter.take(1)
    expect(limiter.refusal(0)).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: 'writer has had its 2 requests a second (requestsPerSecond)',
      retryAfterMs: 500,
    })
    expect(limiter.refusal(500)).toBe(undefined)
    limiter.take(3000)
    expect(limiter.refusal(1000)?.message).toContain('1000 bytes a second (bytesPerSecond)')
  })

  it('can be changed', () => {
    const limiter = new RateLimiter('writer', { requestsPerSecond: 1, bytesPerSecond: 1000 }, 0)
    limiter.take(1)
    expect(limiter.refusal(0)).not.toBe(undefined)
    limiter.set({ requestsPerSecond: 5, bytesPerSecond: 1000 }, 0)
    expect(limiter.refusal(0)).toBe(undefined)
  })

  it('are not renewed by a new connection', () => {
    const rates = { requestsPerSecond: 1, bytesPerSecond: 1000 }
    const limits = { ...rates, connections: 1, messageBytes: 8192 }
    const principals = new Principals(
      () => limits,
      () => 0,
    )
    principals.connect('writer').take(1)
    expect(principals.refusal('writer')).toContain('at most 1 (connections)')
    principals.disconnect('writer')
    expect(principals.refusal('writer')).toBe(undefined)
    expect(principals.connect('writer').refusal(0)).not.toBe(undefined)
    expect(principals.connect('reader').refusal(0)).toBe(undefined)
  })
})

it('failures are counted by address, for as many as are remembered', () => {
  let now = 0
  const failures = new Failures(2, 1, () => now)
  failures.note('a')
  expect(failures.waitMillis('a')).toBe(0)
  failures.note('a')
  expect(failures.waitMillis('a')).toBe(1000)
  expect(failures.waitMillis('b')).toBe(0)
  now = 1000
  expect(failures.waitMillis('a')).toBe(0)
  now = 0
  failures.note('c')
  failures.note('c')
  for (let i = 0; i < 9_999; i += 1) failures.note(`address ${i}`)
  expect(failures.waitMillis('c')).toBe(1000)
  failures.note('one more')
  expect(failures.waitMillis('c')).toBe(0)
})

it('failures beyond the burst leave no debt', () => {
  const failures = new Failures(2, 1, () => 0)
  for (let index = 0; index < 1000; index += 1) failures.note('a')
  expect(failures.waitMillis('a')).toBe(1000)
})

it('failures of a network of IPv6 are those of one address', () => {
  const failures = new Failures(1, 1, () => 0)
  failures.note('2001:db8:1:2:3:4:5:6')
  expect(failures.waitMillis('2001:0db8:0001:0002::7')).toBe(1000)
  expect(failures.waitMillis('2001:db8:1:3::7')).toBe(0)
})

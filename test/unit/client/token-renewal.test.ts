import { afterEach, describe, expect, test } from 'vitest'
import { renewalPauseMillis, TokenRenewal } from '../../../src/client/token-renewal.ts'
import type { TokenSource } from '../../../src/client/token-source.ts'
import { MillraceError } from '../../../src/errors.ts'
import type { Exchange } from '../../../src/wire/exchange.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

const dayMillis = 24 * 3_600_000
/** What Node and browsers can wait for; more is no wait at all. */
const timerMillisMax = 2 ** 31 - 1

const clock = new FakeClock()

const millisMax = 500

/** The broker takes a token unless `refusals` are left. */
function renewalOf(expiresInMillis: number, source: TokenSource = () => 'token', refusals = 0) {
  const calls: string[] = []
  let left = refusals
  const exchange = {
    call: async ({ name }: { readonly name: string }) => {
      calls.push(name)
      if (left > 0) {
        left -= 1
        throw new MillraceError('UNAUTHENTICATED')
      }
      return { principal: 'me', expiresInMillis }
    },
  } as unknown as Pick<Exchange, 'call'>
  return { calls, renewal: new TokenRenewal(exchange, source, clock, millisMax) }
}

afterEach(() => {
  expect([...clock.timers]).toEqual([])
})

describe('a newer token', () => {
  test('is shown when four fifths of the time are over, again and again', async () => {
    const { calls, renewal } = renewalOf(1000)
    renewal.begin(1000)
    await clock.advance(799)
    expect(calls).toEqual([])
    await clock.advance(1)
    expect(calls).toEqual(['Authenticate'])
    await clock.advance(800)
    expect(calls).toHaveLength(2)
    renewal.stop()
  })

  test.each([30, 365])('is waited for as long as a timer can, with %i days left', async (days) => {
    const { calls, renewal } = renewalOf(days * dayMillis)
    renewal.begin(days * dayMillis)
    const waits = () => Array.from(clock.timers, (it) => it.at - clock.millis)
    expect(waits()).toEqual([Math.min(0.8 * days * dayMillis, timerMillisMax)])
    await clock.advance(timerMillisMax)
    await settle()
    expect(calls).toHaveLength(1)
    expect(waits()[0]).toBeLessThanOrEqual(timerMillisMax)
    renewal.stop()
  })

  test('is shown again where it was refused, until the old one has expired', async () => {
    const { calls, renewal } = renewalOf(10_000, undefined, 2)
    renewal.begin(10_000)
    await clock.advance(9999)
    expect(calls).toHaveLength(3)
    // The one that was taken is good for as long again.
    await clock.advance(5000)
    expect(calls).toHaveLength(3)
    renewal.stop()
    const hopeless = renewalOf(10_000, undefined, 1000)
    hopeless.renewal.begin(10_000)
    await clock.advance(60_000)
    expect(hopeless.calls.length).toBeGreaterThan(3)
    expect(hopeless.calls.length).toBeLessThan(20)
  })

  test('is asked for again where its function failed, or did not answer in time', async () => {
    let asked = 0
    const { calls, renewal } = renewalOf(10_000, () => {
      asked += 1
      if (asked === 1) throw new Error('the issuer is away')
      return asked === 2 ? new Promise<string>(() => undefined) : 'token'
    })
    renewal.begin(10_000)
    await clock.advance(9999)
    expect(asked).toBe(3)
    expect(calls).toEqual(['Authenticate'])
    renewal.stop()
  })

  test.each([
    [0, 100_000, 0, 500],
    [0, 100_000, 0.999, 999.5],
    [3, 100_000, 0.999, 7996],
    [40, 10_000_000, 0.999, 59_970],
    [40, 10_000, 0.999, 5000],
    [0, 1, 0, 100],
  ])(
    'that failed %i times, with %i ms left, is tried again later',
    (failures, left, luck, millis) => {
      expect(renewalPauseMillis(failures, left, luck)).toBeCloseTo(millis, 0)
    },
  )
})

import { afterEach, describe, expect, test } from 'vitest'
import { TokenRenewal } from '../../../src/client/token-renewal.ts'
import type { Exchange } from '../../../src/wire/exchange.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

const dayMillis = 24 * 3_600_000
/** What Node and browsers can wait for; more is no wait at all. */
const timerMillisMax = 2 ** 31 - 1

const clock = new FakeClock()

function renewalOf(expiresInMillis: number) {
  const calls: string[] = []
  const exchange = {
    call: async ({ name }: { readonly name: string }) => {
      calls.push(name)
      return { principal: 'me', expiresInMillis }
    },
  } as unknown as Pick<Exchange, 'call'>
  return { calls, renewal: new TokenRenewal(exchange, () => 'token', clock) }
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
})

import { expect, it } from 'vitest'
import { ConnectRates } from '../../../src/server/connect-rates.ts'
import { upgradeOf } from '../../../src/server/upgrades.ts'
import { makeConnections } from './fakes.ts'

/** How many of `count` connections from an address are let in at once. */
function letIn(rates: ConnectRates, address: string, count: number): number {
  return Array.from({ length: count }, () => rates.waitMillis(address)).filter((it) => it === 0)
    .length
}

function makeRates() {
  const clock = { now: 0 }
  const limits = { connectsPerSecond: 100, connectsBurst: 50 }
  return { clock, rates: new ConnectRates(limits, () => clock.now) }
}

it('a crowd is let in as fast as is set, and told when to come again', () => {
  const { clock, rates } = makeRates()
  const spared = 10
  expect(letIn(rates, '192.0.2.1', 1000)).toBe(50 + spared)
  expect(rates.waitMillis('192.0.2.1')).toBe(10)
  let more = 0
  for (clock.now = 10; clock.now <= 2000; clock.now += 10) more += letIn(rates, '192.0.2.1', 20)
  expect(more).toBeGreaterThanOrEqual(200)
  expect(more).toBeLessThanOrEqual(203)
})

it('a flood from one network keeps no other address out', () => {
  const { rates } = makeRates()
  for (let index = 0; index < 1000; index += 1) rates.waitMillis(`2001:db8::${index.toString(16)}`)
  expect(letIn(rates, '2001:db8::ffff', 1)).toBe(0)
  expect(letIn(rates, '192.0.2.2', 20)).toBe(10)
  expect(letIn(rates, '192.0.2.3', 20)).toBe(10)
})

it('a network with thousands of addresses gets no more beside the rate than it once more', () => {
  const { clock, rates } = makeRates()
  letIn(rates, '192.0.2.1', 1000)
  const address = (index: number) => `2001:db8:0:${index.toString(16)}::1`
  const flood = () =>
    Array.from({ length: 20_000 }, (_, index) => rates.waitMillis(address(index))).filter(
      (it) => it === 0,
    ).length
  expect(flood()).toBeLessThanOrEqual(100)
  clock.now = 100
  expect(flood()).toBeLessThanOrEqual(2 * 10)
})

it('an address is not forgotten to get its few anew', () => {
  const clock = { now: 0 }
  const limits = { connectsPerSecond: 1, connectsBurst: 20_000 }
  const rates = new ConnectRates(limits, () => clock.now)
  letIn(rates, '192.0.2.1', 20_000)
  for (let index = 0; index < 10_000; index += 1)
    rates.waitMillis(`10.0.${index >> 8}.${index & 255}`)
  // All of them have had one, and none has it back.
  expect(letIn(rates, '192.0.2.7', 1)).toBe(0)
  expect(letIn(rates, '10.0.0.0', 20)).toBe(9)
  clock.now = 1000
  // One within the rate, and one beside it, as the first of them has rested.
  expect(letIn(rates, '192.0.2.7', 20)).toBe(1 + 10)
})

it('an upgrade that comes too soon is refused with 429, before its token is looked at', () => {
  const { connections } = makeConnections({ connectsBurst: 1, connectsPerSecond: 2 })
  const rules = { host: '127.0.0.1', allowedOrigins: [], allowedHosts: [] }
  const request = {
    method: 'GET',
    path: '/',
    remoteAddress: '127.0.0.1',
    host: 'localhost',
    origin: '',
    subprotocols: 'millrace.v1',
    authorization: 'not what a token looks like',
    query: '',
  }
  const statuses = Array.from({ length: 12 }, () => {
    const upgrade = upgradeOf(rules, connections, request)
    if (upgrade instanceof Promise || upgrade.kind === 'accept') throw new Error('let in')
    return upgrade.answer
  })
  expect(statuses.slice(0, 11).map(({ status }) => status.slice(0, 3))).toEqual(
    Array.from({ length: 11 }, () => '400'),
  )
  expect(statuses[11]).toMatchObject({
    status: '429 Too Many Requests',
    headers: { 'retry-after': '1' },
    body: expect.stringContaining('(connectsPerSecond); wait retryAfterMs=500'),
    ends: true,
  })
})

/** A broker that is asked for more than it does: it says so, loses nothing, and goes on. */

import { setTimeout as wait } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { serve } from './cli-process.ts'
import { RawClient } from './raw-client.ts'

const put = (id: number) => [0x21, id, 'orders', 'os', [['k', new Uint8Array(10)]], null, 0, 0]

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url.replace('ws:', 'http:')}/metrics`)).text()
  const rows = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))]
  return rows.reduce((sum, [, value]) => sum + Number(value), 0)
}

it('floods are answered to the last request: done, or to be tried again', async () => {
  const broker = await serve(['--ephemeral', '--create', 'orders:2'], {
    environment: {
      MILLRACE_SERVER_REQUESTS_IN_FLIGHT_MAX: '16',
      MILLRACE_ACCESS_CONNECTION_REQUESTS_PER_SECOND: '500',
    },
  })
  const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(broker.url)))
  const requests = 2000
  const outcomes = new Map<string, number>()
  const flood = async (client: RawClient) => {
    for (let id = 0; id < requests; id += 1) client.send(put(id))
    const seen = new Set<unknown>()
    while (seen.size < requests) {
      const [, id, code, , retryable, retryAfterMs] = await client.next()
      seen.add(id)
      outcomes.set(String(code), (outcomes.get(String(code)) ?? 0) + 1)
      if (code === null) continue
      expect([code, retryable, typeof retryAfterMs]).toEqual(['LIMIT_EXCEEDED', true, 'number'])
    }
  }
  await Promise.all(clients.map(flood))
  expect([...outcomes.keys()].sort()).toEqual(['LIMIT_EXCEEDED', 'null'])
  const done = outcomes.get('null') ?? 0
  expect(done + (outcomes.get('LIMIT_EXCEEDED') ?? 0)).toBe(20 * requests)
  // What was answered as done is there, and nothing of what was refused.
  expect(await metric(broker.url, 'millrace_append_records_total')).toBe(done)
  for (const client of clients) {
    await expect.poll(async () => (await client.ask(put(1)))[2], { timeout: 10_000 }).toBe(null)
    await client.close()
  }
  expect(await broker.stop()).toBe(0)
})

it('one whose event loop stood still lets nobody in for a moment, and then everybody', async () => {
  const broker = await serve(['--ephemeral', '--create', 'orders:1'])
  const inside = await RawClient.open(broker.url)
  const answers: Promise<readonly unknown[]>[] = []
  const attempt = async () => {
    const opened = await RawClient.open(broker.url).catch((error: Error) => error.message)
    if (typeof opened === 'string') return opened
    await opened.close()
    return 'open'
  }
  const standStill = async (id: number) => {
    answers.push(inside.ask(put(id)))
    broker.child.kill('SIGSTOP')
    await wait(4000)
    broker.child.kill('SIGCONT')
    const refused = expect.poll(attempt, { interval: 20, timeout: 5000 }).toContain('503')
    return await refused.then(
      () => true,
      () => false,
    )
  }
  // On a busy machine the moment may be over before anybody asks.
  const isRefused = (await standStill(1)) || (await standStill(2)) || (await standStill(3))
  expect(isRefused).toBe(true)
  // Who was in before is served all the time.
  for (const answer of await Promise.all(answers)) expect(answer[2]).toBe(null)
  expect((await inside.ask(put(4)))[2]).toBe(null)
  await expect.poll(attempt, { interval: 50, timeout: 20_000 }).toBe('open')
  await inside.close()
  expect(await broker.stop()).toBe(0)
})

/**
 * What becomes of a broker in which something throws where nobody expects it, in each kind of
 * handler. The test is the supervisor: it starts the next broker when one has ended.
 */

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { lastingPort, runCli, type Served, serve, temporaryDirectory } from './cli-process.ts'
import { RawClient } from './raw-client.ts'
import { RawSubscriber } from './raw-subscriber.ts'

const dist = new URL('../../dist/', import.meta.url)

interface Clients {
  readonly url: string
  readonly bystander: RawSubscriber
}

interface Bug {
  readonly where: string
  /** The function that plants it, which the broker calls when it is told to. */
  readonly planting: string
  /** What makes the broker come to it, beside a put. */
  readonly trigger?: (clients: Clients) => unknown
}

const throws = `() => { throw new Error('planted') }`

/** Has a method of the broker throw from now on. */
function thrownIn(file: string, owner: string, method: string): string {
  const from = JSON.stringify(new URL(file, dist).href)
  return `async () => {
    const { ${owner} } = await import(${from})
    ${owner}.prototype.${method} = ${throws}
    console.error('it is planted')
  }`
}

const connect = ({ url }: Clients) => RawClient.connect(url).catch(() => undefined)

const bugs: readonly Bug[] = [
  { where: 'an event', planting: throws },
  { where: 'a rejection', planting: `() => { void Promise.reject(new Error('planted')) }` },
  { where: 'a timer', planting: `() => { setTimeout(${throws}, 1) }` },
  { where: 'a message', planting: thrownIn('server/connection.js', 'Connection', 'receive') },
  {
    where: 'a pong',
    planting: thrownIn('server/connection.js', 'Connection', 'ponged'),
    trigger: ({ bystander }) => bystander.client.socket.pong(),
  },
  {
    where: 'the end of a connection',
    planting: thrownIn('server/connection.js', 'Connection', 'closed'),
    trigger: ({ bystander }) => bystander.client.socket.terminate(),
  },
  {
    where: 'a handshake',
    planting: thrownIn('server/connections.js', 'Connections', 'refusal'),
    trigger: connect,
  },
  {
    where: 'a new connection',
    planting: thrownIn('server/connections.js', 'Connections', 'open'),
    trigger: connect,
  },
  {
    where: 'a wake-up of the log',
    planting: thrownIn('log/log-progress.js', 'LogProgress', 'wake'),
  },
  {
    where: 'a round of pushes',
    planting: thrownIn('broker/fan-out/subscription.js', 'Subscription', 'serve'),
  },
]

/** Options of Node for a broker that plants a bug at a signal. */
function optionsFor({ planting }: Bug): string {
  const path = join(temporaryDirectory(), 'planting.mjs')
  writeFileSync(path, `process.once('SIGWINCH', ${planting})\n`)
  return `--import ${pathToFileURL(path).href}`
}

/** Puts a record. Answers whether it was acknowledged. */
async function put(client: RawClient, text: string): Promise<boolean> {
  const data = new TextEncoder().encode(text)
  const request = [0x20, 1, 'orders', null, [['k', data]], null, 0, 0]
  const answer = await client.ask(request).catch(() => undefined)
  return answer !== undefined && answer[2] === null
}

async function plantAndMeet(bug: Bug, served: Served, acknowledged: Set<string>) {
  const { child, url, stderr } = served
  const ended = once(child, 'close')
  const client = await RawClient.open(url)
  const bystander = await RawSubscriber.open(url)
  expect((await bystander.subscribe('orders'))[2]).toBe(null)
  const send = async (text: string) => {
    if (await put(client, text)) acknowledged.add(text)
  }
  await send(`before ${bug.where}`)
  expect(acknowledged).toContain(`before ${bug.where}`)
  child.kill('SIGWINCH')
  await Promise.race([ended, stderr.until((it) => it.includes('planted'))])
  bug.trigger?.({ url, bystander })
  await send(`behind ${bug.where}`)
  expect([bug.where, ...(await ended)]).toEqual([bug.where, 70, null])
  expect(stderr.text).toMatch(/error: INTERNAL: Error: planted\n +at /)
  return bystander.texts
}

it('a bug ends it with 70, and what was acknowledged is there, wherever it is', async () => {
  const data = join(temporaryDirectory(), 'data')
  const listen = `127.0.0.1:${await lastingPort()}`
  const args = ['--data', data, '--create', 'orders:1', '--listen', listen]
  const acknowledged = new Set<string>()
  const pushed = new Set<string>()
  for (const bug of bugs) {
    const served = await serve(args, { environment: { NODE_OPTIONS: optionsFor(bug) } })
    for (const text of await plantAndMeet(bug, served, acknowledged)) pushed.add(text)
  }
  const last = await serve(args)
  const got = await runCli(['get', 'orders', '--raw', '--url', last.url])
  const stored = got.stdout.split('\n').filter((it) => it !== '')
  expect(new Set(stored).size).toBe(stored.length)
  expect(stored).toEqual(expect.arrayContaining([...acknowledged]))
  expect(stored.map((it) => it.slice(0, 20))).toEqual(expect.arrayContaining([...pushed]))
  expect(await last.stop()).toBe(0)
})

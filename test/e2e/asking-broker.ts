/**
 * A broker of a test file that asks who its clients are, with streams `orders` and `secret` and
 * three principals; it is served anew in each test.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { type Server, type ServerOptions, startServer } from '../../src/server/server.ts'
import { createStream, describeStreamSummary } from '../../src/wire/operations.ts'
import { AccessFile, tokenFor } from '../unit/server/access/access-files.ts'
import { FakeLogger } from '../unit/server/fakes.ts'
import { RawClient } from './raw-client.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
let broker: Broker

beforeAll(async () => {
  broker = await Broker.open({ dir })
  for (const streamName of ['orders', 'secret']) {
    await broker.call(createStream, { streamName, shardCount: 1 })
    while ((await broker.call(describeStreamSummary, { streamName })).streamStatus !== 'ACTIVE') {
      await wait(5)
    }
  }
})

afterAll(async () => {
  await broker.close()
  rmSync(dir, { recursive: true })
})

export const allow = (actions: string[], ...streams: string[]) => ({
  permissions: [{ actions, streams }],
})
export const writer = tokenFor('writer')
export const reader = tokenFor('reader')
export const admin = tokenFor('admin')
export const principals = {
  writer: allow(['put'], 'orders'),
  reader: allow(['get', 'subscribe'], 'ord*'),
  admin: allow(['admin'], '*'),
}
export const tokens = [writer.row, reader.row, admin.row]

export let file: AccessFile
export let logger: FakeLogger
export let server: Server

export async function serve(
  more: Partial<ServerOptions> = {},
  content: object = { principals, tokens },
): Promise<void> {
  file = content instanceof AccessFile ? content : new AccessFile(content)
  logger = new FakeLogger()
  const started = await startServer({
    broker,
    logger,
    port: 0,
    version: '1.2.3',
    accessFile: file.path,
    ...more,
  })
  server = started
  onTestFinished(() => started.stop())
}

export const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

export async function open(token: string): Promise<RawClient> {
  const client = await RawClient.connect(server.url, bearer(token))
  expect((await client.next())[5]).toBe(true)
  return client
}

/** How an upgrade is answered over HTTP. */
export function status(path: string, headers: Record<string, string>): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const upgrade = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    }
    const asked = request(`http://127.0.0.1:${server.port}${path}`, {
      headers: { ...upgrade, ...headers },
    })
    asked.on('response', (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += String(chunk)
      })
      response.on('end', () => resolve([response.statusCode ?? 0, body]))
    })
    asked.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve([101, String(response.headers['sec-websocket-protocol'])])
    })
    asked.on('error', reject)
    asked.end()
  })
}

export const put = (stream = 'orders') => [
  0x21,
  7,
  stream,
  null,
  [['k', new Uint8Array(1)]],
  null,
  0,
  0,
]
export const subscribe = [0x29, 7, 'orders', null, 'LATEST', null, 65_536, []]
export const authenticate = (token: string) => [0x3f, 7, Buffer.from(token)]
/** The next message with this opcode: heartbeats come in between. */
export async function nextOf(client: RawClient, opcode: number): Promise<unknown[]> {
  for (;;) {
    const message = await client.next()
    if (message[0] === opcode) return message
  }
}

export async function ask(client: RawClient, values: readonly unknown[]): Promise<unknown> {
  client.send(values)
  return (await nextOf(client, values[0] as number))[2]
}

export const iterate = [0x22, 7, 'orders', '0', 'LATEST']
/** What the audit has of this kind. */
export const audited = (audit: string) =>
  logger.lines
    .filter((it) => (it.facts as { audit?: string }).audit === audit)
    .map((it) => it.facts)

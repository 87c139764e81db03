/** A server that stops under load loses nothing that it acknowledged. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { startServer } from '../../src/server/server.ts'
import { unpackMessage } from '../../src/wire/codec.ts'
import { SliceCursor } from '../../src/wire/slice-cursor.ts'
import { FakeLogger } from '../unit/server/fakes.ts'
import { RawClient } from './raw-client.ts'

const execFileAsync = promisify(execFile)

function makeDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return dir
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

interface Outcome {
  readonly acknowledged: string[]
  readonly refused: Set<string>
  readonly code: number
}

/** Puts records, `window` at a time, until it is refused or the connection ends. */
async function produce(client: RawClient, name: string, window: number): Promise<Outcome> {
  const acknowledged: string[] = []
  const refused = new Set<string>()
  let sent = 0
  const send = () => {
    sent += 1
    const data = encoder.encode(`${name}-${sent}`)
    client.send([0x20, sent, 'orders', null, [[`key-${sent % 7}`, data]], null, 0, 0])
  }
  for (let i = 0; i < window; i += 1) send()
  client.socket.removeAllListeners('message')
  client.socket.on('message', (message: Buffer) => {
    const [, id, status] = unpackMessage(message) as [number, number, string | null]
    if (status === null) acknowledged.push(`${name}-${id}`)
    else refused.add(status)
    if (status === null) send()
  })
  const { code } = await client.closed
  return { acknowledged, refused, code }
}

async function readAll(broker: Broker): Promise<string[]> {
  const server = await startServer({ broker, logger: new FakeLogger(), port: 0, version: '1' })
  const client = await RawClient.open(server.url)
  const found: string[] = []
  for (const shard of ['0', '1', '2', '3']) {
    let [, , , iterator] = await client.ask([0x22, 1, 'orders', shard, 'TRIM_HORIZON'])
    for (let count = 1; count > 0; ) {
      const answer = await client.ask([0x23, 1, iterator])
      iterator = answer[3]
      count = answer[7] as number
      const cursor = new SliceCursor(answer[8] as Uint8Array)
      while (cursor.next()) found.push(decoder.decode(cursor.data))
    }
  }
  await server.stop()
  return found
}

it.each([
  [20, 32],
  [1000, 2],
])('answers or refuses everything, and loses nothing of %d connections', async (count, window) => {
  const dir = makeDirectory()
  const logger = new FakeLogger()
  const broker = await Broker.open({ dir })
  const server = await startServer({ broker, logger, port: 0, version: '1.2.3' })
  const admin = await RawClient.open(server.url)
  await admin.createStream('orders', 4)
  const clients = await Promise.all(Array.from({ length: count }, () => RawClient.open(server.url)))
  const producers = clients.map((it, index) => produce(it, `p${index}`, window))
  const enough = async () => {
    const stats = await broker.stats()
    return stats.streams[0]?.appendRecords ?? 0
  }
  await expect.poll(enough, { timeout: 30_000 }).toBeGreaterThan(2000)
  const began = performance.now()
  await server.stop()
  expect(performance.now() - began).toBeLessThan(10_000)
  const outcomes = await Promise.all(producers)
  await broker.close()

  const acknowledged = outcomes.flatMap((it) => it.acknowledged)
  expect(acknowledged.length).toBeGreaterThan(2000)
  for (const { code, refused } of outcomes) {
    expect(code).toBe(1012)
    for (const status of refused) expect(status).toBe('SERVER_CLOSING')
  }
  expect(logger.lines.filter((it) => it.level === 'error' || it.level === 'warn')).toEqual([])

  const reopened = await Broker.open({ dir })
  const found = await readAll(reopened)
  expect((await reopened.stats()).log.openedClean).toBe(true)
  await reopened.close()
  expect(new Set(found).size).toBe(found.length)
  expect(new Set(found)).toEqual(new Set(acknowledged))
})

it('has its directory for itself', async () => {
  const dir = makeDirectory()
  const broker = await Broker.open({ dir })
  const module = new URL('../../dist/broker/broker.js', import.meta.url).href
  const script = `
    const { Broker } = await import(${JSON.stringify(module)})
    await Broker.open({ dir: process.argv[1] }).catch(({ code }) => console.log(code))
  `
  const { stdout } = await execFileAsync(process.execPath, [
    ...['--input-type=module', '--eval', script],
    dir,
  ])
  expect(stdout).toBe('LOG_LOCKED\n')
  await broker.close()
})

/**
 * A client that asks for much and reads nothing costs the broker one answer, not all of them; and
 * those that read a little now and then do not keep the room for answers from others.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { type ServerLimits, startServer } from '../../src/server/server.ts'
import { FakeLogger } from '../unit/server/fakes.ts'
import { RawClient } from './raw-client.ts'

const mebibyte = 1024 * 1024
const requests = 12
const trickleMillis = 500

/** Reads what the kernel hands over at once, every half a second. */
function trickle(client: RawClient): void {
  client.socket.pause()
  const timer = setInterval(() => {
    client.socket.resume()
    setImmediate(() => client.socket.pause())
  }, trickleMillis)
  client.socket.on('close', () => clearInterval(timer))
  onTestFinished(() => client.socket.terminate())
}

/** A broker with a stream of one answer of the largest size, a client, and an iterator. */
async function serve(limits: Partial<ServerLimits> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
  const broker = await Broker.open({ dir })
  const server = await startServer({
    broker,
    logger: new FakeLogger(),
    port: 0,
    version: '1.2.3',
    limits,
  })
  onTestFinished(async () => {
    await server.stop()
    await broker.close()
    rmSync(dir, { recursive: true })
  })
  const client = await RawClient.open(server.url)
  await client.createStream('orders', 1)
  const big = new Uint8Array(mebibyte - 1)
  const full = Array.from({ length: 10 }, () => ['k', big])
  expect((await client.ask([0x21, 2, 'orders', 'os', full, null, 0, 0]))[2]).toBeNull()
  await expect
    .poll(async () => {
      const [, , , from] = await client.ask([0x22, 3, 'orders', '0', 'TRIM_HORIZON'])
      return (await client.ask([0x23, 3, from]))[7]
    })
    .toBe(10)
  const [, , , iterator] = await client.ask([0x22, 4, 'orders', '0', 'TRIM_HORIZON'])
  return { broker, server, client, iterator }
}

it('gets its answers one at a time, and all of them when it reads', async () => {
  const { broker, server, client, iterator } = await serve()
  const readBytes = async () => (await broker.stats()).streams[0]?.readBytes ?? 0
  const before = { read: await readBytes(), rss: process.memoryUsage().rss }
  client.socket.pause()
  for (let id = 0; id < requests; id += 1) client.send([0x23, id, iterator])
  // Others are served meanwhile, and the broker has had every chance to make more answers.
  const other = await RawClient.open(server.url)
  for (let round = 0; round < 100; round += 1) {
    expect((await other.ask([0x13, 1, 'orders']))[2]).toBeNull()
  }
  // What the kernel takes for the client on top of what waits here is a few MiB.
  const read = (await readBytes()) - before.read
  expect(read).toBeGreaterThanOrEqual(10 * mebibyte - 100)
  expect(read).toBeLessThan(40 * mebibyte)
  const metrics = await (await fetch(`${server.url.replace('ws:', 'http:')}/metrics`)).text()
  const buffered = Number(/^millrace_socket_buffered_bytes (\d+)$/m.exec(metrics)?.[1])
  expect(buffered).toBeGreaterThan(mebibyte)
  expect(buffered).toBeLessThan(12 * mebibyte)
  expect(process.memoryUsage().rss - before.rss).toBeLessThan(150 * mebibyte)

  client.socket.resume()
  for (let id = 0; id < requests; id += 1) {
    const answer = await client.next()
    expect(answer.slice(0, 3)).toEqual([0x23, id, null])
    expect(answer[7]).toBe(10)
  }
})

it('that reads a little now and then is cut off when others wait for its room', async () => {
  // A read may take all that the kernel has for it, so that a trickle can be some MiB a second.
  const { server, client, iterator } = await serve({
    unreadTotalBytesMax: 15 * mebibyte,
    unreadBytesPerSecondMin: 16 * mebibyte,
  })
  const slow = await Promise.all(Array.from({ length: 4 }, () => RawClient.open(server.url)))
  for (const one of slow) {
    trickle(one)
    for (let id = 0; id < requests; id += 1) one.send([0x23, id, iterator])
  }
  for (let id = 0; id < 5; id += 1) {
    expect((await client.ask([0x23, id, iterator]))[7]).toBe(10)
  }
  // One that is paused does not hear it itself.
  const metrics = await (await fetch(`${server.url.replace('ws:', 'http:')}/metrics`)).text()
  const cut = Number(/^millrace_disconnects_total\{code="4408"\} (\d+)$/m.exec(metrics)?.[1])
  expect(cut).toBeGreaterThan(0)
})

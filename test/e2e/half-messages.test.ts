/** More half-sent messages than there is memory for: they end, and others are served. */

import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { serve } from './cli-process.ts'
import { RawClient } from './raw-client.ts'

const mebibyte = 1024 * 1024
const memoryBytes = 512 * mebibyte
const crowd = 200
const handshake =
  'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
  'Sec-WebSocket-Protocol: millrace.v1\r\n\r\n'

/** A binary frame of 10 MB with a mask of zeros, but for its end. */
function halfFrame(): Buffer {
  const bytes = Buffer.alloc(14 + 9_800_000)
  bytes.set([0x82, 0xff])
  bytes.writeBigUInt64BE(10_000_000n, 2)
  return bytes
}

/** Sends the most of a message, and holds on to the rest. */
function holdHalf(port: number, frame: Buffer): Socket {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined) // it is cut off
  socket.write(handshake)
  socket.once('data', () => socket.write(frame))
  onTestFinished(() => {
    socket.destroy()
  })
  return socket
}

/** Memory of the process that is mapped from no file. */
function ownBytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

it.runIf(process.platform === 'linux')('cost memory to a bound, and others nothing', async () => {
  const settings = ['--server-memory-bytes-max', String(memoryBytes)]
  const broker = await serve(['--ephemeral', '--create', 'orders:1', ...settings])
  const frame = halfFrame()
  const sockets = Array.from({ length: crowd }, () => holdHalf(broker.port, frame))
  const put = [0x20, 1, 'orders', null, [['k', new Uint8Array(10)]], null, 0, 0]
  let most = 0
  const isBounded = () => {
    most = Math.max(most, ownBytes(broker.child.pid))
    return sockets.filter((it) => it.destroyed).length
  }
  // What is left fits into the memory in which nobody is cut off.
  const fits = Math.ceil((0.6 * memoryBytes) / 9_800_000)
  await expect
    .poll(isBounded, { interval: 10, timeout: 60_000 })
    .toBeGreaterThanOrEqual(crowd - fits)
  expect(most).toBeLessThan(memoryBytes)
  // Where it was short for a moment others are told to come again.
  const putAnew = async () => {
    const other = await RawClient.open(broker.url)
    return (await other.ask(put))[2]
  }
  await expect.poll(() => putAnew().catch(String), { timeout: 20_000 }).toBe(null)
  expect(await broker.stop()).toBe(0)
})

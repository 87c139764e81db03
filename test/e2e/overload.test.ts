/** A broker that is short of memory, of open files, or that everybody comes to at once. */

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { type ServerLimits, startServer } from '../../src/server/server.ts'
import { FakeLogger } from '../unit/server/fakes.ts'
import { cleanEnvironment, program, Transcript, temporaryDirectory } from './cli-process.ts'
import { RawClient } from './raw-client.ts'

const mebibyte = 1024 * 1024
const crowdScript = fileURLToPath(new URL('./children/crowd.mjs', import.meta.url))
const somaxconn = '/proc/sys/net/core/somaxconn'
const put = (id: number) => [0x21, id, 'orders', null, [['k', new Uint8Array(10)]], null, 0, 0]

async function startBroker(): Promise<Broker> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
  const broker = await Broker.open({ dir })
  onTestFinished(async () => {
    await broker.close()
    rmSync(dir, { recursive: true })
  })
  return broker
}

async function listen(broker: Broker, limits: Partial<ServerLimits>, port = 0) {
  const logger = new FakeLogger()
  return await startServer({ broker, logger, port, version: '1.2.3', limits })
}

/** Opens one, as often as it takes. Answers how often it was refused for coming too fast. */
async function comeBack(url: string): Promise<{ client: RawClient; refused: number }> {
  for (let refused = 0; ; refused += 1) {
    const opened = await RawClient.open(url).catch((error: Error) => error)
    if (!(opened instanceof Error)) return { client: opened, refused }
    expect(opened.message).toMatch(/429|503|ECONNREFUSED|ECONNRESET|socket hang up/)
    await wait(20 + Math.random() * 200)
  }
}

it('short of memory it refuses requests and connections, and says so to who asks', async () => {
  const broker = await startBroker()
  const plenty = await listen(broker, {})
  const setup = await RawClient.open(plenty.url)
  await setup.createStream('orders', 1)
  await setup.close()
  await plenty.stop()

  const server = await listen(broker, { memoryBytesMax: mebibyte })
  const http = server.url.replace('ws:', 'http:')
  const client = await RawClient.open(server.url)
  await expect
    .poll(async () => (await client.ask(put(1))).slice(2, 6), { timeout: 20_000 })
    .toEqual(['LIMIT_EXCEEDED', expect.stringContaining('memoryPercentMax'), true, 1000])
  const ready = await fetch(`${http}/readyz`)
  expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('memory short')])
  expect((await fetch(`${http}/healthz`)).status).toBe(200)
  await expect(RawClient.open(server.url)).rejects.toThrow('503')
  const metrics = await (await fetch(`${http}/metrics`)).text()
  expect(metrics).toMatch(/^millrace_shed_requests_total [1-9]/m)
  expect(metrics).toMatch(/^millrace_event_loop_delay_seconds\{quantile="0.999"\} \d/m)
  expect(client.socket.readyState).toBe(client.socket.OPEN)
  await server.stop()
})

/** A broker in a process that may have 256 open files, and its warnings. */
async function serveWithFewFiles(): Promise<{ url: string; port: number; said: () => string }> {
  const shell = 'ulimit -n 256 && exec "$0" "$@"'
  const data = join(temporaryDirectory(), 'data')
  const serving = ['serve', '--listen', '127.0.0.1:0', '--data', data, '--create', 'orders:4']
  const child = spawn('sh', ['-c', shell, process.execPath, program, ...serving], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const said = new Transcript(child.stderr)
  await said.until((text) => text.includes('"ready"') || child.exitCode !== null)
  const url = /"url":"(ws:[^"]+)"/.exec(said.text)?.[1]
  if (url === undefined) throw new Error(`it does not serve: ${said.text}`)
  return { url, port: Number(new URL(url).port), said: () => said.text }
}

/** A connection that says nothing. Answers whether it is taken. */
async function isTaken(port: number, held: Socket[]): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  const closed = new Promise<false>((resolve) => socket.once('close', () => resolve(false)))
  held.push(socket)
  return await Promise.race([closed, wait(200).then(() => true)])
}

it('with few open files it takes fewer connections, and goes on to append', async () => {
  const { url, port, said } = await serveWithFewFiles()
  expect(said()).toContain('raise the limit of open files')
  const writer = await RawClient.open(url)
  const clients: RawClient[] = []
  let refusal: unknown
  while (refusal === undefined && clients.length < 256) {
    await RawClient.open(url).then(
      (client) => clients.push(client),
      (error) => {
        refusal = error
      },
    )
  }
  expect(String(refusal)).toContain('503')
  expect(clients.length).toBe(55)
  const held: Socket[] = []
  while (held.length < 256 && (await isTaken(port, held)));
  expect(held.length).toBeLessThan(20)
  for (let id = 1; id <= 50; id += 1) expect((await writer.ask(put(id)))[2]).toBe(null)
  await writer.createStream('more', 32)
  for (const socket of held) socket.destroy()
  for (const client of clients) await client.close()
  await (await comeBack(url)).client.close()
})

/** More than four sockets hold with 512 each, which is what the library asks for. */
const crowd = 3000
const backlogMax = existsSync(somaxconn) ? Number(readFileSync(somaxconn, 'utf8')) : 0

it.skipIf(backlogMax < crowd)(
  `a crowd that connects while the broker is busy waits for it (with ${somaxconn} of ${crowd})`,
  async () => {
    const server = await listen(await startBroker(), {})
    // This process does nothing else until that one has ended.
    const connected = execFileSync(process.execPath, [crowdScript, server.port, crowd].map(String))
    expect(Number(connected)).toBe(crowd)
    await server.stop()
  },
)

it('a crowd that comes back after a restart is let in little by little, all of it', async () => {
  // However busy the machine is.
  const loopDelayMillisMax = 60_000
  const limits = { connectsBurst: 30, connectsPerSecond: 60, loopDelayMillisMax }
  const broker = await startBroker()
  let server = await listen(broker, { ...limits, connectsBurst: 1000 })
  const { port, url } = server
  const first = await RawClient.open(url)
  await first.createStream('orders', 1)
  const crowd = await Promise.all(Array.from({ length: 150 }, () => RawClient.open(url)))
  await server.stop()
  for (const client of [first, ...crowd]) expect((await client.closed).code).toBe(1012)

  server = await listen(broker, limits, port)
  const bystander = (await comeBack(url)).client
  const coming = Promise.all(crowd.map(() => comeBack(url)))
  let isOver = false
  void coming.then(() => {
    isOver = true
  })
  let puts = 0
  for (; !isOver; puts += 1) {
    expect((await bystander.ask(put(puts)))[2]).toBe(null)
    await wait(10)
  }
  const back = await coming
  expect(puts).toBeGreaterThan(0)
  expect(back.reduce((sum, { refused }) => sum + refused, 0)).toBeGreaterThan(0)
  for (const { client } of back) expect((await client.ask([0x13, 1, 'orders']))[2]).toBe(null)
  await server.stop()
})

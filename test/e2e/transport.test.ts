/** The server on a real port, with a broker that does what the test says. */

import { once } from 'node:events'
import { connect as connectTcp, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { MillraceError } from '../../src/errors.ts'
import {
  connectionCreditBytesMax,
  frameBytesMax,
  messageBytesSpare,
  subscriptionsMax,
} from '../../src/limits.ts'
import { type Server, type ServerOptions, startServer } from '../../src/server/server.ts'
import { packMessage } from '../../src/wire/codec.ts'
import { FakeBroker, FakeLogger } from '../unit/server/fakes.ts'
import { putAnswer, putFrame } from '../unit/server/frames.ts'
import { RawClient } from './raw-client.ts'

const servers: Server[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((it) => it.stop()))
})

const handshake = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: millrace.v1',
  '\r\n',
].join('\r\n')

async function start(options: Partial<ServerOptions> = {}) {
  const broker = new FakeBroker()
  const logger = new FakeLogger()
  const limits = { drainMillisMax: 500, ...options.limits }
  const server = await startServer({
    ...{ broker, logger, port: 0, version: '1.2.3' },
    ...options,
    limits,
  })
  servers.push(server)
  return { broker, logger, server, url: server.url, http: server.url.replace('ws:', 'http:') }
}

describe('a connection', () => {
  it('speaks millrace.v1 and is welcomed', async () => {
    const { url } = await start()
    const client = await RawClient.connect(url, { subprotocols: ['millrace.v9', 'millrace.v1'] })
    expect(client.socket.protocol).toBe('millrace.v1')
    const bounds = [subscriptionsMax, connectionCreditBytesMax]
    expect(await client.next()).toEqual([
      ...[0x01, 1, '1.2.3', frameBytesMax, 1024, true, null],
      ...bounds,
    ])
    expect(client.socket.extensions).toBe('')
  })

  it.each([[['millrace.v2']], [['mqtt', 'millrace.v2']], [[]]])(
    'is closed with 4501 when it offers %j',
    async (subprotocols) => {
      const { url } = await start()
      const client = await RawClient.connect(url, { subprotocols })
      expect(await client.closed).toEqual({
        code: 4501,
        reason: 'UNSUPPORTED_VERSION: this broker speaks millrace.v1',
      })
      expect(client.received).toBe(0)
    },
  )

  it.each([
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'http://localhost:5173' }, 403],
    [{ headers: { host: 'evil.example' } }, 403],
  ])('is refused with %j before it is one', async (options, status) => {
    const { url } = await start()
    await expect(RawClient.connect(url, options)).rejects.toThrow(`${status}`)
  })

  it('is let in from a page of the broker itself, or of an origin that is named', async () => {
    const { url } = await start({ allowedOrigins: ['https://app.example.org'] })
    for (const origin of [url.replace('ws:', 'http:'), 'https://app.example.org']) {
      expect((await (await RawClient.connect(url, { origin })).next())[0]).toBe(0x01)
    }
  })

  it('is refused with 503 when there are too many', async () => {
    const { url } = await start({ limits: { connectionsMax: 2 } })
    const first = await RawClient.open(url)
    await RawClient.open(url)
    await expect(RawClient.open(url)).rejects.toThrow('503')
    await first.close()
    await expect.poll(() => RawClient.open(url).then(() => 'open', String)).toBe('open')
  })

  it('is refused when it is no handshake, and hears which version is spoken', async () => {
    const { server } = await start()
    const ask = async (change: (text: string) => string) => {
      const socket = connectTcp(server.port, '127.0.0.1')
      socket.write(change(handshake))
      const [answer] = (await once(socket, 'data')) as [Buffer]
      socket.destroy()
      return answer.toString()
    }
    expect(await ask((text) => text)).toMatch(/^HTTP\/1\.1 101 /)
    const older = await ask((text) => text.replace('Version: 13', 'Version: 8'))
    expect(older).toMatch(/^HTTP\/1\.1 426 /)
    expect(older).toContain('sec-websocket-version: 13\r\n')
    expect(await ask((text) => text.replace('Upgrade: websocket\r\n', ''))).toMatch(/ 426 /)
    expect(await ask((text) => text.replace('==', 'AA'))).toMatch(/ 400 /)
    expect(await ask((text) => text.replace(/Sec-WebSocket-Key.*\r\n/, ''))).toMatch(/ 400 /)
    expect(await ask((text) => `${text.slice(0, -2)}Host: other\r\n\r\n`)).toMatch(/ 400 /)
    expect(await ask((text) => `${text.slice(0, -2)}X: ${'a'.repeat(5000)}\r\n\r\n`)).toMatch(
      / 431 /,
    )
  })

  it('is not a WebSocket elsewhere than at /', async () => {
    const { url } = await start()
    await expect(RawClient.connect(`${url}/metrics`)).rejects.toThrow('200')
    await expect(RawClient.connect(`${url}/other`)).rejects.toThrow('404')
  })
})

describe('messages', () => {
  it('are lent during the call alone: what is kept of them is gone', async () => {
    const { broker, url } = await start()
    let kept = new Uint8Array(0)
    broker.onPut = (frame, answer) => {
      kept = frame as Uint8Array<ArrayBuffer>
      expect(kept.length).toBeGreaterThan(100)
      answer(putAnswer(1))
    }
    const client = await RawClient.open(url)
    client.socket.send(putFrame(1, new Uint8Array(100)))
    expect(await client.next()).toEqual([0x20, 1, null, 'disk'])
    expect(kept.length).toBe(0)
  })

  it('come in fragments as in one piece', async () => {
    const { broker, url } = await start()
    const client = await RawClient.open(url)
    const frame = putFrame(1, new Uint8Array(1000).fill(7))
    const { socket } = client
    socket.send(frame.subarray(0, 1), { fin: false })
    socket.send(frame.subarray(1, 500), { fin: false })
    socket.ping()
    socket.send(new Uint8Array(0), { fin: false })
    socket.send(frame.subarray(500), { fin: true })
    await expect.poll(() => broker.puts.length).toBe(1)
    expect(Buffer.from(frame).equals(broker.puts[0]?.bytes as Uint8Array)).toBe(true)
  })

  it('end the connection with 4500 when they are empty, and nobody else notices', async () => {
    const { broker, url } = await start()
    broker.onPut = (_, answer) => answer(putAnswer(1))
    const bystander = await RawClient.open(url)
    const client = await RawClient.open(url)
    client.socket.send(new Uint8Array(0))
    expect(await client.closed).toEqual({
      code: 4500,
      reason: 'PROTOCOL_VIOLATION: byte 0: wanted an array',
    })
    bystander.socket.send(putFrame(1))
    expect(await bystander.next()).toEqual([0x20, 1, null, 'disk'])
  })

  it('are answered first that came before the one that ends the connection', async () => {
    const { broker, url } = await start()
    broker.onPut = (_, answer) => answer(putAnswer(1))
    const client = await RawClient.open(url)
    for (let i = 0; i < 10; i += 1) client.socket.send(putFrame(1))
    client.socket.send('text')
    client.socket.send(putFrame(1))
    expect(await client.closed).toEqual({
      code: 4500,
      reason: 'PROTOCOL_VIOLATION: a text frame; use binary ones',
    })
    expect(client.received).toBe(11)
  })

  it('can have frameBytesMax bytes; more is an answer, and much more the end', async () => {
    const { broker, url } = await start()
    broker.onPut = (frame, answer) => answer(packMessage([0x20, frame.length, null]))
    const client = await RawClient.open(url)
    const sized = (bytes: number) => {
      const frame = new Uint8Array(bytes)
      frame.set(putFrame(5))
      return frame
    }
    for (const bytes of [frameBytesMax - 1, frameBytesMax]) {
      client.socket.send(sized(bytes))
      expect(await client.next()).toEqual([0x20, bytes, null])
    }
    const most = frameBytesMax + messageBytesSpare
    for (const bytes of [frameBytesMax + 1, most]) {
      client.socket.send(sized(bytes))
      expect((await client.next()).slice(0, 4)).toEqual([
        0x20,
        5,
        'RECORD_TOO_LARGE',
        `the message has ${bytes} bytes, at most ${frameBytesMax} (frameBytesMax); ` +
          'put fewer records at once',
      ])
    }
    client.socket.send(sized(most + 1))
    // uWebSockets.js sends no close frame here.
    expect((await client.closed).code).toBe(1006)
  })

  it('count as requests in flight until they are answered', async () => {
    const { broker, url } = await start({ limits: { requestsInFlightMax: 4 } })
    const client = await RawClient.open(url)
    for (let id = 1; id <= 6; id += 1) client.socket.send(putFrame(id))
    for (const id of [5, 6]) {
      expect(await client.next()).toEqual([
        0x20,
        id,
        'LIMIT_EXCEEDED',
        expect.stringContaining('requestsInFlightMax'),
        true,
        50,
      ])
    }
    for (const { answer } of broker.puts) answer(putAnswer(9))
    for (let i = 0; i < 4; i += 1) expect(await client.next()).toEqual([0x20, 9, null, 'disk'])
  })
})

describe('a client that does not read', () => {
  it('is cut off, and costs no more memory than it may', async () => {
    const { broker, logger, url } = await start()
    const answer = new Uint8Array(1000)
    broker.onPut = (_, give) => give(answer)
    const client = await RawClient.open(url)
    const bystander = await RawClient.open(url)
    globalThis.gc?.()
    const before = process.memoryUsage().rss
    client.socket.pause()
    let sent = 0
    const frame = putFrame(1)
    while (!logger.lines.some((it) => it.level === 'warn') && sent < 100_000) {
      for (let i = 0; i < 500; i += 1) client.socket.send(frame)
      sent += 500
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(logger.lines.find((it) => it.level === 'warn')?.facts).toMatchObject({ code: 4408 })
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
    client.socket.resume()
    expect((await client.closed).code).toBe(1006)
    bystander.socket.send(frame)
    expect((await bystander.nextBytes()).length).toBe(1000)
    expect(await (await fetch(`${url.replace('ws', 'http')}/metrics`)).text()).toContain(
      'millrace_disconnects_total{code="4408"} 1',
    )
  })
})

describe('the port', () => {
  it('is refused to a second server, which says what to do', async () => {
    const { server } = await start()
    const options = { broker: new FakeBroker(), logger: new FakeLogger(), version: '1.2.3' }
    await expect(startServer({ ...options, port: server.port })).rejects.toMatchObject({
      code: 'ADDRESS_UNAVAILABLE',
      message:
        `listen: 127.0.0.1:${server.port}: another process listens there; ` +
        'stop it, or choose another port',
    })
    expect((await RawClient.open(server.url)).socket.readyState).toBe(WebSocket.OPEN)
  })

  it('is refused where something else listens, or the address is not ours', async () => {
    const options = { broker: new FakeBroker(), logger: new FakeLogger(), version: '1.2.3' }
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    await expect(startServer({ ...options, port })).rejects.toThrow(/another process listens/)
    other.close()
    const host = '192.0.2.1'
    const accepted = { insecureNoAuth: true, insecureNoTls: true }
    await expect(startServer({ ...options, ...accepted, host, port: 0 })).rejects.toThrow(
      /does not have the address/,
    )
  })

  it('is not opened to others without both switches, and with them the log says so', async () => {
    const options = { broker: new FakeBroker(), logger: new FakeLogger(), version: '1.2.3' }
    await expect(startServer({ ...options, host: '0.0.0.0', port: 0 })).rejects.toMatchObject({
      code: 'UNSAFE_ADDRESS',
    })
    const { logger } = await start({ host: '0.0.0.0', insecureNoAuth: true, insecureNoTls: true })
    expect(logger.lines[0]).toMatchObject({
      level: 'warn',
      text: expect.stringMatching(/INSECURE/),
    })
  })
})

describe('HTTP', () => {
  it('answers healthz, readyz, metrics, and what the port is', async () => {
    const { http } = await start()
    const ask = async (path: string, init: RequestInit = {}) => {
      const answer = await fetch(http + path, init)
      return { status: answer.status, text: await answer.text() }
    }
    expect(await ask('/healthz')).toEqual({ status: 200, text: 'ok\n' })
    expect(await ask('/readyz')).toEqual({ status: 200, text: 'ready\n' })
    expect(await ask('/readyz', { method: 'HEAD' })).toEqual({ status: 200, text: '' })
    expect((await ask('/')).status).toBe(426)
    expect((await ask('/nothing')).status).toBe(404)
    expect((await ask('/metrics', { method: 'POST', body: 'x'.repeat(100_000) })).status).toBe(405)
    const metrics = await ask('/metrics')
    expect(metrics.status).toBe(200)
    expect(metrics.text).toContain('millrace_build_info{version="1.2.3",node="v20')
    expect(metrics.text).toMatch(/^millrace_connections 0$/m)
    expect(metrics.text).toMatch(/^process_resident_memory_bytes \d+$/m)
  })

  it('says when the disk is full, the log has failed, or the broker is about to stop', async () => {
    const { broker, http, server } = await start()
    const ready = async () => {
      const answer = await fetch(`${http}/readyz`)
      return `${answer.status} ${await answer.text()}`
    }
    broker.log = { diskFull: true }
    expect(await ready()).toBe('503 disk full\n')
    broker.log = {}
    expect(await ready()).toBe('200 ready\n')
    broker.fail(new MillraceError('LOG_FAILED'))
    expect(await ready()).toBe('503 log failed\n')
    const client = await RawClient.open(server.url)
    client.socket.send(putFrame(1))
    await expect.poll(() => broker.puts.length).toBe(1)
    // A connection that is open already still gets an answer; new ones are not taken.
    const kept = connectTcp(server.port, '127.0.0.1')
    await once(kept, 'connect')
    const stopped = server.stop()
    kept.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const [answer] = (await once(kept, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 503 [\s\S]*draining\n$/)
    await expect(once(connectTcp(server.port, '127.0.0.1'), 'connect')).rejects.toThrow(
      'ECONNREFUSED',
    )
    broker.puts[0]?.answer(putAnswer(1))
    expect(await client.next()).toEqual([0x20, 1, null, 'disk'])
    expect(await client.closed).toEqual({
      code: 1012,
      reason: 'SERVER_CLOSING retryAfterMs=1000',
    })
    await stopped
    kept.destroy()
  })

  it('survives those who leave in the middle', async () => {
    const { http, server } = await start()
    for (let i = 0; i < 200; i += 1) {
      const socket = connectTcp(server.port, '127.0.0.1')
      socket.on('error', () => undefined)
      await new Promise<void>((resolve) => socket.once('connect', resolve))
      socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.slice(0, 10 + i))
      socket.resetAndDestroy()
    }
    expect((await fetch(`${http}/healthz`)).status).toBe(200)
  })
})

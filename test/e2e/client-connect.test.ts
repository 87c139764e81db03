import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { connect } from '../../src/client/node.ts'
import { encodeWelcome } from '../../src/wire/frame.ts'
import { BrokerPlace } from './broker-place.ts'

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function urlOf(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  closers.push(() => {
    for (const it of sockets) it.destroy()
    server.close()
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A server that answers every upgrade with this. */
function refusing(status: string, body = '', type = 'text/plain'): Promise<string> {
  const server = createHttpServer()
  server.on('upgrade', (_, socket) => {
    const head = `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}`
    socket.end(`HTTP/1.1 ${status}\r\n${head}\r\nConnection: close\r\n\r\n${body}`)
  })
  return urlOf(server)
}

describe('connecting', () => {
  test.each([
    ['403 Forbidden', 'ACCESS_DENIED'],
    ['401 Unauthorized', 'UNAUTHENTICATED'],
    ['404 Not Found', 'UNSUPPORTED_VERSION'],
    ['426 Upgrade Required', 'UNSUPPORTED_VERSION'],
    ['431 Request Header Fields Too Large', 'UNAUTHENTICATED'],
  ])('is given up after HTTP %s', async (status, code) => {
    const url = await refusing(status)
    await expect(connect(url)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(`HTTP ${status.slice(0, 3)}`),
    })
  })

  test.each([
    ['the token is not valid here\n', 'text/plain', 'HTTP 401: the token is not valid here'],
    ['a\u001b[31m\r\n\u202eb', 'text/plain; charset=utf-8', 'HTTP 401: a [31m b'],
    ['x'.repeat(5000), 'text/plain', `HTTP 401: ${'x'.repeat(256)}`],
    ['<html>no</html>', 'text/html', 'HTTP 401 instead of a WebSocket'],
  ])('that is refused says what the answer says, in one line: %j', async (body, type, text) => {
    const url = await refusing('401 Unauthorized', body, type)
    await expect(connect(url)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: `the broker refused the connection: ${text}`,
      hint: expect.stringContaining('MILLRACE_TOKEN'),
    })
  })

  test('is not held up by an answer that does not end', async () => {
    const server = createHttpServer()
    server.on('upgrade', (_, socket) => {
      const head = 'Content-Type: text/plain\r\nContent-Length: 100'
      socket.write(`HTTP/1.1 403 Forbidden\r\n${head}\r\n\r\nno, and`)
    })
    await expect(connect(await urlOf(server))).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringContaining('HTTP 403: no, and'),
    })
  })

  test('is tried again after HTTP 503, as long as it may take', async () => {
    const url = await refusing('503 Service Unavailable')
    await expect(connect(url, { connectTimeoutMillis: 300 })).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      message: expect.stringMatching(/no broker at .* within 300 ms \(.*HTTP 503/),
    })
  })

  test('fails with its reason where nobody listens', async () => {
    const probe = createServer()
    const url = await urlOf(probe)
    await new Promise<void>((resolve) => probe.close(() => resolve()))
    const start = performance.now()
    await expect(connect(url, { reconnect: false })).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      message: expect.stringContaining('ECONNREFUSED'),
    })
    expect(performance.now() - start).toBeLessThan(2000)
  })

  test('ends with the signal', async () => {
    // It takes connections and says nothing.
    const url = await urlOf(createServer())
    const signal = AbortSignal.timeout(50)
    await expect(connect(url, { signal })).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(connect(url, { signal })).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test.each([
    ['http://127.0.0.1:1', /wanted ws:/],
    ['nonsense', /URL/],
  ])('is refused for %s', async (url, text) => {
    await expect(connect(url)).rejects.toThrow(text)
    await expect(connect(url)).rejects.toBeInstanceOf(TypeError)
  })

  test('waits for a broker that is about to come', async () => {
    const place = await BrokerPlace.open()
    await place.stop()
    const connecting = connect(place.url)
    await place.start()
    const client = await connecting
    expect(client.state).toBe('open')
    await client.close()
    await place.close()
  })
})

/** A broker that says welcome, and then what the test wants. */
async function scripted(
  script: (send: (data: Uint8Array | string) => void, close: (code: number) => void) => void,
): Promise<string> {
  const server = createHttpServer()
  const sockets = new WebSocketServer({ server, handleProtocols: () => 'millrace.v1' })
  sockets.on('connection', (socket) => {
    socket.send(
      encodeWelcome({
        protocolVersion: 1,
        brokerVersion: '0',
        frameBytesMax: 1000,
        requestsInFlightMax: 10,
      }),
    )
    script(
      (data) => socket.send(data),
      (code) => socket.close(code, 'as the script says'),
    )
  })
  return await urlOf(server)
}

describe('a broker that breaks the protocol', () => {
  test.each([
    ['a text', 'hello'],
    ['an answer to nothing', Uint8Array.of(0x93, 0x14, 7, 0xc0)],
  ])('by %s ends the client', async (_, data) => {
    const url = await scripted((send) => send(data))
    const client = await connect(url)
    await expect(client.listStreams()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' })
    expect(client.state).toBe('closed')
    await client.close()
  })
})

test('a close for good rejects what waits, with the reason', async () => {
  const url = await scripted((_, close) => close(4503))
  const client = await connect(url)
  await expect(client.listStreams()).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
    message: 'the broker closed the connection: 4503 as the script says',
  })
  expect(client.state).toBe('closed')
  await client.close()
})

test('close is over when the socket is gone, also where nobody says goodbye', async () => {
  const url = await scripted(() => {})
  const client = await connect(url)
  const start = performance.now()
  await client.close()
  await client.close()
  expect(performance.now() - start).toBeLessThan(3000)
})

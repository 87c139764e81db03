/** Messages of clients who have not said who they are: a port holds little of one. */

import { expect, it, onTestFinished } from 'vitest'
import { openNodeTransport } from '../../src/server/node-transport.ts'
import { readTlsFiles } from '../../src/server/tls/tls-files.ts'
import type { SocketHandler, TransportOptions } from '../../src/server/transport.ts'
import { openUwsTransport } from '../../src/server/uws-transport.ts'
import { RawClient } from './raw-client.ts'
import { bring, makeCertificates } from './tls-port.ts'

const certificates = makeCertificates()
const nothing = () => undefined

/** A port whose clients are known by their token, whatever that is, and which counts messages. */
function options(): { taken: number[]; options: TransportOptions } {
  const taken: number[] = []
  const handler: SocketHandler = {
    receive: (message) => taken.push(message.length),
    drained: nothing,
    ponged: nothing,
    closed: nothing,
  }
  const given: TransportOptions = {
    host: '127.0.0.1',
    port: 0,
    socketsMax: 10,
    socketsPerAddressMax: 10,
    handshakeMillisMax: 10_000,
    messageBytesMax: 3000,
    unknown: { messageBytesMax: 1000, isUnknown: ({ authorization }) => authorization === '' },
    upgrade: () => ({ kind: 'accept', subprotocol: 'millrace.v1', handler: () => handler }),
    answer: () => ({ status: '404 Not Found', body: '' }),
  }
  return { taken, options: given }
}

const ports = {
  async 'a plain port'(given: TransportOptions) {
    const transport = await openUwsTransport(given)
    onTestFinished(() => transport.close())
    return { url: `ws://127.0.0.1:${transport.port}`, trusted: {} }
  },
  async 'a port with TLS'(given: TransportOptions) {
    const { certFile, keyFile } = certificates.pair
    const files = await readTlsFiles({ certFile, keyFile }, Date.now())
    const transport = await openNodeTransport(given, files)
    onTestFinished(() => transport.close())
    const trusted = bring(certificates.authority)
    return { url: `wss://127.0.0.1:${transport.port}`, trusted }
  },
}

it.each(Object.entries(ports))('%s takes short messages of them alone', async (_, open) => {
  const { taken, options: given } = options()
  const { url, trusted } = await open(given)
  const known = { ...trusted, headers: { authorization: 'Bearer x' } }
  const [unknown, client] = [
    await RawClient.connect(url, trusted),
    await RawClient.connect(url, known),
  ]
  client.socket.send(new Uint8Array(3000))
  unknown.socket.send(new Uint8Array(1000))
  await expect.poll(() => taken.toSorted()).toEqual([1000, 3000])
  unknown.socket.send(new Uint8Array(1001))
  client.socket.send(new Uint8Array(3001))
  // One library says 1009 before it ends, the other nothing.
  expect([1006, 1009]).toContain((await unknown.closed).code)
  expect([1006, 1009]).toContain((await client.closed).code)
  expect(taken).toHaveLength(2)
  const elsewhere = RawClient.connect(`${url}/elsewhere`, known)
  await expect(elsewhere).rejects.toThrow('404')
  await expect(RawClient.connect(`${url}/elsewhere`, trusted)).rejects.toThrow('404')
})

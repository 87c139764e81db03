/**
 * transport.ts over Node's TLS and the package `ws`, for ports that speak TLS. uWebSockets.js
 * could, too, but it does not take a new certificate without closing its port for a moment, and
 * shows no certificate of a client.
 */

import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { WebSocketServer } from 'ws'
import { handshakeRefusal, malformedRequest, type RequestHead, socketPath } from './handshake.ts'
import {
  answerHeaders,
  answerNodeRequest,
  listenOn,
  readNodeHead,
  readNodeRequest,
  slowRequestLimits,
} from './node-http.ts'
import { NodeServerSocket } from './node-server-socket.ts'
import { SocketShares } from './socket-shares.ts'
import { endWithCertificate } from './tls/certificate-end.ts'
import { peerNames } from './tls/peer-certificate.ts'
import type { TlsMaterial } from './tls/tls-files.ts'
import type { HttpAnswer, HttpRequest, Transport, TransportOptions, Upgrade } from './transport.ts'

export interface NodeTransport extends Transport {
  /** Connections from now on have this; those that are open go on as they are. */
  renew(context: SecureContextOptions): void
}

/**
 * Opens a port; `now` in milliseconds since 1970. Rejects with a MillraceError,
 * ADDRESS_UNAVAILABLE.
 */
export async function openNodeTransport(
  options: TransportOptions,
  { context, isMutual }: TlsMaterial,
  now: () => number = Date.now,
): Promise<NodeTransport> {
  const server = createServer({
    ...slowRequestLimits(options.handshakeMillisMax),
    ...context,
    handshakeTimeout: options.handshakeMillisMax,
    requestCert: isMutual,
    rejectUnauthorized: isMutual,
  })
  boundSockets(server, options)
  if (isMutual) {
    server.on('secureConnection', (socket: TLSSocket) => endWithCertificate(socket, now))
  }
  server.on('request', (request, response) => {
    const names = peerNames(request.socket as TLSSocket)
    void answerNodeRequest(request, response, (it) => options.answer({ ...it, ...named(names) }))
  })
  const sockets = serveSockets(server, options)
  await listenOn(server, options)
  let isListening = true
  const stopListening = () => {
    if (isListening) server.close()
    isListening = false
  }
  return {
    port: (server.address() as AddressInfo).port,
    stopListening,
    renew: (next) => server.setSecureContext(next),
    close() {
      stopListening()
      for (const { clients } of sockets) for (const socket of clients) socket.terminate()
      server.closeAllConnections()
    },
  }
}

/** Before the handshake of TLS, which costs most. */
function boundSockets(server: Server, options: TransportOptions): void {
  const shares = new SocketShares(options, () => performance.now())
  server.maxConnections = options.socketsMax
  server.on('connection', (socket: Socket) => {
    const { remoteAddress = '' } = socket
    const stays = shares.came(remoteAddress)
    shares.spoke(remoteAddress)
    if (stays) shares.held(remoteAddress)
    socket.once('close', () => {
      shares.left()
      if (stays) shares.released(remoteAddress)
    })
    if (!stays) socket.destroy()
  })
}

function named(certificateNames: readonly string[]): Pick<HttpRequest, 'certificateNames'> {
  return { certificateNames }
}

function serveSockets(server: Server, options: TransportOptions): readonly WebSocketServer[] {
  const chosen = new WeakMap<IncomingMessage, string>()
  const upgrader = (maxPayload: number) =>
    new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload,
      // Only where it was offered: there is no answer to what nobody asked.
      handleProtocols: (_, request) => chosen.get(request) || false,
    })
  const { unknown = { messageBytesMax: options.messageBytesMax, isUnknown: () => false } } = options
  const known = upgrader(options.messageBytesMax)
  const few = upgrader(unknown.messageBytesMax)
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, early: Buffer) => {
    const net = stream as TLSSocket
    const head = readNodeHead(request)
    const read = { ...readNodeRequest(request, head), ...named(peerNames(net)) }
    // Until there is a WebSocket nobody else listens: one that breaks off is no bug.
    net.on('error', () => net.destroy())
    void decide(options, read, head).then((upgrade) => {
      if (net.destroyed) return
      if (upgrade.kind === 'refuse') {
        // Nobody looks after it any more: a peer that holds on would keep it, and the process.
        net.once('finish', () => net.destroy())
        net.end(rawAnswer(upgrade.answer))
        return
      }
      chosen.set(request, upgrade.subprotocol)
      const sockets = unknown.isUnknown(read) ? few : known
      sockets.handleUpgrade(request, net, early, (web) =>
        NodeServerSocket.open(web, net, read.remoteAddress, upgrade.handler),
      )
    })
  })
  return [known, few]
}

/** There is a WebSocket at one path alone; elsewhere the request is one like others. */
async function decide(
  options: TransportOptions,
  request: HttpRequest,
  head: RequestHead,
): Promise<Upgrade> {
  const refused = malformedRequest(head)
  if (refused !== undefined) return { kind: 'refuse', answer: refused }
  if (request.path !== socketPath) return { kind: 'refuse', answer: await options.answer(request) }
  const noHandshake = handshakeRefusal(head)
  if (noHandshake !== undefined) return { kind: 'refuse', answer: noHandshake }
  return await options.upgrade(request)
}

function rawAnswer(answer: HttpAnswer): string {
  const headers = answerHeaders({ ...answer, ends: true })
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${answer.status}`, ...lines, '', answer.body].join('\r\n')
}

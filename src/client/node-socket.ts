/** The socket of Node programs: the `ws` package. */

import type { Socket as NetSocket } from 'node:net'
import { WebSocket } from 'ws'
import { closeCodes } from '../wire/close-codes.ts'
import { subprotocol } from '../wire/operations.ts'
import { httpRefusal } from './http-refusal.ts'
import {
  answerBytesMax,
  bufferedBytesMax,
  type OpenSocket,
  type Socket,
  type SocketEvents,
} from './socket.ts'

/** A broker from which nothing came for so long is asked for a sign of life ... */
const silenceMillisDefault = 15_000
/** ... and the end of a connection is waited for so long in ms, whoever has said goodbye. */
const goodbye = { closeTimeout: 1000 }

/** The close code that stands for the refusal of an upgrade; undefined where it may heal. */
const codesByStatus: ReadonlyMap<number, number> = new Map([
  [400, closeCodes.unsupportedVersion.code],
  [401, closeCodes.unauthenticated.code],
  [403, closeCodes.accessDenied.code],
  [404, closeCodes.unsupportedVersion.code],
  [426, closeCodes.unsupportedVersion.code],
  [429, closeCodes.tooMany.code],
  // Of what a client sends only its token can be so long.
  [431, closeCodes.unauthenticated.code],
])

/**
 * Frames go out under a mask of zeros, so that their bytes need not be copied and changed. The mask
 * keeps scripts of foreign pages from making a browser send bytes of their choosing to a proxy; a
 * program can send any bytes that it likes anyway.
 */
function maskOfZeros(mask: Buffer): void {
  mask.fill(0)
}

/** What a client of `wss://` brings with it; each is text in PEM. */
export interface TlsOptions {
  /** Authorities whose certificates a broker may have; those of Node unless it is given. */
  readonly ca?: string | undefined
  /** The certificate of this client, and its private key, for a broker that asks for one. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

interface NodeSocketOptions {
  readonly silenceMillis: number
  readonly tls: TlsOptions
  readonly token: string | undefined
}

class NodeSocket implements Socket {
  readonly #web: WebSocket
  readonly #events: SocketEvents
  #net: NetSocket | undefined
  #corked = false
  #full = false
  #isHeard = true
  #lastError = ''
  #refusedWith: number | undefined
  readonly #silenceMillis: number
  readonly #pulse: NodeJS.Timeout

  constructor(url: string, events: SocketEvents, { silenceMillis, tls, token }: NodeSocketOptions) {
    this.#events = events
    this.#silenceMillis = silenceMillis
    this.#web = new WebSocket(url, [subprotocol], {
      ...tls,
      perMessageDeflate: false,
      maxPayload: answerBytesMax,
      ...goodbye,
      generateMask: maskOfZeros,
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    })
    this.#pulse = setInterval(() => this.#checkPulse(), silenceMillis)
    this.#pulse.unref()
    this.#listen()
  }

  get bufferedBytes(): number {
    return this.#web.bufferedAmount
  }

  send(frame: Uint8Array): void {
    if (this.#web.readyState !== WebSocket.OPEN) return
    this.#cork()
    this.#web.send(frame)
    if (this.bufferedBytes >= bufferedBytesMax) this.#full = true
  }

  close(code: number, reason: string): void {
    this.#web.close(code, reason)
  }

  terminate(): void {
    this.#web.terminate()
  }

  #listen(): void {
    const web = this.#web
    web.on('upgrade', (response) => {
      this.#net = response.socket
      this.#net.on('drain', () => this.#drained())
    })
    web.on('message', (data, isBinary) => {
      this.#isHeard = true
      if (isBinary) this.#events.message(plain(data as Buffer))
      else this.#events.textMessage()
    })
    web.on('ping', () => {
      this.#isHeard = true
    })
    web.on('pong', () => {
      this.#isHeard = true
    })
    web.on('unexpected-response', (request, response) => {
      this.#refusedWith = codesByStatus.get(response.statusCode ?? 0)
      void httpRefusal(response).then((text) => {
        this.#lastError = text
        request.destroy()
        web.terminate()
      })
    })
    web.on('error', (error) => {
      this.#lastError ||= errorText(error)
    })
    web.on('close', (code, reason) => {
      clearInterval(this.#pulse)
      this.#events.closed(this.#refusedWith ?? code, reason.toString() || this.#lastError)
    })
  }

  /** What is sent in one turn of the event loop goes to the kernel in one call. */
  #cork(): void {
    if (this.#corked || this.#net === undefined) return
    this.#corked = true
    this.#net.cork()
    process.nextTick(() => {
      this.#corked = false
      this.#net?.uncork()
    })
  }

  #drained(): void {
    if (!this.#full || this.bufferedBytes >= bufferedBytesMax) return
    this.#full = false
    this.#events.drained()
  }

  /** A peer that vanished without a word would be waited for until the kernel gives up. */
  #checkPulse(): void {
    if (this.#web.readyState !== WebSocket.OPEN) return
    if (this.#isHeard) {
      this.#isHeard = false
      this.#web.ping()
    } else {
      this.#lastError = `nothing came for ${this.#silenceMillis} ms and more`
      this.#web.terminate()
    }
  }
}

/**
 * What OpenSSL finds has its reason beside a message that is about its own sources; of what is no
 * HTTP the message says that, too.
 */
function errorText(error: Error & { readonly reason?: unknown; readonly code?: unknown }): string {
  const { reason, message, code, name } = error
  const isOfParser = String(code).startsWith('HPE_')
  return String((isOfParser ? undefined : reason) ?? (message.trim() || code || name))
}

/** A view of a Buffer makes a Buffer, which takes three times as long as a plain one. */
function plain({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

/** Opens sockets that notice within twice `silenceMillis` when their broker is gone. */
export function nodeSockets(
  silenceMillis: number = silenceMillisDefault,
  tls: TlsOptions = {},
): OpenSocket {
  return (url, events, token) => new NodeSocket(url, events, { silenceMillis, tls, token })
}

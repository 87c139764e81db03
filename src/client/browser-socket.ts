/** The socket of browsers, and of other places that have a WebSocket of their own. */

import { subprotocol } from '../wire/operations.ts'
import type { Clock, Timer } from './clock.ts'
import { bufferedBytesMax, type OpenSocket, type Socket, type SocketEvents } from './socket.ts'

/** A browser does not tell when its buffer drains: it is asked again after so long. */
const drainCheckMillis = 4
/** How long a goodbye is waited for. */
const goodbyeMillis = 1000

/** The part of the standard's WebSocket that is used. */
interface WebSocketLike {
  binaryType: string
  readonly readyState: number
  readonly bufferedAmount: number
  send(data: Uint8Array): void
  close(code?: number, reason?: string): void
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null
}

type WebSocketClass = new (url: string, protocols: readonly string[]) => WebSocketLike

const openState = 1

class BrowserSocket implements Socket {
  readonly #web: WebSocketLike
  readonly #events: SocketEvents
  readonly #clock: Clock
  #drainCheck: Timer | undefined
  #isClosed = false

  constructor(
    Class: WebSocketClass,
    url: string,
    events: SocketEvents,
    clock: Clock,
    token: string | undefined,
  ) {
    this.#events = events
    this.#clock = clock
    // A page cannot set headers.
    const offered = token === undefined ? [subprotocol] : [subprotocol, `bearer.${token}`]
    this.#web = new Class(url, offered)
    this.#web.binaryType = 'arraybuffer'
    this.#web.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) events.message(new Uint8Array(data))
      else events.textMessage()
    }
    this.#web.onclose = ({ code, reason }) => this.#closed(code, reason)
  }

  get bufferedBytes(): number {
    return this.#web.bufferedAmount
  }

  send(frame: Uint8Array): void {
    if (this.#web.readyState !== openState) return
    this.#web.send(frame)
    if (this.bufferedBytes >= bufferedBytesMax) this.#awaitDrain()
  }

  close(code: number, reason: string): void {
    this.#web.close(code, reason)
    this.#clock.after(goodbyeMillis, () => this.#closed(1006, 'no goodbye came'))
  }

  /** A page cannot cut a connection: it says goodbye, and waits for no answer. */
  terminate(): void {
    this.#web.close()
    queueMicrotask(() => this.#closed(1006, 'given up by the client'))
  }

  #closed(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#drainCheck?.cancel()
    this.#web.onmessage = null
    this.#events.closed(code, reason)
  }

  #awaitDrain(): void {
    this.#drainCheck ??= this.#clock.after(drainCheckMillis, () => {
      this.#drainCheck = undefined
      if (this.bufferedBytes >= bufferedBytesMax) this.#awaitDrain()
      else this.#events.drained()
    })
  }
}

/** Opens sockets of the WebSocket that the place brings. */
export function browserSockets(clock: Clock): OpenSocket {
  const Class = (globalThis as { WebSocket?: WebSocketClass }).WebSocket
  if (Class === undefined) {
    throw new TypeError('there is no WebSocket here; Node programs import millrace/client')
  }
  return (url, events, token) => new BrowserSocket(Class, url, events, clock, token)
}

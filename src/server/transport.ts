/**
 * What the server needs of a WebSocket and HTTP library, and nothing more. uws-transport.ts is the
 * one that is used, node-transport.ts where a port speaks TLS; tests have their own.
 */

import type { CloseCode } from '../wire/close-codes.ts'
import type { SocketLimits } from './socket-shares.ts'

/** One WebSocket connection. Nothing of it may be used once its handler was told `closed`. */
export interface Socket {
  /** The address of the peer, as text. */
  readonly remoteAddress: string
  /** Sends a binary message. Answers false when it waits in this process, as the peer is slow. */
  send(message: Uint8Array): boolean
  /** Bytes that wait in this process; those in the buffers of the kernel do not count. */
  bufferedBytes(): number
  /** What is sent by `run` leaves in as few packets as possible. Within `receive` that is so. */
  cork(run: () => void): void
  ping(): void
  /** Ends the connection with a code. Bytes that wait are lost: see `bufferedBytes`. */
  close(code: CloseCode, reason: string): void
  /** Ends the connection without a word, and frees what waits. */
  terminate(): void
}

/** What becomes of what happens on a connection. None of these may throw. */
export interface SocketHandler {
  /** `message` is only lent: it is gone when the call returns. */
  receive(message: Uint8Array, isBinary: boolean): void
  /** Some of the bytes that waited have left; may be told a moment after `closed`. */
  drained(): void
  ponged(): void
  /** The end. The code is that of the close frame, or 1006 when there was none. */
  closed(code: number): void
}

/** What is known of an HTTP request, also of one that asks for a WebSocket. */
export interface HttpRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly remoteAddress: string
  /** The headers, empty when they are missing; there is exactly one `host`. */
  readonly host: string
  readonly origin: string
  readonly subprotocols: string
  readonly authorization: string
  /** What stands behind the `?` of the URL; empty where nothing does. */
  readonly query: string
  /** What the verified certificate of the client names; nothing where there is none. */
  readonly certificateNames?: readonly string[]
}

export interface HttpAnswer {
  /** As in the first line: `200 OK`. */
  readonly status: string
  readonly type?: string
  /** Beside those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  /** Whether the connection ends behind it: nobody knows what of the rest would be a request. */
  readonly ends?: boolean
}

/** Whether a connection becomes a WebSocket: with a subprotocol, or not, or it is told why not. */
export type Upgrade =
  | { readonly kind: 'accept'; readonly subprotocol: string; readonly handler: OpenSocket }
  | { readonly kind: 'refuse'; readonly answer: HttpAnswer }

export type OpenSocket = (socket: Socket) => SocketHandler

export interface UnknownClientsOptions {
  readonly messageBytesMax: number
  /** Whether a request to open a WebSocket comes from one of them. */
  readonly isUnknown: (request: HttpRequest) => boolean
}

export interface TransportOptions extends SocketLimits {
  readonly host: string
  /** 0 chooses a free one. */
  readonly port: number
  /** For the handshake of TLS, and for the headers of a request; with TLS alone. */
  readonly handshakeMillisMax: number
  /** A longer message ends its connection without a close frame. */
  readonly messageBytesMax: number
  /** ... of those of whom it is not known who they are: they are not to hold much. */
  readonly unknown?: UnknownClientsOptions | undefined
  /** Neither may throw or reject. */
  readonly upgrade: (request: HttpRequest) => Upgrade | Promise<Upgrade>
  readonly answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>
}

/** An open port. */
export interface Transport {
  readonly port: number
  /** Takes no more connections; those that are open stay. */
  stopListening(): void
  /** Ends everything that is still open, without a word. */
  close(): void
}

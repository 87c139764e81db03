/** transport.ts over a WebSocket of the package `ws`. */

import type { Socket as NetSocket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import type { CloseCode } from '../wire/close-codes.ts'
import type { OpenSocket, Socket, SocketHandler } from './transport.ts'

/**
 * Bytes that Node keeps without the peer being slow: what is encrypted is written one turn of the
 * event loop after it was sent.
 */
const roomBytes = 64 * 1024

export class NodeServerSocket implements Socket {
  readonly remoteAddress: string
  readonly #web: WebSocket
  readonly #net: NetSocket
  #waits = false

  private constructor(web: WebSocket, net: NetSocket, remoteAddress: string) {
    this.#web = web
    this.#net = net
    this.remoteAddress = remoteAddress
  }

  /** Ties a socket to what becomes of it. */
  static open(web: WebSocket, net: NetSocket, remoteAddress: string, open: OpenSocket): void {
    const socket = new NodeServerSocket(web, net, remoteAddress)
    socket.#listen(open(socket))
  }

  send(message: Uint8Array): boolean {
    // It is only lent, and Node keeps what it has not written yet.
    this.#web.send(Uint8Array.from(message), { binary: true, compress: false })
    if (this.bufferedBytes() <= roomBytes) return true
    this.#waits = true
    return false
  }

  bufferedBytes(): number {
    return this.#web.bufferedAmount
  }

  cork(run: () => void): void {
    this.#net.cork()
    try {
      run()
    } finally {
      this.#net.uncork()
    }
  }

  ping(): void {
    this.#web.ping()
  }

  close(code: CloseCode, reason: string): void {
    this.#web.close(code.code, reason)
  }

  terminate(): void {
    this.#web.terminate()
  }

  #listen(handler: SocketHandler): void {
    const web = this.#web
    web.on('message', (data, isBinary) => {
      // What still comes behind a close of ours is nobody's any more.
      if (web.readyState !== web.OPEN) return
      this.cork(() => handler.receive(bytesOf(data), isBinary))
    })
    web.on('pong', () => handler.ponged())
    this.#net.on('drain', () => {
      if (!this.#waits || this.bufferedBytes() > 0) return
      this.#waits = false
      handler.drained()
    })
    // What was wrong is told by the code of the close that follows.
    web.on('error', () => undefined)
    web.on('close', (code) => handler.closed(code))
  }
}

/** A message comes as one Buffer: that is the type of binary messages unless another is chosen. */
function bytesOf(data: RawData): Uint8Array {
  const { buffer, byteOffset, length } = data as Buffer
  return new Uint8Array(buffer, byteOffset, length)
}

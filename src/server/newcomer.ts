/**
 * Stands for the handler of a connection until the first that the client says is carried out, which
 * can wait; see late-work.ts.
 */

import type { LateWork } from './late-work.ts'
import type { Socket, SocketHandler } from './transport.ts'

/** What is kept of it: who says more is carried out at once. */
const keptBytesMax = 4096

interface Message {
  readonly bytes: Uint8Array
  readonly isBinary: boolean
}

export interface NewcomerOptions {
  readonly late: LateWork
  /** From now on the handler itself is to be told. */
  readonly settled: (handler: SocketHandler) => void
}

export class Newcomer implements SocketHandler {
  readonly #socket: Socket
  readonly #handler: SocketHandler
  readonly #options: NewcomerOptions
  #messages: Message[] = []
  #bytes = 0

  constructor(socket: Socket, handler: SocketHandler, options: NewcomerOptions) {
    this.#socket = socket
    this.#handler = handler
    this.#options = options
  }

  receive(message: Uint8Array, isBinary: boolean): void {
    this.#bytes += message.length
    if (this.#bytes > keptBytesMax) {
      this.#carryOut()
      this.#handler.receive(message, isBinary)
      return
    }
    if (this.#messages.length === 0) this.#options.late.add(() => this.#carryOut())
    this.#messages.push({ bytes: message.slice(), isBinary })
  }

  drained(): void {
    this.#handler.drained()
  }

  ponged(): void {
    this.#handler.ponged()
  }

  closed(code: number): void {
    this.#messages = []
    this.#handler.closed(code)
  }

  /** In the order of what came. Nothing is left of it where the connection has ended. */
  #carryOut(): void {
    const messages = this.#messages
    this.#messages = []
    this.#options.settled(this.#handler)
    if (messages.length === 0) return
    this.#socket.cork(() => {
      for (const { bytes, isBinary } of messages) this.#handler.receive(bytes, isBinary)
    })
  }
}

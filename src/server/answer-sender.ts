/**
 * The way out of a connection: answers leave together where they can, and a client that does not
 * read them is noticed before it costs memory.
 */

import type { Socket } from './transport.ts'

export interface AnswerBounds {
  /** Bytes that wait from which on nothing large is begun. */
  readonly socketBytesPause: number
  /** Bytes of answers that are sent while others wait already. */
  readonly unreadBytesMax: number
}

export interface AnswerOwner {
  /** Answers wait: `flush` is to be called at the end of this turn of the event loop. */
  readonly flushLater: () => void
  /** More answers wait unread than is allowed: the connection is to be ended. */
  readonly overflow: () => void
  readonly now: () => number
}

export class AnswerSender {
  readonly #socket: Socket
  readonly #bounds: AnswerBounds
  readonly #owner: AnswerOwner
  #isReceiving = false
  #isOver = false
  #late: Uint8Array[] = []
  #unreadBytes = 0
  #sentBytes = 0
  #stalledSince: number | undefined

  constructor(socket: Socket, bounds: AnswerBounds, owner: AnswerOwner) {
    this.#socket = socket
    this.#bounds = bounds
    this.#owner = owner
  }

  /** Within `receive` of the socket what is sent leaves together by itself. */
  beginReceiving(): void {
    this.#isReceiving = true
  }

  endReceiving(): void {
    this.#isReceiving = false
  }

  /**
   * Sends an answer at the end of this turn at the latest. Large ones, of which one at a time is
   * made while nothing waits, do not count as unread.
   */
  send(answer: Uint8Array, { isLarge = false }: { readonly isLarge?: boolean } = {}): void {
    if (this.#isReceiving || isLarge) {
      this.#sendNow(answer, isLarge)
      return
    }
    if (this.#late.length === 0) this.#owner.flushLater()
    this.#late.push(answer)
  }

  /**
   * Sends what nobody asked for, at once; answers false when it waits. It does not count as unread:
   * who makes it has bounds of its own.
   */
  push(frame: Uint8Array): boolean {
    this.#sentBytes += frame.length
    if (this.#socket.send(frame)) return true
    this.#stalledSince ??= this.#owner.now()
    return false
  }

  /** A sync of the log can answer hundreds of requests of a socket: they share its packets. */
  flush(): void {
    const late = this.#late
    this.#late = []
    if (late.length === 1) {
      this.#sendNow(late[0] as Uint8Array, false)
    } else if (late.length > 1) {
      this.#socket.cork(() => {
        for (const answer of late) this.#sendNow(answer, false)
      })
    }
  }

  /** Sends nothing any more: the socket is gone, and throws when it is used. */
  discard(): void {
    this.#isOver = true
    this.#late = []
    this.#stalledSince = undefined
  }

  /** Whether something large may be made, as nearly nothing waits. */
  isClear(): boolean {
    return (
      this.#stalledSince === undefined ||
      this.#socket.bufferedBytes() <= this.#bounds.socketBytesPause
    )
  }

  /** When the client last took something, where something has been waiting ever since. */
  stalledSince(): number | undefined {
    return this.#stalledSince
  }

  /** Bytes that have left this process, but for what frames have around them. */
  takenBytes(): number {
    return this.#sentBytes - this.#socket.bufferedBytes()
  }

  /** Whether everything has left this process. */
  isEmpty(): boolean {
    return this.#late.length === 0 && this.#socket.bufferedBytes() === 0
  }

  drained(): void {
    if (this.#socket.bufferedBytes() === 0) {
      this.#unreadBytes = 0
      this.#stalledSince = undefined
    } else if (this.#stalledSince !== undefined) {
      this.#stalledSince = this.#owner.now()
    }
  }

  #sendNow(answer: Uint8Array, isLarge: boolean): void {
    // An overflow ends the socket in the middle of a flush.
    if (this.#isOver) return
    this.#sentBytes += answer.length
    if (this.#socket.send(answer)) return
    this.#stalledSince ??= this.#owner.now()
    if (isLarge) return
    this.#unreadBytes += answer.length
    if (this.#unreadBytes > this.#bounds.unreadBytesMax) this.#owner.overflow()
  }
}

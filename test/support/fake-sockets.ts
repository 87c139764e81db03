import type { OpenSocket, Socket, SocketEvents } from '../../src/client/socket.ts'
import { MillraceError } from '../../src/errors.ts'
import { packMessage, unpackMessage } from '../../src/wire/codec.ts'
import { encodeError, encodeWelcome } from '../../src/wire/frame.ts'

/** What was sent, decoded: opcode, request id, fields. */
export type SentMessage = readonly [opcode: number, requestId: number, ...fields: unknown[]]

/** One end of a socket; the test is the broker at the other one. */
export class FakeSocket implements Socket {
  readonly events: SocketEvents
  readonly frames: Uint8Array[] = []
  bufferedBytes = 0
  closedWith: string | undefined
  isTerminated = false

  constructor(events: SocketEvents) {
    this.events = events
  }

  send(frame: Uint8Array): void {
    this.frames.push(Uint8Array.from(frame))
  }

  close(code: number, reason: string): void {
    this.closedWith = `${code} ${reason}`.trim()
    queueMicrotask(() => this.events.closed(code, reason))
  }

  terminate(): void {
    this.isTerminated = true
    queueMicrotask(() => this.events.closed(1006, 'terminated'))
  }

  // --- the broker's side

  welcome({ frameBytesMax = 1_000_000, requestsInFlightMax = 100 } = {}): void {
    this.events.message(
      encodeWelcome({
        protocolVersion: 1,
        brokerVersion: '0.0.0',
        frameBytesMax,
        requestsInFlightMax,
      }),
    )
  }

  get sent(): SentMessage[] {
    return this.frames.map(
      (it) => unpackMessage(it, { elementsMax: 10_000 }) as unknown as SentMessage,
    )
  }

  /** Answers that the request with this place among the sent ones has worked. */
  answer(index: number, ...fields: unknown[]): void {
    const [opcode, requestId] = this.sent[index] as SentMessage
    this.events.message(packMessage([opcode, requestId, null, ...fields]))
  }

  refuse(index: number, error: MillraceError | ConstructorParameters<typeof MillraceError>[0]) {
    const [opcode, requestId] = this.sent[index] as SentMessage
    const refusal = typeof error === 'string' ? new MillraceError(error) : error
    this.events.message(encodeError(opcode, requestId, refusal))
  }

  lose(code = 1006, reason = ''): void {
    this.events.closed(code, reason)
  }
}

/** Opens fake sockets and keeps them in order. */
export class FakeSockets {
  readonly all: FakeSocket[] = []

  readonly open: OpenSocket = (_url, events) => {
    const socket = new FakeSocket(events)
    this.all.push(socket)
    return socket
  }

  get last(): FakeSocket {
    return this.all.at(-1) as FakeSocket
  }
}

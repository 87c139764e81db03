import type { OpenSocket, Socket, SocketEvents } from '../../src/client/socket.ts'
import { MillraceError } from '../../src/errors.ts'
import {
  decodeRequest,
  encodeAnswer,
  encodeError,
  encodeWelcome,
  parseRequest,
} from '../../src/wire/frame.ts'
import { listShards, type RequestOf } from '../../src/wire/operations.ts'
import {
  decodeCredit,
  encodePush,
  isCreditFrame,
  subscriptionEnded,
} from '../../src/wire/pushes.ts'
import { parseShardId } from '../../src/wire/shard-id-text.ts'
import {
  subscribeToShard,
  subscribeToStream,
  unsubscribe,
} from '../../src/wire/subscription-operations.ts'
import type { PushedShard, PushStream } from './push-stream.ts'
import { PushSubscription } from './push-subscription.ts'

/** One connection, from the broker's side. */
class PushSocket implements Socket {
  readonly #broker: PushBroker
  readonly #events: SocketEvents
  readonly subscriptions = new Map<number, PushSubscription>()
  /** Frames that have been sent and not yet come. */
  readonly #outbox: Uint8Array[] = []
  isOpen = true
  bufferedBytes = 0
  #lastId = 0

  constructor(broker: PushBroker, events: SocketEvents) {
    this.#broker = broker
    this.#events = events
    const limits = { frameBytesMax: 1_000_000, requestsInFlightMax: 100 }
    this.#outbox.push(encodeWelcome({ protocolVersion: 1, brokerVersion: '0', ...limits }))
    broker.wake()
  }

  send(frame: Uint8Array): void {
    if (!this.isOpen) return
    if (isCreditFrame(frame)) {
      const { subscriptionId, bytes } = decodeCredit(frame)
      this.#broker.credits.push(bytes)
      this.subscriptions.get(subscriptionId)?.giveBack(bytes)
    } else {
      this.#answer(frame)
    }
    this.#broker.wake()
  }

  close(code: number, reason: string): void {
    this.cut(code, reason)
  }

  terminate(): void {
    this.cut(1006, 'terminated')
  }

  /** What is on its way never comes. */
  cut(code = 1006, reason = ''): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.subscriptions.clear()
    queueMicrotask(() => this.#events.closed(code, reason))
  }

  push(frame: Uint8Array): void {
    this.#outbox.push(frame)
  }

  /** So many frames come, in one turn. */
  deliver(count: number): void {
    for (const frame of this.#outbox.splice(0, count)) {
      if (this.isOpen) this.#events.message(Uint8Array.from(frame))
    }
  }

  #answer(frame: Uint8Array): void {
    const { operation, requestId } = decodeRequest(frame)
    this.#broker.calls.push(operation.name)
    try {
      const refusal = this.#broker.refuse(operation.name)
      if (refusal !== undefined) throw refusal
      this.push(this.#carryOut(frame))
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      this.push(encodeError(operation.opcode, requestId, error))
    }
  }

  #carryOut(frame: Uint8Array): Uint8Array {
    const read = decodeRequest(frame)
    const { operation, requestId } = read
    switch (operation.opcode) {
      case subscribeToStream.opcode: {
        const request = parseRequest(subscribeToStream, read)
        this.#broker.streamRequests.push(request)
        const it = this.#make(request.creditBytes)
        const shards = it.beginStream(request)
        this.subscriptions.set(it.id, it)
        return encodeAnswer(subscribeToStream, requestId, { subscriptionId: it.id, shards })
      }
      case subscribeToShard.opcode: {
        const request = parseRequest(subscribeToShard, read)
        this.#broker.shardRequests.push(request)
        const it = this.#make(request.creditBytes)
        const shard = it.beginShard(request)
        this.subscriptions.set(it.id, it)
        return encodeAnswer(subscribeToShard, requestId, { subscriptionId: it.id, shard })
      }
      case unsubscribe.opcode: {
        const { subscriptionId } = parseRequest(unsubscribe, read)
        if (!this.subscriptions.delete(subscriptionId)) throw new MillraceError('INVALID_ARGUMENT')
        return encodeAnswer(unsubscribe, requestId, {})
      }
      default: {
        const shards = this.#broker.stream.shards.map((it) => it.describe())
        return encodeAnswer(listShards, requestId, { shards })
      }
    }
  }

  #make(creditBytes: number): PushSubscription {
    this.#lastId += 1
    const others = [...this.subscriptions.values()]
    const isTaken = (shard: PushedShard) => others.some((it) => it.covers(shard))
    const { stream } = this.#broker
    return new PushSubscription(this.#lastId, stream, creditBytes, isTaken, (it) => this.push(it))
  }
}

/**
 * A broker that pushes, at the other end of sockets that are none. What it sends comes a moment
 * later, all at once: an answer, and right behind it the pushes.
 */
export class PushBroker {
  readonly stream: PushStream
  readonly sockets: PushSocket[] = []
  /** Names of the operations that were asked for, in order. */
  readonly calls: string[] = []
  readonly credits: number[] = []
  readonly streamRequests: RequestOf<typeof subscribeToStream>[] = []
  readonly shardRequests: { readonly shardId: string; readonly creditBytes: number }[] = []
  /** What answers the next request of this name. */
  refuse: (name: string) => MillraceError | undefined = () => undefined
  /** Nothing comes unless `deliver` is called. */
  isHeld = false
  /** Nobody listens. */
  isAway = false
  #isAwake = false

  constructor(stream: PushStream) {
    this.stream = stream
  }

  readonly open: OpenSocket = (_url, events) => {
    const socket = new PushSocket(this, events)
    this.sockets.push(socket)
    if (this.isAway) socket.cut()
    return socket
  }

  get openSockets(): PushSocket[] {
    return this.sockets.filter((it) => it.isOpen)
  }

  get subscriptions(): PushSubscription[] {
    return this.openSockets.flatMap((it) => [...it.subscriptions.values()])
  }

  put(index: number, ...texts: string[]): void {
    this.stream.put(index, ...texts)
    this.wake()
  }

  reshard(parents: readonly number[], childCount: number): void {
    this.stream.reshard(parents, childCount)
    this.wake()
  }

  /** Loses all connections. */
  cut(code = 1006, reason = ''): void {
    for (const it of this.openSockets) it.cut(code, reason)
  }

  /** Ends all subscriptions. */
  end(error: MillraceError): void {
    const { code, message, retryAfterMs } = error
    for (const socket of this.openSockets) {
      for (const { id } of socket.subscriptions.values()) {
        const fields = { subscriptionId: id, code, message, retryAfterMs }
        socket.push(encodePush(subscriptionEnded, fields))
      }
      socket.subscriptions.clear()
    }
    this.wake()
  }

  heartbeat(): void {
    for (const it of this.subscriptions) it.tellProgress()
    this.wake()
  }

  wake(): void {
    if (this.#isAwake || this.isHeld) return
    this.#isAwake = true
    queueMicrotask(() => {
      this.#isAwake = false
      if (!this.isHeld) this.deliver()
    })
  }

  /** Sends what there is, and hands over so many frames of each connection. */
  deliver(count: number = Number.POSITIVE_INFINITY): void {
    for (const socket of this.openSockets) {
      for (const [id, it] of socket.subscriptions) {
        it.send()
        if (it.hasEnded) socket.subscriptions.delete(id)
      }
      socket.deliver(count)
    }
  }

  shardOf(shardId: string): PushedShard | undefined {
    return this.stream.shards[parseShardId(shardId) ?? -1]
  }
}

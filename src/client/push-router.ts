/** Hands what a connection brings unasked to the subscriptions that it belongs to. */

import { errorTable, MillraceError } from '../errors.ts'
import {
  decodePush,
  gap,
  heartbeat,
  isSliceFrame,
  pushesByOpcode,
  shardEnded,
  shardNumberOfSlice,
  shardStarted,
  subscriptionEnded,
} from '../wire/pushes.ts'
import type { SubscribedShard } from '../wire/structures.ts'
import type { PushListener } from './push-exchange.ts'

interface Route {
  readonly listener: PushListener
  readonly shards: Set<number>
}

export class PushRouter {
  readonly #byId = new Map<number, Route>()
  /** By the number in the slices: no two subscriptions of a connection have the same shard. */
  readonly #byShard = new Map<number, Route>()

  get isEmpty(): boolean {
    return this.#byId.size === 0
  }

  /** To be called before the frame after the answer is looked at. */
  add(id: number, shards: readonly SubscribedShard[], listener: PushListener): void {
    const route: Route = { listener, shards: new Set() }
    this.#byId.set(id, route)
    for (const it of shards) this.#addShard(route, it)
  }

  remove(id: number): void {
    const route = this.#byId.get(id)
    if (route === undefined) return
    this.#byId.delete(id)
    for (const number of route.shards) {
      if (this.#byShard.get(number) === route) this.#byShard.delete(number)
    }
  }

  /**
   * Takes a frame if it is a slice or a push; answers whether it was. What comes for a subscription
   * that was ended here was on its way, and is passed over. Throws a MillraceError,
   * PROTOCOL_VIOLATION.
   */
  take(frame: Uint8Array): boolean {
    if (isSliceFrame(frame)) {
      const number = shardNumberOfSlice(frame)
      this.#byShard.get(number)?.listener.slice(number, frame)
      return true
    }
    if (!pushesByOpcode.has(frame[1] as number)) return false
    this.#takePush(frame)
    return true
  }

  /** The connection is gone, and with it all subscriptions. */
  lose(error: unknown, how?: 'lost'): void {
    const routes = [...this.#byId.values()]
    this.#byId.clear()
    this.#byShard.clear()
    for (const { listener } of routes) listener.ended(asError(error), how)
  }

  #takePush(frame: Uint8Array): void {
    switch (frame[1]) {
      case shardStarted.opcode: {
        const { subscriptionId, shard } = decodePush(shardStarted, frame)
        const route = this.#byId.get(subscriptionId)
        if (route === undefined) return
        this.#addShard(route, shard)
        route.listener.shardStarted(shard)
        return
      }
      case heartbeat.opcode: {
        const fields = decodePush(heartbeat, frame)
        this.#byId.get(fields.subscriptionId)?.listener.heartbeat(fields)
        return
      }
      case gap.opcode: {
        const fields = decodePush(gap, frame)
        this.#byId.get(fields.subscriptionId)?.listener.gap(fields)
        return
      }
      case shardEnded.opcode: {
        const fields = decodePush(shardEnded, frame)
        this.#byId.get(fields.subscriptionId)?.listener.shardEnded(fields)
        return
      }
      default:
        this.#end(frame)
    }
  }

  #end(frame: Uint8Array): void {
    const { subscriptionId, code, message, retryAfterMs } = decodePush(subscriptionEnded, frame)
    const route = this.#byId.get(subscriptionId)
    if (route === undefined) return
    this.remove(subscriptionId)
    route.listener.ended(code === undefined ? undefined : errorOf(code, message, retryAfterMs))
  }

  #addShard(route: Route, { shardNumber }: SubscribedShard): void {
    const number = Number(shardNumber)
    route.shards.add(number)
    this.#byShard.set(number, route)
  }
}

function errorOf(code: string, message?: string, retryAfterMs?: number): MillraceError {
  if (Object.hasOwn(errorTable, code)) {
    return new MillraceError(code as MillraceError['code'], message, { retryAfterMs })
  }
  return new MillraceError('INTERNAL', `the broker ended the subscription, ${code}: ${message}`)
}

function asError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  return new MillraceError('CLIENT_CLOSED', String(error), { cause: error })
}

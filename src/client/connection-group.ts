/**
 * The connections of a client. The first one carries all calls, and the subscriptions that fit on
 * it; for others more are opened, and closed with their last subscription.
 */

import { MillraceError } from '../errors.ts'
import * as limits from '../limits.ts'
import type { AnswerOf, Operation, RequestOf } from '../wire/operations.ts'
import { parseShardId } from '../wire/shard-id-text.ts'
import type { ExchangeOptions } from '../wire/verbs.ts'
import type { Connection } from './connection.ts'
import { ConnectionLine } from './connection-line.ts'
import type { LineClaim, PushExchange, SubscriptionLine } from './push-exchange.ts'

/** Of the subscriptions of one connection. */
export interface SubscriptionBounds {
  readonly subscriptionsMax: number
  readonly creditBytesMax: number
}

interface Member {
  readonly connection: Connection
  readonly claims: Set<LineClaim>
}

export class ConnectionGroup implements PushExchange {
  readonly #first: Member
  readonly #open: () => Connection
  readonly #others = new Set<Member>()

  constructor(first: Connection, open: () => Connection) {
    this.#first = { connection: first, claims: new Set() }
    this.#open = open
  }

  call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    options: ExchangeOptions,
  ): Promise<AnswerOf<Op>> {
    return this.#first.connection.call(operation, request, options)
  }

  put(makeFrame: (requestId: number) => Uint8Array, options: ExchangeOptions): Promise<Uint8Array> {
    return this.#first.connection.put(makeFrame, options)
  }

  openLine(claim: LineClaim): SubscriptionLine {
    const member = this.#memberFor(claim)
    member.claims.add(claim)
    return new ConnectionLine(member.connection, () => {
      member.claims.delete(claim)
      if (member !== this.#first && member.claims.size === 0) this.#drop(member)
    })
  }

  /** Ends all connections: what waits and what comes rejects with `error`. */
  async end(error: MillraceError): Promise<void> {
    const all = [this.#first, ...this.#others].map((it) => it.connection)
    this.#others.clear()
    for (const it of all) it.end(error)
    await Promise.all(all.map((it) => it.ended()))
  }

  #memberFor(claim: LineClaim): Member {
    const first = this.#first
    // With it the client has ended: it says why.
    if (first.connection.hasEnded) return first
    const bounds = boundsOf(first.connection)
    for (const it of [first, ...this.#others]) {
      if (!it.connection.hasEnded && hasRoom([...it.claims], claim, bounds)) return it
    }
    const member = { connection: this.#open(), claims: new Set<LineClaim>() }
    this.#others.add(member)
    return member
  }

  #drop(member: Member): void {
    this.#others.delete(member)
    member.connection.end(new MillraceError('CLIENT_CLOSED'))
  }
}

/** What a broker says of a connection's subscriptions; what it is unless it does. */
function boundsOf({ welcome }: Connection): SubscriptionBounds {
  return {
    subscriptionsMax: welcome?.subscriptionsMax ?? limits.subscriptionsMax,
    creditBytesMax: welcome?.connectionCreditBytesMax ?? limits.connectionCreditBytesMax,
  }
}

/**
 * Whether a subscription can be added to those of a connection: it must not have a shard that one
 * of them has, and there has to be credit for everything that others may hold up. Pure.
 */
export function hasRoom(
  claims: readonly LineClaim[],
  wanted: LineClaim,
  { subscriptionsMax, creditBytesMax }: SubscriptionBounds,
): boolean {
  if (claims.length >= subscriptionsMax) return false
  if (claims.some((it) => overlap(it, wanted))) return false
  const byLoop = new Map<object, number>()
  for (const { loop, creditBytes } of [...claims, wanted]) {
    const bytes = (byLoop.get(loop) ?? 0) + creditBytes
    byLoop.set(loop, Math.min(bytes, creditBytesMax))
  }
  const held = [...byLoop.values()].reduce((sum, bytes) => sum + bytes, 0)
  return held <= creditBytesMax
}

function overlap(a: LineClaim, b: LineClaim): boolean {
  if (a.streamName !== b.streamName) return false
  if (a.shardId === undefined || b.shardId === undefined) return true
  return parseShardId(a.shardId) === parseShardId(b.shardId)
}

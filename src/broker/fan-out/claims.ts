/** Which subscription of a consumer has a shard for itself, and when another one takes it over. */

import { MillraceError } from '../../errors.ts'
import { takeOverMillis } from '../../limits.ts'
import type { Shard } from '../../shard/shard.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import type { Subscription } from './subscription.ts'

interface Claim {
  readonly subscription: Subscription
  readonly claimedMillis: number
}

/**
 * How long a new subscription has to wait for a shard that another one has; 0 = it takes it over.
 * Pure.
 */
export function millisToWait(
  held: { readonly claimedMillis: number; readonly leaseCounter: bigint | undefined },
  leaseCounter: bigint | undefined,
  nowMillis: number,
): number {
  // The lease says whose the shard is now.
  if (leaseCounter !== undefined && leaseCounter > (held.leaseCounter ?? -1n)) return 0
  return Math.max(0, takeOverMillis - (nowMillis - held.claimedMillis))
}

export class Claims {
  readonly #claims = new Map<string, Claim>()
  /** Subscriptions that have lost a shard to another one so far. */
  takenOver = 0

  /**
   * Gives shards to a subscription that has a consumer: all of them, or none. Those that had one
   * end. `nowMillis` is of a clock that never goes back. Throws a MillraceError, CONSUMER_IN_USE.
   */
  claim(subscription: Subscription, shards: readonly Shard[], nowMillis: number): void {
    const { consumerName } = subscription
    if (consumerName === undefined) return
    const held = shards.map((shard) => ({ shard, claim: this.#of(consumerName, shard) }))
    for (const { shard, claim } of held) {
      if (claim !== undefined) checkWait(subscription, shard, claim, nowMillis)
    }
    for (const { shard, claim } of held) {
      if (claim !== undefined) this.#takeOver(claim.subscription, subscription, shard)
      this.#keep(subscription, consumerName, shard, nowMillis)
    }
  }

  /** A shard that a subscription is done with can be another one's. */
  release(subscription: Subscription, shardNumber: bigint): void {
    const { consumerName } = subscription
    if (consumerName === undefined) return
    const key = keyOf(consumerName, shardNumber)
    if (this.#claims.get(key)?.subscription === subscription) this.#claims.delete(key)
  }

  #of(consumerName: string, { number }: Shard): Claim | undefined {
    return this.#claims.get(keyOf(consumerName, number))
  }

  #keep(subscription: Subscription, consumerName: string, shard: Shard, millis: number): void {
    const key = keyOf(consumerName, shard.number)
    const claim = { subscription, claimedMillis: millis }
    this.#claims.set(key, claim)
    subscription.onEnd(() => {
      if (this.#claims.get(key) === claim) this.#claims.delete(key)
    })
  }

  #takeOver(from: Subscription, to: Subscription, shard: Shard): void {
    if (from.hasEnded) return
    this.takenOver += 1
    const what = `shard ${shardIdText(shard.index)} of stream ${to.streamName}`
    const isFenced = from.leaseCounter !== undefined && (to.leaseCounter ?? -1n) > from.leaseCounter
    from.end(
      isFenced
        ? new MillraceError(
            'LEASE_LOST',
            `The lease ${from.leaseCounter} of ${what} was followed by ${to.leaseCounter}.`,
          )
        : new MillraceError(
            'CONSUMER_IN_USE',
            `Another subscription of consumer ${to.consumerName} has taken ${what} over.`,
          ),
    )
  }
}

/** A number is never given to two shards of a data directory. */
function keyOf(consumerName: string, shardNumber: bigint): string {
  return `${shardNumber} ${consumerName}`
}

function checkWait(
  { consumerName, leaseCounter, streamName }: Subscription,
  shard: Shard,
  { claimedMillis, subscription }: Claim,
  nowMillis: number,
): void {
  const held = { claimedMillis, leaseCounter: subscription.leaseCounter }
  const retryAfterMs = Math.ceil(millisToWait(held, leaseCounter, nowMillis))
  if (retryAfterMs === 0) return
  throw new MillraceError(
    'CONSUMER_IN_USE',
    `Another subscription of consumer ${consumerName} began to read ` +
      `shard ${shardIdText(shard.index)} of stream ${streamName} ` +
      `${Math.floor(nowMillis - claimedMillis)} ms ago; ` +
      `it can be taken over ${takeOverMillis} ms after it began.`,
    { retryAfterMs },
  )
}

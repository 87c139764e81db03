/** What bounds subscriptions, and can be set. */

import * as limits from '../../limits.ts'
import { tcpMemoryBytes } from './tcp-memory.ts'

export interface FanOutLimits {
  /** Of a connection. */
  readonly subscriptionsMax: number
  /** Bytes on the way of one subscription, whatever it asks for. */
  readonly subscriptionCreditBytesMax: number
  /** ... of those of a connection, and of all. */
  readonly connectionCreditBytesMax: number
  /** 0: a quarter of the memory that the kernel has for TCP. */
  readonly creditTotalBytesMax: number
  /** What one principal, or one address, may have of it. */
  readonly creditSharePercentMax: number
  /** How long a client may leave credit that is due unreturned. */
  readonly creditMillisMax: number
  /** ... while others have nothing on their way, and find no room. */
  readonly starvingMillisMax: number
  readonly heartbeatMillis: number
  /** How long a round of sending takes at most. */
  readonly roundMillisMax: number
}

export const fanOutDefaults: FanOutLimits = {
  subscriptionsMax: limits.subscriptionsMax,
  subscriptionCreditBytesMax: limits.subscriptionCreditBytesMax,
  connectionCreditBytesMax: limits.connectionCreditBytesMax,
  creditTotalBytesMax: limits.creditTotalBytesMax,
  creditSharePercentMax: limits.creditSharePercentMax,
  creditMillisMax: limits.creditMillisMax,
  starvingMillisMax: limits.starvingMillisMax,
  heartbeatMillis: limits.heartbeatMillis,
  roundMillisMax: limits.roundMillisMax,
}

const shareOfTcpMemory = 4

/**
 * Everything that is not given is the default. All together never get less than a connection: its
 * subscriptions would wait for ever.
 */
export function fanOutLimits(given: Partial<FanOutLimits>): FanOutLimits {
  const all = { ...fanOutDefaults, ...given }
  const { connectionCreditBytesMax, creditTotalBytesMax } = all
  const most = creditTotalBytesMax || Math.floor(tcpMemoryBytes() / shareOfTcpMemory)
  return { ...all, creditTotalBytesMax: Math.max(most, connectionCreditBytesMax) }
}

/** Never less than a slice. */
export function creditShareBytes(all: FanOutLimits): number {
  const share = Math.floor((all.creditTotalBytesMax * all.creditSharePercentMax) / 100)
  return Math.max(share, limits.sliceBytesMax)
}

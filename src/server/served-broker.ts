/** What the server needs of a broker. */

import type { Broker } from '../broker/broker.ts'

export { ackBoundsSeconds } from '../broker/ack-times.ts'
export type { BrokerStats } from '../broker/broker.ts'
export type { FanOutLimits } from '../broker/fan-out/fan-out-limits.ts'
export type { SubscriptionSink } from '../broker/fan-out/sink.ts'
export { isSubscriptionOperation } from '../broker/fan-out/subscription-requests.ts'
export type { Subscriptions } from '../broker/fan-out/subscriptions.ts'
export { adminRight, needOf } from '../broker/operation-rights.ts'

export type ServedBroker = Pick<
  Broker,
  'call' | 'put' | 'openSubscriptions' | 'fanOutLimits' | 'stats' | 'flush' | 'failed'
>

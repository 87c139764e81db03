/** The settings of a broker that bound its subscriptions, under their names there. */

import { z } from 'zod'
import * as limits from '../limits.ts'
import type { Count } from './server-settings.ts'

const bytesHighest = 2 ** 40
const subscriptionsHighest = 10_000
const hourMillis = 3_600_000

export function fanOutSettings(count: Count) {
  return z.strictObject({
    subscriptionsMax: count(
      'subscriptions of a connection',
      1,
      subscriptionsHighest,
      limits.subscriptionsMax,
    ),
    subscriptionCreditBytesMax: count(
      'unreturned bytes of one',
      limits.sliceBytesMax,
      limits.subscriptionCreditBytesMax,
      limits.subscriptionCreditBytesMax,
    ),
    connectionCreditBytesMax: count(
      '... of all of a connection',
      limits.sliceBytesMax,
      bytesHighest,
      limits.connectionCreditBytesMax,
    ),
    creditTotalBytesMax: count(
      '... of all; 0 = 1/4 of what the kernel has for TCP',
      0,
      bytesHighest,
      limits.creditTotalBytesMax,
    ),
    creditSharePercentMax: count(
      '... of one principal: % of those of all',
      1,
      100,
      limits.creditSharePercentMax,
    ),
    creditMillisMax: count(
      'time without any returned before a cut',
      1000,
      hourMillis,
      limits.creditMillisMax,
    ),
    starvingMillisMax: count(
      '... where others get nothing meanwhile',
      1000,
      hourMillis,
      limits.starvingMillisMax,
    ),
    roundMillisMax: count('time to send in one go', 1, 100, limits.roundMillisMax),
    heartbeatMillis: count('time between heartbeats', 500, 30_000, limits.heartbeatMillis),
  })
}

/** What the handlers of requests share. */

import type { Log } from '../log/log.ts'
import type { TokenSealer } from '../shard/sealed-token.ts'
import type { Streams } from '../stream/streams.ts'
import type { Consumers } from './consumers/consumers.ts'
import type { ReadLimits } from './read-limits.ts'
import type { ReadPace } from './read-pace.ts'
import type { StreamCounters } from './stream-counters.ts'

export interface BrokerContext {
  readonly log: Log
  readonly streams: Streams
  readonly consumers: Consumers
  readonly sealer: TokenSealer
  readonly counters: StreamCounters
  readonly pace: ReadPace
  readonly readLimits: ReadLimits
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that never goes back, to measure with. */
  readonly elapsed: () => number
}

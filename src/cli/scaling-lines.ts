/** What streams in ON_DEMAND mode do by themselves, as lines of the log of a broker. */

import type { Logger } from '../server/logger.ts'
import type { ScalingEvent } from '../stream/scaling/scaling.ts'

const texts = {
  scaled: 'the shards of a stream change by themselves',
  blocked: 'hot shards are not split',
  failed: 'the shards of a stream could not be changed; it is tried again later',
} as const

export function logScaling(
  logger: Logger,
  { kind, streamName: stream, split, merged, reasons, openShardCount: openShards }: ScalingEvent,
): void {
  const facts = {
    stream,
    openShards,
    ...(split.length === 0 ? {} : { split }),
    ...(merged.length === 0 ? {} : { merged: merged.map((it) => it.join('+')) }),
    reasons,
  }
  if (kind === 'scaled') logger.info(facts, texts[kind])
  else logger.warn(facts, texts[kind])
}

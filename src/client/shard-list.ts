/** All shards of a stream, page after page. */

import type { ShardDescription, ShardFilter } from '../wire/operations.ts'
import type { Verbs } from '../wire/verbs.ts'
import type { Clock } from './clock.ts'
import { healing } from './healing.ts'

export interface ListParts {
  readonly verbs: Verbs
  readonly clock: Clock
  readonly streamName: string
}

/** Lists; what heals is waited for. Rejects: STREAM_NOT_FOUND, the reason of the signal, ... */
export function listShards(
  { verbs, clock, streamName }: ListParts,
  shardFilter: ShardFilter,
  signal: AbortSignal,
): Promise<ShardDescription[]> {
  return healing(clock, signal, async () => {
    const shards: ShardDescription[] = []
    let nextToken: string | undefined
    do {
      const request = nextToken === undefined ? { shardFilter } : { nextToken }
      const page = await verbs.listShards(streamName, request, { signal })
      shards.push(...page.shards)
      nextToken = page.nextToken
    } while (nextToken !== undefined)
    return shards
  })
}

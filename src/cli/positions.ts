/** What users write for a place in a stream. */

import { parseShardId, shardIdText } from '../wire/shard-id-text.ts'
import { CliError } from './exit-codes.ts'
import { parseAge } from './units.ts'

/** Where reading begins. */
export type From =
  | { readonly kind: 'latest' }
  | { readonly kind: 'oldest' }
  | { readonly kind: 'sequenceNumber'; readonly sequenceNumber: bigint }
  | { readonly kind: 'time'; readonly millis: number }

const sequenceNumberMax = 2n ** 64n - 1n

/** `latest`, `oldest`, a sequence number, an age or a time. Throws a CliError, USAGE. */
export function parseFrom(text: string, nowMillis: number): From {
  if (text === 'latest' || text === 'oldest') return { kind: text }
  if (/^\d+$/.test(text)) return { kind: 'sequenceNumber', sequenceNumber: sequence(text) }
  const age = parseAge(text)
  if (age !== undefined) return { kind: 'time', millis: Math.max(0, nowMillis - age) }
  const millis = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isFinite(millis) && millis >= 0) return { kind: 'time', millis }
  throw new CliError(
    'USAGE',
    `--from is "${text}", wanted latest, oldest, a sequence number, an age or a time`,
    { hint: 'Examples: --from oldest, --from 42, --from 10m, --from 2026-01-31T12:00:00Z' },
  )
}

function sequence(text: string): bigint {
  const value = BigInt(text)
  if (value <= sequenceNumberMax) return value
  throw new CliError('USAGE', `the sequence number ${text} is above 2^64-1`)
}

/** A stream, or a shard of it, or a record of that. */
export interface Resource {
  readonly stream: string
  readonly shardId?: string
  readonly sequenceNumber?: bigint
}

/** `orders`, `orders/SHARD` or either with `@SEQUENCE`. Throws a CliError, USAGE. */
export function parseResource(text: string): Resource {
  const [, stream, shard, digits] = /^([^/@]+)(?:\/([^/@]+))?(?:@(\d+))?$/.exec(text) ?? []
  if (stream === undefined) {
    throw new CliError('USAGE', `"${text}" names no stream`, {
      hint: 'Write orders, orders/SHARD, orders@SEQUENCE or orders/SHARD@SEQUENCE.',
    })
  }
  return {
    stream,
    ...(shard === undefined ? {} : { shardId: shardName(shard) }),
    ...(digits === undefined ? {} : { sequenceNumber: sequence(digits) }),
  }
}

function shardName(text: string): string {
  const index = parseShardId(text)
  if (index !== undefined) return shardIdText(index)
  throw new CliError('USAGE', `"${text}" names no shard`, {
    hint: `The shards of a stream have names such as ${shardIdText(0)}, or 0 for short.`,
  })
}

/** Where to start: `orders@7` says it by itself. Throws a CliError, USAGE. */
export function startOf(
  { sequenceNumber }: Resource,
  from: string | undefined,
  fallback: string,
): From {
  if (sequenceNumber === undefined) return parseFrom(from ?? fallback, Date.now())
  if (from === undefined) return { kind: 'sequenceNumber', sequenceNumber }
  throw new CliError('USAGE', 'both @SEQUENCE and --from say where to start', {
    hint: 'Leave one of them out.',
  })
}

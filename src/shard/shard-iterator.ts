/**
 * Shard iterators: a place in a shard as a text. It names the shard by its number in the log, so it
 * is worth nothing for another stream of the same name, and the next record by its sequence number,
 * so it can be used again and after a restart.
 */

import { MillraceError } from '../errors.ts'
import { iteratorMillisMax } from '../limits.ts'
import type { SequenceNumber, ShardId } from '../wire/numbers.ts'
import type { TokenSealer } from './sealed-token.ts'

export interface ShardIterator {
  readonly shard: ShardId
  /** The next record to be read is the first with this number or a higher one. */
  readonly sequenceNumber: SequenceNumber
  readonly issuedMillis: number
}

const purpose = 'shard-iterator'
const version = 1
const payloadBytes = 25

export function encodeShardIterator(sealer: TokenSealer, iterator: ShardIterator): string {
  const view = new DataView(new ArrayBuffer(payloadBytes))
  view.setUint8(0, version)
  view.setBigUint64(1, iterator.shard)
  view.setBigUint64(9, iterator.sequenceNumber)
  view.setBigUint64(17, BigInt(iterator.issuedMillis))
  return sealer.seal(purpose, new Uint8Array(view.buffer))
}

/**
 * Throws a MillraceError: INVALID_ARGUMENT for what is none, ITERATOR_EXPIRED for one that is older
 * than 300 s.
 */
export function decodeShardIterator(
  sealer: TokenSealer,
  text: string,
  nowMillis: number,
): ShardIterator {
  // Some clients send the JSON text of the string.
  const bare = /^".*"$/.test(text) ? text.slice(1, -1) : text
  const payload = sealer.open(purpose, bare)
  if (payload?.length !== payloadBytes || payload[0] !== version) {
    throw new MillraceError('INVALID_ARGUMENT', 'Invalid ShardIterator.')
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payloadBytes)
  const issuedMillis = Number(view.getBigUint64(17))
  if (nowMillis - issuedMillis > iteratorMillisMax) throw expired(issuedMillis, nowMillis)
  return {
    shard: view.getBigUint64(1) as ShardId,
    sequenceNumber: view.getBigUint64(9) as SequenceNumber,
    issuedMillis,
  }
}

function expired(issuedMillis: number, nowMillis: number): MillraceError {
  return new MillraceError(
    'ITERATOR_EXPIRED',
    `Iterator expired. The iterator was created at time ${dateText(issuedMillis)} ` +
      `while right now it is ${dateText(nowMillis)} which is further in the ` +
      `future than the tolerated delay of ${iteratorMillisMax} milliseconds.`,
  )
}

/** As `Thu Jan 22 01:22:02 UTC 2015`. */
function dateText(millis: number): string {
  const [weekday, day, month, year, time] = new Date(millis).toUTCString().split(' ')
  return `${weekday?.slice(0, 3)} ${month} ${day} ${time} UTC ${year}`
}

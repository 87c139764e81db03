/** The tokens with which a listing goes on, opaque and valid for 300 s. */

import { MillraceError } from '../errors.ts'
import { nextTokenMillisMax } from '../limits.ts'
import type { TokenSealer } from '../shard/sealed-token.ts'
import { packMessage, unpackMessage } from '../wire/codec.ts'

/** `kind` names the listing; `values` are what it needs to go on. */
export function encodeNextToken(
  sealer: TokenSealer,
  kind: string,
  values: readonly unknown[],
  nowMillis: number,
): string {
  return sealer.seal(kind, packMessage([BigInt(nowMillis), ...values]))
}

/**
 * The values of a token. Throws a MillraceError: INVALID_ARGUMENT for what is none of this listing,
 * NEXT_TOKEN_EXPIRED for one that is older than 300 s.
 */
export function decodeNextToken(
  sealer: TokenSealer,
  kind: string,
  text: string,
  nowMillis: number,
): readonly unknown[] {
  const payload = sealer.open(kind, text)
  if (payload === undefined) throw new MillraceError('INVALID_ARGUMENT', 'Invalid NextToken.')
  const [issuedMillis, ...values] = unpackMessage(payload)
  if (nowMillis - Number(issuedMillis) > nextTokenMillisMax) {
    throw new MillraceError(
      'NEXT_TOKEN_EXPIRED',
      `The NextToken is older than ${nextTokenMillisMax} milliseconds. Begin the listing again.`,
    )
  }
  return values
}

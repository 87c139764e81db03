/**
 * Static tokens: `mrt_ID_SECRET`, the secret being 256 random bits in base64url. A broker knows
 * their SHA-256 alone. That hash is enough: nobody guesses 256 random bits, however fast.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { TokenRow } from './access-file.ts'

const secretBytes = 32
const tokenPattern = /^mrt_([a-zA-Z0-9.-]{1,64})_[A-Za-z0-9_-]{43}$/

export function newToken(id: string): string {
  return `mrt_${id}_${randomBytes(secretBytes).toString('base64url')}`
}

/** Whether a token claims to be static: that costs a hash to refute, and no guess finds one. */
export function isStaticToken(token: string): boolean {
  return token.startsWith('mrt_')
}

/** The id in what looks like a static token; undefined where it does not. */
export function tokenId(token: string): string | undefined {
  return tokenPattern.exec(token)?.[1]
}

export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

const nobody = Buffer.alloc(32)

/** The row of a token, found in the same time whether its secret is nearly right or all wrong. */
export function findToken(
  rows: ReadonlyMap<string, TokenRow>,
  token: string,
): TokenRow | undefined {
  const id = tokenId(token)
  if (id === undefined) return undefined
  const row = rows.get(id)
  const isRight = timingSafeEqual(tokenHash(token), row?.sha256 ?? nobody)
  return isRight ? row : undefined
}

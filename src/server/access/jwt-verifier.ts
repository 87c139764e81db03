/** JSON Web Tokens of one issuer, each key with its one algorithm. The cryptography is jose's. */

import { createHash } from 'node:crypto'
import { errors, importJWK, type JWTPayload, jwtVerify } from 'jose'
import { readPrivateText } from '../../broker/private-file.ts'
import { MillraceError } from '../../errors.ts'
import type { JwtKeyRow, JwtRules } from './access-file.ts'
import type { Identity, JwtFacts } from './identity.ts'
import { jwtParts, readJwtHeader, readObject } from './jwt-text.ts'
import type { Refusal } from './refusal.ts'

/** Of HS256: what is shorter can be guessed. */
const secretBytesMin = 32
const millisPerSecond = 1000

type VerifyKey = Awaited<ReturnType<typeof importJWK>>

interface JwtKey {
  readonly algorithm: JwtKeyRow['algorithm']
  readonly key: VerifyKey
  readonly mark: string
}

export class JwtVerifier {
  readonly #rules: JwtRules
  readonly #keys: ReadonlyMap<string, JwtKey>
  readonly #revoked: ReadonlySet<string>

  /** Rejects with a MillraceError, ACCESS_FILE_REFUSED: a key is none, or its file is not right. */
  static async open(rules: JwtRules): Promise<JwtVerifier> {
    const keys = new Map<string, JwtKey>()
    for (const [index, row] of rules.keys.entries()) {
      const key = await readKey(row, index)
      keys.set(row.kid, { algorithm: row.algorithm, key, mark: markOf(rules, row, key) })
    }
    return new JwtVerifier(rules, keys)
  }

  private constructor(rules: JwtRules, keys: ReadonlyMap<string, JwtKey>) {
    this.#rules = rules
    this.#keys = keys
    this.#revoked = new Set(rules.revoked)
  }

  get keyCount(): number {
    return this.#keys.size
  }

  /** Who shows this token, or why that is nobody. `now` in ms since 1970. Never rejects. */
  async verify(token: string, now: number): Promise<Identity | Refusal> {
    const [headerPart, payloadPart] = jwtParts(token) ?? []
    if (headerPart === undefined || payloadPart === undefined) return 'malformed'
    const header = readJwtHeader(headerPart)
    if (header === undefined) return 'wrong header'
    const known = this.#keys.get(header.kid)
    if (known === undefined) return 'unknown key'
    // Before the library sees it: with the key of another algorithm nothing is even tried.
    if (header.alg !== known.algorithm) return 'wrong algorithm'
    const { issuer, audience, clockSkewSeconds } = this.#rules
    try {
      const { payload } = await jwtVerify(token, known.key, {
        algorithms: [known.algorithm],
        issuer,
        audience,
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(now),
        requiredClaims: ['sub', 'iat', 'exp'],
      })
      if (readObject(payloadPart) === undefined) return 'wrong claims'
      return this.#identityOf(payload, header.kid, known.mark, now)
    } catch (error) {
      return refusalOf(error)
    }
  }

  /** Whether a token that was taken would still be, but for its age. */
  holds({ keyId, keyMark, tokenId, issuedAt }: JwtFacts): boolean {
    const { issuedAfter } = this.#rules
    if (this.#keys.get(keyId)?.mark !== keyMark) return false
    if (tokenId !== undefined && this.#revoked.has(tokenId)) return false
    return issuedAfter === undefined || issuedAt >= issuedAfter
  }

  #identityOf(
    { sub, iat, exp, jti }: JWTPayload,
    keyId: string,
    keyMark: string,
    now: number,
  ): Identity | Refusal {
    const { lifeSecondsMax, clockSkewSeconds } = this.#rules
    const areTimes = Number.isFinite(iat) && Number.isFinite(exp)
    if (typeof sub !== 'string' || !areTimes || (jti !== undefined && typeof jti !== 'string')) {
      return 'wrong claims'
    }
    const skew = clockSkewSeconds * millisPerSecond
    const issuedAt = (iat as number) * millisPerSecond
    const end = (exp as number) * millisPerSecond
    if (end - issuedAt > lifeSecondsMax * millisPerSecond) return 'lives too long'
    if (issuedAt > now + skew) return 'not yet valid'
    const facts: JwtFacts = { keyId, keyMark, tokenId: jti, issuedAt }
    if (!this.holds(facts)) return 'revoked'
    return {
      principal: sub,
      by: 'jwt',
      credential: keyId,
      // Of the two clocks the one that is behind may still take it for a moment.
      expiresAt: end > now ? end : end + skew,
      holds: (current) => current.holdsJwt(facts),
    }
  }
}

/** Tokens of a key that was replaced under its name, or of another issuer, hold no longer. */
function markOf({ issuer, audience }: JwtRules, row: JwtKeyRow, key: VerifyKey): string {
  const material =
    row.algorithm === 'HS256' ? Buffer.from(key as Uint8Array).toString('base64') : row.publicKey
  const text = JSON.stringify([row.algorithm, material, issuer, audience])
  return createHash('sha256').update(text).digest('base64')
}

async function readKey(row: JwtKeyRow, index: number): Promise<VerifyKey> {
  if (row.algorithm !== 'HS256') {
    return await importJWK(row.publicKey, row.algorithm).catch((): never =>
      refuse(`jwt.keys.${index}.publicKey: it is no key of ${row.algorithm}`),
    )
  }
  const text = await readPrivateText(row.secretFile, 'ACCESS_FILE_REFUSED', 'secret of a key')
  const secret = Buffer.from(text.replace(/\r?\n$/, ''))
  if (secret.length < secretBytesMin) {
    refuse(`${row.secretFile} has ${secret.length} bytes, a secret has ${secretBytesMin} or more`)
  }
  return secret
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'nbf' ? 'not yet valid' : 'wrong claims'
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'wrong signature'
  return 'malformed'
}

function refuse(text: string): never {
  throw new MillraceError('ACCESS_FILE_REFUSED', text)
}

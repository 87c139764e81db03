/** Access files, tokens and keys for tests. */

import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'
import { newToken } from '../../../../src/server/access/static-token.ts'

export const issuer = 'https://issuer.example'
export const audience = 'millrace'
export const hmacSecret = 'a secret of more than thirty-two bytes!'

const ed25519 = generateKeyPairSync('ed25519')
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })

export const signers = {
  ed: { alg: 'EdDSA', key: ed25519.privateKey },
  es: { alg: 'ES256', key: p256.privateKey },
  hs: { alg: 'HS256', key: new TextEncoder().encode(hmacSecret) },
} as const

/** Public keys as an access file has them; `secretFile` is of `hs`. */
export async function keyRows(secretFile: string) {
  const { kty, crv, x } = await exportJWK(ed25519.publicKey)
  const es = await exportJWK(p256.publicKey)
  return [
    { kid: 'ed', algorithm: 'EdDSA', publicKey: { kty, crv, x } },
    {
      kid: 'es',
      algorithm: 'ES256',
      publicKey: { kty: es.kty, crv: es.crv, x: es.x, y: es.y },
    },
    { kid: 'hs', algorithm: 'HS256', secretFile },
  ]
}

export interface ClaimsAt {
  readonly now: number
  readonly claims?: JWTPayload
  readonly header?: object
  readonly kid?: keyof typeof signers
}

/** A JWT that is right at `now` (ms) unless `claims` or `header` say otherwise. */
export function signJwt({ now, claims = {}, header = {}, kid = 'ed' }: ClaimsAt): Promise<string> {
  const seconds = Math.floor(now / 1000)
  const payload = {
    iss: issuer,
    aud: audience,
    sub: 'reader',
    iat: seconds,
    exp: seconds + 60,
    ...claims,
  }
  const { alg, key } = signers[kid]
  return new SignJWT(payload).setProtectedHeader({ alg, kid, ...header }).sign(key)
}

export interface TokenEntry {
  readonly id: string
  readonly token: string
  readonly row: { readonly id: string; readonly sha256: string; readonly principal: string }
}

export function tokenFor(principal: string, id: string = principal): TokenEntry {
  const token = newToken(id)
  const sha256 = createHash('sha256').update(token).digest('hex')
  return { id, token, row: { id, sha256, principal } }
}

/** A file of which each version is another one to whoever looks at its state. */
export class AccessFile {
  readonly dir = mkdtempSync(join(tmpdir(), 'millrace-access-'))
  readonly path = join(this.dir, 'access.json')
  readonly secretFile = join(this.dir, 'hmac')
  #version = 0

  constructor(content: unknown) {
    writeFileSync(this.secretFile, `${hmacSecret}\n`, { mode: 0o600 })
    this.write(content)
    onTestFinished(() => rmSync(this.dir, { recursive: true }))
  }

  write(content: unknown): void {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    writeFileSync(this.path, text, { mode: 0o600 })
    this.#version += 1
    utimesSync(this.path, this.#version, this.#version)
  }
}

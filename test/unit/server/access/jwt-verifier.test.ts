import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { Access } from '../../../../src/server/access/access.ts'
import type { Identity } from '../../../../src/server/access/identity.ts'
import { FakeLogger } from '../fakes.ts'
import {
  AccessFile,
  audience,
  type ClaimsAt,
  hmacSecret,
  issuer,
  keyRows,
  signers,
  signJwt,
} from './access-files.ts'

const now = 1_800_000_000_000
const seconds = now / 1000
const reader = { permissions: [{ actions: ['get'], streams: ['*'] }] }

let access: Access
let file: AccessFile
let keys: Awaited<ReturnType<typeof keyRows>>

async function write(more: object = {}): Promise<void> {
  file.write({ principals: { reader }, jwt: { issuer, audience, keys, ...more } })
  await access?.reload()
}

beforeEach(async () => {
  file = new AccessFile('')
  keys = await keyRows(file.secretFile)
  await write()
  access?.close()
  access = await Access.open({ path: file.path, logger: new FakeLogger(), now: () => now })
})

const sign = (more: Omit<ClaimsAt, 'now'> = {}) => signJwt({ now, ...more })
const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signed with the secret of `hs`, whatever the header says. */
function forge(header: unknown, payload: unknown, secret: string | Buffer = hmacSecret): string {
  const text = `${encode(header)}.${encode(payload)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

const claims = { iss: issuer, aud: audience, sub: 'reader', iat: seconds, exp: seconds + 60 }
const hs = { alg: 'HS256', kid: 'hs' }
const pem = () => createPublicKey(signers.ed.key).export({ type: 'spki', format: 'pem' }) as string

const isOf = (kid: string) => (it: { readonly kid: string }) => it.kid === kid

/** Other keys under the names of those that `sign` has. */
async function otherKeyRows() {
  const ed = await exportJWK(generateKeyPairSync('ed25519').publicKey)
  const es = await exportJWK(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)
  const secretFile = join(file.dir, 'other')
  writeFileSync(secretFile, `${hmacSecret} another`, { mode: 0o600 })
  return [
    { kid: 'ed', algorithm: 'EdDSA', publicKey: { kty: ed.kty, crv: ed.crv, x: ed.x } },
    {
      kid: 'es',
      algorithm: 'ES256',
      publicKey: { kty: es.kty, crv: es.crv, x: es.x, y: es.y },
    },
    { kid: 'hs', algorithm: 'HS256', secretFile },
  ]
}

describe('a JSON Web Token', () => {
  it.each(['ed', 'es', 'hs'] as const)('of the key %s is taken', async (kid) => {
    const identity = (await access.identify(await sign({ kid }))) as Identity
    expect(identity).toMatchObject({ principal: 'reader', by: 'jwt', credential: kid })
    expect(identity.expiresAt).toBe(now + 60_000)
  })

  it('lives no longer than is set', async () => {
    await write({ lifeSecondsMax: 30 })
    const living = (life: number) => sign({ claims: { exp: seconds + life } })
    expect(await access.identify(await living(30))).toMatchObject({ principal: 'reader' })
    expect(await access.identify(await living(31))).toBe('lives too long')
    await write({ lifeSecondsMax: 100_000 })
    expect(await access.identify(await living(100_000))).toMatchObject({ principal: 'reader' })
  })

  it('is taken that a test here has forged as it is right', async () => {
    expect(await access.identify(forge(hs, claims))).toMatchObject({ principal: 'reader' })
    expect(await access.identify(forge({ ...hs, typ: 'at+jwt' }, claims))).toMatchObject({
      principal: 'reader',
    })
  })

  it.each<[string, () => string | Promise<string>, string]>([
    ['no algorithm', () => `${encode({ alg: 'none', kid: 'hs' })}.${encode(claims)}.`, 'malformed'],
    [
      'no algorithm, and a signature',
      () => forge({ ...hs, alg: 'none' }, claims),
      'wrong algorithm',
    ],
    ['no algorithm in capitals', () => forge({ ...hs, alg: 'NONE' }, claims), 'wrong algorithm'],
    [
      'an algorithm in small letters',
      () => forge({ ...hs, alg: 'hs256' }, claims),
      'wrong algorithm',
    ],
    ['a longer hash', () => forge({ ...hs, alg: 'HS512' }, claims), 'wrong algorithm'],
    ['RSA', () => forge({ ...hs, alg: 'RS256' }, claims), 'wrong algorithm'],
    [
      'a public key as the secret',
      () => forge({ alg: 'HS256', kid: 'ed' }, claims, pem()),
      'wrong algorithm',
    ],
    ['the algorithm of another key', () => sign({ header: { kid: 'es' } }), 'wrong algorithm'],
    ['the name EdDSA has besides', () => sign({ header: { alg: 'Ed25519' } }), 'wrong algorithm'],
    ['the key of another', () => sign({ kid: 'ed', header: { kid: 'unknown' } }), 'unknown key'],
    ['a key as a path', () => forge({ ...hs, kid: '../../dev/null' }, claims, ''), 'unknown key'],
    ['a key as SQL', () => forge({ ...hs, kid: "' or 1=1 --" }, claims), 'unknown key'],
    ['a key in capitals', () => forge({ ...hs, kid: 'HS' }, claims), 'unknown key'],
    ['a key with a space', () => forge({ ...hs, kid: 'hs ' }, claims), 'unknown key'],
    [
      'a key that all objects have',
      () => forge({ ...hs, kid: '__proto__' }, claims),
      'unknown key',
    ],
    ['no key', () => forge({ alg: 'HS256' }, claims), 'wrong header'],
    ['a number for a key', () => forge({ ...hs, kid: 1 }, claims), 'wrong header'],
    ['a URL of keys', () => forge({ ...hs, jku: 'https://evil.example' }, claims), 'wrong header'],
    [
      'a URL of certificates',
      () => forge({ ...hs, x5u: 'https://evil.example' }, claims),
      'wrong header',
    ],
    [
      'a key of its own',
      () => forge({ ...hs, jwk: { kty: 'oct', k: 'AA' } }, claims),
      'wrong header',
    ],
    ['a certificate of its own', () => forge({ ...hs, x5c: ['AA'] }, claims), 'wrong header'],
    [
      'critical extensions',
      () => forge({ ...hs, crit: ['b64'], b64: false }, claims),
      'wrong header',
    ],
    ['compression', () => forge({ ...hs, zip: 'DEF' }, claims), 'wrong header'],
    ['another type', () => forge({ ...hs, typ: 'JWE' }, claims), 'wrong header'],
    [
      'two algorithms',
      () => forge('{"alg":"none","alg":"HS256","kid":"hs"}', claims),
      'wrong header',
    ],
    [
      'two subjects',
      () => forge(hs, JSON.stringify(claims).replace('{', '{"sub":"admin",')),
      'wrong claims',
    ],
    ['a header that is no object', () => forge([], claims), 'wrong header'],
    ['a header that is no JSON', () => forge('{', claims), 'wrong header'],
    [
      'a header that is no UTF-8',
      () => `${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${encode(claims)}.AA`,
      'wrong header',
    ],
    ['claims that are no object', () => forge(hs, '1'), 'malformed'],
    ['four parts', async () => `${await sign()}.AA`, 'malformed'],
    ['two parts', () => `${encode(hs)}.${encode(claims)}`, 'malformed'],
    ['other letters than base64url has', () => forge(hs, claims).replace(/.$/, '='), 'malformed'],
    [
      'a changed signature',
      () => forge(hs, claims, 'another secret of thirty-two bytes!!'),
      'wrong signature',
    ],
    ['another issuer', () => sign({ claims: { iss: 'https://evil.example' } }), 'wrong claims'],
    ['an issuer with a slash more', () => sign({ claims: { iss: `${issuer}/` } }), 'wrong claims'],
    ['another audience', () => sign({ claims: { aud: 'other' } }), 'wrong claims'],
    ['no audience', () => forge(hs, { ...claims, aud: undefined }), 'wrong claims'],
    ['no issuer', () => forge(hs, { ...claims, iss: undefined }), 'wrong claims'],
    ['no subject', () => forge(hs, { ...claims, sub: undefined }), 'wrong claims'],
    ['no end', () => forge(hs, { ...claims, exp: undefined }), 'wrong claims'],
    ['no beginning', () => forge(hs, { ...claims, iat: undefined }), 'wrong claims'],
    ['an end as text', () => forge(hs, { ...claims, exp: '9999999999' }), 'wrong claims'],
    [
      'an end that has passed',
      () => sign({ claims: { iat: seconds - 200, exp: seconds - 61 } }),
      'expired',
    ],
    ['a beginning to come', () => sign({ claims: { nbf: seconds + 61 } }), 'not yet valid'],
    [
      'an issue to come',
      () => sign({ claims: { iat: seconds + 61, exp: seconds + 90 } }),
      'not yet valid',
    ],
    ['a far end', () => sign({ claims: { exp: seconds + 86_401 } }), 'lives too long'],
    ['a number for an id', () => forge(hs, { ...claims, jti: 5 }), 'wrong claims'],
    ['a subject that is unknown', () => sign({ claims: { sub: 'admin' } }), 'unknown principal'],
    [
      'a subject that looks the same',
      () => sign({ claims: { sub: 're\u0430der' } }),
      'unknown principal',
    ],
    [
      'a subject that all objects have',
      () => sign({ claims: { sub: 'constructor' } }),
      'unknown principal',
    ],
    ['more than 8 KiB', () => sign({ claims: { more: 'x'.repeat(8192) } }), 'too long'],
    ['nothing in it', () => '', 'malformed'],
  ])('with %s is refused', async (_, make, reason) => {
    expect(await access.identify(await make())).toBe(reason)
  })

  it('is taken a minute late, as clocks differ, and serves to the end of it', async () => {
    const token = await sign({ claims: { iat: seconds - 100, exp: seconds - 59 } })
    expect(((await access.identify(token)) as Identity).expiresAt).toBe(now + 1000)
  })

  it('is refused when its id was revoked, and so is what was taken before', async () => {
    const token = await sign({ claims: { jti: 'lost' } })
    const identity = (await access.identify(token)) as Identity
    expect(identity.holds(access.rules)).toBe(true)
    await write({ revoked: ['lost'] })
    expect(await access.identify(token)).toBe('revoked')
    expect(identity.holds(access.rules)).toBe(false)
    expect(await access.identify(await sign({ claims: { jti: 'other' } }))).toMatchObject({
      principal: 'reader',
    })
  })

  it('is refused when it was issued before a day that was set later', async () => {
    const identity = (await access.identify(await sign())) as Identity
    await write({ issuedAfter: new Date(now + 1000).toISOString() })
    expect(await access.identify(await sign())).toBe('revoked')
    expect(identity.holds(access.rules)).toBe(false)
  })

  it('is refused when its key is gone', async () => {
    const identity = (await access.identify(await sign())) as Identity
    await write({ keys: keys.filter((it) => it.kid !== 'ed') })
    expect(await access.identify(await sign())).toBe('unknown key')
    expect(identity.holds(access.rules)).toBe(false)
  })

  it.each(['ed', 'es', 'hs'] as const)('holds no longer when %s has another key', async (kid) => {
    const identity = (await access.identify(await sign({ kid }))) as Identity
    await write({ revoked: ['other'] })
    expect(identity.holds(access.rules)).toBe(true)
    const other = await otherKeyRows()
    await write({ keys: keys.map((it) => (it.kid === kid ? other.find(isOf(kid)) : it)) })
    expect(await access.identify(await sign({ kid }))).toBe('wrong signature')
    expect(identity.holds(access.rules)).toBe(false)
  })

  it.each(['issuer', 'audience'])('holds no longer for another %s', async (name) => {
    const identity = (await access.identify(await sign())) as Identity
    await write({ [name]: 'another' })
    expect(identity.holds(access.rules)).toBe(false)
  })
})

import { chmodSync, statSync } from 'node:fs'
import { expect, it } from 'vitest'
import { MillraceError } from '../../../../src/errors.ts'
import {
  accessCertificatesMax,
  accessFileBytesMax,
  accessTokensMax,
} from '../../../../src/limits.ts'
import { Access } from '../../../../src/server/access/access.ts'
import { parseAccessFile } from '../../../../src/server/access/access-file.ts'
import { FakeLogger } from '../fakes.ts'
import { AccessFile, tokenFor } from './access-files.ts'

const { row } = tokenFor('writer')
const writer = { permissions: [{ actions: ['put'], streams: ['orders', 'metrics-*'] }] }
const right = { principals: { writer }, tokens: [row] }
const key = { kid: 'k', algorithm: 'EdDSA', publicKey: { kty: 'OKP', crv: 'Ed25519', x: 'x' } }
const jwt = { issuer: 'i', audience: 'a', keys: [key] }

function refusal(content: unknown): string {
  try {
    parseAccessFile(typeof content === 'string' ? content : JSON.stringify(content), 'F')
  } catch (error) {
    expect(error).toBeInstanceOf(MillraceError)
    expect((error as MillraceError).code).toBe('ACCESS_FILE_REFUSED')
    return (error as MillraceError).message
  }
  return 'it was taken'
}

it('has limits that are safe unless it says otherwise', () => {
  const { principals, tokens } = parseAccessFile(JSON.stringify(right), 'F')
  expect(principals['writer']?.limits.connections).toBe(1000)
  expect(tokens[0]?.sha256.toString('hex')).toBe(row.sha256)
})

it.each<[string, unknown, string]>([
  ['no JSON', '{', 'F is no JSON'],
  ['no object', [], 'the file'],
  ['nothing', {}, 'principals'],
  ['an unknown key', { ...right, more: 1 }, 'the file: it has an unknown key'],
  [
    'an unknown action',
    { principals: { a: { permissions: [{ actions: ['all'], streams: ['*'] }] } } },
    'principals.a.permissions.0.actions.0',
  ],
  [
    'no action',
    { principals: { a: { permissions: [{ actions: [], streams: ['*'] }] } } },
    'principals.a.permissions.0.actions',
  ],
  [
    'a star in the middle',
    { principals: { a: { permissions: [{ actions: ['put'], streams: ['a*b'] }] } } },
    'streams.0',
  ],
  [
    'an expression',
    { principals: { a: { permissions: [{ actions: ['put'], streams: ['a.?'] }] } } },
    'streams.0',
  ],
  ['a token in clear', { ...right, tokens: [{ ...row, sha256: 'secret' }] }, 'tokens.0.sha256'],
  [
    'a token of nobody',
    { ...right, tokens: [{ ...row, principal: 'nobody' }] },
    'tokens.0.principal: there is no such principal',
  ],
  [
    'a token of what all objects have',
    { ...right, tokens: [{ ...row, principal: 'constructor' }] },
    'there is no such principal',
  ],
  [
    'two tokens of one id',
    { ...right, tokens: [row, row] },
    'tokens.1.id: it stands in a row before',
  ],
  ['a date that is none', { ...right, tokens: [{ ...row, expires: 'soon' }] }, 'tokens.0.expires'],
  [
    'a certificate of nobody',
    { ...right, certificates: [{ name: 'DNS:a', principal: 'b' }] },
    'certificates.0.principal',
  ],
  [
    'the algorithm none',
    { ...right, jwt: { ...jwt, keys: [{ ...key, algorithm: 'none' }] } },
    'jwt.keys.0.algorithm',
  ],
  [
    'a curve of another algorithm',
    { ...right, jwt: { ...jwt, keys: [{ ...key, algorithm: 'ES256' }] } },
    'jwt.keys.0.publicKey',
  ],
  [
    'a secret in the file',
    { ...right, jwt: { ...jwt, keys: [{ kid: 'k', algorithm: 'HS256', secret: 's' }] } },
    'jwt.keys.0',
  ],
  ['no audience', { ...right, jwt: { ...jwt, audience: '' } }, 'jwt.audience'],
  [
    'a skew of minutes',
    { ...right, jwt: { ...jwt, clockSkewSeconds: 61 } },
    'jwt.clockSkewSeconds',
  ],
])('with %s is refused, and it says where', (_, content, text) => {
  expect(refusal(content)).toContain(text)
})

it('is refused without a word of what is in it', () => {
  const canary = 'CANARY'
  for (const content of [
    canary,
    `{"${canary}`,
    { [canary]: canary },
    { principals: { [`${canary} `]: 1 } },
    { ...right, tokens: [{ id: canary, sha256: canary, principal: canary, expires: canary }] },
    { ...right, tokens: [{ ...row, principal: canary }] },
    { ...right, jwt: { issuer: [canary], audience: 1, keys: canary } },
  ]) {
    const message = refusal(content)
    expect(message).toMatch(/^F/)
    if (!message.includes('principals')) expect(message).not.toContain(canary)
  }
})

it('is refused when others than its owner may read or write it', async () => {
  const file = new AccessFile(right)
  const logger = new FakeLogger()
  chmodSync(file.path, 0o640)
  await expect(Access.open({ path: file.path, logger })).rejects.toMatchObject({
    code: 'ACCESS_FILE_REFUSED',
    message: expect.stringContaining('chmod 600'),
  })
  chmodSync(file.path, 0o600)
  const access = await Access.open({ path: file.path, logger })
  expect(logger.lines[0]?.facts).toMatchObject({ audit: 'access loaded', principals: 1, tokens: 1 })
  access.close()
})

it('is refused with the key of another algorithm, or a secret that can be guessed', async () => {
  const logger = new FakeLogger()
  const file = new AccessFile(right)
  const open = (rows: unknown[]) => {
    file.write({ ...right, jwt: { ...jwt, keys: rows } })
    return Access.open({ path: file.path, logger })
  }
  const short = new AccessFile('short')
  for (const rows of [
    [{ kid: 'k', algorithm: 'HS256', secretFile: short.path }],
    [{ kid: 'k', algorithm: 'HS256', secretFile: `${file.path}.none` }],
    [{ kid: 'k', algorithm: 'EdDSA', publicKey: { kty: 'EC', crv: 'P-256', x: 'x'.repeat(43) } }],
  ]) {
    await expect(open(rows)).rejects.toMatchObject({ code: 'ACCESS_FILE_REFUSED' })
  }
})

it('has room for as many tokens and certificates as it may have, and for no more', async () => {
  const longest = 'x'.repeat(58)
  const name = (index: number) => `CN:${String(index).padStart(1021, '0')}`
  const principal = 'w'.repeat(128)
  const tokens = Array.from({ length: accessTokensMax - 1 }, (_, index) => ({
    id: `${longest}${String(index).padStart(6, '0')}`,
    sha256: index.toString(16).padStart(64, '0'),
    principal,
    expires: '2027-01-31T00:00:00.000+00:00',
  }))
  const certificates = Array.from({ length: accessCertificatesMax }, (_, index) => ({
    name: name(index),
    principal,
  }))
  const last = tokenFor(principal, 'last')
  const full = { principals: { [principal]: writer }, tokens: [...tokens, last.row], certificates }
  // As the program writes it.
  const file = new AccessFile(JSON.stringify(full, undefined, 2))
  expect(statSync(file.path).size).toBeLessThan(accessFileBytesMax)
  const access = await Access.open({ path: file.path, logger: new FakeLogger() })
  expect(await access.identify(last.token)).toMatchObject({ principal })
  access.close()
  const one = tokenFor(principal, 'one')
  expect(refusal({ ...full, tokens: [...full.tokens, one.row] })).toMatch(/^F: tokens: /)
  const more = [...certificates, { name: 'CN:one', principal }]
  expect(refusal({ ...full, certificates: more })).toMatch(/^F: certificates: /)
  file.write(JSON.stringify(full).padEnd(accessFileBytesMax + 1))
  await expect(Access.open({ path: file.path, logger: new FakeLogger() })).rejects.toMatchObject({
    code: 'ACCESS_FILE_REFUSED',
    message: expect.stringContaining(`at most ${accessFileBytesMax}`),
  })
}, 60_000)

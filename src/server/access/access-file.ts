/**
 * The access file: who may connect, with what, and what each of them may do. JSON, checked as a
 * whole. No message of an error has a value of it, only where it stands: there are secrets in it,
 * and in files that somebody takes for it.
 */

import { z } from 'zod'
import { actions } from '../../broker/caller.ts'
import { MillraceError } from '../../errors.ts'
import {
  accessCertificatesMax,
  accessTokensMax,
  clockSkewSecondsDefault,
  clockSkewSecondsMax,
  principalBytesPerSecond,
  principalCharactersMax,
  principalConnectionsMax,
  principalMessageBytesLowest,
  principalMessageBytesMax,
  principalRequestsPerSecond,
  tokenIdCharactersMax,
  tokenLifeSecondsDefault,
  tokenLifeSecondsMax,
} from '../../limits.ts'

export const tokenIdPattern: RegExp = /^[a-zA-Z0-9.-]+$/
const principalPattern = /^[a-zA-Z0-9_.:@/-]+$/
const streamText = 'wanted the name of a stream, or its beginning and a *, or * for all'
const streamPattern = /^(?:\*|[a-zA-Z0-9_.-]{1,128}\*?)$/
const rateMax = 2 ** 40

const principalName = z.string().max(principalCharactersMax).regex(principalPattern)
const rate = z.int().min(1).max(rateMax)
const millis = z.iso
  .datetime({ offset: true, error: 'wanted a time as 2027-01-31T00:00:00Z' })
  .transform((text) => Date.parse(text))

const limits = z.strictObject({
  requestsPerSecond: rate.default(principalRequestsPerSecond),
  bytesPerSecond: rate.default(principalBytesPerSecond),
  connections: z.int().min(1).max(1_000_000).default(principalConnectionsMax),
  messageBytes: z
    .int()
    .min(principalMessageBytesLowest)
    .max(principalMessageBytesMax)
    .default(principalMessageBytesMax),
})

const principal = z.strictObject({
  permissions: z
    .array(
      z.strictObject({
        actions: z.array(z.enum(actions)).min(1),
        streams: z.array(z.string().regex(streamPattern, streamText)).min(1),
      }),
    )
    .max(1000)
    .default([]),
  limits: limits.prefault({}),
})

const token = z.strictObject({
  id: z.string().max(tokenIdCharactersMax).regex(tokenIdPattern),
  /** Of the whole token, in hexadecimal. The token itself is nowhere. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .transform((text) => Buffer.from(text, 'hex')),
  principal: principalName,
  expires: millis.optional(),
})

const kid = z.string().min(1).max(256)
const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const publicKeys = {
  EdDSA: z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: coordinate }),
  ES256: z.strictObject({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: coordinate,
    y: coordinate,
  }),
}

/** Each key has the one algorithm that is taken with it. */
const key = z.discriminatedUnion('algorithm', [
  z.strictObject({ kid, algorithm: z.literal('EdDSA'), publicKey: publicKeys.EdDSA }),
  z.strictObject({ kid, algorithm: z.literal('ES256'), publicKey: publicKeys.ES256 }),
  z.strictObject({ kid, algorithm: z.literal('HS256'), secretFile: z.string().min(1) }),
])

const jwt = z.strictObject({
  issuer: z.string().min(1).max(1024),
  audience: z.string().min(1).max(1024),
  keys: z.array(key).min(1).max(100),
  /** From `iat` to `exp`. */
  lifeSecondsMax: z.int().min(1).max(tokenLifeSecondsMax).default(tokenLifeSecondsDefault),
  clockSkewSeconds: z.int().min(0).max(clockSkewSecondsMax).default(clockSkewSecondsDefault),
  /** `jti` of tokens that are not taken any more. */
  revoked: z.array(z.string().min(1).max(256)).default([]),
  /** Tokens that were issued before are not taken any more. */
  issuedAfter: millis.optional(),
})

const certificate = z.strictObject({
  /** `DNS:client.example`, `URI:spiffe://example/client`, `CN:client` or `SHA256:` and its hash. */
  name: z.string().min(1).max(1024),
  principal: principalName,
})

const schema = z.strictObject({
  principals: z.record(principalName, principal),
  tokens: z.array(token).max(accessTokensMax).default([]),
  jwt: jwt.optional(),
  certificates: z.array(certificate).max(accessCertificatesMax).default([]),
})

export type AccessRules = z.infer<typeof schema>
export type PrincipalRules = AccessRules['principals'][string]
export type TokenRow = AccessRules['tokens'][number]
export type JwtRules = NonNullable<AccessRules['jwt']>
export type JwtKeyRow = JwtRules['keys'][number]

/** Throws a MillraceError, ACCESS_FILE_REFUSED. `path` is for its message. Pure. */
export function parseAccessFile(text: string, path: string): AccessRules {
  const parsed = schema.safeParse(parseJson(text, path))
  if (!parsed.success) refuse(`${path}: ${issueText(parsed.error.issues)}`)
  checkReferences(parsed.data, path)
  return parsed.data
}

/** Without the cause: its message quotes the text. */
function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return refuse(`${path} is no JSON`)
  }
}

/** Where it is wrong, and what was wanted: never what was found. */
function issueText(issues: readonly z.core.$ZodIssue[]): string {
  const shown = issues.slice(0, 3).map(({ path, code, message }) => {
    const place = path.length === 0 ? 'the file' : path.map(String).join('.')
    return `${place}: ${code === 'unrecognized_keys' ? 'it has an unknown key' : message}`
  })
  const more = issues.length - shown.length
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

function checkReferences(
  { principals, tokens, jwt: issuer, certificates }: AccessRules,
  path: string,
) {
  for (const [list, rows] of Object.entries({ tokens, certificates })) {
    rows.forEach(({ principal: name }, index) => {
      if (!Object.hasOwn(principals, name)) {
        refuse(`${path}: ${list}.${index}.principal: there is no such principal`)
      }
    })
  }
  checkUnique(
    tokens.map((it) => it.id),
    `${path}: tokens`,
    'id',
  )
  checkUnique(
    tokens.map((it) => it.sha256.toString('hex')),
    `${path}: tokens`,
    'sha256',
  )
  checkUnique(
    certificates.map((it) => it.name),
    `${path}: certificates`,
    'name',
  )
  checkUnique(
    (issuer?.keys ?? []).map((it) => it.kid),
    `${path}: jwt.keys`,
    'kid',
  )
}

function checkUnique(values: readonly string[], place: string, name: string): void {
  const seen = new Set<string>()
  values.forEach((value, index) => {
    if (seen.has(value)) refuse(`${place}.${index}.${name}: it stands in a row before, too`)
    seen.add(value)
  })
}

function refuse(text: string): never {
  throw new MillraceError('ACCESS_FILE_REFUSED', text)
}

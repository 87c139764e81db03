/** What a JWT says before anybody believes it. Pure. */

const partPattern = /^[A-Za-z0-9_-]+$/
/** Members of a header that are understood; any other is refused, `crit`, `jku`, `jwk` with it. */
const headerMembers: ReadonlySet<string> = new Set(['alg', 'kid', 'typ'])
const types: ReadonlySet<unknown> = new Set([undefined, 'JWT', 'at+jwt'])
const stringPattern = /"(?:[^"\\]|\\.)*"/g

export interface JwtHeader {
  readonly alg: string
  readonly kid: string
}

/** The three parts of what looks like a JWT; undefined where it does not. */
export function jwtParts(token: string): readonly [string, string, string] | undefined {
  const parts = token.split('.')
  const [header, payload, signature] = parts
  if (parts.length !== 3 || !parts.every((it) => partPattern.test(it))) return undefined
  return [header as string, payload as string, signature as string]
}

/** The header, or undefined where it is none or has anything that is not understood. */
export function readJwtHeader(part: string): JwtHeader | undefined {
  const header = readObject(part)
  if (header === undefined || !Object.keys(header).every((it) => headerMembers.has(it))) {
    return undefined
  }
  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || typeof kid !== 'string' || !types.has(typ)) return undefined
  return { alg, kid }
}

/** An object without two members of one name: of those, two readers could see different ones. */
export function readObject(part: string): Record<string, unknown> | undefined {
  const bytes = Buffer.from(part, 'base64url')
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isObject || writtenMembers(text) !== membersOf(value)) return undefined
    return value as Record<string, unknown>
  } catch {
    return undefined // no UTF-8, or no JSON: nobody wants to know which
  }
}

/** Outside of strings each member of an object has one colon. */
function writtenMembers(text: string): number {
  return text.replace(stringPattern, '').split(':').length - 1
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inner = Object.values(value).reduce((sum: number, it) => sum + membersOf(it), 0)
  return Array.isArray(value) ? inner : inner + Object.keys(value).length
}

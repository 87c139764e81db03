/** Where a request to connect has its token. Pure. */

/** Of the subprotocols that a client offers: the one that is its token. */
export const bearerPrefix = 'bearer.'

export interface CredentialSources {
  /** The headers, empty where they are missing. */
  readonly authorization: string
  readonly subprotocols: string
  /** What stands behind the `?` of the URL. */
  readonly query: string
}

export type Credential =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string; readonly from: 'header' | 'subprotocol' }
  | { readonly kind: 'wrong'; readonly text: string }

const schemePattern = /^bearer +(\S+) *$/i
const queryPattern = /(?:^|[&;])(?:access_token|token|bearer|jwt|authorization)=/i

/** What a client offers as subprotocols, without its token. */
export function offeredSubprotocols(header: string): string[] {
  return header
    .split(',')
    .map((it) => it.trim())
    .filter((it) => !it.startsWith(bearerPrefix))
}

/** The token of a request. Nothing of what was found stands in a text. */
export function credentialOf(sources: CredentialSources): Credential {
  const { authorization, subprotocols, query } = sources
  if (queryPattern.test(query)) {
    return wrong('a token in a URL ends up in logs: send it in the Authorization header')
  }
  const offered = subprotocols.split(',').map((it) => it.trim())
  const [token, another] = offered.filter((it) => it.startsWith(bearerPrefix))
  if (authorization !== '') {
    const found = schemePattern.exec(authorization)?.[1]
    if (found === undefined) return wrong('the Authorization header is not "Bearer TOKEN"')
    if (token !== undefined) return wrong('a token in the Authorization header and one beside it')
    return { kind: 'token', token: found, from: 'header' }
  }
  if (another !== undefined) return wrong('more than one token among the subprotocols')
  if (token === undefined) return { kind: 'none' }
  return { kind: 'token', token: token.slice(bearerPrefix.length), from: 'subprotocol' }
}

function wrong(text: string): Credential {
  return { kind: 'wrong', text }
}

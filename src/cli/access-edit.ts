/** Changes to the text of an access file. Pure; what comes out is checked as the broker would. */

import { MillraceError } from '../errors.ts'
import type { Permission } from '../server/access/permissions.ts'

export interface NewToken {
  readonly id: string
  /** Of the token, in hexadecimal. */
  readonly sha256: string
  readonly principal: string
  readonly expires?: string | undefined
}

interface Content {
  readonly principals?: Readonly<Record<string, unknown>>
  readonly tokens?: readonly { readonly id?: unknown }[]
}

/**
 * The text with one more token. `permissions` are those of a principal that is new; one that is
 * there keeps its own. Throws a MillraceError, INVALID_ARGUMENT: the id is taken, a principal that
 * is new would have no permissions, one that is there would get some.
 */
export function withToken(
  text: string | undefined,
  token: NewToken,
  permissions: readonly Permission[],
): string {
  const content = (text === undefined ? {} : JSON.parse(text)) as Content
  const { principals = {}, tokens = [] } = content
  if (tokens.some((it) => it.id === token.id)) {
    refuse(`there is a token ${token.id}; give this one another id`)
  }
  const isNew = !Object.hasOwn(principals, token.principal)
  if (isNew && permissions.length === 0) {
    refuse(`there is no principal ${token.principal}; say what it may do: --put, --get, ...`)
  }
  if (!isNew && permissions.length > 0) {
    refuse(`there is a principal ${token.principal}; change its permissions in the file`)
  }
  const next = {
    ...content,
    principals: isNew ? { ...principals, [token.principal]: { permissions } } : principals,
    tokens: [...tokens, token],
  }
  return `${JSON.stringify(next, undefined, 2)}\n`
}

function refuse(text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', text)
}

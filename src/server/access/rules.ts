/** The rules of one access file, compiled: replaced as a whole when the file changes. */

import type { AccessRules, TokenRow } from './access-file.ts'
import type { CredentialFacts, Identity, JwtFacts } from './identity.ts'
import type { JwtVerifier } from './jwt-verifier.ts'
import { Permissions } from './permissions.ts'
import type { Refusal } from './refusal.ts'
import { findToken, isStaticToken } from './static-token.ts'

export class Rules implements CredentialFacts {
  readonly #tokens: ReadonlyMap<string, TokenRow>
  readonly #permissions: ReadonlyMap<string, Permissions>
  readonly #limits: ReadonlyMap<string, AccessRules['principals'][string]['limits']>
  readonly #certificates: ReadonlyMap<string, string>
  readonly #jwt: JwtVerifier | undefined

  constructor(rules: AccessRules, jwt: JwtVerifier | undefined) {
    const principals = Object.entries(rules.principals)
    this.#tokens = new Map(rules.tokens.map((it) => [it.id, it]))
    this.#permissions = new Map(
      principals.map(([name, it]) => [name, new Permissions(it.permissions)]),
    )
    this.#limits = new Map(principals.map(([name, it]) => [name, it.limits]))
    this.#certificates = new Map(rules.certificates.map((it) => [it.name, it.principal]))
    this.#jwt = jwt
  }

  /** How many of each there are, for the log. */
  get counts(): object {
    return {
      principals: this.#permissions.size,
      tokens: this.#tokens.size,
      keys: this.#jwt?.keyCount ?? 0,
      certificates: this.#certificates.size,
    }
  }

  /** Who shows this token, or why that is nobody. `now` in ms since 1970. Never rejects. */
  async identify(token: string, now: number): Promise<Identity | Refusal> {
    const identity = isStaticToken(token)
      ? this.#byToken(token, now)
      : await (this.#jwt?.verify(token, now) ?? 'unknown token')
    if (typeof identity === 'string') return identity
    return this.#permissions.has(identity.principal) ? identity : 'unknown principal'
  }

  #byToken(token: string, now: number): Identity | Refusal {
    const row = findToken(this.#tokens, token)
    if (row === undefined) return 'unknown token'
    const { id, sha256, principal, expires } = row
    if (expires !== undefined && expires <= now) return 'expired'
    return {
      principal,
      by: 'token',
      credential: id,
      expiresAt: expires,
      holds: (facts) => sha256.equals(facts.tokenHash(id) ?? new Uint8Array()),
    }
  }

  /** Whom a verified certificate stands for, by one of its subject alternative names. */
  identifyCertificate(names: readonly string[]): Identity | undefined {
    for (const name of names) {
      const principal = this.#certificates.get(name)
      if (principal === undefined) continue
      return {
        principal,
        by: 'certificate',
        credential: name,
        expiresAt: undefined,
        holds: (facts) => facts.certificatePrincipal(name) === principal,
      }
    }
    return undefined
  }

  permissionsOf(principal: string): Permissions | undefined {
    return this.#permissions.get(principal)
  }

  limitsOf(principal: string): AccessRules['principals'][string]['limits'] | undefined {
    return this.#limits.get(principal)
  }

  tokenHash(id: string): Uint8Array | undefined {
    return this.#tokens.get(id)?.sha256
  }

  certificatePrincipal(name: string): string | undefined {
    return this.#certificates.get(name)
  }

  holdsJwt(claims: JwtFacts): boolean {
    return this.#jwt?.holds(claims) ?? false
  }
}

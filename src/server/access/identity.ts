/** Who is at the other end of a connection, and how long that holds. */

export interface Identity {
  readonly principal: string
  /** How it was shown. */
  readonly by: 'token' | 'jwt' | 'certificate'
  /** The id of the token, the key of the JWT, the name in the certificate: for the audit. */
  readonly credential: string
  /** Milliseconds since 1970; undefined where it holds as long as the rules do. */
  readonly expiresAt: number | undefined
  /** Whether rules that were read later still know it. */
  readonly holds: (facts: CredentialFacts) => boolean
}

/** What the rules of the moment say of credentials. */
export interface CredentialFacts {
  tokenHash(id: string): Uint8Array | undefined
  certificatePrincipal(name: string): string | undefined
  holdsJwt(claims: JwtFacts): boolean
}

/** What is remembered of a JWT. */
export interface JwtFacts {
  readonly keyId: string
  /** A hash of the key itself, and of whom it is trusted for: a `kid` can get another key. */
  readonly keyMark: string
  readonly tokenId: string | undefined
  readonly issuedAt: number
}

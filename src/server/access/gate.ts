/** What a server knows of those who want in: rules, principals, failures and the audit. */

import { MillraceError } from '../../errors.ts'
import type { Logger } from '../logger.ts'
import type { Access } from './access.ts'
import { Audit } from './audit.ts'
import { Failures } from './failures.ts'
import type { Identity } from './identity.ts'
import type { Permissions } from './permissions.ts'
import { defaultPrincipalLimits, type PrincipalLimits, Principals } from './principals.ts'
import type { RateLimiter, Rates } from './rate-limiter.ts'
import { isStaticToken } from './static-token.ts'
import { UnknownClients, type UnknownLimits } from './unknown-clients.ts'

/** When who finds too many connections may come again. */
export const crowdedRetryAfterMillis = 1000

export interface GateLimits extends UnknownLimits {
  /** Of the refusals, and of the denials, of a few seconds. */
  readonly auditLinesMax: number
  /** Bytes of a message, whoever sends it. */
  readonly frameBytesMax: number
  readonly authenticationMillisMax: number
  readonly unauthenticatedMessageBytesMax: number
  readonly unknownFrameBytesMax: number
  readonly failedAuthenticationsBurst: number
  readonly failedAuthenticationsPerSecond: number
  readonly connectionRequestsPerSecond: number
  readonly connectionBytesPerSecond: number
  readonly connectionFramesPerSecond: number
}

export interface GateOptions {
  /** Undefined where nobody is asked who they are. */
  readonly access: Access | undefined
  readonly logger: Logger
  readonly limits: GateLimits
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
}

export class Gate {
  readonly audit: Audit
  readonly limits: GateLimits
  readonly now: () => number
  readonly #access: Access | undefined
  readonly #principals: Principals
  readonly #failures: Failures
  /** Those of whom a first message is awaited. */
  readonly unknown: UnknownClients

  constructor({ access, logger, limits, now }: GateOptions) {
    this.audit = new Audit(logger, limits.auditLinesMax)
    this.limits = limits
    this.now = now
    this.unknown = new UnknownClients(limits)
    this.#access = access
    this.#principals = new Principals((name) => this.limitsOf(name), now)
    this.#failures = new Failures(
      limits.failedAuthenticationsBurst,
      limits.failedAuthenticationsPerSecond,
      now,
    )
  }

  /** Whether nobody is asked who they are. */
  get isOpen(): boolean {
    return this.#access === undefined
  }

  /** Bytes of a message of who came unknown. */
  get unknownFrameBytesMax(): number {
    return Math.min(this.limits.unknownFrameBytesMax, this.limits.frameBytesMax)
  }

  /** Milliseconds since 1970. */
  wallMillis(): number {
    return this.#access?.now() ?? Date.now()
  }

  get connectionRates(): Rates {
    const { connectionRequestsPerSecond, connectionBytesPerSecond } = this.limits
    return {
      requestsPerSecond: connectionRequestsPerSecond,
      bytesPerSecond: connectionBytesPerSecond,
    }
  }

  /**
   * Who shows this token. Rejects with a MillraceError: UNAUTHENTICATED, without a word of why;
   * LIMIT_EXCEEDED when too many of the address have failed. A static token that is right is taken
   * whatever came from its address: others there could lock its owner out.
   */
  async identify(token: string, remoteAddress: string): Promise<Identity> {
    const retryAfterMs = this.#failures.waitMillis(remoteAddress)
    const isLocked = retryAfterMs > 0
    if (isLocked && !isStaticToken(token)) throw this.#locked(remoteAddress, retryAfterMs)
    const found = (await this.#access?.identify(token)) ?? 'unknown token'
    if (typeof found !== 'string') return found
    if (isLocked) throw this.#locked(remoteAddress, retryAfterMs)
    this.#failures.note(remoteAddress)
    this.audit.refused(found, remoteAddress)
    throw new MillraceError('UNAUTHENTICATED', 'the token is not valid here')
  }

  #locked(remoteAddress: string, retryAfterMs: number): MillraceError {
    this.audit.refused('too many failures', remoteAddress)
    const text = 'too many tokens of your address were wrong (failedAuthenticationsPerSecond); wait'
    return new MillraceError('LIMIT_EXCEEDED', text, { retryAfterMs })
  }

  /** Whom a verified certificate stands for; undefined where that is nobody. */
  identifyCertificate(names: readonly string[]): Identity | undefined {
    return this.#access?.rules.identifyCertificate(names)
  }

  /** Whether the rules of the moment still know who was identified before. */
  holds(identity: Identity): boolean {
    const { expiresAt, holds } = identity
    const rules = this.#access?.rules
    if (rules === undefined) return false
    return holds(rules) && (expiresAt === undefined || expiresAt > this.wallMillis())
  }

  /** Throws UNAUTHENTICATED where it does not: a check of a token may outlast a change. */
  requireHeld(identity: Identity): void {
    if (this.holds(identity)) return
    throw new MillraceError('UNAUTHENTICATED', 'the token is not valid any more')
  }

  permissionsOf(principal: string): Permissions | undefined {
    return this.#access?.rules.permissionsOf(principal)
  }

  limitsOf(principal: string): PrincipalLimits {
    return this.#access?.rules.limitsOf(principal) ?? defaultPrincipalLimits
  }

  /** Why there is no room for one more whose first message is to say who it is, or undefined. */
  unknownRefusal(remoteAddress: string): string | undefined {
    return this.isOpen ? undefined : this.unknown.refusal(remoteAddress)
  }

  /** Why the principal gets no further connection, or undefined. */
  principalRefusal(principal: string): string | undefined {
    return this.#principals.refusal(principal)
  }

  /** Throws a MillraceError, LIMIT_EXCEEDED, where the principal gets no further connection. */
  requireRoom(principal: string): void {
    const refusal = this.#principals.refusal(principal)
    if (refusal === undefined) return
    throw new MillraceError('LIMIT_EXCEEDED', refusal, { retryAfterMs: crowdedRetryAfterMillis })
  }

  connect(principal: string): RateLimiter {
    return this.#principals.connect(principal)
  }

  disconnect(principal: string): void {
    this.#principals.disconnect(principal)
  }

  /** Calls `listener` when the rules have changed, limits first. */
  onChange(listener: () => void): void {
    this.#access?.onChange(() => {
      this.#principals.renew()
      listener()
    })
  }
}

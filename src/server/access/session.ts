/** Who is at the other end of one connection, what they may do, and how fast. */

import { allRights, type Caller, noRights, type Rights } from '../../broker/caller.ts'
import { MillraceError } from '../../errors.ts'
import type { Gate } from './gate.ts'
import type { Identity } from './identity.ts'
import type { Permissions } from './permissions.ts'
import { RateLimiter } from './rate-limiter.ts'
import { TokenBucket } from './token-bucket.ts'

/** The longest that a timer can wait. */
const timerMillisMax = 2 ** 31 - 1

export class Session implements Caller {
  readonly #gate: Gate
  readonly #remoteAddress: string
  /** Told when the client is not known any more, or was not in time. */
  readonly #over: (text: string) => void
  readonly #ofConnection: RateLimiter
  readonly #otherFrames: TokenBucket
  #identity: Identity | undefined
  #permissions: Permissions | undefined
  #ofPrincipal: RateLimiter | undefined
  #timer: NodeJS.Timeout | undefined
  #isOver = false
  /** Whether requests are carried out. */
  isKnown: boolean
  /** Bytes of the largest message that is taken, and of one that can be: see the limits. */
  messageBytesMax: number
  readonly #messageBytesHighest: number

  constructor(
    gate: Gate,
    remoteAddress: string,
    identity: Identity | undefined,
    over: (text: string) => void,
  ) {
    this.#gate = gate
    this.#remoteAddress = remoteAddress
    this.#over = over
    this.isKnown = gate.isOpen
    const comesUnknown = !gate.isOpen && identity === undefined
    this.#messageBytesHighest = comesUnknown ? gate.unknownFrameBytesMax : gate.limits.frameBytesMax
    this.messageBytesMax = this.#messageBytesHighest
    const now = gate.now()
    this.#ofConnection = new RateLimiter('this connection', gate.connectionRates, now)
    const { connectionFramesPerSecond: perSecond } = gate.limits
    this.#otherFrames = new TokenBucket(perSecond, perSecond, now)
    if (gate.isOpen) return
    if (identity !== undefined) {
      this.#accept(identity)
      return
    }
    gate.unknown.came(remoteAddress)
    this.#after(gate.limits.authenticationMillisMax, () => {
      gate.audit.refused('no token', remoteAddress)
      over('no Authenticate came in time')
    })
  }

  get principal(): string {
    return this.#identity?.principal ?? 'anyone'
  }

  /** How long it is known who this is; undefined where that has no end. */
  get expiresInMillis(): number | undefined {
    const end = this.#identity?.expiresAt
    return end === undefined ? undefined : Math.max(0, end - this.#gate.wallMillis())
  }

  get hasRights(): boolean {
    return this.#gate.isOpen || (this.#permissions?.hasRights ?? false)
  }

  rightsOn(streamName: string): Rights {
    if (this.#permissions !== undefined) return this.#permissions.rightsOn(streamName)
    return this.#gate.isOpen ? allRights : noRights
  }

  denied(operation: string, streamName: string | undefined): void {
    this.#gate.audit.denied(this.principal, operation, streamName)
  }

  administered(operation: string, streamName: string | undefined): void {
    if (!this.#gate.isOpen) this.#gate.audit.administered(this.principal, operation, streamName)
  }

  /**
   * From now on it is this one. Throws a MillraceError, with nothing changed: UNAUTHENTICATED where
   * the rules have changed since it was found, ACCESS_DENIED for another principal than before,
   * LIMIT_EXCEEDED for one that has too many connections.
   */
  take(identity: Identity): void {
    this.#gate.requireHeld(identity)
    const isFirst = this.#identity === undefined
    if (isFirst) this.#gate.requireRoom(identity.principal)
    else if (identity.principal !== this.principal) {
      throw new MillraceError(
        'ACCESS_DENIED',
        `this connection is that of ${this.principal}; open another one for another principal`,
      )
    }
    this.#accept(identity)
  }

  #accept(identity: Identity): void {
    const isFirst = this.#identity === undefined
    // One that shows its token in its first message was unknown until now.
    if (isFirst && this.#timer !== undefined) this.#gate.unknown.left(this.#remoteAddress)
    this.#identity = identity
    this.#adopt(identity.principal)
    this.isKnown = true
    if (isFirst) this.#ofPrincipal = this.#gate.connect(identity.principal)
    this.#gate.audit.authenticated(identity, this.#remoteAddress)
    clearTimeout(this.#timer)
    const { expiresInMillis } = this
    if (expiresInMillis !== undefined) this.#after(expiresInMillis, () => this.#expire())
  }

  /** Why one more message is not taken now, or undefined: it is, and counts. */
  refusal(bytes: number): MillraceError | undefined {
    const now = this.#gate.now()
    const refusal = this.#ofConnection.refusal(now) ?? this.#ofPrincipal?.refusal(now)
    if (refusal !== undefined) return refusal
    this.#ofConnection.take(bytes)
    this.#ofPrincipal?.take(bytes)
    return undefined
  }

  /**
   * Counts a frame that asks for nothing, or is refused: milliseconds for which there were too many
   * of them; 0: there were not. They cannot be refused without an answer to each.
   */
  otherFrame(): number {
    const wait = this.#otherFrames.waitMillis(this.#gate.now())
    if (wait === 0) this.#otherFrames.take(1)
    return wait
  }

  /** The rules have changed: takes what this one may do from them; false: nothing, any more. */
  renew(): boolean {
    if (this.#identity === undefined) return true
    this.#adopt(this.#identity.principal)
    return this.#permissions !== undefined && this.#gate.holds(this.#identity)
  }

  /** Takes from the rules what the principal may do. */
  #adopt(principal: string): void {
    this.#permissions = this.#gate.permissionsOf(principal)
    const { messageBytes } = this.#gate.limitsOf(principal)
    this.messageBytesMax = Math.min(messageBytes, this.#messageBytesHighest)
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    if (this.#identity !== undefined) this.#gate.disconnect(this.#identity.principal)
    else if (!this.#gate.isOpen) this.#gate.unknown.left(this.#remoteAddress)
  }

  #expire(): void {
    this.#over('the token has expired')
  }

  #after(millis: number, action: () => void): void {
    const first = Math.min(millis, timerMillisMax)
    this.#timer = setTimeout(
      () => (millis > first ? this.#after(millis - first, action) : action()),
      first,
    )
    this.#timer.unref()
  }
}

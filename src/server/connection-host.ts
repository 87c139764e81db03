/** What connections need of the server that they belong to. */

import type { Gate } from './access/gate.ts'
import type { AnswerBounds } from './answer-sender.ts'
import type { Connection } from './connection.ts'
import type { LivenessLimits } from './liveness.ts'
import type { Logger } from './logger.ts'
import type { Overload } from './overload.ts'
import type { ServedBroker } from './served-broker.ts'
import type { TurnTime } from './turn-time.ts'
import type { UnreadAnswers } from './unread-answers.ts'
import type { Welcomes } from './welcomes.ts'

export interface ConnectionLimits extends AnswerBounds, LivenessLimits {
  readonly requestsInFlightMax: number
  readonly inFlightRetryAfterMillis: number
  readonly drainRetryAfterMillis: number
}

/** What the connections of a server have in common. */
export interface ConnectionHost {
  readonly broker: ServedBroker
  readonly logger: Logger
  readonly gate: Gate
  readonly limits: ConnectionLimits
  /** Shared by all of them. */
  readonly unread: UnreadAnswers
  readonly turnTime: TurnTime
  readonly overload: Overload
  readonly brokerVersion: string
  readonly welcomes: Welcomes
  readonly now: () => number
  /** Whether requests are refused, as the server is about to stop. */
  isDraining(): boolean
  /** The connection wants `flush` to be called at the end of this turn of the event loop. */
  flushLater(connection: Connection): void
  /** Writes a warning about a connection, unless there were too many of them. */
  warn(facts: object, text: string): void
  /** An error answer was sent. */
  countError(code: string): void
  /** The last that is heard of a connection. */
  gone(connection: Connection, code: number): void
}

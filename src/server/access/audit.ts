/**
 * The audit: a line of the log for who came, who was refused and why, what was denied and what was
 * administered. Never anything of a token. Its lines have `audit` in them.
 */

import type { Logger } from '../logger.ts'
import { WarningBudget } from '../warning-budget.ts'
import type { Identity } from './identity.ts'
import type { Refusal } from './refusal.ts'

export class Audit {
  readonly #logger: Logger
  readonly #refused: WarningBudget
  /** Apart: who floods with wrong tokens could hide what is denied to others. */
  readonly #denied: WarningBudget
  /** So far, by why: for the metrics. */
  readonly refusals: Map<string, number> = new Map()
  denials = 0

  /** `linesMax` about refusals, and about denials, are written between two calls of `renew`. */
  constructor(logger: Logger, linesMax: number) {
    this.#logger = logger
    this.#refused = new WarningBudget(logger, linesMax)
    this.#denied = new WarningBudget(logger, linesMax)
  }

  authenticated({ principal, by, credential }: Identity, remoteAddress: string): void {
    this.#logger.info(
      { audit: 'authenticated', principal, by, credential, remoteAddress },
      'a client was authenticated',
    )
  }

  refused(reason: Refusal | 'too many failures' | 'no token', remoteAddress: string): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1)
    this.#refused.warn({ audit: 'refused', reason, remoteAddress }, 'a client was refused')
  }

  denied(principal: string, operation: string, stream: string | undefined): void {
    this.denials += 1
    this.#denied.warn({ audit: 'denied', principal, operation, stream }, 'a request was denied')
  }

  administered(principal: string, operation: string, stream: string | undefined): void {
    this.#logger.info(
      { audit: 'administered', principal, operation, stream },
      'a stream was administered',
    )
  }

  /** To be called every few seconds. */
  renew(): void {
    this.#refused.renew()
    this.#denied.renew()
  }
}

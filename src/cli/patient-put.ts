/** A put of one record that is made again while its shard has no room for it. */

import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMillis } from '../client/backoff.ts'
import { MillraceError } from '../errors.ts'
import { formatMillis, plural } from './units.ts'

/** Time, which tests bring along, and for how long it goes on at most. */
export interface PutPatience {
  readonly millisMax: number
  readonly random: () => number
  readonly wait: (millis: number) => Promise<unknown>
}

const patienceDefault: PutPatience = { millisMax: 30_000, random: Math.random, wait: sleep }

/**
 * Answers what `put` does. Where that is THROUGHPUT_EXCEEDED it is called again, after the time
 * that the broker names and a random one more; `tell` gets a line before each wait. Rejects with
 * THROUGHPUT_EXCEEDED when that would take more than 30 s in all, with anything else that `put`
 * rejects with, and with the reason of `signal`.
 */
export async function putPatiently<Answer>(
  put: () => Promise<Answer>,
  tell: (line: string) => void,
  signal: AbortSignal,
  { millisMax, random, wait }: PutPatience = patienceDefault,
): Promise<Answer> {
  let waited = 0
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await put()
    } catch (error) {
      if (!isThrottled(error)) throw error
      const millis = backoffMillis(attempt, random(), error.retryAfterMs)
      if (waited + millis > millisMax) throw givenUp(error, attempt + 1, waited)
      tell(`the shard is at its limit: trying again in ${formatMillis(millis)}`)
      await wait(millis)
      waited += millis
    }
    signal.throwIfAborted()
  }
}

function isThrottled(error: unknown): error is MillraceError {
  return error instanceof MillraceError && error.code === 'THROUGHPUT_EXCEEDED'
}

function givenUp(cause: MillraceError, tries: number, waited: number): MillraceError {
  const { code, message, retryAfterMs } = cause
  const text = `${message} Tried ${plural(tries, 'time')}, with ${formatMillis(waited)} of waiting.`
  return new MillraceError(code, text, {
    cause,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/** When to connect again, and whether at all. Pure. */

import { type ErrorCode, errorTable, MillraceError } from '../errors.ts'
import { closeCodes, reconnects } from '../wire/close-codes.ts'

const ceilingMillisFirst = 50
const ceilingMillisMax = 5000
/** The delay that a broker may ask for is bounded too: a wrong one must not stop a client. */
const retryAfterMillisMax = 60_000

/**
 * The delay before attempt `attempt` (from 0) to connect again, in ms: full jitter below a ceiling
 * that doubles from 50 ms to 5 s, on top of what the broker asked for. Without the jitter all
 * clients of a broker that restarts would come back in the same moment.
 */
export function backoffMillis(attempt: number, random: number, retryAfterMillis = 0): number {
  const ceiling = Math.min(ceilingMillisFirst * 2 ** Math.min(attempt, 16), ceilingMillisMax)
  return Math.min(retryAfterMillis, retryAfterMillisMax) + random * ceiling
}

/** What the reason of a close asks for: `SERVER_CLOSING retryAfterMs=250`. */
export function retryAfterOf(reason: string): number | undefined {
  const found = /\bretryAfterMs=(\d{1,9})\b/.exec(reason)
  return found === null ? undefined : Number(found[1])
}

const rows = new Map(Object.values(closeCodes).map((it) => [it.code as number, it.name]))

/**
 * Why a connection that was closed with `code` is not opened again; undefined where it is. 1000 is
 * the goodbye of a broker that wants to see this client no more.
 */
export function stopError(code: number, reason: string): MillraceError | undefined {
  if (reconnects(code)) return undefined
  const name = rows.get(code) ?? ''
  const errorCode = Object.hasOwn(errorTable, name) ? (name as ErrorCode) : unnamedStop(code)
  const did = isOfHttp(reason) ? 'refused' : 'closed'
  return new MillraceError(
    errorCode,
    `the broker ${did} the connection: ${closeText(code, reason)}`,
  )
}

function unnamedStop(code: number): ErrorCode {
  const denied = code === 1000 || code === 1008 || code >= 4500
  return denied ? 'ACCESS_DENIED' : 'PROTOCOL_VIOLATION'
}

/** A close code that no broker has sent: a socket that was lost, or never was. */
const codeOfLoss = 1006

/** Whether a handshake was refused; the code of such a close stands for its status. */
const isOfHttp = (reason: string) => reason.startsWith('HTTP ')

/** A close in words: `4503 wrong origin`; without codes that never went over the wire. */
export function closeText(code: number, reason: string): string {
  if (reason === '') return String(code)
  return code === codeOfLoss || isOfHttp(reason) ? reason : `${code} ${reason}`
}

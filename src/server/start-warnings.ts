/** What the log of a broker is warned of at every start. */

import { unreadTotalBytesMax as unreadTotalBytesDefault } from '../limits.ts'
import { type Protection, unsafeBindReason } from './admission.ts'
import type { SocketBounds } from './descriptors.ts'
import { errorFacts, type Logger } from './logger.ts'
import { inspectBinary } from './uws-binary.ts'

/** What is loaded runs with all rights of the broker, and was not published by its author. */
export function warnOfBinary(logger: Logger): void {
  try {
    const { file, sha256, isKnown } = inspectBinary()
    if (!isKnown) logger.warn({ file, sha256 }, 'the binary of uWebSockets.js is not a known one')
  } catch (error) {
    logger.warn(errorFacts(error), 'the binary of uWebSockets.js could not be read')
  }
}

/** Fewer connections than were asked for can be had. */
export function warnOfFewFiles(
  wanted: number,
  { connectionsMax, socketsMax }: SocketBounds,
  logger: Logger,
): void {
  if (connectionsMax >= wanted) return
  const text = 'fewer connections than connectionsMax: raise the limit of open files (ulimit -n)'
  logger.warn({ wanted, connectionsMax, socketsMax }, text)
}

/** Less than was asked for may be left unread; where nobody asked, it is what fits. */
export function warnOfLittleMemory(
  wanted: number | undefined,
  unreadTotalBytesMax: number,
  logger: Logger,
): void {
  const isAsked = wanted !== undefined && wanted !== unreadTotalBytesDefault
  if (!isAsked || unreadTotalBytesMax >= wanted) return
  const text = 'less than unreadTotalBytesMax: no more than a quarter of the memory may be unread'
  logger.warn({ wanted, unreadTotalBytesMax }, text)
}

/** A risk that was accepted is repeated at every start. */
export function warnOfExposure(
  host: string,
  port: number,
  options: Protection,
  logger: Logger,
): void {
  const { isAuthenticated, isEncrypted } = options
  const risk = unsafeBindReason(host, { isAuthenticated, isEncrypted })
  if (risk === undefined) return
  if (isAuthenticated !== true) logger.warn({ host, port }, insecure.noAuthentication)
  if (isEncrypted !== true) logger.warn({ host, port }, insecure.noEncryption)
}

const insecure = {
  noAuthentication: 'INSECURE: anybody who can reach this address can read and write',
  noEncryption: 'INSECURE: anybody on the way to this address can read what is sent, and change it',
} as const

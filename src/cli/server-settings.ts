/** The settings of a broker that bound who connects to it, under their names in the server. */

import { z } from 'zod'
import * as limits from '../limits.ts'

/** Makes a whole number with its bounds and its default, and says what it is for. */
export type Count = (
  about: string,
  min: number,
  max: number,
  fallback: number,
) => z.ZodDefault<z.ZodInt>

const connectionsHighest = 1_000_000
const rateHighest = 1_000_000
const bytesHighest = 2 ** 40
const hourMillis = 3_600_000
/** Behind it the library that serves the port has a limit of its own. */
const silenceHighest = 110_000
const percent = 100

/** Those of connections, of what they leave unread, and of the process. */
export function serverSettings(count: Count) {
  return z.strictObject({
    ...connectionSettings(count),
    ...unreadSettings(count),
    ...processSettings(count),
  })
}

/**
 * Why these do not go together, or undefined. A client that has nothing to say is heard when it
 * answers a ping, which is sent and heard of when connections are looked at.
 */
export function silenceRefusal(server: {
  readonly pingMillis: number
  readonly silenceMillisMax: number
}): string | undefined {
  const least = server.pingMillis + limits.inspectMillis
  if (server.silenceMillisMax >= least) return undefined
  return (
    `server.silenceMillisMax is ${server.silenceMillisMax}, which cuts off every client that has ` +
    `nothing to say: with a server.pingMillis of ${server.pingMillis}, wanted ${least} at least`
  )
}

/**
 * Why these do not go together, or undefined: a first message is one of those of a connection that
 * was opened without a token, which have a bound of their own.
 */
export function firstMessageRefusal({ access, server }: MessageBounds): string | undefined {
  const { unauthenticatedMessageBytesMax: first, unknownFrameBytesMax } = access
  const bounds = [
    ['access.unknownFrameBytesMax', unknownFrameBytesMax],
    ['server.frameBytesMax', server.frameBytesMax],
  ] as const
  const lower = bounds.find(([, bytes]) => bytes < first)
  if (lower === undefined) return undefined
  return (
    `access.unauthenticatedMessageBytesMax is ${first}, but nobody can send a message of so many ` +
    `bytes: ${lower[0]} is ${lower[1]}, wanted so many at most`
  )
}

interface MessageBounds {
  readonly access: {
    readonly unauthenticatedMessageBytesMax: number
    readonly unknownFrameBytesMax: number
  }
  readonly server: { readonly frameBytesMax: number }
}

function connectionSettings(count: Count) {
  return {
    connectionsMax: count('connections', 1, connectionsHighest, limits.connectionsMax),
    connectionsPerAddressMax: count(
      'of an address; loopback is exempt',
      1,
      connectionsHighest,
      limits.connectionsPerAddressMax,
    ),
    connectsBurst: count('connections opened at once', 1, rateHighest, limits.connectsBurst),
    connectsPerSecond: count(
      '... and a second from then on',
      1,
      rateHighest,
      limits.connectsPerSecond,
    ),
    otherSocketsMax: count(
      'sockets that are no connections',
      16,
      connectionsHighest,
      limits.otherSocketsMax,
    ),
    adminConnectionsMax: count(
      'connections of the admin port',
      1,
      connectionsHighest,
      limits.adminConnectionsMax,
    ),
    frameBytesMax: count(
      'bytes of a message',
      limits.principalMessageBytesLowest,
      limits.frameBytesMax,
      limits.frameBytesMax,
    ),
    requestsInFlightMax: count(
      'unanswered requests of a connection',
      1,
      65_536,
      limits.requestsInFlightMax,
    ),
    pingMillis: count('silence before a ping', 1000, silenceHighest, limits.pingMillis),
    silenceMillisMax: count(
      'silence before a connection is cut',
      2000,
      silenceHighest,
      limits.silenceMillisMax,
    ),
    connectionMillisMax: count(
      'how long a connection lasts; 0 = for ever',
      0,
      30 * 24 * hourMillis,
      limits.connectionMillisMax,
    ),
    handshakeMillisMax: count(
      'time for TLS and headers, on TLS ports',
      1000,
      60_000,
      limits.handshakeMillisMax,
    ),
    drainMillisMax: count('time to stop', 1000, hourMillis, limits.drainMillisMax),
    ...retrySettings(count),
  }
}

/** What those are told who are refused for a while. */
function retrySettings(count: Count) {
  const millis = (about: string, fallback: number) => count(about, 1, hourMillis, fallback)
  return {
    drainRetryAfterMillis: millis('when to come back after it', limits.drainRetryAfterMillis),
    inFlightRetryAfterMillis: millis(
      '... with one more than can wait',
      limits.inFlightRetryAfterMillis,
    ),
    overloadRetryAfterMillis: millis('... where memory was short', limits.overloadRetryAfterMillis),
  }
}

function unreadSettings(count: Count) {
  const { getRecordsBytesMax } = limits
  return {
    socketBytesPause: count(
      'unread bytes at which reads wait',
      0,
      bytesHighest,
      limits.socketBytesPause,
    ),
    unreadBytesMax: count(
      'unread answers before a cut',
      65_536,
      bytesHighest,
      limits.unreadBytesMax,
    ),
    unreadMillisMax: count(
      'time without reading before it',
      1000,
      hourMillis,
      limits.unreadMillisMax,
    ),
    unreadTotalBytesMax: count(
      'unread bytes of all clients',
      getRecordsBytesMax,
      bytesHighest,
      limits.unreadTotalBytesMax,
    ),
    unreadShareBytesMax: count(
      '... of one principal or address',
      getRecordsBytesMax,
      bytesHighest,
      limits.unreadShareBytesMax,
    ),
    unreadBytesPerSecondMin: count(
      'reading that is fast enough then',
      0,
      bytesHighest,
      limits.unreadBytesPerSecondMin,
    ),
  }
}

function processSettings(count: Count) {
  return {
    memoryPercentMax: count('memory above which load is shed', 1, percent, limits.memoryPercentMax),
    memoryBytesMax: count(
      'all of the memory; 0 = what there is',
      0,
      Number.MAX_SAFE_INTEGER,
      limits.memoryBytesMax,
    ),
    machinePercentMin: count(
      "... left of the machine's below which it is",
      0,
      percent / 2,
      limits.machinePercentMin,
    ),
    halfMessagePercentMax: count(
      'memory above which half messages end',
      1,
      percent,
      limits.halfMessagePercentMax,
    ),
    descriptorsReserved: count(
      'files kept beside sockets and the log',
      16,
      1_000_000,
      limits.descriptorsReserved,
    ),
    logTextCharactersMax: count(
      'characters of a text in the log',
      64,
      limits.logStackCharactersMax,
      limits.logTextCharactersMax,
    ),
    warningLinesMax: count(
      'lines about cut connections in 5 s',
      1,
      rateHighest,
      limits.warningLinesMax,
    ),
    auditLinesMax: count('... about refused clients', 1, rateHighest, limits.auditLinesMax),
    turnMillisMax: count('time of a turn for large answers', 1, 1000, limits.turnMillisMax),
    loopDelayMillisMax: count(
      'late event loop that lets nobody in',
      10,
      hourMillis,
      limits.loopDelayMillisMax,
    ),
  }
}

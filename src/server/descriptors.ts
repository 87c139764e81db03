/**
 * How many sockets a broker can hold: a process has so many open files and no more, and where they
 * run out the log cannot open its own. The log keeps to half of them by itself; it needs so many
 * only with as many shards, and a few thousand at most are kept for it.
 */

import { readFileSync } from 'node:fs'

/** The share of sockets that are no connections where files are short. */
const shareSpare = 8
const shareOfLog = 0.5
const shareOfOthers = 0.25
const filesOfLogMax = 8192

export interface SocketBounds {
  readonly connectionsMax: number
  /** Of connections, handshakes and HTTP requests together. */
  readonly socketsMax: number
}

export interface FileLimits {
  readonly connectionsMax: number
  /** Open files beside those of sockets and of the log. */
  readonly descriptorsReserved: number
  /** Sockets that are no connections: handshakes, and requests over HTTP. */
  readonly otherSocketsMax: number
}

/** Bounds that leave the log its files; `files`: how many may be open. Pure. */
export function socketBounds(
  { connectionsMax, descriptorsReserved, otherSocketsMax }: FileLimits,
  files: number | undefined,
): SocketBounds {
  const wanted = connectionsMax + otherSocketsMax
  if (files === undefined) return { connectionsMax, socketsMax: wanted }
  const filesOfLog = Math.min(Math.ceil(files * shareOfLog), filesOfLogMax)
  const room = Math.max(1, files - filesOfLog - descriptorsReserved)
  const most = Math.max(1, room - Math.ceil(room / shareSpare))
  return {
    connectionsMax: Math.min(connectionsMax, most),
    socketsMax: Math.min(wanted, room),
  }
}

/**
 * Of one address: handshakes and HTTP requests as many as connections, and never nearly all. Pure.
 */
export function socketsOfAddress(connectionsPerAddressMax: number, socketsMax: number): number {
  const most = socketsMax - Math.floor(socketsMax * shareOfOthers)
  return Math.min(2 * connectionsPerAddressMax, most)
}

/** How many files this process may have open: Node raises that to the most as it starts. */
export function openFilesMax(): number | undefined {
  try {
    return parseOpenFiles(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    // Only Linux has that file; elsewhere nothing is known.
    return undefined
  }
}

/** The soft limit in what Linux says of the limits of a process; undefined: there is none. */
export function parseOpenFiles(text: string): number | undefined {
  const files = /^Max open files +(\d+)/m.exec(text)?.[1]
  return files === undefined ? undefined : Number(files)
}

/**
 * How much memory the kernel has for TCP: the buffers of all sockets of the machine. A client that
 * does not read keeps what is on its way to it there, where no count of this process sees it.
 */

import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'

/** The smallest that there are: where they are larger it is more than is said. */
const pageBytes = 4096
/** What Linux takes unless it is told otherwise. */
const shareOfMemory = 3 / 32

/** At least so many bytes. Where the kernel does not say, as in most containers: what is usual. */
export function tcpMemoryBytes(file = '/proc/sys/net/ipv4/tcp_mem', memory = totalmem()): number {
  return parseTcpMemory(readText(file)) ?? Math.floor(memory * shareOfMemory)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return '' // only Linux has it
  }
}

/** Low, pressure and hard limit, in pages; undefined where it is none of that. */
export function parseTcpMemory(text: string): number | undefined {
  const pages = Number(/^\d+\s+\d+\s+(\d+)\s*$/.exec(text)?.[1])
  return Number.isNaN(pages) ? undefined : pages * pageBytes
}

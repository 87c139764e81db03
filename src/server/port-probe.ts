/**
 * Whether a port can be had. uWebSockets either shares a port with whoever else asks for it, so
 * that two brokers get half of the connections each, or does without SO_REUSEADDR, so that a broker
 * that ended its connections cannot come back within a minute (TIME_WAIT). It is let share, and who
 * is there already is found out here.
 */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { MillraceError } from '../errors.ts'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it, or choose another port',
  EACCES: 'this user may not listen there; choose a port above 1023',
  EADDRNOTAVAIL: 'this machine does not have the address; choose one that it has',
  ENOTFOUND: 'the name is unknown; give an address of this machine',
}

function unavailable(host: string, port: number, code: string): MillraceError {
  const reason = reasons[code] ?? code
  return new MillraceError('ADDRESS_UNAVAILABLE', `listen: ${host}:${port}: ${reason}`)
}

/** Rejects with a MillraceError, ADDRESS_UNAVAILABLE, that says why a port cannot be had. */
export async function checkPort(host: string, port: number): Promise<void> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) => {
      reject(unavailable(host, port, error.code ?? error.message))
    })
    probe.listen({ host, port, exclusive: true }, resolve)
  })
  await new Promise<void>((resolve) => probe.close(() => resolve()))
}

/**
 * Throws as `checkPort` when somebody else has begun to listen since that was called. Only Linux
 * tells; each of two that begin in the same moment then steps back.
 */
export function checkAlone(host: string, port: number): void {
  if (process.platform !== 'linux') return
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readTable(path))
  if (tables.some((it) => isShared(it, port))) throw unavailable(host, port, 'EADDRINUSE')
}

/** Empty where there is no such table: without IPv6, or in a sandbox. */
function readTable(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EACCES') return ''
    throw error
  }
}

const listenState = '0A'

/**
 * Whether more than one socket listens at the same address and port. The table has a line for each
 * socket: `slot: local address:port remote address:port state ...`.
 */
export function isShared(table: string, port: number): boolean {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const listening = table.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    return state === listenState && local.endsWith(end) ? [local] : []
  })
  return new Set(listening).size < listening.length
}

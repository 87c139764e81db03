/** Asks the system about ports, in words that uWebSockets.js does not have. */

import { createServer } from 'node:net'
import { MillraceError } from '../errors.ts'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it, or choose another port',
  EACCES: 'this user may not listen there; choose a port above 1023',
  EADDRNOTAVAIL: 'this machine does not have the address; choose one that it has',
  ENOTFOUND: 'the name is unknown; give an address of this machine',
}

/** Why a port cannot be had, in words of ours: a MillraceError, ADDRESS_UNAVAILABLE. */
export function portError(host: string, port: number, error: NodeJS.ErrnoException): MillraceError {
  const code = error.code ?? error.message
  const text = `listen: ${host}:${port}: ${reasons[code] ?? code}`
  return new MillraceError('ADDRESS_UNAVAILABLE', text, { cause: error })
}

/**
 * Listens for a moment, and answers at which port that was: `port`, or a free one for 0. Rejects
 * with a MillraceError, ADDRESS_UNAVAILABLE, that says why the port cannot be had.
 */
export async function probePort(host: string, port: number): Promise<number> {
  // Who connects meanwhile would keep it open.
  const probe = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (error) => reject(portError(host, port, error)))
    probe.listen({ host, port, exclusive: true }, resolve)
  })
  const { port: found } = probe.address() as { readonly port: number }
  await new Promise<void>((resolve) => probe.close(() => resolve()))
  return found
}

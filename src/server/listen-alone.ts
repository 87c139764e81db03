/**
 * Listens with uWebSockets.js where nobody else does, on several sockets.
 *
 * Connections wait for a busy broker in the queue of a listening socket, and the system bounds
 * each of them (net.core.somaxconn, mostly 4,096). Thousands of clients may come back at once;
 * those that find no room ask again a second later, and most of them once more. Sockets that share
 * a port have a queue each.
 */

import { lookup } from 'node:dns/promises'
import { withPortLock } from './port-lock.ts'
import { portError, probePort } from './port-probe.ts'

/** What is used of an App of the library. */
export interface Listening<ListenSocket> {
  listen(
    host: string,
    port: number,
    options: number,
    callback: (socket: ListenSocket | false) => void,
  ): void
}

const socketCount = 4
const shared = 0
const exclusive = 1

/**
 * Two brokers would share a port in silence, so it is probed first, while no other broker opens
 * it; where that cannot be had there is one socket, which is exclusive. Answers nothing when there
 * is no port. Rejects with a MillraceError, ADDRESS_UNAVAILABLE, when `port` is taken, or there is
 * no such host.
 *
 * A port of 0 is chosen here, as the library reuses addresses only of ports that it is told
 * (SO_REUSEADDR): a broker that left such a port with connections open could not come back to it
 * for a minute.
 */
export async function listenAlone<ListenSocket>(
  app: Listening<ListenSocket>,
  host: string,
  port: number,
): Promise<ListenSocket[]> {
  const address = await addressOf(host, port)
  const chosen = port === 0 ? await probePort(address, 0) : port
  return await withPortLock(chosen, async (isLocked) => {
    if (!isLocked) return await listen(app, address, chosen, exclusive)
    const free = await probePort(address, chosen).catch((error: unknown) => {
      if (port !== 0) throw error
    })
    const sockets: ListenSocket[] = []
    while (free !== undefined && sockets.length < socketCount) {
      const more = await listen(app, address, chosen, shared)
      if (more.length === 0) break
      sockets.push(...more)
    }
    return sockets
  })
}

/** A name may have several: what is probed has to be what is listened on. */
async function addressOf(host: string, port: number): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch (error) {
    throw portError(host, port, error as NodeJS.ErrnoException)
  }
}

async function listen<ListenSocket>(
  app: Listening<ListenSocket>,
  host: string,
  port: number,
  options: number,
): Promise<ListenSocket[]> {
  const socket = await new Promise<ListenSocket | false>((resolve) => {
    app.listen(host, port, options, resolve)
  })
  return socket === false ? [] : [socket]
}

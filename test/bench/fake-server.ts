/** A server of plain sockets, for tests of what speaks to a peer. */

import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export abstract class FakeServer {
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    this.connected(socket)
  })

  /** Whoever connects is given to this. */
  protected abstract connected(socket: Socket): void

  /** Answers its port. */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

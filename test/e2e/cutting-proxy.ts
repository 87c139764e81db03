/** Stands between clients and a broker, and cuts connections at a given byte, or holds them up. */

import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net'

/** After how many bytes a connection is cut, in each direction. */
export interface Cut {
  readonly upBytes?: number
  readonly downBytes?: number
}

export class CuttingProxy {
  readonly #targetPort: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Where the next connections are cut: called for each. */
  nextCut: () => Cut = () => ({})
  /** Bytes of all connections. */
  upBytes = 0
  downBytes = 0
  connections = 0
  cuts = 0

  private constructor(targetPort: number) {
    this.#targetPort = targetPort
    this.#server = createServer((client) => this.#join(client))
  }

  static async open(targetPort: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    const address = this.#server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    return `ws://127.0.0.1:${port}`
  }

  /** Takes nothing more from clients, so that it piles up there. */
  pause(): void {
    for (const it of this.#sockets) it.pause()
  }

  resume(): void {
    for (const it of this.#sockets) it.resume()
  }

  async close(): Promise<void> {
    for (const it of this.#sockets) it.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #join(client: Socket): void {
    this.connections += 1
    const cut = this.nextCut()
    const broker = connectTcp(this.#targetPort, '127.0.0.1')
    const destroy = () => {
      client.destroy()
      broker.destroy()
      this.#sockets.delete(client)
      this.#sockets.delete(broker)
    }
    for (const it of [client, broker]) {
      this.#sockets.add(it)
      it.setNoDelay(true)
      it.on('error', destroy)
      it.on('close', destroy)
    }
    this.#pass(client, broker, cut.upBytes, destroy, (bytes) => {
      this.upBytes += bytes
    })
    this.#pass(broker, client, cut.downBytes, destroy, (bytes) => {
      this.downBytes += bytes
    })
  }

  #pass(
    from: Socket,
    to: Socket,
    bytesMax: number | undefined,
    destroy: () => void,
    count: (bytes: number) => void,
  ): void {
    let left = bytesMax ?? Number.POSITIVE_INFINITY
    from.on('data', (chunk) => {
      const part = chunk.subarray(0, Math.min(left, chunk.length))
      left -= part.length
      count(part.length)
      const isFlushed = to.write(part, () => {
        // The last bytes before the cut do arrive.
        if (left > 0) return
        this.cuts += 1
        destroy()
      })
      if (!isFlushed && !from.isPaused()) {
        from.pause()
        to.once('drain', () => from.resume())
      }
      if (left <= 0) from.pause()
    })
  }
}

/** A WebSocket client that sends what a test says, and knows nothing of our client. */

import { once } from 'node:events'
import { type ClientOptions, WebSocket } from 'ws'
import { packMessage, unpackMessage } from '../../src/wire/codec.ts'

export interface Closed {
  readonly code: number
  readonly reason: string
}

export class RawClient {
  readonly socket: WebSocket
  readonly closed: Promise<Closed>
  /** Messages that nobody has taken, and those who wait for one. */
  readonly #messages: Uint8Array[] = []
  readonly #waiters: ((message: Uint8Array) => void)[] = []
  /** Counts everything that came. */
  received = 0

  private constructor(socket: WebSocket) {
    this.socket = socket
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
    socket.on('message', (data: Buffer) => {
      this.received += 1
      const waiter = this.#waiters.shift()
      if (waiter === undefined) this.#messages.push(data)
      else waiter(data)
    })
    // What goes wrong is seen in `closed`.
    socket.on('error', () => undefined)
  }

  /** Connects; the welcome is left to be taken. */
  static async connect(
    url: string,
    options: ClientOptions & { readonly subprotocols?: string[] } = {},
  ): Promise<RawClient> {
    const { subprotocols = ['millrace.v1'], ...more } = options
    const client = new RawClient(new WebSocket(url, subprotocols, more))
    await once(client.socket, 'open')
    return client
  }

  /** Connects and takes the welcome. */
  static async open(url: string): Promise<RawClient> {
    const client = await RawClient.connect(url)
    await client.next()
    return client
  }

  send(values: readonly unknown[]): void {
    this.socket.send(packMessage(values))
  }

  /** The next message as it came. Rejects when the connection ends before it. */
  nextBytes(): Promise<Uint8Array> {
    const message = this.#messages.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise((resolve, reject) => {
      this.#waiters.push(resolve)
      void this.closed.then(({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`)))
    })
  }

  async next(): Promise<unknown[]> {
    return unpackMessage(await this.nextBytes(), { elementsMax: 10_000 })
  }

  async ask(values: readonly unknown[]): Promise<unknown[]> {
    this.send(values)
    return await this.next()
  }

  /** Creates a stream and waits until it takes records. */
  async createStream(name: string, shardCount: number): Promise<void> {
    const created = await this.ask([0x10, 1, name, shardCount])
    if (created[2] !== null) throw new Error(`${created[2]}: ${created[3]}`)
    for (let status: unknown; status !== 'ACTIVE'; ) {
      ;[, , , , status] = await this.ask([0x13, 1, name])
    }
  }

  close(): Promise<Closed> {
    this.socket.close()
    return this.closed
  }
}

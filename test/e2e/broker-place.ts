/** A place for a broker: a directory and a port, at which brokers come and go. */

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker, type BrokerOptions } from '../../src/broker/broker.ts'
import { createLogger } from '../../src/server/logger.ts'
import { type Server, type ServerOptions, startServer } from '../../src/server/server.ts'

export class BrokerPlace {
  readonly #directory: string
  readonly #options: Partial<BrokerOptions>
  readonly #served: Pick<ServerOptions, 'allowedOrigins'>
  #port = 0
  #running: { readonly broker: Broker; readonly server: Server } | undefined

  private constructor(
    directory: string,
    options: Partial<BrokerOptions>,
    served: Pick<ServerOptions, 'allowedOrigins'>,
  ) {
    this.#directory = directory
    this.#options = options
    this.#served = served
  }

  static async open(
    options: Partial<BrokerOptions> = {},
    served: Pick<ServerOptions, 'allowedOrigins'> = {},
  ): Promise<BrokerPlace> {
    const place = new BrokerPlace(mkdtempSync(join(tmpdir(), 'millrace-e2e-')), options, served)
    await place.start()
    return place
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}`
  }

  /** Starts a broker, at the port of the one before. */
  async start(): Promise<void> {
    // Known from the beginning: a port that was given by the system is not asked for again alike.
    if (this.#port === 0) this.#port = await freePort()
    const broker = await Broker.open({ ...this.#options, dir: join(this.#directory, 'data') })
    const logger = createLogger({ level: 'silent' })
    const version = '0.0.0-test'
    const server = await startServer({
      broker,
      logger,
      port: this.#port,
      version,
      ...this.#served,
    })
    this.#running = { broker, server }
  }

  /** Stops the broker in an orderly way; what it holds stays. */
  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.server.stop()
    await running?.broker.close()
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** A port at which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return typeof address === 'object' && address !== null ? address.port : 0
}

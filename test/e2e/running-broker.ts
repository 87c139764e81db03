/** A broker and its server, on a port of their own and an empty directory. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker } from '../../src/broker/broker.ts'
import { createLogger } from '../../src/server/logger.ts'
import { startServer } from '../../src/server/server.ts'

export interface RunningBroker {
  readonly url: string
  readonly version: string
  /** Stops in an orderly way, and removes the directory. */
  stop(): Promise<void>
}

export async function startBroker(): Promise<RunningBroker> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-e2e-'))
  const version = '0.0.0-test'
  const broker = await Broker.open({ dir: join(directory, 'data') })
  const logger = createLogger({ level: 'silent' })
  const server = await startServer({ broker, logger, port: 0, version })
  return {
    url: server.url,
    version,
    async stop() {
      await server.stop()
      await broker.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

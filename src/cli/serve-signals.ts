/** What a running broker does on signals other than those that stop it. */

import type { Broker } from '../broker/broker.ts'
import { type createLogger, errorFacts } from '../server/logger.ts'
import type { Invocation } from './context.ts'

/** A logger whose level can be changed. */
export type LeveledLogger = ReturnType<typeof createLogger>

/**
 * SIGHUP reads the level of the log and the key file again, SIGUSR2 logs a summary; what comes back
 * ends that.
 */
export function onServeSignals(
  invocation: Invocation,
  broker: Broker,
  logger: LeveledLogger,
): () => void {
  const reload = () => {
    try {
      logger.level = invocation.config().values.logLevel
      logger.info({ logLevel: logger.level }, 'settings read again')
    } catch (error) {
      logger.error(errorFacts(error), 'settings not read again: they are wrong')
    }
    broker.reloadKeys().then(
      (keys) => logger.info({ keys }, 'key file read again'),
      (error) => logger.error(errorFacts(error), 'key file not read again: it is wrong'),
    )
  }
  const summarize = () => {
    summary(broker).then(
      (facts) => logger.info(facts, 'summary'),
      (error) => logger.error(errorFacts(error), 'no summary'),
    )
  }
  process.on('SIGHUP', reload)
  process.on('SIGUSR2', summarize)
  return () => {
    process.off('SIGHUP', reload)
    process.off('SIGUSR2', summarize)
  }
}

async function summary(broker: Broker): Promise<object> {
  const { streams, log } = await broker.stats()
  return {
    streams: streams.length,
    shards: log.shardCount,
    appends: log.appendCount,
    syncs: log.syncCount,
    diskBytesFree: log.diskBytesFree,
    damagedRanges: log.damagedRangeCount,
  }
}

/** `millrace serve`: a broker on a port, until it is stopped. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Broker } from '../../broker/broker.ts'
import { MillraceError } from '../../errors.ts'
import type { Logger } from '../../server/logger.ts'
import type { Server } from '../../server/server.ts'
import { createStream, describeStreamSummary } from '../../wire/operations.ts'
import { bannerLines, type StartFacts } from '../banner.ts'
import { clientSettings } from '../client-settings.ts'
import { type Config, parseAddress, parseCreate, settings } from '../config-schema.ts'
import { configurationHash } from '../configuration-hash.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { hasDataDirectory, makeParents } from '../data-directory.ts'
import { loadLog } from '../load-log.ts'
import { logLine } from '../log-lines.ts'
import { packageVersion } from '../package-version.ts'
import { checkPrivileges } from '../privileges.ts'
import { addressOf, checkAddresses, tlsFiles } from '../protection.ts'
import { logScaling } from '../scaling-lines.ts'
import type { LeveledLogger } from '../serve-signals.ts'
import { withProgress } from '../slow-work.ts'
import { whenActive } from '../wait-active.ts'

const mainSettings = [
  'listen',
  'data',
  'ephemeral',
  'accessFile',
  'create',
  'logLevel',
  'insecureNoAuth',
  'insecureNoTls',
]
const furtherSettings = settings
  .map((setting) => setting.path)
  .filter((path) => !clientSettings.includes(path) && !mainSettings.includes(path))

/** What the broker creates is for its user alone. */
const privateMask = 0o077

interface Wanted {
  readonly name: string
  readonly shardCount?: number
}

async function serve(invocation: Invocation): Promise<undefined> {
  const started = performance.now()
  const resolved = invocation.config()
  const config = resolved.values
  // Before anything is opened: a refusal leaves nothing behind.
  await checkAddresses(config)
  const isPrivileged = checkPrivileges(config.runAs, config.insecureRunAsRoot)
  process.umask(privateMask)
  const logger = await makeLogger(invocation, config)
  const data = dataDirectory(config)
  const isNew = !hasDataDirectory(data) || config.ephemeral
  const broker = await openBroker(invocation, config, data, logger)
  try {
    await createStreams(invocation, broker, config.create)
    const { onServeSignals } = await import('../serve-signals.ts')
    const offSignals = onServeSignals(invocation, broker, logger)
    const server = await listen(broker, config, logger)
    try {
      if (isPrivileged) logger.warn({}, 'INSECURE: this broker has rights of root')
      const configuration = configurationHash(resolved)
      const start = { invocation, logger, broker, server, config, data, isNew, started }
      await announce({ ...start, configuration })
      await untilStopped(invocation, broker)
    } finally {
      offSignals()
      await server.stop()
    }
  } finally {
    await broker.close()
  }
}

/** Lines of JSON for programs; on a terminal, lines for people. */
async function makeLogger(
  { output }: Invocation,
  { logLevel: level, server: { logTextCharactersMax: textCharactersMax } }: Config,
): Promise<LeveledLogger> {
  const { createLogger } = await import('../../server/logger.ts')
  if (!output.isErrorTerminal || output.json) return createLogger({ level, textCharactersMax })
  const write = (line: string) => output.note(logLine(output, line.trimEnd()))
  return createLogger({ level, textCharactersMax, destination: { write } })
}

function dataDirectory({ ephemeral, data }: Config): string {
  if (ephemeral) {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
    // Also where a second signal or a bug ends the process at once.
    process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
    return dir
  }
  makeParents(data)
  return data
}

/** The most that acknowledgements mean: nothing of a directory for one run outlives the broker. */
function durabilityOf({ ephemeral }: Config): 'disk' | 'os' {
  return ephemeral ? 'os' : 'disk'
}

async function openBroker(
  { output }: Invocation,
  config: Config,
  dir: string,
  logger: Logger,
): Promise<Broker> {
  // First, for its own error: without the addon nothing of the broker loads.
  await loadLog()
  const { Broker } = await import('../../broker/broker.ts')
  return await withProgress(
    output,
    () => `opening ${dir}`,
    () =>
      Broker.open({
        dir,
        logOptions: config.storage,
        durabilityMax: durabilityOf(config),
        scaling: config.scaling,
        ...config.limits,
        fanOut: config.fanOut,
        onScaling: (event) => logScaling(logger, event),
        keyFile: config.keyFile === '' ? undefined : config.keyFile,
      }),
  )
}

async function createStreams(
  { signal }: Invocation,
  broker: Broker,
  wanted: readonly string[],
): Promise<void> {
  for (const text of wanted) {
    const { name: streamName, shardCount } = parseCreate(text) as Wanted
    try {
      await broker.call(createStream, { streamName, shardCount })
      await whenActive(() => broker.call(describeStreamSummary, { streamName }), signal)
    } catch (error) {
      if (!(error instanceof MillraceError && error.code === 'STREAM_EXISTS')) throw error
    }
  }
}

async function listen(broker: Broker, config: Config, logger: Logger): Promise<Server> {
  const { startServer } = await import('../../server/server.ts')
  const { insecureNoAuth, insecureNoTls, allowedOrigins, allowedHosts, accessFile } = config
  return await startServer({
    broker,
    ...addressOf(config),
    admin: parseAddress(config.adminListen),
    logger,
    insecureNoAuth,
    insecureNoTls,
    allowedOrigins,
    allowedHosts,
    accessFile: accessFile === '' ? undefined : accessFile,
    tls: tlsFiles(config),
    limits: { ...config.access, ...config.server },
    version: packageVersion(),
  })
}

interface Started {
  readonly invocation: Invocation
  readonly logger: Logger
  readonly broker: Broker
  readonly server: Server
  readonly config: Config
  readonly data: string
  readonly isNew: boolean
  readonly started: number
  /** A hash of the settings. */
  readonly configuration: string
}

/** The banner on a terminal, else one line of the log with the same facts. */
async function announce(start: Started): Promise<void> {
  const { config, data, isNew, started } = start
  const { output } = start.invocation
  const { streams, log } = await start.broker.stats()
  const facts: StartFacts = {
    version: packageVersion(),
    node: process.versions.node,
    readyMillis: Math.round(performance.now() - started),
    data,
    ephemeral: config.ephemeral,
    streams: streams.length,
    shards: streams.reduce((sum, it) => sum + it.openShardCount, 0),
    opened: isNew ? 'new' : log.openedClean ? 'clean' : 'recovered',
    durability: durabilityOf(config),
    url: start.server.url,
    ...(start.server.adminUrl === undefined ? {} : { adminUrl: start.server.adminUrl }),
    configuration: start.configuration,
  }
  if (!output.isErrorTerminal || output.json) start.logger.info(facts, 'ready')
  else for (const line of bannerLines(output, facts, streams[0]?.streamName)) output.note(line)
}

/** Answers when a signal asks for the end. Rejects when the log has failed. */
async function untilStopped({ signal }: Invocation, broker: Broker): Promise<void> {
  await new Promise<void>((stopped, failed) => {
    if (signal.aborted) stopped()
    signal.addEventListener('abort', () => stopped(), { once: true })
    broker.failed.then(failed, failed)
  })
}

export function addServe(program: Command, runner: Runner): void {
  defineCommand(program, runner, {
    usage: 'serve',
    summary: 'run a broker',
    purpose:
      'Run a broker until SIGINT or SIGTERM; it then drains for 10 s at most.\n' +
      'More settings, of TLS, pages, keys, storage and so on: millrace config show',
    examples: [
      'millrace serve                            on 127.0.0.1:4570',
      'millrace serve --create orders:8          with a stream',
      'millrace serve --ephemeral --listen 127.0.0.1:0',
    ],
    settings: [...mainSettings, ...furtherSettings],
    hiddenSettings: furtherSettings,
    action: serve,
  })
}

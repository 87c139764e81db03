/** A broker on a port: WebSocket and a few HTTP endpoints. */

import { MillraceError } from '../errors.ts'
import {
  connectionsMax,
  connectionsPerAddressMax,
  drainMillisMax,
  drainRetryAfterMillis,
  inFlightRetryAfterMillis,
  messageBytesMax,
  pingMillis,
  requestsInFlightMax,
  silenceMillisMax,
  socketBytesPause,
  unreadBytesMax,
  unreadMillisMax,
} from '../limits.ts'
import { closeCodes } from '../wire/close-codes.ts'
import { subprotocol } from '../wire/operations.ts'
import {
  type AdmissionRules,
  hostRefusal,
  type InsecureSwitches,
  negotiate,
  originRefusal,
  unsafeBindReason,
} from './admission.ts'
import { Connections, type ServerLimits } from './connections.ts'
import { answerHttp, type Endpoints, textAnswer } from './http-endpoints.ts'
import { errorFacts, type Logger } from './logger.ts'
import { Metrics } from './metrics.ts'
import type { ServedBroker } from './served-broker.ts'
import type { HttpRequest, Transport, Upgrade } from './transport.ts'
import { inspectBinary } from './uws-binary.ts'
import { openUwsTransport } from './uws-transport.ts'

export type { ServerLimits } from './connections.ts'

export interface ServerOptions extends InsecureSwitches {
  /** Stays the caller's, who closes it after the server has stopped. */
  readonly broker: ServedBroker
  /** 127.0.0.1 unless it is given. */
  readonly host?: string
  /** 0 chooses a free one; 4570 unless it is given. */
  readonly port?: number
  readonly logger: Logger
  /** Limits that differ from those of limits.ts. */
  readonly limits?: Partial<ServerLimits>
  /** Origins of web pages that may connect, beside those of loopback: `https://example.org`. */
  readonly allowedOrigins?: readonly string[]
  /** Names by which clients may address a broker on loopback, beside those of loopback. */
  readonly allowedHosts?: readonly string[]
  /** What runs here, for clients and metrics. */
  readonly version: string
  /** Milliseconds; only differences matter. */
  readonly now?: () => number
}

export interface Server extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** For clients: `ws://127.0.0.1:4570`. */
  readonly url: string
  /**
   * Stops in an orderly way, within 10 s: takes no more connections and requests, answers those
   * that were taken, has everything on disk, ends the connections with code 1012. The broker stays
   * open. Never rejects; a repeat answers with the first one.
   */
  stop(): Promise<void>
}

const defaultPort = 4570

const defaultLimits: ServerLimits = {
  connectionsMax,
  connectionsPerAddressMax,
  drainMillisMax,
  drainRetryAfterMillis,
  inFlightRetryAfterMillis,
  pingMillis,
  requestsInFlightMax,
  silenceMillisMax,
  socketBytesPause,
  unreadBytesMax,
  unreadMillisMax,
}

/**
 * Opens the port. Rejects with a MillraceError: UNSAFE_ADDRESS, when others could reach it and no
 * switch allows that; ADDRESS_UNAVAILABLE, when the port is in use or not to be had.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { broker, logger, host = '127.0.0.1', port = defaultPort } = options
  const unsafe = unsafeBindReason(host, options)
  if (unsafe !== undefined) throw new MillraceError('UNSAFE_ADDRESS', unsafe)
  warnOfBinary(logger)
  const connections = new Connections({
    broker,
    logger,
    limits: { ...defaultLimits, ...options.limits },
    brokerVersion: options.version,
    now: options.now ?? (() => performance.now()),
  })
  const { allowedOrigins = [], allowedHosts = [] } = options
  const rules: AdmissionRules = { host, allowedOrigins, allowedHosts }
  const metrics = new Metrics(connections, broker, options.version)
  const endpoints: Endpoints = {
    rules,
    notReady: watchReadiness(broker, connections),
    metrics: () => metrics.answer(),
    failed: (error) => logger.error(errorFacts(error), 'an HTTP request failed: a bug'),
  }
  const transport = await openUwsTransport({
    host,
    port,
    messageBytesMax,
    upgrade: (request) => upgradeOf(rules, connections, request),
    answer: (request) => answerHttp(endpoints, request),
  }).catch(async (error: unknown) => {
    await connections.drain() // else its timer would keep the broker alive
    throw error
  })
  warnOfExposure(host, transport.port, logger)
  return new RunningServer(options, host, transport, connections)
}

class RunningServer implements Server {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly #options: ServerOptions
  readonly #transport: Transport
  readonly #connections: Connections
  #stopped: Promise<void> | undefined

  constructor(
    options: ServerOptions,
    host: string,
    transport: Transport,
    connections: Connections,
  ) {
    this.#options = options
    this.#transport = transport
    this.#connections = connections
    this.host = host
    this.port = transport.port
    this.url = `ws://${host.includes(':') ? `[${host}]` : host}:${transport.port}`
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    const { logger, broker } = this.#options
    logger.info({ connections: this.#connections.count }, 'draining')
    this.#transport.stopListening()
    await this.#connections.drain()
    try {
      await broker.flush()
    } catch (error) {
      logger.error(errorFacts(error), 'the last sync failed')
    }
    this.#transport.close()
    logger.info({}, 'stopped')
  }
}

/** Answers why no requests are taken, or cannot be carried out, in a word or two. */
function watchReadiness(
  broker: ServedBroker,
  connections: Connections,
): () => Promise<string | undefined> {
  let hasFailed = false
  void broker.failed.then(() => {
    hasFailed = true
  })
  return async () => {
    if (connections.isDraining()) return 'draining'
    if (hasFailed) return 'log failed'
    const { log } = await broker.stats()
    return log.diskFull ? 'disk full' : undefined
  }
}

function upgradeOf(rules: AdmissionRules, connections: Connections, request: HttpRequest): Upgrade {
  const forbidden = hostRefusal(rules, request.host) ?? originRefusal(rules, request.origin)
  if (forbidden !== undefined) {
    return { kind: 'refuse', answer: textAnswer('403 Forbidden', forbidden) }
  }
  const tooMany = connections.refusal(request.remoteAddress)
  if (tooMany !== undefined) {
    return { kind: 'refuse', answer: textAnswer('503 Service Unavailable', tooMany) }
  }
  const { subprotocol: chosen, isSpoken } = negotiate(request.subprotocols)
  return {
    kind: 'accept',
    subprotocol: chosen,
    handler: (socket) =>
      isSpoken
        ? connections.open(socket)
        : connections.turnAway(
            socket,
            closeCodes.unsupportedVersion,
            `this broker speaks ${subprotocol}`,
          ),
  }
}

/** What is loaded runs with all rights of the broker, and was not published by its author. */
function warnOfBinary(logger: Logger): void {
  try {
    const { file, sha256, isKnown } = inspectBinary()
    if (!isKnown) logger.warn({ file, sha256 }, 'the binary of uWebSockets.js is not a known one')
  } catch (error) {
    logger.warn(errorFacts(error), 'the binary of uWebSockets.js could not be read')
  }
}

function warnOfExposure(host: string, port: number, logger: Logger): void {
  if (unsafeBindReason(host, {}) === undefined) return
  logger.warn({ host, port }, 'INSECURE: anybody who can reach this address can read and write')
}

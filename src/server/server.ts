/** A broker on a port: WebSocket and a few HTTP endpoints. */

import { performance } from 'node:perf_hooks'
import { certificateLookMillis, messageBytesSpare, unknownMessageBytesSpare } from '../limits.ts'
import { Access } from './access/access.ts'
import { Gate } from './access/gate.ts'
import {
  type AdminPort,
  type AdminPortOptions,
  adminProtection,
  openAdminPort,
} from './admin-port.ts'
import type { InsecureSwitches } from './admission.ts'
import { bindAddress } from './bind-address.ts'
import { Connections, type ServerLimits } from './connections.ts'
import { openFilesMax, socketBounds, socketsOfAddress } from './descriptors.ts'
import { answerHttp, type Endpoints } from './http-endpoints.ts'
import { raiseListenBacklogOrWarn } from './listen-backlog.ts'
import { errorFacts, type Logger } from './logger.ts'
import { memoryOfMachine, unreadBounds } from './memory.ts'
import { Metrics } from './metrics.ts'
import { metricsRefusal } from './metrics-access.ts'
import { openTransport } from './open-transport.ts'
import type { ServedBroker } from './served-broker.ts'
import { defaultLimits } from './server-limits.ts'
import type { SocketLimits } from './socket-shares.ts'
import {
  warnOfBinary,
  warnOfExposure,
  warnOfFewFiles,
  warnOfLittleMemory,
} from './start-warnings.ts'
import type { TlsFiles } from './tls/tls-files.ts'
import { TlsReload } from './tls/tls-reload.ts'
import type { Transport, UnknownClientsOptions } from './transport.ts'
import { isUnknownClient, upgradeOf } from './upgrades.ts'

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
  /** Origins of web pages that may connect: `https://example.org`, `http://localhost:8080`. */
  readonly allowedOrigins?: readonly string[]
  /**
   * A port of its own for /metrics, which the other one then does not have; plain HTTP, so on
   * loopback. Off loopback there are no metrics without it.
   */
  readonly admin?: { readonly host: string; readonly port: number } | undefined
  /** Names by which clients may address the broker, beside those of loopback and `host`. */
  readonly allowedHosts?: readonly string[]
  /**
   * The file that says who may connect and what they may do; it is read again when it changes.
   * Without one nobody is asked who they are.
   */
  readonly accessFile?: string | undefined
  /** With these files the port speaks TLS alone; they are read again when they change. */
  readonly tls?: TlsFiles | undefined
  /** What runs here, for clients and metrics. */
  readonly version: string
  /** Milliseconds; only differences matter. */
  readonly now?: () => number
}

export interface Server extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** For clients: `ws://127.0.0.1:4570`, or `wss://` with TLS. */
  readonly url: string
  /** Where the admin port is, if there is one: `http://127.0.0.1:4571`. */
  readonly adminUrl: string | undefined
  /**
   * Stops in an orderly way, within 10 s: takes no more connections and requests, answers those
   * that were taken, has everything on disk, ends the connections with code 1012. The broker stays
   * open. Never rejects; a repeat answers with the first one.
   */
  stop(): Promise<void>
}

const defaultPort = 4570

/**
 * Opens the port. Rejects with a MillraceError: UNSAFE_ADDRESS, when others could reach it and no
 * switch allows that; ADDRESS_UNAVAILABLE, when the port is in use or not to be had;
 * ACCESS_FILE_REFUSED.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { logger, host = '127.0.0.1', accessFile, tls } = options
  const protection = {
    ...options,
    isEncrypted: tls !== undefined,
    isAuthenticated: accessFile !== undefined || tls?.clientCaFile !== undefined,
  }
  const address = await bindAddress(host, protection)
  warnOfBinary(logger)
  const access =
    accessFile === undefined ? undefined : await Access.open({ path: accessFile, logger })
  const limits = limitsOf(options)
  const bounds = socketBounds(limits, openFilesMax())
  const { connectionsMax: most, socketsMax } = bounds
  const socketsPerAddressMax = socketsOfAddress(limits.connectionsPerAddressMax, socketsMax)
  const connections = connectionsOf(options, { ...limits, connectionsMax: most }, access)
  const endpoints = endpointsOf(options, host, connections)
  const ports = await openPorts(
    options,
    { address, socketsMax, socketsPerAddressMax },
    endpoints,
    connections,
  ).catch(async (error: unknown) => {
    access?.close()
    await connections.drain() // else its timer would keep the broker alive
    throw error
  })
  raiseListenBacklogOrWarn(ports.transport.port, logger)
  warnOfFewFiles(limits.connectionsMax, bounds, logger)
  warnOfLittleMemory(options.limits?.unreadTotalBytesMax, limits.unreadTotalBytesMax, logger)
  warnOfExposure(host, ports.transport.port, protection, logger)
  return new RunningServer(options, host, ports, connections, access)
}

function limitsOf(options: ServerOptions): ServerLimits {
  const limits = { ...defaultLimits, ...options.limits }
  return unreadBounds(limits, limits.memoryBytesMax || memoryOfMachine())
}

function connectionsOf(
  options: ServerOptions,
  limits: ServerLimits,
  access: Access | undefined,
): Connections {
  const { broker, logger, version: brokerVersion, now = () => performance.now() } = options
  const gate = new Gate({ access, logger, limits, now })
  return new Connections({ broker, logger, gate, limits, brokerVersion, now })
}

function endpointsOf(options: ServerOptions, host: string, connections: Connections): Endpoints {
  const { broker, logger, allowedOrigins = [], allowedHosts = [] } = options
  const metrics = new Metrics(connections, broker, options.version)
  return {
    rules: { host, allowedOrigins, allowedHosts, isEncrypted: options.tls !== undefined },
    notReady: watchReadiness(broker, connections),
    metrics: () => metrics.answer(),
    metricsRefusal: (request) =>
      metricsRefusal({ ...options, host, gate: connections.gate }, request),
    failed: (error) => logger.error(errorFacts(error), 'an HTTP request failed: a bug'),
  }
}

interface Ports {
  readonly transport: Transport
  readonly admin: AdminPort | undefined
  readonly tls: TlsReload | undefined
}

async function openPorts(
  options: ServerOptions,
  { address, ...bounds }: SocketLimits & { readonly address: string },
  endpoints: Endpoints,
  connections: Connections,
): Promise<Ports> {
  const tls = await openTls(options)
  let admin: AdminPort | undefined
  try {
    admin = await openAdmin(options, endpoints, connections.limits)
    const transport = await openTransport(
      {
        host: address,
        port: options.port ?? defaultPort,
        messageBytesMax: connections.limits.frameBytesMax + messageBytesSpare,
        unknown: unknownClients(connections.gate),
        handshakeMillisMax: connections.limits.handshakeMillisMax,
        ...bounds,
        upgrade: (request) => upgradeOf(endpoints.rules, connections, request),
        answer: (request) => answerHttp(endpoints, request),
      },
      tls,
    )
    return { transport, admin, tls }
  } catch (error) {
    tls?.close()
    await admin?.close()
    throw error
  }
}

function unknownClients(gate: Gate): UnknownClientsOptions | undefined {
  if (gate.isOpen) return undefined
  return {
    messageBytesMax: gate.unknownFrameBytesMax + unknownMessageBytesSpare,
    isUnknown: (request) => isUnknownClient(gate, request),
  }
}

async function openTls({ tls: files, logger }: ServerOptions): Promise<TlsReload | undefined> {
  if (files === undefined) return undefined
  return await TlsReload.open({ files, logger, lookMillis: certificateLookMillis })
}

async function openAdmin(
  options: ServerOptions,
  endpoints: Endpoints,
  { handshakeMillisMax, adminConnectionsMax: connectionsMax }: ServerLimits,
): Promise<AdminPort | undefined> {
  if (options.admin === undefined) return undefined
  const { host, port } = options.admin
  const address = await bindAddress(host, adminProtection(options), 'adminListen')
  const rules = { ...endpoints.rules, host, isEncrypted: false }
  const own = { ...endpoints, rules, metricsRefusal: () => undefined }
  const answer: AdminPortOptions['answer'] = (it) => answerHttp(own, it)
  return await openAdminPort({ host: address, port, answer, handshakeMillisMax, connectionsMax })
}

class RunningServer implements Server {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly adminUrl: string | undefined
  readonly #options: ServerOptions
  readonly #transport: Transport
  readonly #admin: AdminPort | undefined
  readonly #tls: TlsReload | undefined
  readonly #connections: Connections
  readonly #access: Access | undefined
  #stopped: Promise<void> | undefined

  constructor(
    options: ServerOptions,
    host: string,
    ports: Ports,
    connections: Connections,
    access: Access | undefined,
  ) {
    const { transport, admin, tls } = ports
    this.#options = options
    this.#transport = transport
    this.#admin = admin
    this.#tls = tls
    this.#connections = connections
    this.#access = access
    this.host = host
    this.port = transport.port
    this.url = `${tls === undefined ? 'ws' : 'wss'}://${authority(host, transport.port)}`
    this.adminUrl = options.admin && admin && `http://${authority(options.admin.host, admin.port)}`
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
    this.#tls?.close()
    this.#transport.stopListening()
    await this.#connections.drain()
    this.#access?.close()
    try {
      await broker.flush()
    } catch (error) {
      logger.error(errorFacts(error), 'the last sync failed')
    }
    this.#transport.close()
    await this.#admin?.close()
    logger.info({}, 'stopped')
  }
}

function authority(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
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
    if (connections.overload.isMemoryShort) return 'memory short'
    const { log } = await broker.stats()
    return log.diskFull ? 'disk full' : undefined
  }
}

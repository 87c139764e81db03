/**
 * The connections of a server: admits them within their limits, looks after them every few seconds,
 * and brings all of them to an end.
 */

import { nextTick } from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'
import { inspectMillis } from '../limits.ts'
import { type CloseCode, closeCodes, closeReason } from '../wire/close-codes.ts'
import type { Gate, GateLimits } from './access/gate.ts'
import type { Identity } from './access/identity.ts'
import { addressBlock } from './address-block.ts'
import { isLoopbackAddress } from './admission.ts'
import { type ConnectLimits, ConnectRates } from './connect-rates.ts'
import { Connection } from './connection.ts'
import type { ConnectionHost, ConnectionLimits } from './connection-host.ts'
import type { FileLimits } from './descriptors.ts'
import { type HalfMessageLimits, HalfMessages, SoonUsed } from './half-messages.ts'
import type { Logger } from './logger.ts'
import { Overload, type OverloadLimits, type OverloadSources, type Relieve } from './overload.ts'
import type { ServedBroker } from './served-broker.ts'
import type { Socket, SocketHandler } from './transport.ts'
import { type TurnLimits, TurnTime } from './turn-time.ts'
import { UnreadAnswers, type UnreadLimits } from './unread-answers.ts'
import { WarningBudget } from './warning-budget.ts'
import { Welcomes } from './welcomes.ts'

export interface ServerLimits
  extends ConnectionLimits,
    GateLimits,
    UnreadLimits,
    ConnectLimits,
    OverloadLimits,
    HalfMessageLimits,
    FileLimits,
    TurnLimits {
  /** Of the admin port. */
  readonly adminConnectionsMax: number
  /** Loopback is exempt. */
  readonly connectionsPerAddressMax: number
  readonly drainMillisMax: number
  /** For the handshake of TLS, and for the headers of a request. */
  readonly handshakeMillisMax: number
  /** Warnings about connections that are written between two inspections. */
  readonly warningLinesMax: number
}

export interface ConnectionsOptions {
  readonly broker: ServedBroker
  readonly logger: Logger
  readonly gate: Gate
  readonly limits: ServerLimits
  readonly brokerVersion: string
  readonly now: () => number
  /** What overload is measured by; the process itself unless a test has something else. */
  readonly overload?: OverloadSources
}

const drainLookMillis = 5
/** A client that takes nothing for so long holds up no shutdown: others wait for their broker. */
const drainStallMillis = 2000
/** Of the time for a drain: the log is synced and closed in the rest. */
const drainShare = 0.9
const lateMillis = 25
const lateMillisMax = 250
/** For the last bytes and the answers to close frames to get through before sockets are reset. */
const lingerMillis = 200

export class Connections implements ConnectionHost {
  readonly broker: ServedBroker
  readonly logger: Logger
  readonly gate: Gate
  readonly limits: ServerLimits
  readonly turnTime: TurnTime
  readonly unread: UnreadAnswers
  readonly overload: Overload
  readonly halfMessages: HalfMessages
  readonly brokerVersion: string
  readonly welcomes: Welcomes = new Welcomes()
  readonly now: () => number
  /** Closes so far by their codes, and errors that were answered, by theirs. */
  readonly closes: Map<number, number> = new Map()
  readonly errors: Map<string, number> = new Map()
  readonly #open: Set<Connection> = new Set()
  readonly #rates: ConnectRates
  readonly #perAddress: Map<string, number> = new Map()
  readonly #timer: NodeJS.Timeout
  readonly #warnings: WarningBudget
  #toFlush: Connection[] = []
  #isDraining = false

  constructor(options: ConnectionsOptions) {
    const { broker, logger, gate, limits, brokerVersion, now, overload } = options
    this.broker = broker
    this.logger = logger
    this.gate = gate
    this.limits = limits
    this.unread = new UnreadAnswers(limits, now)
    this.turnTime = new TurnTime(limits, now)
    this.halfMessages = new HalfMessages(limits, logger, () => [...this.#open])
    const soon = new SoonUsed()
    const relieve: Relieve = (used, at) => this.halfMessages.look(soon.of(used), at)
    this.overload = new Overload(limits, logger, now, relieve, overload)
    this.#rates = new ConnectRates(limits, now)
    this.brokerVersion = brokerVersion
    this.now = now
    this.#warnings = new WarningBudget(logger, limits.warningLinesMax)
    this.#timer = setInterval(() => this.inspect(), inspectMillis)
    this.#timer.unref()
    gate.onChange(() => {
      for (const connection of [...this.#open]) connection.accessChanged()
    })
  }

  get count(): number {
    return this.#open.size
  }

  inFlight(): number {
    return sum(this.#open, (it) => it.inFlight)
  }

  bufferedBytes(): number {
    return sum(this.#open, (it) => it.bufferedBytes())
  }

  isDraining(): boolean {
    return this.#isDraining
  }

  /** Why one more connection from this address is refused, or undefined. */
  refusal(remoteAddress: string): string | undefined {
    const { connectionsMax, connectionsPerAddressMax } = this.limits
    if (this.#isDraining) return 'the broker is shutting down; connect again in a second'
    const overloaded = this.overload.connectRefusal()
    if (overloaded !== undefined) return overloaded
    if (this.#open.size >= connectionsMax) {
      return `${connectionsMax} connections are open, at most so many (connectionsMax)`
    }
    const ofAddress = this.#perAddress.get(addressBlock(remoteAddress)) ?? 0
    if (ofAddress >= connectionsPerAddressMax && !isLoopbackAddress(remoteAddress)) {
      return (
        `${ofAddress} connections of your address are open, at most ` +
        `${connectionsPerAddressMax} (connectionsPerAddressMax)`
      )
    }
    return undefined
  }

  /** Counts one that comes; milliseconds after which it may come again, 0: it may now. */
  connectWaitMillis(remoteAddress: string): number {
    return this.#rates.waitMillis(remoteAddress)
  }

  /** `identity`: of a client that was known before there was a connection. */
  open(socket: Socket, identity?: Identity): Connection {
    const { remoteAddress } = socket
    const connection = new Connection(this, socket, identity)
    this.#open.add(connection)
    increment(this.#perAddress, addressBlock(remoteAddress))
    this.logger.debug({ remoteAddress, connections: this.#open.size }, 'a connection was opened')
    return connection
  }

  /** Ends a connection that was never one: it is not told anything but why. */
  turnAway(
    socket: Socket,
    code: CloseCode,
    details: { readonly retryAfterMs?: number; readonly text?: string },
  ): SocketHandler {
    socket.close(code, closeReason(code, details))
    increment(this.closes, code.code)
    const nothing = () => undefined
    return { receive: nothing, drained: nothing, ponged: nothing, closed: nothing }
  }

  gone(connection: Connection, code: number): void {
    this.#open.delete(connection)
    const { remoteAddress } = connection
    const block = addressBlock(remoteAddress)
    const left = (this.#perAddress.get(block) ?? 1) - 1
    if (left === 0) this.#perAddress.delete(block)
    else this.#perAddress.set(block, left)
    increment(this.closes, code)
    this.logger.debug(
      { remoteAddress, code, connections: this.#open.size },
      'a connection has ended',
    )
  }

  warn(facts: object, text: string): void {
    this.#warnings.warn(facts, text)
  }

  countError(code: string): void {
    increment(this.errors, code)
  }

  flushLater(connection: Connection): void {
    // A wake-up of the log answers in microtasks; this runs when all of them are done.
    if (this.#toFlush.length === 0) nextTick(() => this.#flush())
    this.#toFlush.push(connection)
  }

  /** Looks for peers that are gone or do not read. */
  inspect(): void {
    const now = this.now()
    for (const connection of this.#open) connection.inspect(now)
    this.#warnings.renew()
    this.gate.audit.renew()
  }

  /**
   * Pushes nothing and refuses requests from now on, lets those that were taken finish, and ends
   * every connection: within `drainMillisMax`, whatever is left. Never rejects.
   */
  async drain(): Promise<void> {
    this.#isDraining = true
    for (const connection of this.#open) connection.stopPushes()
    const { drainMillisMax, drainRetryAfterMillis } = this.limits
    const deadline = this.now() + drainShare * drainMillisMax - 2 * lingerMillis
    while (!this.#isQuiet() && this.now() < deadline) await wait(drainLookMillis)
    if (this.#open.size > 0) await this.#refuseLate(deadline)
    const { size } = this.#open
    const unfinished = this.inFlight()
    if (unfinished > 0) this.logger.warn({ unfinished }, 'requests were not answered in time')
    for (const connection of this.#open) {
      connection.end(closeCodes.restart, { retryAfterMs: drainRetryAfterMillis })
    }
    if (size > 0) await wait(lingerMillis)
    clearInterval(this.#timer)
    this.overload.close()
  }

  /**
   * Requests that were on their way when the last answers left are refused rather than lost: until
   * none came for a moment, but not for long, as some clients never pause.
   */
  async #refuseLate(deadline: number): Promise<void> {
    const end = Math.min(deadline, this.now() + lateMillisMax)
    let refused: number | undefined
    while (refused !== this.errors.get('SERVER_CLOSING') && this.now() < end) {
      refused = this.errors.get('SERVER_CLOSING')
      await wait(lateMillis)
    }
  }

  #isQuiet(): boolean {
    const stalledSince = this.now() - drainStallMillis
    for (const connection of this.#open) {
      if (!connection.isQuiet() && !hasStalled(connection, stalledSince)) return false
    }
    return true
  }

  #flush(): void {
    const connections = this.#toFlush
    this.#toFlush = []
    for (const connection of connections) connection.flush()
  }
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Whether something waits of which the client has taken nothing since `time`. */
function hasStalled(connection: Connection, time: number): boolean {
  const since = connection.stalledSince()
  return since !== undefined && since <= time
}

function sum<Value>(values: Iterable<Value>, of: (value: Value) => number): number {
  let total = 0
  for (const value of values) total += of(value)
  return total
}

/** A socket and a broker that do what a test tells them. */

import { type FanOutLimits, fanOutDefaults } from '../../../src/broker/fan-out/fan-out-limits.ts'
import type { MillraceError } from '../../../src/errors.ts'
import type { Access } from '../../../src/server/access/access.ts'
import { Gate } from '../../../src/server/access/gate.ts'
import type { Identity } from '../../../src/server/access/identity.ts'
import type { ConnectionHost } from '../../../src/server/connection-host.ts'
import { Connections, type ServerLimits } from '../../../src/server/connections.ts'
import type { Logger } from '../../../src/server/logger.ts'
import type {
  BrokerStats,
  ServedBroker,
  SubscriptionSink,
  Subscriptions,
} from '../../../src/server/served-broker.ts'
import type { Socket, SocketHandler } from '../../../src/server/transport.ts'
import type { CloseCode } from '../../../src/wire/close-codes.ts'
import { unpackMessage } from '../../../src/wire/codec.ts'

/** Takes everything while `isReading`; otherwise what is sent waits. */
export class FakeSocket implements Socket {
  readonly remoteAddress: string
  readonly sent: Uint8Array[] = []
  readonly events: string[] = []
  handler: SocketHandler | undefined
  isReading = true
  waiting = 0
  #isOpen = true

  constructor(remoteAddress = '127.0.0.1') {
    this.remoteAddress = remoteAddress
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  send(message: Uint8Array): boolean {
    this.#check()
    this.sent.push(message)
    if (this.isReading) return true
    this.waiting += message.length
    return false
  }

  bufferedBytes(): number {
    this.#check()
    return this.waiting
  }

  cork(run: () => void): void {
    this.#check()
    this.events.push('cork')
    run()
    this.events.push('uncork')
  }

  ping(): void {
    this.#check()
    this.events.push('ping')
  }

  close({ code }: CloseCode, reason: string): void {
    this.#end(`close ${code} ${reason}`, code)
  }

  terminate(): void {
    this.#end('terminate', 1006)
  }

  /** The peer reads what waits, down to `left` bytes. */
  drain(left = 0): void {
    this.waiting = left
    if (left === 0) this.isReading = true
    this.handler?.drained()
  }

  /** The messages so far, decoded, without the welcome; forgets them. */
  take(): unknown[][] {
    return this.sent
      .splice(0)
      .map((it) => unpackMessage(it, { elementsMax: 10_000 }))
      .filter(([opcode]) => opcode !== 0x01)
  }

  #end(event: string, code: number): void {
    this.#check()
    this.#isOpen = false
    this.events.push(event)
    this.handler?.closed(code)
  }

  #check(): void {
    if (!this.#isOpen) throw new Error('a closed socket was used')
  }
}

const quietLog: BrokerStats['log'] = {
  shardCount: 0,
  appendCount: 0,
  appendBytes: 0,
  syncCount: 0,
  syncGroupCount: 0,
  syncWaitCount: 0,
  syncMicrosTotal: 0,
  diskBytesFree: 1e9,
  diskLowWaterBytes: 0,
  diskFull: false,
  spareSegmentCount: 0,
  mappedSegmentCount: 0,
  scrubbedBytes: 0,
  scrubPassCount: 0,
  damagedRangeCount: 0,
  openedClean: true,
  openMicros: 0,
  recoveredTornShards: 0,
  recoveredTornBytes: 0,
  provenBytes: 0,
}

const quietFanOut: BrokerStats['fanOut'] = {
  live: 0,
  behind: 0,
  waiting: 0,
  creditOutBytes: 0,
  behindBytes: 0,
  takenOver: 0,
  behindMillis: new Map(),
}

type Answer = (frame: Uint8Array) => void

/** Calls go where those of the broker go. */
export class FakeSubscriptions {
  readonly sink: SubscriptionSink
  readonly call: ServedBroker['call']
  readonly told: unknown[] = []
  owes = false

  constructor(sink: SubscriptionSink, call: ServedBroker['call']) {
    this.sink = sink
    this.call = call
  }

  owesCredit(): boolean {
    return this.owes
  }

  credit(id: number, bytes: number): void {
    this.told.push(['credit', id, bytes])
  }

  drained(): void {
    this.told.push('drained')
  }

  finish(): string | undefined {
    this.told.push('finish')
    return this.owes ? 'subscription 1' : undefined
  }

  close(): void {
    this.told.push('close')
  }
}

/** Keeps every put, with the bytes as they were during the call, until the test answers it. */
export class FakeBroker implements ServedBroker {
  readonly puts: { bytes: Uint8Array; answer: Answer }[] = []
  readonly calls: { name: string; request: unknown; settle: (answer: unknown) => void }[] = []
  flushes = 0
  onPut: (frame: Uint8Array, answer: Answer) => void = (frame, answer) => {
    this.puts.push({ bytes: frame.slice(), answer })
  }

  readonly call: ServedBroker['call'] = (operation, request) =>
    new Promise((resolve, reject) => {
      const settle = (answer: unknown) => {
        if (answer instanceof Error) reject(answer)
        else resolve(answer as never)
      }
      this.calls.push({ name: operation.name, request, settle })
    })

  put(frame: Uint8Array, answer: Answer): void {
    this.onPut(frame, answer)
  }

  /** Set by a test; what the log says of itself is left out where it does not matter. */
  counts: BrokerStats['streams'] = []
  strayRefused: BrokerStats['strayRefused'] = new Map()
  acks: BrokerStats['acks'] = []
  log: Partial<BrokerStats['log']> = {}
  fail: (error: MillraceError) => void = () => undefined
  readonly failed = new Promise<MillraceError>((resolve) => {
    this.fail = resolve
  })

  /** What connections have opened, each with what it was told. */
  readonly subscriptions: FakeSubscriptions[] = []

  openSubscriptions(sink: SubscriptionSink): Subscriptions {
    const opened = new FakeSubscriptions(sink, this.call)
    this.subscriptions.push(opened)
    return opened as unknown as Subscriptions
  }

  readonly fanOutLimits: FanOutLimits = fanOutDefaults
  fanOut: Partial<BrokerStats['fanOut']> = {}

  async stats(): Promise<BrokerStats> {
    const { counts: streams, strayRefused, acks } = this
    const log = { ...quietLog, ...this.log }
    return { streams, strayRefused, acks, log, fanOut: { ...quietFanOut, ...this.fanOut } }
  }

  async flush(): Promise<void> {
    this.flushes += 1
  }
}

export class FakeLogger implements Logger {
  readonly lines: { level: string; facts: object; text: string }[] = []
  readonly debug = this.#writer('debug')
  readonly info = this.#writer('info')
  readonly warn = this.#writer('warn')
  readonly error = this.#writer('error')

  #writer(level: string) {
    return (facts: object, text: string): void => {
      this.lines.push({ level, facts, text })
    }
  }
}

export const smallLimits: ServerLimits = {
  adminConnectionsMax: 2,
  auditLinesMax: 100,
  authenticationMillisMax: 5000,
  connectionBytesPerSecond: 1_000_000,
  connectionFramesPerSecond: 1000,
  connectionMillisMax: 0,
  connectionRequestsPerSecond: 1000,
  connectionsMax: 4,
  connectionsPerAddressMax: 2,
  connectsBurst: 1000,
  connectsPerSecond: 1000,
  descriptorsReserved: 64,
  drainMillisMax: 1000,
  drainRetryAfterMillis: 1000,
  failedAuthenticationsBurst: 3,
  failedAuthenticationsPerSecond: 1,
  frameBytesMax: 10_551_296,
  halfMessagePercentMax: 60,
  handshakeMillisMax: 10_000,
  inFlightRetryAfterMillis: 50,
  loopDelayMillisMax: 500,
  machinePercentMin: 2,
  memoryBytesMax: 0,
  memoryPercentMax: 80,
  otherSocketsMax: 4096,
  overloadRetryAfterMillis: 1000,
  pingMillis: 25_000,
  requestsInFlightMax: 3,
  silenceMillisMax: 55_000,
  socketBytesPause: 100,
  turnMillisMax: 5,
  unauthenticatedConnectionsMax: 2,
  unauthenticatedConnectionsPerAddressMax: 2,
  unauthenticatedMessageBytesMax: 8192,
  unknownFrameBytesMax: 100_000,
  unreadBytesMax: 1000,
  unreadBytesPerSecondMin: 1000,
  unreadMillisMax: 60_000,
  unreadShareBytesMax: 64 * 1024 * 1024,
  unreadTotalBytesMax: 256 * 1024 * 1024,
  warningLinesMax: 50,
}

const quietMemory = { ownBytes: 1, ownBytesMax: 1000, heapBytes: 1, heapBytesMax: 1000 }

/** Connections over fakes, with a clock that the test moves. */
export function makeConnections(limits: Partial<ServerLimits> = {}, access?: Access) {
  const broker = new FakeBroker()
  const logger = new FakeLogger()
  const clock = { now: 0 }
  const state = { memory: quietMemory, delayMillis: 0 }
  const delay = {
    lateMillis: () => state.delayMillis,
    quantiles: (): [string, number][] => [['0.999', 0.025]],
    close: () => undefined,
  }
  const now = () => clock.now
  const all = { ...smallLimits, ...limits }
  const gate = new Gate({ access, logger, limits: all, now })
  const connections = new Connections({
    broker,
    logger,
    gate,
    limits: all,
    brokerVersion: '1.2.3',
    now,
    overload: { memory: () => state.memory, delay },
  })
  const open = (remoteAddress?: string, identity?: Identity) => {
    const socket = new FakeSocket(remoteAddress)
    const connection = connections.open(socket, identity)
    socket.handler = connection
    return { socket, connection }
  }
  return {
    broker,
    logger,
    clock,
    state,
    connections,
    open,
    host: connections satisfies ConnectionHost,
  }
}

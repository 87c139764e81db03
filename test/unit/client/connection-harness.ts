import { afterEach, beforeEach, expect } from 'vitest'
import {
  Connection,
  type ConnectionEvents,
  type ConnectionOptions,
} from '../../../src/client/connection.ts'
import { Emitter } from '../../../src/client/emitter.ts'
import { MillraceError } from '../../../src/errors.ts'
import { deleteStream, describeStreamSummary } from '../../../src/wire/operations.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { FakeSockets } from '../../support/fake-sockets.ts'

export const url = 'ws://broker.invalid'
/** Of a request that may be repeated. */
export const again: { readonly repeatable: true } = { repeatable: true }

/** The fields of an answer to `read`. */
export const summary: readonly unknown[] = ['s', 'ACTIVE', 'ON_DEMAND', 0, 24, 1_048_576, 4]

/** A connection over sockets that are none, on a clock that stands still. */
export class ConnectionHarness {
  clock: FakeClock = new FakeClock()
  sockets: FakeSockets = new FakeSockets()
  states: string[] = []
  connection: Connection = this.connect()

  /** Everything anew. */
  start(): void {
    this.clock = new FakeClock()
    this.sockets = new FakeSockets()
    this.states = []
    this.connection = this.connect()
  }

  connect(options: Partial<ConnectionOptions> = {}): Connection {
    const events = new Emitter<ConnectionEvents>()
    events.on('state', (state) => this.states.push(state))
    return new Connection({
      url,
      openSocket: this.sockets.open,
      clock: this.clock,
      events,
      reconnect: true,
      inFlightMax: 1000,
      timeoutMillis: undefined,
      ...options,
    })
  }

  /** A request that may be repeated; its outcome as a word. */
  read(name = 's', signal?: AbortSignal): Promise<string> {
    return this.connection
      .call(describeStreamSummary, { streamName: name }, { ...again, signal })
      .then((it) => it.streamName, codeOf)
  }

  /** One that may not. */
  remove(name = 's'): Promise<string> {
    return this.connection
      .call(deleteStream, { streamName: name }, { repeatable: false })
      .then(() => 'done', codeOf)
  }

  /** The streams that requests on a socket name, in order. */
  namesSent(socket = this.sockets.last): unknown[] {
    return socket.sent.map((it) => it[2])
  }
}

function codeOf(error: unknown): string {
  return error instanceof MillraceError ? error.code : String(error)
}

/** One for each test; nothing may be left of it. */
export function useConnection(): ConnectionHarness {
  const harness = new ConnectionHarness()
  beforeEach(() => harness.start())
  afterEach(async () => {
    harness.connection.end(new MillraceError('CLIENT_CLOSED'))
    await settle()
    expect([...harness.clock.timers], 'timers that are left').toEqual([])
  })
  return harness
}

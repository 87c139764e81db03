/** A client of a broker behind a socket, whatever the socket is. */

import { InvalidTypeError, MillraceError } from '../errors.ts'
import { type Clock, systemClock, timerMillisMax } from './clock.ts'
import { Connection, type ConnectionEvents, type ConnectionState } from './connection.ts'
import { ConnectionGroup } from './connection-group.ts'
import { Emitter } from './emitter.ts'
import { onAbort } from './on-abort.ts'
import { checkTokenPath } from './plain-token.ts'
import type { OpenSocket } from './socket.ts'
import { StreamVerbs } from './stream-verbs.ts'
import type { TokenSource } from './token-source.ts'

const connectMillisDefault = 10_000
const inFlightMaxDefault = 256

export interface ConnectOptions {
  /** Gives up connecting; without effect once there is a client. */
  readonly signal?: AbortSignal | undefined
  /**
   * How long to try to connect at first, in ms; 10,000 unless it is given. So long the function of
   * `token` may take each time, too.
   */
  readonly connectTimeoutMillis?: number | undefined
  /**
   * Whether to connect again, for ever, when the connection is lost: true unless it is given. With
   * false the first failure ends the client, the failure to connect at first included.
   */
  readonly reconnect?: boolean | undefined
  /** How long calls wait for their answers, in ms; as long as it takes unless it is given. */
  readonly timeoutMillis?: number | undefined
  /** Calls on their way at the same time, 256 unless it is given; others wait for their turn. */
  readonly inFlightMax?: number | undefined
  /**
   * Who this is, for a broker that asks: a token, or what answers one. A function is asked for each
   * connection, and again before the token of an open one expires. A token of a function that the
   * broker refuses is followed by others, later each time: the fifth refusal in a row is the end.
   */
  readonly token?: TokenSource | undefined
  /** Lets a token go to another machine over `ws://`, where everybody on the way can read it. */
  readonly insecurePlainToken?: boolean | undefined
}

export class Client extends StreamVerbs implements AsyncDisposable {
  readonly #connection: Connection
  readonly #group: ConnectionGroup
  readonly #events: Emitter<ConnectionEvents>

  constructor(
    connection: Connection,
    group: ConnectionGroup,
    events: Emitter<ConnectionEvents>,
    frameBytesMax: number,
    clock: Clock,
  ) {
    super(group, frameBytesMax, clock)
    this.#connection = connection
    this.#group = group
    this.#events = events
  }

  /** `connecting`, `open`, `reconnecting` or, for good, `closed`. */
  get state(): ConnectionState {
    return this.#connection.state
  }

  /** Calls `listener` when the state changes; the function that comes back stops that. */
  on(name: 'state', listener: (state: ConnectionState) => void): () => void {
    return this.#events.on(name, listener)
  }

  /**
   * Ends the client at once: calls that wait reject with CLIENT_CLOSED, as later ones do. Close
   * producers first, they send what they hold.
   */
  async close(): Promise<void> {
    await this.#group.end(new MillraceError('CLIENT_CLOSED'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Connects to `ws://host:port` and answers a client once the broker has said welcome. Rejects:
 * CONNECTION_LOST when there is none within `connectTimeoutMillis`, UNAUTHENTICATED,
 * ACCESS_DENIED, UNSUPPORTED_VERSION, PROTOCOL_VIOLATION (no broker of ours), UNSAFE_ADDRESS for a
 * token that would leave this machine in plain text, the reason of an aborted `signal`; a TypeError
 * for what is no URL.
 */
export async function connectOver(
  openSocket: OpenSocket,
  url: string,
  options: ConnectOptions = {},
  clock: Clock = systemClock,
): Promise<Client> {
  options.signal?.throwIfAborted()
  checkUrl(url)
  if (options.token !== undefined) checkTokenPath(url, options.insecurePlainToken)
  const open = (events: Emitter<ConnectionEvents>) =>
    new Connection({
      url,
      openSocket,
      clock,
      events,
      reconnect: options.reconnect ?? true,
      inFlightMax: options.inFlightMax ?? inFlightMaxDefault,
      timeoutMillis: options.timeoutMillis,
      token: options.token,
      tokenMillisMax: options.connectTimeoutMillis,
    })
  const events = new Emitter<ConnectionEvents>()
  const connection = open(events)
  // Of those that are opened for more subscriptions nobody hears.
  const group = new ConnectionGroup(connection, () => open(new Emitter()))
  const stop = giveUp(connection, url, options, clock)
  try {
    const { frameBytesMax } = await connection.opened()
    return new Client(connection, group, events, frameBytesMax, clock)
  } finally {
    stop()
  }
}

/** Ends the connection when time or signal say so; the function that comes back prevents it. */
function giveUp(
  connection: Connection,
  url: string,
  { signal, connectTimeoutMillis = connectMillisDefault }: ConnectOptions,
  clock: Clock,
): () => void {
  const forget = onAbort(signal, () => connection.end(signal?.reason))
  const timer = clock.after(Math.min(connectTimeoutMillis, timerMillisMax), () => {
    const last = connection.lastLoss === '' ? 'no answer came' : connection.lastLoss
    const text = `no broker at ${url} within ${connectTimeoutMillis} ms (${last})`
    connection.end(new MillraceError('CONNECTION_LOST', text))
  })
  return () => {
    timer.cancel()
    forget()
  }
}

function checkUrl(url: string): void {
  const { protocol } = new URL(url)
  if (protocol !== 'ws:' && protocol !== 'wss:') {
    throw new InvalidTypeError(`url: wanted ws://host:port or wss://host:port, got ${url}`)
  }
}

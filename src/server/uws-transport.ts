/**
 * transport.ts over uWebSockets.js. The only file that knows it, and it loads it when a server is
 * started: who embeds the log, or is a client, never does.
 *
 * What must be known of it: a listen port is shared in silence unless an option says otherwise; a
 * message is a view of the receive buffer and is detached when the handler returns; a socket that
 * was closed throws at every call; an HTTP request without an answer needs onAborted before the
 * handler returns, or the process ends; `end` does not wait for bytes that are still buffered;
 * nothing may be sent within the event `drain`.
 */

import { MillraceError } from '../errors.ts'
import { type CloseCode, closeCodes, closeReason } from '../wire/close-codes.ts'
import { isLoopbackAddress } from './admission.ts'
import {
  handshakeRefusal,
  listHeader,
  malformedRequest,
  type RequestHead,
  requestRefusal,
  socketPath,
  upgradeHeaders,
} from './handshake.ts'
import { listenAlone } from './listen-alone.ts'
import { probePort } from './port-probe.ts'
import { SocketShares } from './socket-shares.ts'
import type {
  HttpAnswer,
  HttpRequest,
  OpenSocket,
  Socket,
  SocketHandler,
  Transport,
  TransportOptions,
  Upgrade,
} from './transport.ts'

type Library = typeof import('uWebSockets.js')
type App = import('uWebSockets.js').TemplatedApp
type Request = import('uWebSockets.js').HttpRequest
type Response = import('uWebSockets.js').HttpResponse
type SocketContext = import('uWebSockets.js').us_socket_context_t
type ListenSocket = import('uWebSockets.js').us_listen_socket
type Listening = import('./listen-alone.ts').Listening<ListenSocket>

/** What the library keeps with a socket: it hands these properties out on the socket itself. */
interface SocketData {
  readonly openSocket: OpenSocket
  remoteAddress: string
  handler: SocketHandler | undefined
}
type WebSocket = import('uWebSockets.js').WebSocket<SocketData> & SocketData

const sentAtOnce = 1
const dropped = 2
/**
 * A backstop, in seconds: silent connections are ended by the sweep of connections before that.
 * Fixed: it has to lie above whatever `silenceMillisMax` may be.
 */
const idleTimeoutSeconds = 120

/** The library ends the process for other values than these. */
function checkIdleTimeout(seconds: number): number {
  if (seconds === 0 || (Number.isInteger(seconds) && seconds >= 8 && seconds <= 960)) return seconds
  throw new RangeError(`idle timeout of ${seconds} s: it must be 0, or 8 to 960`)
}

async function load(): Promise<Library> {
  try {
    // CommonJS with computed exports: only the default has anything.
    const module = (await import('uWebSockets.js')) as unknown as { readonly default: Library }
    return module.default
  } catch (error) {
    throw notLoadable(error)
  }
}

function notLoadable(cause: unknown): MillraceError {
  return new MillraceError(
    'INTERNAL',
    'uWebSockets.js has no binary that loads here: it needs Linux with glibc, macOS or Windows, ' +
      'and Node 20 (Node 22 and later: glibc 2.38)',
    { cause },
  )
}

/** What of a socket of the library is used. */
type UsedSocket = Pick<
  WebSocket,
  'remoteAddress' | 'send' | 'getBufferedAmount' | 'cork' | 'ping' | 'end' | 'close'
>

export class UwsSocket implements Socket {
  readonly remoteAddress: string
  readonly #socket: UsedSocket

  constructor(socket: UsedSocket) {
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress
  }

  send(message: Uint8Array): boolean {
    const outcome = this.#socket.send(message, true, false)
    if (outcome === dropped) {
      // There is no bound at which the library would do so; but nobody may read on behind a hole.
      const text = 'a message was dropped'
      this.close(closeCodes.slowConsumer, closeReason(closeCodes.slowConsumer, { text }))
    }
    return outcome === sentAtOnce
  }

  bufferedBytes(): number {
    return this.#socket.getBufferedAmount()
  }

  cork(run: () => void): void {
    this.#socket.cork(run)
  }

  ping(): void {
    this.#socket.ping()
  }

  close(code: CloseCode, reason: string): void {
    this.#socket.end(code.code, reason)
  }

  terminate(): void {
    this.#socket.close()
  }
}

const decoder = new TextDecoder()

/** A call of the system. */
function addressOf(response: Response): string {
  return decoder.decode(response.getRemoteAddressAsText())
}

function readHead(request: Request): RequestHead {
  const headers: [string, string][] = []
  request.forEach((name, value) => {
    headers.push([name, value])
  })
  const method = request.getMethod().toUpperCase()
  return { method, target: request.getUrl() + request.getQuery(), headers }
}

function readRequest(response: Response, request: Request, head: RequestHead): HttpRequest {
  return {
    method: head.method,
    path: request.getUrl(),
    remoteAddress: addressOf(response),
    host: request.getHeader('host'),
    origin: request.getHeader('origin'),
    subprotocols: listHeader(head, 'sec-websocket-protocol'),
    authorization: listHeader(head, 'authorization'),
    query: request.getQuery() ?? '',
  }
}

/**
 * Off loopback a socket ends with its first answer: whose it was is not told when it goes, and
 * nobody shall hold it with requests.
 */
function writeAnswer(response: Response, isHead: boolean, answer: HttpAnswer): void {
  const ends = answer.ends === true || !isLoopbackAddress(addressOf(response))
  response.cork(() => {
    response.writeStatus(answer.status)
    for (const [name, value] of Object.entries(upgradeHeaders(answer))) {
      response.writeHeader(name, value)
    }
    response.writeHeader('content-type', answer.type ?? 'text/plain; charset=utf-8')
    response.writeHeader('cache-control', 'no-store')
    response.writeHeader('x-content-type-options', 'nosniff')
    for (const [name, value] of Object.entries(answer.headers ?? {})) {
      response.writeHeader(name, value)
    }
    // Behind an answer without its body the library takes no other request of the connection.
    if (isHead) response.endWithoutBody(Buffer.byteLength(answer.body), true)
    else response.end(answer.body, ends)
  })
}

function serveHttp(app: App, options: TransportOptions, shares: SocketShares): void {
  app.any('/*', (response, request) => {
    let aborted = false
    response.onAborted(() => {
      aborted = true
    })
    const head = readHead(request)
    const read = readRequest(response, request, head)
    shares.spoke(read.remoteAddress)
    const isHead = read.method === 'HEAD'
    const answer = requestRefusal(read.path, head) ?? options.answer(read)
    if (!(answer instanceof Promise)) {
      writeAnswer(response, isHead, answer)
      return
    }
    void answer.then((it) => {
      if (!aborted) writeAnswer(response, isHead, it)
    })
  })
}

/** What is asked of the request has to be asked before this returns; it is gone then. */
function upgradeSocket(
  options: TransportOptions,
  shares: SocketShares,
  response: Response,
  request: Request,
  context: SocketContext,
): void {
  const head = readHead(request)
  const read = readRequest(response, request, head)
  const { remoteAddress } = read
  shares.spoke(remoteAddress)
  const refused = malformedRequest(head) ?? handshakeRefusal(head)
  if (refused !== undefined) {
    writeAnswer(response, false, refused)
    return
  }
  const key = request.getHeader('sec-websocket-key')
  const carryOut = (upgrade: Upgrade) => {
    if (upgrade.kind === 'refuse') {
      writeAnswer(response, false, upgrade.answer)
      return
    }
    const data = { openSocket: upgrade.handler, remoteAddress, handler: undefined }
    response.upgrade<SocketData>(data, key, upgrade.subprotocol, '', context)
  }
  const upgrade = options.upgrade(read)
  if (!(upgrade instanceof Promise)) {
    carryOut(upgrade)
    return
  }
  let aborted = false
  response.onAborted(() => {
    aborted = true
  })
  void upgrade.then((it) => {
    // Not corked: behind a cork the library takes the socket for the HTTP one that it was, if that
    // could stay where it was in memory, and may close it for flags that it finds there. It says on
    // standard error that there is no cork, a line for each; the client has all in one piece.
    if (!aborted) carryOut(it)
  })
}

/**
 * Bounds the sockets of the port. The library tells of those that come, and, while they speak
 * HTTP, of those that go, but not whose they were; of WebSockets it tells when they close.
 */
function boundSockets(app: App, options: TransportOptions): SocketShares {
  const shares = new SocketShares(options, () => performance.now())
  const changed = (response: Response, change: unknown): void => {
    if (Number(change) < 0) shares.left()
    else if (!shares.came(addressOf(response))) response.close()
  }
  app.filter(changed)
  return shares
}

/** Whether a handshake is for the route of unknown clients. */
function isOfUnknown({ unknown }: TransportOptions, response: Response, request: Request): boolean {
  if (unknown === undefined) return false
  return unknown.isUnknown(readRequest(response, request, readHead(request)))
}

/**
 * The library has one bound of messages for each route, which for unknown clients is another one.
 * Both routes have handshakes at the one path: the first passes on what is for the second.
 */
function serveSockets(app: App, options: TransportOptions, shares: SocketShares): void {
  const upgrade: Upgrading = (response, request, context) =>
    upgradeSocket(options, shares, response, request, context)
  if (options.unknown !== undefined) {
    serveRoute(
      app,
      socketPath,
      options.unknown.messageBytesMax,
      shares,
      (response, request, it) => {
        if (isOfUnknown(options, response, request)) upgrade(response, request, it)
        else request.setYield(true)
      },
    )
  }
  serveRoute(app, '/*', options.messageBytesMax, shares, (response, request, it) => {
    if (request.getUrl() === socketPath) upgrade(response, request, it)
    else request.setYield(true)
  })
}

type Upgrading = (response: Response, request: Request, context: SocketContext) => void

function serveRoute(
  app: App,
  pattern: string,
  messageBytesMax: number,
  shares: SocketShares,
  upgrade: Upgrading,
): void {
  app.ws<SocketData>(pattern, {
    compression: 0,
    maxPayloadLength: messageBytesMax,
    idleTimeout: checkIdleTimeout(idleTimeoutSeconds),
    sendPingsAutomatically: true,
    // None: connection.ts bounds what waits, and knows why.
    maxBackpressure: 0,
    upgrade,
    open: (socket) => {
      const data = socket as WebSocket
      shares.held(data.remoteAddress)
      data.handler = data.openSocket(new UwsSocket(data))
    },
    message: (socket, message, isBinary) => {
      ;(socket as WebSocket).handler?.receive(new Uint8Array(message), isBinary)
    },
    // Not within the event: when it is over, the library goes on to wait for the socket only if the
    // last write of any socket failed, and direct writes of 16 KiB and more do not count as such.
    // What was sent from here would wait for ever.
    drain: (socket) => {
      const { handler } = socket as WebSocket
      setImmediate(() => handler?.drained())
    },
    pong: (socket) => (socket as WebSocket).handler?.ponged(),
    close: (socket, code) => {
      const data = socket as WebSocket
      shares.left()
      shares.released(data.remoteAddress)
      data.handler?.closed(code)
    },
  })
}

/** How often a free port is looked for: another process can take it before it is listened on. */
const freePortTriesMax = 5

/**
 * Opens a port. Rejects with a MillraceError: ADDRESS_UNAVAILABLE when it cannot be had, INTERNAL
 * when the library does not load.
 */
export async function openUwsTransport(options: TransportOptions): Promise<Transport> {
  const library = await load()
  const app = library.App()
  const shares = boundSockets(app, options)
  serveSockets(app, options, shares)
  serveHttp(app, options, shares)
  const { host, port } = options
  try {
    for (let triesLeft = port === 0 ? freePortTriesMax : 1; ; triesLeft -= 1) {
      // The typings know no call with a host and options at once; the library does.
      const [first, ...others] = await listenAlone(app as unknown as Listening, host, port)
      if (first !== undefined) return openPort(library, app, [first, ...others])
      if (triesLeft > 1) continue
      await probePort(host, port)
      const text = `listen: ${host}:${port}: no reason was given`
      throw new MillraceError('ADDRESS_UNAVAILABLE', text)
    }
  } catch (error) {
    app.close()
    throw error
  }
}

function openPort(
  library: Library,
  app: App,
  sockets: readonly [ListenSocket, ...ListenSocket[]],
): Transport {
  let isListening = true
  const stopListening = () => {
    if (isListening) for (const socket of sockets) library.us_listen_socket_close(socket)
    isListening = false
  }
  return {
    port: library.us_socket_local_port(sockets[0] as never),
    stopListening,
    close() {
      stopListening()
      app.close()
    },
  }
}

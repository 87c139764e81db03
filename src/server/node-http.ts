/** Plain HTTP requests over Node's own server, in the words of transport.ts. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:net'
import { listHeader, type RequestHead, requestRefusal, upgradeHeaders } from './handshake.ts'
import { portError } from './port-probe.ts'
import type { HttpAnswer, HttpRequest, TransportOptions } from './transport.ts'

const bodyFactor = 3

/** How long a client may take for its headers, and for a whole request; all in ms. */
export function slowRequestLimits(headersMillisMax: number) {
  return {
    headersTimeout: headersMillisMax,
    requestTimeout: bodyFactor * headersMillisMax,
    connectionsCheckingInterval: 1000,
  } as const
}

/** All headers: Node's own object leaves out what comes twice. */
export function readNodeHead({
  method = 'GET',
  url = '/',
  rawHeaders,
}: IncomingMessage): RequestHead {
  const headers = Array.from({ length: rawHeaders.length / 2 }, (_, index) => {
    const [name = '', value = ''] = rawHeaders.slice(2 * index)
    return [name.toLowerCase(), value] as const
  })
  return { method, target: url, headers }
}

export function readNodeRequest(request: IncomingMessage, head: RequestHead): HttpRequest {
  const { headers, socket } = request
  return {
    method: head.method,
    path: head.target.split('?', 1)[0] ?? '/',
    query: head.target.split('?').slice(1).join('?'),
    remoteAddress: socket.remoteAddress ?? '',
    host: headers.host ?? '',
    origin: headers.origin ?? '',
    subprotocols: listHeader(head, 'sec-websocket-protocol'),
    authorization: listHeader(head, 'authorization'),
  }
}

/** The headers of every answer. */
export function answerHeaders(answer: HttpAnswer): Record<string, string | number> {
  const { type = 'text/plain; charset=utf-8', body, ends = false } = answer
  return {
    ...upgradeHeaders(answer),
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
    ...(ends ? { connection: 'close' } : {}),
    ...answer.headers,
  }
}

/** Answers a request when the answer is there. Never rejects. */
export async function answerNodeRequest(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>,
): Promise<void> {
  // Nobody waits for what comes as a body.
  request.resume()
  const head = readNodeHead(request)
  const read = readNodeRequest(request, head)
  const given = requestRefusal(read.path, head) ?? (await answer(read))
  const [status = '500'] = given.status.split(' ', 1)
  response.writeHead(Number(status), answerHeaders(given))
  response.end(given.body)
}

/** Has a server listen, alone. Rejects with a MillraceError, ADDRESS_UNAVAILABLE. */
export async function listenOn(
  server: Server,
  { host, port }: Pick<TransportOptions, 'host' | 'port'>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error) => reject(portError(host, port, error))
    server.once('error', failed)
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

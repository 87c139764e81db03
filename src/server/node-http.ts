/** Plain HTTP requests over Node's own server, in the words of transport.ts. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:net'
import { portError } from './port-probe.ts'
import type { HttpAnswer, HttpRequest, TransportOptions } from './transport.ts'

/** How long a client may take for its headers, and for a whole request, in ms. */
export const slowRequestLimits = { headersTimeout: 10_000, requestTimeout: 30_000 } as const

export function readNodeRequest(request: IncomingMessage): HttpRequest {
  const { method = 'GET', url = '/', headers, socket } = request
  const subprotocols = headers['sec-websocket-protocol'] ?? ''
  return {
    method,
    path: url.split('?', 1)[0] ?? '/',
    query: url.split('?').slice(1).join('?'),
    remoteAddress: socket.remoteAddress ?? '',
    host: headers.host ?? '',
    origin: headers.origin ?? '',
    subprotocols,
    authorization: headers.authorization ?? '',
  }
}

/** The headers of every answer. */
export function answerHeaders({ type = 'text/plain; charset=utf-8' }: HttpAnswer) {
  return {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
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
  const given = await answer(readNodeRequest(request))
  const [status = '500'] = given.status.split(' ', 1)
  response.writeHead(Number(status), {
    ...answerHeaders(given),
    ...given.headers,
    'content-length': Buffer.byteLength(given.body),
  })
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

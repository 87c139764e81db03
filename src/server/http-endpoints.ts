/** What the port says to plain HTTP. Decided here, sent by the transport. */

import { subprotocol } from '../wire/operations.ts'
import { type AdmissionRules, headersRefusal } from './admission.ts'
import type { HttpAnswer, HttpRequest } from './transport.ts'

export interface Endpoints {
  readonly rules: AdmissionRules
  /** Why the broker takes no requests, in a word or two; undefined when it does. */
  readonly notReady: () => Promise<string | undefined>
  /** The metrics in the text format of Prometheus. */
  readonly metrics: () => Promise<HttpAnswer>
  /** Why they are not told to this request; undefined when they are. */
  readonly metricsRefusal: (
    request: HttpRequest,
  ) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>
  /** Told of what went wrong while a request was answered. */
  readonly failed: (error: unknown) => void
}

export function textAnswer(status: string, text: string): HttpAnswer {
  return { status, body: `${text}\n` }
}

const about =
  `This is a Millrace broker: it speaks WebSocket, subprotocol ${subprotocol}, at this address.\n` +
  'Over HTTP there are /healthz, /readyz and /metrics.'

/** Never throws or rejects. */
export function answerHttp(
  endpoints: Endpoints,
  request: HttpRequest,
): HttpAnswer | Promise<HttpAnswer> {
  const refusal = headersRefusal(endpoints.rules, request)
  if (refusal !== undefined) return textAnswer('403 Forbidden', refusal)
  const endpoint = paths[request.path]
  if (endpoint === undefined) {
    return textAnswer('404 Not Found', `There is nothing at this path.\n${about}`)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return textAnswer('405 Method Not Allowed', `${request.path} takes GET and HEAD.`)
  }
  return answerEndpoint(endpoints, endpoint, request)
}

async function answerEndpoint(
  endpoints: Endpoints,
  endpoint: Endpoint,
  request: HttpRequest,
): Promise<HttpAnswer> {
  try {
    return await endpoint(endpoints, request)
  } catch (error) {
    endpoints.failed(error)
    return textAnswer('500 Internal Server Error', 'internal error')
  }
}

type Endpoint = (endpoints: Endpoints, request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>

const paths: Readonly<Record<string, Endpoint>> = Object.assign(Object.create(null), {
  '/': () => textAnswer('426 Upgrade Required', about),
  '/healthz': () => textAnswer('200 OK', 'ok'),
  '/readyz': async ({ notReady }) => {
    const word = await notReady()
    return word === undefined
      ? textAnswer('200 OK', 'ready')
      : textAnswer('503 Service Unavailable', word)
  },
  '/metrics': async ({ metrics, metricsRefusal }, request) =>
    (await metricsRefusal(request)) ?? (await metrics()),
} satisfies Record<string, Endpoint>)

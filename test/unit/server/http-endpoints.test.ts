import { describe, expect, it } from 'vitest'
import { answerHttp, type Endpoints } from '../../../src/server/http-endpoints.ts'
import type { HttpRequest } from '../../../src/server/transport.ts'

const failures: unknown[] = []
const endpoints: Endpoints = {
  rules: { host: '127.0.0.1', allowedOrigins: [], allowedHosts: [] },
  notReady: async () => undefined,
  metrics: async () => ({ status: '200 OK', type: 'text/plain; version=0.0.4', body: 'a 1\n' }),
  metricsRefusal: () => undefined,
  failed: (error) => failures.push(error),
}

const ask = (path: string, more: Partial<HttpRequest> = {}, over: Partial<Endpoints> = {}) =>
  answerHttp(
    { ...endpoints, ...over },
    {
      method: 'GET',
      path,
      remoteAddress: '127.0.0.1',
      host: '127.0.0.1:4570',
      origin: '',
      subprotocols: '',
      authorization: '',
      query: '',
      ...more,
    },
  )

describe('plain HTTP', () => {
  it('says that the process lives', async () => {
    expect(await ask('/healthz')).toEqual({ status: '200 OK', body: 'ok\n' })
  })

  it('says whether the broker takes requests, and in a word why not', async () => {
    expect(await ask('/readyz')).toEqual({ status: '200 OK', body: 'ready\n' })
    expect(await ask('/readyz', {}, { notReady: async () => 'draining' })).toEqual({
      status: '503 Service Unavailable',
      body: 'draining\n',
    })
  })

  it('gives the metrics', async () => {
    expect(await ask('/metrics')).toMatchObject({ status: '200 OK', body: 'a 1\n' })
  })

  it('keeps the metrics to itself where they are refused', async () => {
    const refusal = { status: '403 Forbidden', body: 'no\n' }
    const over = { metricsRefusal: () => refusal }
    expect(await ask('/metrics', {}, over)).toEqual(refusal)
    expect(await ask('/healthz', {}, over)).toMatchObject({ status: '200 OK' })
  })

  it('says what the port is to whoever asks without a WebSocket', async () => {
    const answer = await ask('/')
    expect(answer.status).toBe('426 Upgrade Required')
    expect(answer.body).toMatch(/Millrace broker.*WebSocket.*millrace\.v1/)
    expect(answer.body).toMatch(/\/healthz/)
  })

  it.each(['/nothing', '/metrics/', '/__proto__', '/constructor', '//', '/healthz%00'])(
    'knows nothing at %s',
    async (path) => {
      const answer = await ask(path)
      expect(answer.status).toBe('404 Not Found')
      expect(answer.body).toMatch(/nothing at this path/)
      expect(answer.body).toMatch(/\/readyz/)
    },
  )

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('refuses %s', async (method) => {
    expect((await ask('/metrics', { method })).status).toBe('405 Method Not Allowed')
  })

  it.each([
    { host: 'evil.example:4570' },
    { host: '' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
  ])('refuses a request with %j', async (headers) => {
    for (const path of ['/', '/metrics', '/healthz']) {
      expect((await ask(path, headers)).status).toBe('403 Forbidden')
    }
  })

  it('answers where something fails, and tells whom it concerns', async () => {
    const error = new Error('boom')
    const answer = await ask('/metrics', {}, { metrics: () => Promise.reject(error) })
    expect(answer).toEqual({ status: '500 Internal Server Error', body: 'internal error\n' })
    expect(failures).toEqual([error])
  })
})

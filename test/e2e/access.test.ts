/** A broker that asks who its clients are, with clients that know nothing of ours. */

import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  accessLookMillis,
  frameBytesMax,
  unknownFrameBytesMax,
  unknownMessageBytesSpare,
} from '../../src/limits.ts'
import {
  AccessFile,
  audience,
  issuer,
  keyRows,
  signJwt,
  tokenFor,
} from '../unit/server/access/access-files.ts'
import {
  admin,
  allow,
  ask,
  audited,
  authenticate,
  bearer,
  file,
  iterate,
  logger,
  nextOf,
  open,
  principals,
  put,
  reader,
  serve,
  server,
  status,
  subscribe,
  tokens,
  writer,
} from './asking-broker.ts'
import { RawClient } from './raw-client.ts'

describe('a token', () => {
  beforeEach(() => serve())

  it('in the header of the upgrade says who a client is', async () => {
    const client = await open(writer.token)
    expect((await client.ask(put()))[2]).toBe(null)
    expect(audited('authenticated')).toMatchObject([{ principal: 'writer', credential: 'writer' }])
    await client.close()
  })

  it('among the subprotocols does so, too, and is not given back', async () => {
    const subprotocols = ['millrace.v1', `bearer.${writer.token}`]
    const client = await RawClient.connect(server.url, { subprotocols })
    expect(client.socket.protocol).toBe('millrace.v1')
    expect((await client.next())[5]).toBe(true)
    expect((await client.ask(put()))[2]).toBe(null)
    await client.close()
    const headers = { 'sec-websocket-protocol': `bearer.${writer.token}` }
    expect((await status('/', headers)).join()).not.toContain(writer.token)
  })

  it('in the first message does so, too', async () => {
    const client = await RawClient.connect(server.url)
    expect((await client.next())[5]).toBe(false)
    expect(await client.ask(authenticate(writer.token))).toEqual([
      0x3f,
      7,
      null,
      'writer',
      null,
      unknownFrameBytesMax,
    ])
    expect((await client.ask(put()))[2]).toBe(null)
    await client.close()
  })

  it.each([
    ['wrong', 'mrt_writer_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['of an unknown id', tokenFor('nobody').token],
    ['empty', ' '],
    ['of another kind', 'eyJhbGciOiJub25lIn0.e30.'],
  ])('that is %s is refused wherever it comes', async (_, token) => {
    expect((await status('/', bearer(token).headers))[0]).toBe(token === ' ' ? 400 : 401)
    const subprotocols = ['millrace.v1', `bearer.${token.trim()}`]
    const beside = await RawClient.connect(server.url, { subprotocols })
    expect(await beside.closed).toMatchObject({ code: 4504 })
    const client = await RawClient.open(server.url)
    expect((await client.ask(authenticate(token)))[2]).toBe('UNAUTHENTICATED')
    expect(await client.closed).toMatchObject({ code: 4504 })
    if (token !== ' ') expect(JSON.stringify(logger.lines)).not.toContain(token)
  })

  it('in the URL is refused, right or not', async () => {
    for (const name of ['token', 'access_token', 'jwt']) {
      const [code, body] = await status(`/?a=1&${name}=${writer.token}`, {})
      expect([code, body]).toEqual([400, expect.stringContaining('a token in a URL')])
      expect(body).not.toContain(writer.token)
    }
  })

  it('that comes with another one, or in another scheme, is refused', async () => {
    const { headers } = bearer(writer.token)
    const beside = { 'sec-websocket-protocol': `millrace.v1, bearer.${writer.token}` }
    const two = `millrace.v1, bearer.${writer.token}, bearer.${reader.token}`
    expect((await status('/', { ...headers, ...beside }))[0]).toBe(400)
    expect((await status('/', { 'sec-websocket-protocol': two }))[0]).toBe(400)
    expect((await status('/', { authorization: `Basic ${writer.token}` }))[0]).toBe(400)
  })

  it('is waited for: nothing else is carried out, however it is asked', async () => {
    for (const message of [put(), subscribe, [0x14, 7], [0x50, 1, 1]]) {
      const client = await RawClient.open(server.url)
      client.send(message)
      const { code } = await client.closed
      expect([4504, 4500]).toContain(code)
    }
    const large = await RawClient.open(server.url)
    large.send([0x3f, 7, Buffer.alloc(9000)])
    expect((await large.next())[2]).toBe('UNAUTHENTICATED')
    expect(await large.closed).toMatchObject({ code: 4504 })
  })

  it('takes the metrics that of an administrator', async () => {
    const ask = async (headers: Record<string, string>) =>
      (await fetch(`http://127.0.0.1:${server.port}/metrics`, { headers })).status
    expect(await ask({})).toBe(401)
    expect(await ask(bearer(writer.token).headers)).toBe(403)
    expect(await ask(bearer('wrong').headers)).toBe(401)
    expect(await ask(bearer(admin.token).headers)).toBe(200)
    expect((await fetch(`http://127.0.0.1:${server.port}/healthz`)).status).toBe(200)
  })
})

describe('a client without a token', () => {
  it('is closed when none comes in time, and few may wait', async () => {
    const limits = { authenticationMillisMax: 100, unauthenticatedConnectionsMax: 2 }
    await serve({ limits })
    const waiting = [await RawClient.open(server.url), await RawClient.open(server.url)]
    expect((await status('/', { 'sec-websocket-protocol': 'millrace.v1' }))[0]).toBe(503)
    for (const it of waiting) expect(await it.closed).toMatchObject({ code: 4401 })
    const next = await RawClient.open(server.url)
    expect((await next.ask(authenticate(writer.token)))[2]).toBe(null)
    await wait(150)
    expect((await next.ask(put()))[2]).toBe(null)
    await next.close()
  })
})

describe('a token that expires', () => {
  it('ends its connection in mid-stream, unless another one comes before', async () => {
    const keys = await keyRows(new AccessFile('').secretFile)
    const rules = { principals, jwt: { issuer, audience, keys, clockSkewSeconds: 0 } }
    await serve({}, rules)
    const now = Date.now()
    const inSeconds = (seconds: number) =>
      signJwt({ now, claims: { exp: Math.floor(now / 1000) + seconds } })
    const [left, renewed] = [await open(await inSeconds(2)), await open(await inSeconds(2))]
    expect((await left.ask(subscribe))[2]).toBe(null)
    const answer = await renewed.ask(authenticate(await inSeconds(60)))
    expect(answer.slice(2, 4)).toEqual([null, 'reader'])
    const other = await signJwt({ now, claims: { sub: 'admin' } })
    expect((await renewed.ask(authenticate(other)))[2]).toBe('ACCESS_DENIED')
    expect((await renewed.ask(authenticate('wrong')))[2]).toBe('UNAUTHENTICATED')
    expect(await left.closed).toMatchObject({ code: 4401 })
    expect(Date.now() - now).toBeGreaterThan(900)
    expect((await renewed.ask([0x14, 7]))[2]).toBe(null)
    await renewed.close()
  })
})

describe('the access file', () => {
  const changed = () => wait(2 * accessLookMillis)

  it('acts on what is open when it changes', async () => {
    await serve()
    const [client, lost] = [await open(reader.token), await open(writer.token)]
    expect(await ask(client, subscribe)).toBe(null)
    expect(await ask(client, iterate)).toBe(null)
    const ended = nextOf(client, 0x45)
    file.write({
      principals: { ...principals, reader: allow(['get'], 'ord*') },
      tokens: [reader.row],
    })
    const push = await ended
    expect([push[0], push[2]]).toEqual([0x45, 'ACCESS_DENIED'])
    expect(await lost.closed).toMatchObject({ code: 4401 })
    expect(await ask(client, subscribe)).toBe('ACCESS_DENIED')
    expect(await ask(client, iterate)).toBe(null)
    await client.close()
  })

  it('keeps its rules when it is broken, and says so', async () => {
    await serve()
    const client = await open(writer.token)
    file.write('{"principals": CANARY')
    await changed()
    expect((await client.ask(put()))[2]).toBe(null)
    expect(audited('access refused')).toMatchObject([{ code: 'ACCESS_FILE_REFUSED' }])
    expect(JSON.stringify(logger.lines)).not.toContain('CANARY')
    file.write({ principals, tokens: [] })
    expect(await client.closed).toMatchObject({ code: 4401 })
  })
})

describe('what a principal may not do', () => {
  beforeEach(() => serve())

  it('is denied without telling whether there is such a stream, and audited', async () => {
    const client = await open(writer.token)
    for (const stream of ['secret', 'nowhere']) {
      const [, , code, message] = await client.ask(put(stream))
      expect([code, message]).toEqual([
        'ACCESS_DENIED',
        `PutRecords on stream ${stream} takes the permission to put`,
      ])
    }
    expect(audited('denied')).toMatchObject([
      { principal: 'writer', operation: 'PutRecords', stream: 'secret' },
      { principal: 'writer', operation: 'PutRecords', stream: 'nowhere' },
    ])
    await client.close()
  })

  it('is not done with an iterator of somebody else', async () => {
    const [owner, thief] = [await open(reader.token), await open(writer.token)]
    const iterator = (await owner.ask([0x22, 7, 'orders', '0', 'LATEST']))[3]
    expect((await thief.ask([0x23, 7, iterator]))[2]).toBe('ACCESS_DENIED')
    expect((await owner.ask([0x23, 7, iterator]))[2]).toBe(null)
    await Promise.all([owner.close(), thief.close()])
  })

  it('is not listed', async () => {
    const names = async (token: string) => {
      const client = await open(token)
      const [, , , summaries] = await client.ask([0x14, 7])
      await client.close()
      return (summaries as unknown[][]).map(([name]) => name)
    }
    expect(await names(reader.token)).toEqual(['orders'])
    expect(await names(admin.token)).toEqual(['orders', 'secret'])
  })

  it('is not counted', async () => {
    const counts = async (token: string) => {
      const client = await open(token)
      const [, , code, , openShardCount, onDemandStreamCount] = await client.ask([0x26, 7])
      await client.close()
      return [code, openShardCount, onDemandStreamCount]
    }
    const [, shards, onDemand] = await counts(admin.token)
    const [code, shardsOfReader, onDemandOfReader] = await counts(reader.token)
    expect([code, shardsOfReader]).toEqual([null, 1])
    expect(shards).toBeGreaterThan(Number(shardsOfReader))
    expect(onDemand).toBeGreaterThanOrEqual(Number(onDemandOfReader))
  })

  it('is audited where it is allowed and changes a stream', async () => {
    const client = await open(admin.token)
    expect((await client.ask([0x16, 7, 'orders', [['team', 'a']]]))[2]).toBe(null)
    expect(audited('administered')).toMatchObject([
      { principal: 'admin', operation: 'AddTagsToStream', stream: 'orders' },
    ])
    await client.close()
  })
})

it('takes no larger messages than its principal may send, from the next change on', async () => {
  const limited = (messageBytes: number) => ({
    principals: {
      ...principals,
      writer: { ...principals.writer, limits: { messageBytes } },
    },
    tokens,
  })
  await serve({}, limited(8192))
  const client = await RawClient.connect(server.url, bearer(writer.token))
  expect((await client.next())[3]).toBe(8192)
  const put = (bytes: number) => [
    0x21,
    7,
    'orders',
    null,
    [['k', new Uint8Array(bytes)]],
    null,
    0,
    0,
  ]
  expect((await client.ask(put(8000)))[2]).toBe(null)
  expect((await client.ask(put(8192))).slice(0, 4)).toEqual([
    0x21,
    7,
    'RECORD_TOO_LARGE',
    expect.stringContaining('at most 8192 (frameBytesMax)'),
  ])
  // Others have the limit of everybody.
  const other = await RawClient.connect(server.url, bearer(reader.token))
  expect((await other.next())[3]).toBe(frameBytesMax)
  // Who shows the token in the first message is told with the answer.
  const late = await RawClient.open(server.url)
  const shown = [0x3f, 1, Buffer.from(writer.token)]
  expect(await late.ask(shown)).toEqual([0x3f, 1, null, 'writer', null, 8192])
  file.write(limited(16_384))
  await expect
    .poll(async () => (await client.ask(put(8192)))[2], { timeout: 10 * accessLookMillis })
    .toBe(null)
  await Promise.all([client.close(), other.close(), late.close()])
})

it('takes no larger messages of a client that comes unknown than of any', async () => {
  await serve({ limits: { frameBytesMax: 8192 } })
  const client = await RawClient.connect(server.url)
  expect((await client.next())[3]).toBe(8192)
  expect((await client.ask(authenticate(writer.token)))[5]).toBe(8192)
  client.socket.send(new Uint8Array([0x93, 0x21, 7, ...new Uint8Array(8192)]))
  expect((await client.next()).slice(1, 3)).toEqual([7, 'RECORD_TOO_LARGE'])
  client.socket.send(new Uint8Array(8192 + unknownMessageBytesSpare + 1))
  expect((await client.closed).code).toBe(1006)
})

describe('rates', () => {
  it('refuse with the time to wait, each principal for itself', async () => {
    const slow = { ...principals.writer, limits: { requestsPerSecond: 5 } }
    await serve({}, { principals: { ...principals, writer: slow }, tokens })
    const [client, second, other] = [
      await open(writer.token),
      await open(writer.token),
      await open(reader.token),
    ]
    for (let i = 0; i < 3; i += 1) {
      expect((await client.ask(put()))[2]).toBe(null)
      await second.ask(put())
    }
    const [, , code, message, retryable, retryAfterMs] = await client.ask(put())
    expect([code, retryable]).toEqual(['LIMIT_EXCEEDED', true])
    expect(message).toContain('5 requests a second (requestsPerSecond)')
    expect(retryAfterMs).toBeGreaterThan(0)
    expect((await other.ask([0x14, 7]))[2]).toBe(null)
    await Promise.all([client, second, other].map((it) => it.close()))
  })

  it('bound the connections of a principal', async () => {
    const few = { ...principals.writer, limits: { connections: 1 } }
    await serve({}, { principals: { ...principals, writer: few }, tokens })
    const client = await open(writer.token)
    const [code, body] = await status('/', bearer(writer.token).headers)
    expect([code, body]).toEqual([429, expect.stringContaining('at most 1 (connections)')])
    await client.close()
    await (await open(writer.token)).close()
  })

  it('bound the tokens of an address that are wrong', async () => {
    await serve({ limits: { failedAuthenticationsBurst: 3, failedAuthenticationsPerSecond: 1 } })
    const codes: number[] = []
    for (let i = 0; i < 5; i += 1) codes.push((await status('/', bearer('wrong').headers))[0])
    expect(codes).toEqual([401, 401, 401, 429, 429])
    const client = await RawClient.open(server.url)
    const [, , code, , , retryAfterMs] = await client.ask(authenticate('wrong'))
    expect(code).toBe('LIMIT_EXCEEDED')
    expect(await client.closed).toMatchObject({ code: 4429 })
    await (await open(writer.token)).close()
    await wait(Number(retryAfterMs))
    expect((await status('/', bearer('wrong').headers))[0]).toBe(401)
  })
})

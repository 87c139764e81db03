import { describe, expect, it } from 'vitest'
import { requestHeadBytesMax } from '../../../src/limits.ts'
import {
  asksForSocket,
  handshakeRefusal,
  listHeader,
  malformedRequest,
  type RequestHead,
} from '../../../src/server/handshake.ts'

const good: Readonly<Record<string, string>> = {
  host: '127.0.0.1',
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
}

/** A handshake in which the headers of `change` replace others, or go where they are undefined. */
function head(
  change: Readonly<Record<string, string | undefined>> = {},
  more: [string, string][] = [],
): RequestHead {
  const headers = Object.entries({ ...good, ...change }).flatMap(
    ([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]]),
  )
  return { method: 'GET', target: '/', headers: [...headers, ...more] }
}

describe('a request', () => {
  it('is taken with one host and headers that are not too long', () => {
    expect(malformedRequest(head())).toBeUndefined()
  })

  it.each<[string, RequestHead]>([
    ['no host', head({ host: undefined })],
    ['two hosts', head({}, [['host', 'example.org']])],
    ['two origins', head({ origin: 'http://localhost' }, [['origin', 'https://example.org']])],
  ])('with %s is answered with 400, and its connection ends', (_, request) => {
    expect(malformedRequest(request)).toMatchObject({ status: '400 Bad Request', ends: true })
  })

  it('has at most so many bytes of target and headers', () => {
    const bytes = Object.entries(good).reduce(
      (sum, [name, value]) => sum + name.length + value.length + 4,
      1,
    )
    const padded = (length: number) => head({}, [['x', 'a'.repeat(length - bytes - 5)]])
    expect(malformedRequest(padded(requestHeadBytesMax))).toBeUndefined()
    expect(malformedRequest(padded(requestHeadBytesMax + 1))).toEqual({
      status: '431 Request Header Fields Too Large',
      body: 'the target and the headers have 4097 bytes, at most 4096 (requestHeadBytesMax)\n',
      ends: true,
    })
  })

  it('has its lists in one header or in several', () => {
    const name = 'sec-websocket-protocol'
    expect(listHeader(head({ [name]: 'a, b' }, [[name, 'c']]), name)).toBe('a, b, c')
    expect(listHeader(head(), name)).toBe('')
  })
})

describe('a handshake', () => {
  it.each([{}, { upgrade: 'WebSocket' }, { connection: 'keep-alive, UPGRADE' }])(
    'is one with %j',
    (change) => {
      expect(asksForSocket(head(change))).toBe(true)
      expect(handshakeRefusal(head(change))).toBeUndefined()
    },
  )

  it.each([
    { upgrade: undefined },
    { upgrade: 'h2c' },
    { connection: undefined },
    { connection: 'close' },
    { connection: 'upgrades' },
    { 'sec-websocket-version': undefined },
    { 'sec-websocket-version': '12' },
    { 'sec-websocket-version': '13, 8' },
  ])('is none with %j: 426', (change) => {
    expect(handshakeRefusal(head(change))?.status).toBe('426 Upgrade Required')
  })

  it.each([
    { 'sec-websocket-key': undefined },
    { 'sec-websocket-key': '' },
    { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAA' },
    { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAAAA' },
    { 'sec-websocket-key': 'dGhl!HNhbXBsZSBub25jZQ==' },
    { 'content-length': '4' },
    { 'transfer-encoding': 'chunked' },
  ])('is none with %j: 400', (change) => {
    expect(handshakeRefusal(head(change))?.status).toBe('400 Bad Request')
  })

  it('is none with two keys: 400', () => {
    const request = head({}, [['sec-websocket-key', 'AAAAAAAAAAAAAAAAAAAAAA==']])
    expect(handshakeRefusal(request)?.status).toBe('400 Bad Request')
  })
})

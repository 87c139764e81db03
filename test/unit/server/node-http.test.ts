import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { credentialOf } from '../../../src/server/access/credential.ts'
import { readNodeHead, readNodeRequest } from '../../../src/server/node-http.ts'

/** A request as Node has it: its own object keeps the first of two headers alone. */
function requestWith(...authorization: string[]): IncomingMessage {
  const [first] = authorization
  return {
    method: 'GET',
    url: '/?a=b?c',
    rawHeaders: ['Host', 'localhost', ...authorization.flatMap((it) => ['Authorization', it])],
    headers: { host: 'localhost', ...(first === undefined ? {} : { authorization: first }) },
    socket: { remoteAddress: '127.0.0.1' },
  } as unknown as IncomingMessage
}

it.each([
  [[], 'none'],
  [['Bearer one'], 'token'],
  [['Bearer one', 'Bearer two'], 'wrong'],
] as const)('of the headers %j the token is: %s', (authorization, kind) => {
  const request = requestWith(...authorization)
  const read = readNodeRequest(request, readNodeHead(request))
  expect(read).toMatchObject({ path: '/', query: 'a=b?c', host: 'localhost' })
  expect(credentialOf(read).kind).toBe(kind)
})

/** Each setting of those who connect, given to the program: it acts. */

import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { settings } from '../../src/cli/config-schema.ts'
import { authenticationMillisMax, frameBytesMax } from '../../src/limits.ts'
import { AccessFile, tokenFor } from '../unit/server/access/access-files.ts'
import { serve } from './cli-process.ts'
import { RawClient } from './raw-client.ts'

const reader = tokenFor('reader')
const permissions = [{ actions: ['get', 'subscribe'], streams: ['*'] }]
const content = { principals: { reader: { permissions } }, tokens: [reader.row] }
const authenticate = [0x3f, 1, Buffer.from(reader.token)]
const listStreams = [0x14, 1]
const wrong = { headers: { authorization: 'Bearer wrong' } }

async function broker(...options: string[]): Promise<string> {
  const file = new AccessFile(content)
  return (await serve(['--ephemeral', '--access-file', file.path, ...options])).url
}

async function known(url: string): Promise<RawClient> {
  const client = await RawClient.open(url)
  expect((await client.ask(authenticate))[2]).toBe(null)
  return client
}

/** The status with which an upgrade is refused. */
async function statusOf(url: string, options: object = {}): Promise<number | undefined> {
  const socket = new WebSocket(url, ['millrace.v1'], options)
  const [request, response] = await once(socket, 'unexpected-response')
  request.destroy()
  return response.statusCode
}

/** The code and the text of the first refusal of several requests. */
async function refusalOf(client: RawClient, request: readonly unknown[]): Promise<unknown[]> {
  for (let count = 0; count < 3; count += 1) {
    const answer = await client.ask(request)
    if (answer[2] !== null) return answer.slice(2, 4)
  }
  return []
}

const tests: Record<string, () => Promise<void>> = {
  async '--access-authentication-millis-max'() {
    const url = await broker('--access-authentication-millis-max', '1')
    const inTime = wait(authenticationMillisMax - 500).then(() => 'as late as by default')
    const client = await RawClient.open(url)
    expect(await Promise.race([client.closed, inTime])).toMatchObject({ code: 4401 })
  },

  async '--access-unauthenticated-connections-max'() {
    const url = await broker('--access-unauthenticated-connections-max', '1')
    await RawClient.open(url)
    expect(await statusOf(url)).toBe(503)
  },

  async '--access-unauthenticated-connections-per-address-max'() {
    const url = await broker('--access-unauthenticated-connections-per-address-max', '1')
    const first = await RawClient.open(url)
    expect(await statusOf(url)).toBe(503)
    // Who is known is none of them any more.
    expect((await first.ask(authenticate))[2]).toBe(null)
    await RawClient.open(url)
  },

  async '--access-unauthenticated-message-bytes-max'() {
    const url = await broker('--access-unauthenticated-message-bytes-max', '256')
    const client = await RawClient.open(url)
    expect((await client.ask([0x3f, 1, Buffer.alloc(257)])).slice(2, 4)).toEqual([
      'UNAUTHENTICATED',
      expect.stringContaining('at most 256 (unauthenticatedMessageBytesMax)'),
    ])
    await known(url)
  },

  async '--access-unknown-frame-bytes-max'() {
    const url = await broker('--access-unknown-frame-bytes-max', '8192')
    const client = await RawClient.connect(url)
    expect((await client.next())[3]).toBe(8192)
    expect((await client.ask(authenticate)).at(-1)).toBe(8192)
    const large = [0x14, 2, null, null, Buffer.alloc(8192)]
    expect((await client.ask(large))[2]).toBe('RECORD_TOO_LARGE')
    // Who says at once who they are may send more.
    const headers = { authorization: `Bearer ${reader.token}` }
    const other = await RawClient.connect(url, { headers })
    expect((await other.next())[3]).toBe(frameBytesMax)
    expect((await other.ask(large))[2]).not.toBe('RECORD_TOO_LARGE')
  },

  async '--access-failed-authentications-burst'() {
    const url = await broker('--access-failed-authentications-burst', '1')
    expect([await statusOf(url, wrong), await statusOf(url, wrong)]).toEqual([401, 429])
  },

  async '--access-failed-authentications-per-second'() {
    const burst = ['--access-failed-authentications-burst', '1']
    const url = await broker(...burst, '--access-failed-authentications-per-second', '1000000')
    expect([await statusOf(url, wrong), await statusOf(url, wrong)]).toEqual([401, 401])
  },

  async '--access-connection-requests-per-second'() {
    const client = await known(await broker('--access-connection-requests-per-second', '1'))
    expect(await refusalOf(client, listStreams)).toEqual([
      'LIMIT_EXCEEDED',
      expect.stringContaining('this connection has had its 1 requests a second'),
    ])
  },

  async '--access-connection-bytes-per-second'() {
    const client = await known(await broker('--access-connection-bytes-per-second', '1'))
    expect(await refusalOf(client, listStreams)).toEqual([
      'LIMIT_EXCEEDED',
      expect.stringContaining('this connection has had its 1 bytes a second'),
    ])
  },

  async '--access-connection-frames-per-second'() {
    const client = await known(await broker('--access-connection-frames-per-second', '1'))
    for (let count = 0; count < 3; count += 1) client.send([0x50, 1, 1])
    expect(await client.closed).toMatchObject({
      code: 4429,
      reason: expect.stringContaining('connectionFramesPerSecond'),
    })
  },
}

describe('the program with', () => {
  it.each(Object.entries(tests))('%s keeps to it', (_, test) => test())

  it('each setting of them is tried here', () => {
    const flags = settings.map((it) => it.flag).filter((it) => /^--access-(?!file$)/.test(it))
    expect(Object.keys(tests).toSorted()).toEqual(flags.toSorted())
  })
})

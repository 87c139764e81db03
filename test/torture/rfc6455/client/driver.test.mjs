// The driver for the client, with cases that expect what does not happen: a suite that passes
// whatever comes proves nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needBuild } from '../../lib/machine.mjs'
import { binary, close } from '../frames.mjs'
import { ClientReader } from './client-reader.mjs'
import * as bare from './frames.mjs'

const skip = needBuild() ?? false
const whole = (bytes) => [bytes]
const run = async (it) => (await import('./driver.mjs')).runCase(it, whole)
const answers = { send: [bare.binary(bare.answer(1))] }

test('what is expected is told from what is not', { skip }, async () => {
  assert.equal((await run({ ...answers, fate: 'lives' })).isExpected, true)
  for (const fate of ['again', 'ends PROTOCOL_VIOLATION', 'fails PROTOCOL_VIOLATION']) {
    assert.deepEqual(await run({ ...answers, fate }), { isExpected: false, observed: 'lives' })
  }
  const pongs = { ...answers, wire: ['pong 61'], fate: 'lives' }
  assert.equal((await run(pongs)).isExpected, false)
  const silent = { ...pongs, wire: [], send: [bare.ping('a'), ...answers.send] }
  assert.deepEqual(await run(silent), { isExpected: false, observed: 'pong 61; lives' })
})

test('a client that comes again has to say why', { skip }, async () => {
  const it = { send: ['finish'], fate: 'again' }
  assert.equal((await run({ ...it, says: /1006/ })).isExpected, true)
  assert.equal((await run({ ...it, says: /1007/ })).isExpected, false)
  assert.equal((await run({ ...it, fate: 'lives' })).isExpected, false)
})

const asked = (change = {}) => {
  const headers = {
    Host: 'a',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol': 'millrace.v1',
    ...change,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return Buffer.from(['GET / HTTP/1.1', ...lines, '', ''].join('\r\n'))
}
const reader = () => new ClientReader({ host: 'a', path: '/', keys: new Set() })
const heard = (...chunks) => {
  const it = reader()
  for (const chunk of chunks) it.take(chunk)
  return it.events
}

test('a client that keeps to the rules is not told', () => {
  assert.deepEqual(heard(asked(), binary(bare.answer(7)), close(1000)), ['request 7', 'close 1000'])
})

for (const [what, ...chunks] of [
  ['a bare frame', asked(), bare.binary(bare.answer(1))],
  ['a reserved bit', asked(), binary(bare.answer(1), { rsv: 4 })],
  ['a long length', asked(), binary(bare.answer(1), { form: 16 })],
  ['a frame behind a close', asked(), close(1000), close(1000)],
  ['a close with 1005', asked(), close(1005)],
  ['the line', Buffer.from(asked().toString().replace('GET /', 'GET /x'))],
  ['the key', asked({ 'Sec-WebSocket-Key': 'AAAA' })],
  ['sec-websocket-version', asked({ 'Sec-WebSocket-Version': '8' })],
  ['sec-websocket-extensions', asked({ 'Sec-WebSocket-Extensions': 'permessage-deflate' })],
  ['bytes behind its handshake', Buffer.concat([asked(), Buffer.of(1)])],
]) {
  test(`a client may not send ${what}`, () => {
    assert.match(heard(...chunks).join(), new RegExp(`WRONG: ${what}`))
  })
}

test('a key may not come twice', () => {
  const keys = new Set()
  const events = [1, 2].map(() => {
    const it = new ClientReader({ host: 'a', path: '/', keys })
    it.take(asked())
    return it.events.join()
  })
  assert.deepEqual(events, ['', 'WRONG: a key that has been there before'])
})

// The driver, against servers that break the rules: a suite that passes whatever comes proves
// nothing.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { encode } from '@msgpack/msgpack'
import { CUTS } from './bytes-in-pieces.mjs'
import { plain, runCase } from './driver.mjs'
import { binary, frame, OPCODE, ping, request } from './frames.mjs'
import { acceptOf } from './http-head.mjs'

const said = (opcode, payload, options = {}) => frame(opcode, payload, { mask: null, ...options })
const welcome = said(OPCODE.binary, encode([0x01, 1, 'x', 1, 1]))

function upgraded(key, more = []) {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
  return [...lines, `Sec-WebSocket-Accept: ${acceptOf(key)}`, ...more, '', ''].join('\r\n')
}

// Runs a case against a server that says `head` (of the key) to the handshake, and `answers` to
// what follows.
async function observed(it, answers, head = upgraded) {
  const server = createServer((socket) => {
    let isOpen = false
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      if (isOpen) {
        socket.end(Buffer.concat(answers))
        return
      }
      isOpen = true
      const key = /Sec-WebSocket-Key: (.*)\r/.exec(data.toString('latin1'))[1]
      socket.write(Buffer.concat([Buffer.from(head(key)), welcome]))
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await runCase(plain(server.address().port), it, CUTS.whole)
  } finally {
    server.close()
  }
}

const asks = { send: [binary(request(1))], expect: ['answer 1', 'end'] }
const answer = said(OPCODE.binary, encode([0x13, 1, null]))

test('what is expected is told from what is not', async () => {
  assert.equal((await observed(asks, [answer])).isExpected, true)
  assert.equal((await observed(asks, [])).isExpected, false)
  assert.equal((await observed(asks, [answer, answer])).isExpected, false)
  const closes = { ...asks, expect: ['close 1000', 'end'] }
  assert.equal((await observed(closes, [said(OPCODE.close, Buffer.of(3, 0xe8))])).isExpected, true)
  assert.equal((await observed(closes, [said(OPCODE.close, Buffer.of(3, 0xe9))])).isExpected, false)
})

test('a connection that ends where it should be of use is told', async () => {
  const lives = { send: [ping('a')], expect: ['pong 61'] }
  const { isExpected, observed: events } = await observed(lives, [said(OPCODE.pong, 'a')])
  assert.equal(isExpected, false)
  assert.equal(events, 'pong 61; end')
})

for (const [what, frames] of [
  ['a masked frame', [binary(encode([0x13, 1, null]))]],
  ['a reserved bit', [said(OPCODE.binary, encode([0x13, 1, null]), { rsv: 4 })]],
  ['a long length', [said(OPCODE.binary, encode([0x13, 1, null]), { form: 16 })]],
  ['a fragment', [said(OPCODE.binary, encode([0x13, 1, null]), { fin: false })]],
  ['a frame behind a close', [said(OPCODE.close, ''), answer]],
  ['a close with 1005', [said(OPCODE.close, Buffer.of(3, 0xed))]],
  ['a reason that is no UTF-8', [said(OPCODE.close, Buffer.of(3, 0xe8, 0xff))]],
  ['a long control', [said(OPCODE.pong, 'a'.repeat(126), { form: 16 })]],
]) {
  test(`a server may not send ${what}`, async () => {
    const { isExpected, observed: events } = await observed(asks, frames)
    assert.equal(isExpected, false)
    assert.match(events, new RegExp(`WRONG: ${what}`))
  })
}

for (const [what, head] of [
  ['sec-websocket-accept', () => upgraded('another')],
  ['an extension', (key) => upgraded(key, ['Sec-WebSocket-Extensions: permessage-deflate'])],
  ['the subprotocol', (key) => upgraded(key, ['Sec-WebSocket-Protocol: chat'])],
]) {
  test(`a handshake is wrong by ${what}`, async () => {
    await assert.rejects(observed(asks, [answer], head), new RegExp(`no handshake.*WRONG: ${what}`))
  })
}

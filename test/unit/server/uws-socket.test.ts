import { expect, test, vi } from 'vitest'
import { UwsSocket } from '../../../src/server/uws-transport.ts'

test.each([
  ['sent', 1, true, []],
  ['kept until the peer reads', 0, false, []],
  [
    'dropped, which ends the connection',
    2,
    false,
    [[4408, 'SLOW_CONSUMER: a message was dropped']],
  ],
] as const)('a message is %s', (_, outcome, isSent, ends) => {
  const end = vi.fn()
  const socket = new UwsSocket({
    remoteAddress: '127.0.0.1',
    send: () => outcome,
    getBufferedAmount: () => 0,
    cork: vi.fn(),
    ping: () => 1,
    end,
    close: vi.fn(),
  })
  expect(socket.send(new Uint8Array(1))).toBe(isSent)
  expect(end.mock.calls).toEqual(ends)
})

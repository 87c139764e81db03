import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { checkPort, isShared } from '../../../src/server/port-probe.ts'

const table = (...rows: string[]) =>
  ['  sl  local_address rem_address   st tx_queue rx_queue', ...rows, ''].join('\n')
const row = (local: string, state: string) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1`

// 0x11DA is 4570.
test.each([
  ['one that listens', [row('0100007F:11DA', '0A')], false],
  ['two that listen', [row('0100007F:11DA', '0A'), row('0100007F:11DA', '0A')], true],
  ['one, and its connections', [row('0100007F:11DA', '0A'), row('0100007F:11DA', '06')], false],
  ['two at other ports', [row('0100007F:11DB', '0A'), row('0100007F:11DB', '0A')], false],
  ['two at other addresses', [row('0100007F:11DA', '0A'), row('0200007F:11DA', '0A')], false],
  ['none', [], false],
])('the table of sockets has %s', (_, rows, expected) => {
  expect(isShared(table(...rows), 4570)).toBe(expected)
})

test('a port that is taken is refused, and is free when its owner has gone', async () => {
  const owner = createServer()
  await new Promise<void>((resolve) => owner.listen(0, '127.0.0.1', resolve))
  const address = owner.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await expect(checkPort('127.0.0.1', port)).rejects.toMatchObject({
    code: 'ADDRESS_UNAVAILABLE',
    message: expect.stringContaining(`127.0.0.1:${port}: another process listens there`),
  })
  await new Promise<void>((resolve) => owner.close(() => resolve()))
  await checkPort('127.0.0.1', port)
})

test.each([
  ['an address of another machine', '203.0.113.7', /does not have the address/],
  ['a name that is unknown', 'nowhere.invalid', /nowhere\.invalid/],
])('%s is refused with the reason', async (_, host, text) => {
  await expect(checkPort(host, 4570)).rejects.toThrow(text)
})

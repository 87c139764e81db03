/** Subscriptions over real sockets, by a client that knows nothing of ours. */

import { expect, it, onTestFinished } from 'vitest'
import { packMessage } from '../../src/wire/codec.ts'
import { SliceCursor } from '../../src/wire/slice-cursor.ts'
import { RawClient } from './raw-client.ts'
import { startBroker } from './running-broker.ts'

it('sends what is there and what comes', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.stop())
  const client = await RawClient.open(broker.url)
  await client.createStream('orders', 1)
  expect(
    (await client.ask([0x21, 2, 'orders', 'os', [['k', new Uint8Array(3)]], null, 0, 0]))[2],
  ).toBeNull()
  const answer = await client.ask([
    0x28,
    5,
    'orders',
    '0',
    null,
    'TRIM_HORIZON',
    null,
    null,
    65536,
    null,
  ])
  expect(answer).toEqual([0x28, 5, null, 1, ['shardId-000000000000', 2n, 1n]])
  const first = await client.nextBytes()
  expect([...new SliceCursor(first)].map((it) => it.sequenceNumber)).toEqual([1n])
  expect(await client.next()).toEqual([0x42, 1, [[2n, 2n, 0]]])
  client.socket.send(packMessage([0x50, 1, first.length]))
  client.send([
    0x21,
    6,
    'orders',
    'os',
    [
      ['k', new Uint8Array(3)],
      ['l', new Uint8Array(9)],
    ],
    null,
    0,
    0,
  ])
  const a = await client.nextBytes()
  const b = await client.nextBytes()
  const slice = a[1] === 0xce ? a : b
  expect([...new SliceCursor(slice)].map((it) => it.sequenceNumber)).toEqual([2n, 3n])
  expect(await client.ask([0x2a, 7, 1])).toEqual([0x2a, 7, null])
  const stream = await client.ask([0x29, 8, 'orders', null, 'LATEST', null, 65536, []])
  expect(stream).toEqual([0x29, 8, null, 2, [['shardId-000000000000', 2n, 4n]]])
  expect(await client.next()).toEqual([0x42, 2, [[2n, 4n, 0]]])
})

/** What a connection does for the subscriptions of its client. */

import { expect, it } from 'vitest'
import { encodeRequest } from '../../../src/wire/frame.ts'
import { encodeCredit } from '../../../src/wire/pushes.ts'
import {
  subscribeToShard,
  subscribeToStream,
  unsubscribe,
} from '../../../src/wire/subscription-operations.ts'
import { makeConnections } from './fakes.ts'
import { createFrame, putAnswer, putFrame, turn } from './frames.ts'

const creditBytes = 1000
const shard = { shardId: 'shardId-000000000000', shardNumber: 2n, firstSequenceNumber: 1n }
const subscribe = (requestId: number) =>
  encodeRequest(subscribeToShard, requestId, {
    streamName: 'orders',
    shardId: '0',
    startingPositionType: 'LATEST',
    creditBytes,
  })
const slice = Uint8Array.of(0x9b, 0xce, 1, 2, 3)

/** A connection with a subscription. */
async function subscribed(limits: Parameters<typeof makeConnections>[0] = {}) {
  const made = makeConnections(limits)
  const { socket, connection } = made.open()
  connection.receive(subscribe(1), true)
  made.broker.calls[0]?.settle({ subscriptionId: 1, shard })
  await turn()
  const [opened] = made.broker.subscriptions
  if (opened === undefined) throw new Error('no subscriptions were opened')
  socket.take()
  return { ...made, socket, connection, opened, told: opened.told }
}

it('opens subscriptions once, for the operations that are about them', async () => {
  const { broker, open } = makeConnections()
  const { socket, connection } = open()
  connection.receive(createFrame(1), true)
  await turn()
  expect(broker.subscriptions).toHaveLength(0)
  connection.receive(subscribe(2), true)
  const resume = { streamName: 'orders', startingPositionType: 'LATEST', creditBytes, resume: [] }
  connection.receive(encodeRequest(subscribeToStream, 3, resume as never), true)
  expect(broker.subscriptions).toHaveLength(1)
  broker.calls[1]?.settle({ subscriptionId: 1, shard })
  broker.calls[2]?.settle({ subscriptionId: 2, shards: [shard] })
  await turn()
  connection.receive(encodeRequest(unsubscribe, 4, { subscriptionId: 1 }), true)
  broker.calls[3]?.settle({})
  await turn()
  const row = ['shardId-000000000000', 2n, 1n]
  expect(socket.take()).toEqual([
    [0x28, 2, null, 1, row],
    [0x29, 3, null, 2, [row]],
    [0x2a, 4, null],
  ])
  expect(broker.calls.map((it) => it.name)).toEqual([
    'CreateStream',
    'SubscribeToShard',
    'SubscribeToStream',
    'Unsubscribe',
  ])
})

it('hands credit over before anything else, whatever else is refused', async () => {
  const { broker, connection, connections, socket, told } = await subscribed()
  for (const id of [1, 2, 3]) connection.receive(putFrame(id), true)
  connection.receive(putFrame(4), true)
  expect(socket.take()[0]?.slice(0, 3)).toEqual([0x20, 4, 'LIMIT_EXCEEDED'])
  connection.receive(encodeCredit(1, 70_000), true)
  expect(told).toEqual([['credit', 1, 70_000]])
  expect(connection.inFlight).toBe(3)
  const drained = connections.drain()
  connection.receive(encodeCredit(1, 5), true)
  expect(told.slice(1)).toEqual(['finish', ['credit', 1, 5]])
  for (const [at, put] of broker.puts.entries()) put.answer(putAnswer(at + 1))
  await drained
  expect(socket.take().map(([opcode]) => opcode)).toEqual([0x20, 0x20, 0x20])
})

it('ignores the credit of who has never subscribed, and refuses what is none', async () => {
  const { open } = makeConnections()
  const { socket, connection } = open()
  connection.receive(encodeCredit(7, 100), true)
  expect(socket.isOpen).toBe(true)
  connection.receive(Uint8Array.of(0x93, 0x50, 1, 0xff), true)
  expect(socket.events.at(-1)).toMatch(/^close 4500 PROTOCOL_VIOLATION: /)
})

it('sends at once, says when that waits, and when it has left', async () => {
  const { connection, opened, socket, told } = await subscribed()
  expect(connection.push(slice)).toBe(true)
  expect(socket.sent.splice(0)).toEqual([slice])
  socket.isReading = false
  expect(opened.sink.push(slice, true)).toBe(false)
  expect(opened.sink.bufferedBytes()).toBe(slice.length)
  socket.drain()
  expect(told).toEqual(['drained'])
  expect(opened.sink.bufferedBytes()).toBe(0)
})

it('is cut off when the pushes of a minute were not read, or credit is owed', async () => {
  const first = await subscribed()
  first.socket.isReading = false
  // Pushes have bounds of their own: they are no unread answers.
  for (let i = 0; i < 1000; i += 1) first.connection.push(slice)
  expect(first.socket.isOpen).toBe(true)
  first.clock.now += 59_999
  first.connections.inspect()
  expect(first.socket.isOpen).toBe(true)
  first.clock.now += 1
  first.connections.inspect()
  expect(first.connections.closes).toEqual(new Map([[4408, 1]]))
  expect(first.told).toEqual(['close'])

  const second = await subscribed()
  second.opened.owes = true
  second.opened.sink.stalled()
  expect(second.socket.events).toEqual(['close 4408 SLOW_CONSUMER: subscription 1'])
  expect(second.told).toEqual(['finish', 'close'])
  // Nobody is left who could be told twice.
  second.opened.sink.stalled()
  expect(second.connections.count).toBe(0)
})

it('ends subscriptions with their connection, and when the server is about to stop', async () => {
  const { connection, told } = await subscribed()
  connection.closed(1006)
  expect(told).toEqual(['close'])
  expect(connection.bufferedBytes()).toBe(0)

  const { connections, open } = makeConnections()
  open()
  await connections.drain()
  const other = await subscribed()
  const drained = other.connections.drain()
  expect(other.told).toEqual(['finish'])
  other.connection.receive(subscribe(9), true)
  expect(other.socket.take()[0]?.slice(0, 3)).toEqual([0x28, 9, 'SERVER_CLOSING'])
  await drained
  expect(other.socket.events).toEqual(['close 1012 SERVER_CLOSING retryAfterMs=1000'])
})

it('opens nothing for a connection that ended while its request was read', async () => {
  const { broker, open } = makeConnections()
  const { connection } = open()
  connection.closed(1006)
  connection.receive(subscribe(1), true)
  await turn()
  expect(broker.subscriptions).toHaveLength(0)
})

it('leaves a silent client that owes credit to the time it has for that', async () => {
  const { clock, connections, opened, socket } = await subscribed()
  opened.owes = true
  for (clock.now = 0; clock.now < 200_000; clock.now += 5000) connections.inspect()
  expect(socket.isOpen).toBe(true)
  expect(socket.events).toEqual(['ping'])
  opened.owes = false
  connections.inspect()
  expect(socket.events.at(-1)).toBe('close 4410 SILENT')
})

/** Consumers, checkpoints and leases as a stranger uses them, who has read PROTOCOL.md. */

import { afterEach, beforeEach, expect, it } from 'vitest'
import { ForeignClient, ForeignError, opcodes } from './foreign/client.ts'
import { createStream, listShards, type Row } from './foreign/kit.ts'
import { type RunningBroker, startBroker } from './running-broker.ts'

const stream = 'orders'
const consumer = 'billing'
const ids = ['shardId-000000000000', 'shardId-000000000001', 'shardId-000000000002']

let running: RunningBroker
let client: ForeignClient

beforeEach(async () => {
  running = await startBroker()
  client = await ForeignClient.connect(running.url)
  await createStream(client, stream, ids.length)
  await client.request(opcodes.registerStreamConsumer, stream, consumer)
})

afterEach(async () => {
  client?.close()
  await running?.stop()
})

async function failure(promise: Promise<unknown>): Promise<ForeignError> {
  const error = await promise.catch((it: unknown) => it)
  expect(error).toBeInstanceOf(ForeignError)
  return error as ForeignError
}

/** R7: an integer that is not negative, of whatever type. */
function integers(rows: unknown): unknown {
  if (typeof rows === 'number') return BigInt(rows)
  return Array.isArray(rows) ? rows.map(integers) : rows
}

async function put(count: number): Promise<bigint> {
  const records = Array(count).fill(['cat', Buffer.from('hello')])
  const answer = await client.request(opcodes.putRecords, stream, null, records, null, 0, 0)
  const [, indexes] = answer as [unknown, number[]]
  return BigInt(indexes[0] as number)
}

it('registers consumers, lists them in pages, and describes them', async () => {
  const before = Date.now()
  const tags = [['team', 'a']]
  const made = await client.request(opcodes.registerStreamConsumer, stream, 'audit', tags)
  expect(made.slice(0, 2)).toEqual(['audit', 'ACTIVE'])
  expect(Math.abs(Number(made[2]) - before)).toBeLessThan(60_000)
  expect(await client.request(opcodes.describeStreamConsumer, stream, 'audit')).toEqual([
    ...made,
    tags,
  ])
  const [page, token] = await client.request(opcodes.listStreamConsumers, stream, null, 1)
  expect(page).toEqual([made])
  const [rest, end = null] = await client.request(opcodes.listStreamConsumers, null, token)
  expect((rest as Row[]).map(([name]) => name)).toEqual([consumer])
  expect(end).toBe(null)
  const again = client.request(opcodes.registerStreamConsumer, stream, 'audit')
  expect(await failure(again)).toMatchObject({ code: 'CONSUMER_EXISTS', retryable: false })
  expect(await client.request(opcodes.deregisterStreamConsumer, stream, 'audit')).toEqual([])
  const gone = client.request(opcodes.describeStreamConsumer, stream, 'audit')
  expect(await failure(gone)).toMatchObject({ code: 'CONSUMER_NOT_FOUND', retryable: false })
})

it('keeps its checkpoints, also on another connection', async () => {
  const index = await put(4)
  const id = ids[Number(index)] as string
  await client.request(opcodes.setCheckpoint, stream, consumer, id, 3)
  await client.request(opcodes.setCheckpoint, stream, consumer, id, 5n)
  const back = client.request(opcodes.setCheckpoint, stream, consumer, id, 4)
  expect(await failure(back)).toMatchObject({ code: 'CHECKPOINT_REGRESSED', retryable: false })
  const future = client.request(opcodes.setCheckpoint, stream, consumer, id, 6)
  expect(await failure(future)).toMatchObject({ code: 'SEQUENCE_NUMBER_IN_FUTURE' })
  const open = client.request(opcodes.setCheckpoint, stream, consumer, id, null)
  expect(await failure(open)).toMatchObject({ code: 'INVALID_ARGUMENT' })
  const other = await ForeignClient.connect(running.url)
  const [rows] = await other.request(opcodes.getCheckpoints, stream, consumer)
  const shards = await listShards(other, stream, 10)
  expect(integers(rows)).toEqual([[id, shards[Number(index)]?.shardNumber, 5n]])
  other.close()
})

it('shares shards with a worker, and is fenced off where it lost one (R49 to R51)', async () => {
  const leaseMillis = 5000
  const acquire = async (worker: string, ...rest: unknown[]) => {
    const answer = await client.request(
      opcodes.acquireLeases,
      stream,
      consumer,
      worker,
      leaseMillis,
      ...rest,
    )
    const [acquired, workers, again = null] = answer as [Row[], number, number | null | undefined]
    return { acquired: integers(acquired) as Row[], workers, again }
  }
  const first = await acquire('a')
  expect(first.workers).toBe(1)
  expect(first.again).toBe(null)
  expect(first.acquired.map(([id]) => id)).toEqual(ids)
  const counters = first.acquired.map((it) => it[2] as bigint)
  expect(new Set(counters).size).toBe(3)
  expect(first.acquired.every((it) => (it[3] ?? null) === null)).toBe(true)

  await client.request(opcodes.setCheckpoint, stream, consumer, ids[2], 1, counters[2])
  // R51: it takes nothing of others before it has been there for a third of its lease.
  const early = await acquire('b')
  expect(early.acquired).toEqual([])
  await new Promise((resolve) => setTimeout(resolve, Number(early.again)))
  const second = await acquire('b')
  expect(second.workers).toBe(2)
  // R51: until the leases of the other one expire.
  expect(second.again).toBeGreaterThan(0)
  expect(second.again).toBeLessThanOrEqual(leaseMillis)
  const [stolen] = second.acquired
  expect(stolen?.[0]).toBe(ids[2])
  expect(stolen?.[2] as bigint).toBeGreaterThan(counters[2] as bigint)
  expect(stolen?.[3]).toBe(1n)

  const held = ids.map((id, i) => [id, counters[i]])
  const [lost] = await client.request(opcodes.renewLeases, stream, consumer, 'a', held)
  expect(integers(lost)).toEqual([held[2]])
  const late = client.request(opcodes.setCheckpoint, stream, consumer, ids[2], 1, counters[2])
  expect(await failure(late)).toMatchObject({ code: 'LEASE_LOST', retryable: false })
  const without = client.request(opcodes.setCheckpoint, stream, consumer, ids[2], 1)
  expect(await failure(without)).toMatchObject({ code: 'LEASE_LOST' })

  const [states] = await client.request(opcodes.listLeases, stream, consumer)
  const rows = states as [string, string, unknown, number][]
  expect(rows.map(([id, worker]) => [id, worker])).toEqual([
    [ids[0], 'a'],
    [ids[1], 'a'],
    [ids[2], 'b'],
  ])
  for (const [, , , millis] of rows) {
    expect(millis).toBeGreaterThan(0)
    expect(millis).toBeLessThanOrEqual(leaseMillis)
  }
  const release = [opcodes.releaseLease, stream, consumer, 'a', ids[0], counters[0]] as const
  await client.request(...release)
  expect(await failure(client.request(...release))).toMatchObject({ code: 'LEASE_LOST' })
  expect((await acquire('b', 1)).acquired).toEqual([])
  expect((await acquire('b')).acquired.map(([id]) => id)).toEqual([ids[0]])
})

it('does not lose a stream that has consumers by mistake (R47)', async () => {
  const refused = await failure(client.request(opcodes.deleteStream, stream))
  expect(refused).toMatchObject({ code: 'STREAM_IN_USE', retryable: true })
  expect(refused.message).toContain(consumer)
  await client.request(opcodes.deleteStream, stream, true)
  const gone = client.request(opcodes.getCheckpoints, stream, consumer)
  expect(await failure(gone)).toMatchObject({ code: 'STREAM_NOT_FOUND' })
})

it.each([
  ['INVALID_ARGUMENT', [opcodes.registerStreamConsumer, stream, 'no spaces']],
  ['INVALID_ARGUMENT', [opcodes.registerStreamConsumer, stream, '']],
  ['INVALID_ARGUMENT', [opcodes.registerStreamConsumer, stream, 'x'.repeat(129)]],
  ['PROTOCOL_VIOLATION', [opcodes.registerStreamConsumer, stream]],
  ['PROTOCOL_VIOLATION', [opcodes.registerStreamConsumer, stream, 'c', null, 1]],
  ['STREAM_NOT_FOUND', [opcodes.registerStreamConsumer, 'nowhere', 'c']],
  ['INVALID_ARGUMENT', [opcodes.listStreamConsumers]],
  ['INVALID_ARGUMENT', [opcodes.listStreamConsumers, null, 'nonsense']],
  ['STREAM_NOT_FOUND', [opcodes.listStreamConsumers, stream, null, null, 1]],
  ['CONSUMER_NOT_FOUND', [opcodes.deregisterStreamConsumer, stream, 'nobody']],
  ['CONSUMER_NOT_FOUND', [opcodes.getCheckpoints, stream, 'nobody']],
  ['SHARD_NOT_FOUND', [opcodes.setCheckpoint, stream, consumer, '9', 1]],
  ['INVALID_ARGUMENT', [opcodes.setCheckpoint, stream, consumer, '0', 0]],
  ['INVALID_ARGUMENT', [opcodes.setCheckpoint, stream, consumer, '0', -1]],
  ['INVALID_ARGUMENT', [opcodes.acquireLeases, stream, consumer, '', 10_000]],
  ['INVALID_ARGUMENT', [opcodes.acquireLeases, stream, consumer, 'w', 499]],
  ['INVALID_ARGUMENT', [opcodes.acquireLeases, stream, consumer, 'w', 300_001]],
  ['INVALID_ARGUMENT', [opcodes.acquireLeases, stream, consumer, 'w', 10_000, 0]],
  ['PROTOCOL_VIOLATION', [opcodes.renewLeases, stream, consumer, 'w', [['0']]]],
  ['INVALID_ARGUMENT', [opcodes.renewLeases, stream, consumer, 'w', Array(1001).fill(['0', 1])]],
  ['SHARD_NOT_FOUND', [opcodes.renewLeases, stream, consumer, 'w', [['x', 1]]]],
  ['LEASE_LOST', [opcodes.releaseLease, stream, consumer, 'w', '0', 1]],
] as const)('%s, and the connection stays (%#)', async (code, [opcode, ...fields]) => {
  const error = await failure(client.request(opcode, ...fields))
  expect(error).toMatchObject({ code, retryable: false })
  expect(error.message).not.toBe('')
  expect((await client.request(opcodes.describeStreamSummary, stream))[1]).toBe('ACTIVE')
})

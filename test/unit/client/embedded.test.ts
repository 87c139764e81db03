import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Broker } from '../../../src/broker/broker.ts'
import { encodeResumeToken } from '../../../src/client/resume-token.ts'
import { StreamVerbs } from '../../../src/client/stream-verbs.ts'
import { frameBytesMax } from '../../../src/limits.ts'
import { LocalExchange } from '../../../src/local-exchange.ts'
import { openLog } from '../../../src/log/native-log.ts'
import { Millrace } from '../../../src/millrace.ts'

test.each(['read', 'subscribe'] as const)(
  '%s is the same in a program as over a socket',
  async (verb) => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-embedded-'))
    const millrace = await Millrace.open({ dir: join(directory, 'data') })
    await millrace.createStream('orders', { shardCount: 3 })
    const reader = millrace[verb]('orders')
    await reader.ready()
    const producer = millrace.producer('orders')
    const wanted = Array.from({ length: 2000 }, (_, i) => String(i))
    await producer.putMany(
      wanted.map((text) => ({ key: text, data: new TextEncoder().encode(text) })),
    )
    const ack = await producer.putAcknowledged({ key: 'last', data: new Uint8Array() })
    expect(ack.durability).toBe('disk')
    await producer.close()
    const texts: string[] = []
    for await (const batch of reader) {
      for (const record of batch) texts.push(new TextDecoder().decode(record.data))
      if (texts.length > wanted.length) break
    }
    expect(texts.toSorted()).toEqual([...wanted, ''].toSorted())
    const some = millrace[verb]('orders', { from: 'oldest', shards: ['0', '2'] })
    const seen = new Set<string>()
    for await (const batch of some) {
      seen.add(batch.shardId)
      if (seen.size === 2) break
    }
    expect([...seen].sort()).toEqual(['shardId-000000000000', 'shardId-000000000002'])
    const idle = millrace[verb]('orders')
    await idle.ready()
    await millrace.close()
    await expect(idle.next()).rejects.toMatchObject({ code: 'SERVER_CLOSING' })
    const late = millrace.producer('orders')
    await late.put({ key: 'k', data: new Uint8Array() })
    await expect(late.close()).rejects.toMatchObject({ code: 'SERVER_CLOSING', refusedCount: 1 })
    rmSync(directory, { recursive: true, force: true })
  },
)

test('what was trimmed of a shard before it was begun at all is a gap, too', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-embedded-'))
  const log = await openLog({ dir: join(directory, 'data'), exclusive: true })
  const broker = await Broker.over(log)
  const verbs = new StreamVerbs(new LocalExchange(broker), frameBytesMax)
  await verbs.createStream('orders', { shardCount: 2 })
  const { shards } = await verbs.listShards('orders')
  const [first, second] = shards.map((it) => ({ ...it, shardNumber: it.shardNumber as never }))
  if (first === undefined || second === undefined) throw new Error('no shards')
  for (const text of ['a', 'b', 'c']) {
    const explicitHashKey = second.startingHashKey
    await verbs.put('orders', { key: text, data: new Uint8Array(), explicitHashKey })
  }
  await log.trim(second.shardNumber, 3n as never)
  const from = encodeResumeToken('orders', [{ ...first, next: 1n }])
  const subscription = verbs.subscribe('orders', { from })
  const { value: missing } = await subscription.next()
  const { shardId } = second
  expect(missing?.gap).toEqual({ shardId, lostFrom: 1n, firstAvailable: 3n })
  const { value: batch } = await subscription.next()
  expect([batch?.firstSequenceNumber, batch?.recordCount]).toEqual([3n, 1])
  await subscription.close()
  await broker.close()
  rmSync(directory, { recursive: true, force: true })
})

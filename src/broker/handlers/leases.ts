/** AcquireLeases, RenewLeases, ReleaseLease and ListLeases. PROTOCOL.md R49 to R52. */

import { shardIndexOf } from '../../shard/shard.ts'
import type {
  acquireLeases,
  listLeases,
  releaseLease,
  renewLeases,
} from '../../wire/consumer-operations.ts'
import type { AnswerOf, Lease, RequestOf } from '../../wire/operations.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import type { BrokerContext } from '../context.ts'

export async function handleAcquireLeases(
  { consumers }: BrokerContext,
  request: RequestOf<typeof acquireLeases>,
): Promise<AnswerOf<typeof acquireLeases>> {
  const { stream, consumer } = consumers.find(request.streamName, request.consumerName)
  const { leases, ...rest } = await consumers.leases.acquire(consumer, request)
  const acquired = Array.from(leases).flatMap(([index, { counter }]): Lease[] => {
    const shard = stream.shards.get(index)
    if (shard === undefined) return []
    const place = consumer.checkpoints.get(index)
    const row = { shardId: shardIdText(index), shardNumber: shard.number, leaseCounter: counter }
    return [typeof place === 'bigint' ? { ...row, nextSequenceNumber: place } : row]
  })
  return { acquired, ...rest }
}

export async function handleRenewLeases(
  { consumers }: BrokerContext,
  request: RequestOf<typeof renewLeases>,
): Promise<AnswerOf<typeof renewLeases>> {
  const { streamName, workerId } = request
  const { consumer } = consumers.find(streamName, request.consumerName)
  const held = request.leases.map((it) => ({
    ...it,
    shardIndex: shardIndexOf(it.shardId, streamName),
  }))
  const lost = consumers.leases.renew(consumer, workerId, held)
  return { lost: lost.map(({ shardId, leaseCounter }) => ({ shardId, leaseCounter })) }
}

export async function handleReleaseLease(
  { consumers }: BrokerContext,
  request: RequestOf<typeof releaseLease>,
): Promise<AnswerOf<typeof releaseLease>> {
  const { streamName, workerId, shardId, leaseCounter } = request
  const { consumer } = consumers.find(streamName, request.consumerName)
  const shardIndex = shardIndexOf(shardId, streamName)
  await consumers.leases.release(consumer, workerId, { shardIndex, leaseCounter })
  return {}
}

export async function handleListLeases(
  { consumers }: BrokerContext,
  { streamName, consumerName }: RequestOf<typeof listLeases>,
): Promise<AnswerOf<typeof listLeases>> {
  const { stream, consumer } = consumers.find(streamName, consumerName)
  const leases = [...stream.shards.keys()].flatMap((index) => {
    const lease = consumer.leases.get(index)
    if (lease === undefined) return []
    return [
      {
        shardId: shardIdText(index),
        workerId: lease.workerId,
        leaseCounter: lease.counter,
        expiresInMillis: consumers.leases.millisLeft(consumer, index),
      },
    ]
  })
  return { leases }
}

// One worker of a group. Start it several times: the workers share the shards of the stream among
// themselves. Kill one: the others take over where its last checkpoint is. Each record is handled
// at least once, and after a kill some are handled twice: let the work bear that.
//
//   node examples/consumer-group.mjs orders billing

import { connect } from 'millrace/client'

const [stream = 'orders', name = 'billing', leaseMillis = '10000'] = process.argv.slice(2)
const url = process.env.MILLRACE_URL ?? 'ws://127.0.0.1:4570'

const client = await connect(url)
const consumer = client.consume(stream, {
  consumer: name, // registered when it is missing
  from: 'oldest', // where a shard begins that has no checkpoint yet
  leaseMillis: Number(leaseMillis),
})
consumer.on('acquired', ({ shardId }) => console.error(`acquired ${shardId}`))
consumer.on('lost', ({ shardId }) => console.error(`lost ${shardId}`))
process.once('SIGINT', () => consumer.close())

// With the next batch the one before counts as handled; checkpoints are written once a second.
for await (const batch of consumer) {
  for (const { sequenceNumber, partitionKey, data } of batch) {
    console.log(`${batch.shardId}@${sequenceNumber} ${partitionKey}: ${Buffer.from(data)}`)
  }
}
await client.close()

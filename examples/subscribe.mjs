// Prints the records of a stream as they come. Started again, it goes on where it was stopped:
// the place is kept in a file.
//
//   node examples/subscribe.mjs orders

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'millrace/client'

const [stream = 'orders', file = `${stream}.place`] = process.argv.slice(2)
const url = process.env.MILLRACE_URL ?? 'ws://127.0.0.1:4570'
const from = existsSync(file) ? readFileSync(file, 'utf8') : 'oldest'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const client = await connect(url)
client.on('state', (state) => console.error(`connection: ${state}`))
const subscription = client.subscribe(stream, { from, signal: stop.signal })
subscription.on('gap', ({ shardId, lostFrom }) => console.error(`gone: ${shardId}@${lostFrom} ...`))

try {
  for await (const batch of subscription) {
    for (const { sequenceNumber, partitionKey, data } of batch) {
      console.log(`${batch.shardId}@${sequenceNumber} ${partitionKey}: ${Buffer.from(data)}`)
    }
    writeFileSync(file, batch.resumeToken)
  }
} catch (error) {
  if (!stop.signal.aborted) throw error
} finally {
  await client.close()
}

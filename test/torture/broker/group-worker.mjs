// A worker of a group, in a process that may be killed or stopped at any moment:
//   node group-worker.mjs URL STREAM CONSUMER WORKER LEASE_MILLIS MODE FILE
// It writes down what it does (group-lines.mjs) in FILE, says `ready`, and ends politely at SIGTERM.
import { openSync, writeSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { connect } from 'millrace/client'
import { clockMillis, writeLine } from './group-lines.mjs'
import { indexOf } from './load.mjs'

const [url, stream, consumer, workerId, leaseMillis, mode, path] = process.argv.slice(2)
const CHECKPOINT_MILLIS = 250
const WORK_MILLIS = 2

const file = openSync(path, 'a')
const note = (kind, fields) => writeSync(file, writeLine(kind, fields))

// Writes down what the broker is asked, and what it says to it.
function watch(client) {
  const { acquireLeases, setCheckpoint } = client
  client.acquireLeases = async (...request) => {
    const sent = clockMillis()
    const { leaseMillis: millis } = request[2]
    const answer = await acquireLeases.apply(client, request)
    for (const { shardId, leaseCounter: counter, nextSequenceNumber: next } of answer.acquired) {
      note('granted', { shard: indexOf(shardId), counter, next, sent, millis })
    }
    return answer
  }
  client.setCheckpoint = async (...request) => {
    const { shardId, leaseCounter: counter, nextSequenceNumber: next } = request[2]
    const fields = { shard: indexOf(shardId), counter, next, sent: clockMillis() }
    note('wants', fields)
    await setCheckpoint.apply(client, request)
    note('checkpointed', fields)
  }
}

async function work(client) {
  const worker = client.consume(stream, {
    consumer,
    workerId,
    from: 'oldest',
    leaseMillis: Number(leaseMillis),
    checkpoints: mode,
    checkpointMillis: CHECKPOINT_MILLIS,
  })
  const counters = new Map()
  worker.on('acquired', ({ shardId, leaseCounter }) => counters.set(shardId, leaseCounter))
  process.once('SIGTERM', () => worker.close())
  worker.ready().then(
    () => process.stdout.write('ready\n'),
    () => undefined, // the loop tells
  )
  let failure = null
  for await (const batch of worker) {
    const shard = indexOf(batch.shardId)
    const counter = counters.get(batch.shardId)
    if (batch.gap !== undefined) throw new Error(`a gap in shard ${shard}`)
    for (const { sequenceNumber: sequence, partitionKey: key, data } of batch) {
      note('handled', { shard, counter, sequence, key, number: Number(Buffer.from(data)) })
    }
    await wait(WORK_MILLIS)
    if (failure !== null) throw failure
    if (mode !== 'manual') continue
    worker.checkpoint(batch).catch((error) => {
      if (error.code !== 'LEASE_LOST' && error.code !== 'CLIENT_CLOSED') failure ??= error
    })
  }
}

try {
  const client = await connect(url)
  watch(client)
  await work(client)
  await client.close()
  note('ended', { text: '' })
} catch (error) {
  note('ended', { text: `${error.code ?? error.name}: ${error.message}` })
  process.exitCode = 1
}

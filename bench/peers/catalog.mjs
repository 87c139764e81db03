// The peers, and which of their workloads stand beside which rows of ours: the same records in the
// same class of durability. Bars are how many times theirs ours has to be.
import { kafka } from './kafka.mjs'
import { kinesalite } from './kinesalite.mjs'
import { kinesisLocal } from './kinesis-local.mjs'
import { lmdb } from './lmdb.mjs'
import { nats } from './nats.mjs'
import { rabbitmq } from './rabbitmq.mjs'
import { redis } from './redis.mjs'

/** By their ids, in the order in which they are installed and listed. */
export const peers = Object.fromEntries(
  [lmdb, redis, kinesalite, kinesisLocal, nats, kafka, rabbitmq].map((it) => [it.id, it]),
)

/** `bars`: see lib/bars.mjs; of an array those that have to be reached, and the ambition. */
const beside = (id, pattern, peer, workload, bars) => ({
  id,
  pattern,
  peer,
  workload,
  bars: Array.isArray(bars) ? { must: bars[0], aim: bars[1] } : bars,
})

const embedded = [
  beside('E1', /^append 100 B, warm, disk$/, 'lmdb', 'batches', [20, 35]),
  beside('E3', /key and Buffer, 100 B$/, 'lmdb', 'one', [2, 4]),
  beside('E4', /^append 500 a call, 100 B, packing included$/, 'lmdb', 'batches', [7, 8]),
  beside('E4', /^append 500 a call, 100 B, disk/, 'lmdb', 'batches, synced', [7, 10]),
  beside('E5', /^lazy record views/, 'lmdb', 'get', [8, 15]),
  beside('E5', /^record views, key, data/, 'lmdb', 'range', [1, 2]),
]

const plain = /random keys(?! *,)/

const ingest = [
  beside('I1', /^sealed/, 'redis', 'pipelined', { must: 10, goal: 50, aim: 100 }),
  beside('I1', /^sealed/, 'nats', 'async', [20, 50]),
  beside('I1', /^sealed/, 'kafka', 'producer', { must: 8, goal: 10, aim: 20 }),
  beside('I2', plain, 'redis', 'pipelined', { must: 10, goal: 20, aim: 50 }),
  beside('I2', plain, 'nats', 'async', [20, 50]),
  beside('I2', plain, 'kafka', 'producer', { must: 8, goal: 10, aim: 20 }),
  beside('I2', plain, 'rabbitmq', 'publish', [3, 5]),
  beside('I3', /64 KiB frames/, 'nats', 'async, 60 KiB', [5, 10]),
  beside('I3', /64 KiB frames/, 'kafka', 'producer, 1 KiB', [4, 8]),
  beside('I4', /^single/, 'redis', 'one connection', [2, 4]),
  beside('I4', /^single/, 'nats', 'async', [10, 25]),
  beside('I5', /^single/, 'redis', 'one in flight', [1.5, 2.7]),
  beside('I6', /^sealed/, 'redis', 'pipelined, synced', [5, 10]),
  beside('I6', /^sealed/, 'nats', 'async, synced', [20, 50]),
  beside('I6', /^sealed/, 'kafka', 'producer, synced', { must: 8, goal: 10, aim: 20 }),
  beside('I6', /^PutRecords/, 'redis', 'pipelined, synced', [5, 10]),
  beside('I6', /^single/, 'redis', 'one connection, synced', [5, 10]),
]

const crowd = (subscribers) => new RegExp(`, ${subscribers} subscribers?(?:$| \\()`)

// Those that have one record in a message, as they are sent.
const pushes = [1, 10, 100].flatMap((subscribers) => [
  beside('F1', crowd(subscribers), 'redis', `pub/sub, 1:${subscribers}`, [10, 20]),
  beside('F1', crowd(subscribers), 'nats', `core, 1:${subscribers}`, [2, 4]),
])

const replays = [
  beside('R1', /256 KiB of credit/, 'nats', 'ordered consumer', [5, 15]),
  beside('R1', /256 KiB of credit/, 'kafka', 'consumer', [3, 5]),
  beside('R2', /data of each record$/, 'nats', 'ordered consumer', [1.5, 3]),
]

/** Rows of times, which are compared at the same percentiles. */
const times = (id, load, peer, workload, bars) =>
  beside(id, new RegExp(`^put to push, ${load}, p(?:50|99)$`), peer, workload, bars)

const onePartition = 'producer to consumer, acks=1, no linger, one partition'
const latencies = [
  ...[1000, 50_000].flatMap((rate) => [
    times('L1', `${rate} records/s`, 'kafka', `${onePartition}, ${rate}/s`, [5, 10]),
    times(
      'L1',
      `${rate} records/s`,
      'nats',
      `JetStream, push consumer, file store, ${rate}/s`,
      [1, 2],
    ),
    times(
      'L2',
      `disk, ${rate} records/s`,
      'redis',
      `XADD to XREAD, appendfsync always, ${rate}/s`,
      [2, 3],
    ),
  ]),
  beside('X2', /^put to push beside a replay, p99$/, 'nats', 'soak', [1, 2]),
  times('L3', '100 subscribers', 'kafka', `${onePartition}, 800/s`, [2, 5]),
]

// Emulators hold everything in memory, which is no class: beside them stands our `disk`.
const emulators = [
  beside('I6', /^PutRecords/, 'kinesalite', 'batches', { must: 100, goal: 250, aim: 600 }),
  beside('I6', /^PutRecords/, 'kinesis-local', 'batches', [4000, 9000]),
  beside('I6', /^single/, 'kinesalite', 'single', [150, 400]),
]

export const comparisons = [
  ...embedded,
  ...ingest,
  ...emulators,
  ...pushes,
  ...replays,
  ...latencies,
]

/** What a row is compared with. */
export const comparisonsOf = (row) =>
  comparisons.filter((it) => it.id === row.id && it.pattern.test(row.name))

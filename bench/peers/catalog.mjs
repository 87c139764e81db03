// The peers, and which of their workloads stand beside which rows of ours: the same records in the
// same class of durability. `least` is how many times theirs ours has to be, `aim` the ambition.
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

const beside = (id, pattern, peer, workload, least, aim) => ({
  id,
  pattern,
  peer,
  workload,
  least,
  aim,
})

const embedded = [
  beside('E1', /^append 100 B, warm, disk$/, 'lmdb', 'batches', 20, 35),
  beside('E3', /key and Buffer, 100 B$/, 'lmdb', 'one', 2, 4),
  beside('E4', /^append 500 a call, 100 B, packing included$/, 'lmdb', 'batches', 7, 8),
  beside('E5', /^lazy record views/, 'lmdb', 'get', 8, 15),
  beside('E5', /^record views, key, data/, 'lmdb', 'range', 1, 2),
]

const ingest = [
  beside('I1', /^sealed/, 'redis', 'pipelined', 10, 50),
  beside('I1', /^sealed/, 'nats', 'async', 20, 50),
  beside('I1', /^sealed/, 'kafka', 'producer', 8, 20),
  beside('I2', /random keys(?! *,)/, 'redis', 'pipelined', 10, 20),
  beside('I2', /random keys(?! *,)/, 'rabbitmq', 'publish', 3, 5),
  beside('I4', /^single/, 'redis', 'one connection', 2, 4),
  beside('I4', /^single/, 'nats', 'async'),
  beside('I5', /^single/, 'redis', 'one in flight', 1.5, 2.7),
  beside('I6', /^sealed/, 'nats', 'async, synced', 20, 50),
  beside('I6', /^sealed/, 'kafka', 'producer, synced', 8, 20),
  beside('I6', /^PutRecords/, 'redis', 'pipelined, synced', 5, 10),
]

// Emulators hold everything in memory, which is no class: beside them stands our `disk`.
const emulators = [
  beside('I6', /^PutRecords/, 'kinesalite', 'batches', 100, 250),
  beside('I6', /^PutRecords/, 'kinesis-local', 'batches', 4000, 9000),
  beside('I6', /^single/, 'kinesalite', 'single', 150, 400),
]

export const comparisons = [...embedded, ...ingest, ...emulators]

/** What a row is compared with. */
export const comparisonsOf = (row) =>
  comparisons.filter((it) => it.id === row.id && it.pattern.test(row.name))

import { expect, it } from 'vitest'
import { Metrics } from '../../../src/server/metrics.ts'
import { ackBoundsSeconds } from '../../../src/server/served-broker.ts'
import { type ShardLevelMetric, shardLevelMetrics } from '../../../src/wire/structures.ts'
import { FakeBroker } from './fakes.ts'

const connections = {
  count: 2,
  inFlight: () => 3,
  bufferedBytes: () => 4096,
  closes: new Map([
    [1000, 5],
    [4500, 1],
  ]),
  errors: new Map([['LIMIT_EXCEEDED', 7]]),
  halfMessages: { cut: 9 },
  overload: {
    shedRequests: 8,
    delays: (): [string, number][] => [
      ['0.5', 0.001],
      ['0.999', 0.025],
    ],
  },
}

const orders = {
  streamName: 'orders',
  streamStatus: 'ACTIVE',
  openShardCount: 4,
  appendRecords: 100,
  appendBytes: 12_000,
  appendRefused: new Map([['DISK_FULL', 2]]),
  readRecords: 90,
  readBytes: 11_000,
  pushedRecords: 500,
  pushedBytes: 70_000,
  pushedSlices: 20,
  readRefused: new Map<string, number>(),
  shardReads: new Map(),
  shards: [],
  scaling: {
    splits: 5,
    merges: 3,
    changedMillis: 1_700_000_000_500,
    blocked: new Map([['HOT_KEY', 2] as const]),
    failures: new Map([['DISK_FULL', 1]]),
  },
} as const

function makeBroker(): FakeBroker {
  const broker = new FakeBroker()
  broker.counts = [orders]
  broker.fanOut = {
    live: 7,
    behind: 2,
    waiting: 1,
    creditOutBytes: 65_536,
    behindBytes: 1_000_000,
    takenOver: 3,
    behindMillis: new Map([['orders', 2500]]),
  }
  const counts = Array.from({ length: ackBoundsSeconds.length + 1 }, () => 0)
  broker.acks = [
    { durability: 'disk', counts: counts.with(0, 2).with(3, 1).with(-1, 4), sumSeconds: 50.5 },
    { durability: 'os', counts, sumSeconds: 0 },
  ]
  broker.strayRefused = new Map([['STREAM_NOT_FOUND', 4]])
  broker.log = { syncCount: 40, syncMicrosTotal: 2_500_000, mappedSegmentCount: 3 }
  return broker
}

it('are what was counted, in the text format of Prometheus', async () => {
  const { status, type, body } = await new Metrics(connections, makeBroker(), '1.2.3').answer()
  expect(status).toBe('200 OK')
  expect(type).toMatch(/^text\/plain; version=0\.0\.4/)
  const lines = body.split('\n')
  for (const line of [
    'millrace_append_records_total{stream="orders"} 100',
    'millrace_append_bytes_total{stream="orders"} 12000',
    'millrace_append_refused_total{stream="orders",code="DISK_FULL"} 2',
    'millrace_append_refused_total{stream="other",code="STREAM_NOT_FOUND"} 4',
    'millrace_read_records_total{stream="orders",mode="poll"} 90',
    'millrace_read_records_total{stream="orders",mode="push"} 500',
    'millrace_read_bytes_total{stream="orders",mode="push"} 70000',
    'millrace_pushed_slices_total{stream="orders"} 20',
    'millrace_open_shards{stream="orders"} 4',
    'millrace_scaling_splits_total{stream="orders"} 5',
    'millrace_scaling_merges_total{stream="orders"} 3',
    'millrace_scaling_last_change_timestamp_seconds{stream="orders"} 1700000000.5',
    'millrace_scaling_blocked_shards{stream="orders",reason="HOT_KEY"} 2',
    'millrace_scaling_failures_total{stream="orders",code="DISK_FULL"} 1',
    'millrace_streams 1',
    'millrace_subscriptions{state="live"} 7',
    'millrace_subscriptions{state="behind"} 2',
    'millrace_subscriptions{state="waiting"} 1',
    'millrace_credit_outstanding_bytes 65536',
    'millrace_subscriptions_behind_bytes 1000000',
    'millrace_take_overs_total 3',
    'millrace_subscribe_behind_latest_seconds{stream="orders"} 2.5',
    'millrace_connections 2',
    'millrace_requests_in_flight 3',
    'millrace_socket_buffered_bytes 4096',
    'millrace_disconnects_total{code="4500"} 1',
    'millrace_errors_total{code="LIMIT_EXCEEDED"} 7',
    'millrace_append_ack_seconds_bucket{durability="disk",le="0.000064"} 2',
    'millrace_append_ack_seconds_bucket{durability="disk",le="0.000256"} 2',
    'millrace_append_ack_seconds_bucket{durability="disk",le="0.000512"} 3',
    'millrace_append_ack_seconds_bucket{durability="disk",le="8.388608"} 3',
    'millrace_append_ack_seconds_bucket{durability="disk",le="+Inf"} 7',
    'millrace_append_ack_seconds_sum{durability="disk"} 50.5',
    'millrace_append_ack_seconds_count{durability="disk"} 7',
    'millrace_append_ack_seconds_count{durability="os"} 0',
    '# TYPE millrace_append_ack_seconds histogram',
    'millrace_syncs_total 40',
    'millrace_sync_seconds_total 2.5',
    'millrace_segments{state="mapped"} 3',
    `millrace_build_info{version="1.2.3",node="${process.version}"} 1`,
  ]) {
    expect(lines).toContain(line)
  }
  expect(body).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
})

it('count the streams beyond the first 200 together', async () => {
  const broker = makeBroker()
  broker.counts = Array.from({ length: 203 }, (_, index) => ({
    ...orders,
    streamName: `stream-${index}`,
  }))
  const { body } = await new Metrics(connections, broker, '1.2.3').answer()
  expect(body.match(/^millrace_append_records_total\{/gm)).toHaveLength(201)
  expect(body).toMatch(/^millrace_append_records_total\{stream="other"\} 300$/m)
  expect(body).toMatch(/^millrace_append_refused_total\{stream="other",code="DISK_FULL"\} 6$/m)
  expect(body).toMatch(/^millrace_streams 203$/m)
})

it('tell of each shard what is asked of it, and of none what is not', async () => {
  const broker = makeBroker()
  const all = new Map<ShardLevelMetric, number>(shardLevelMetrics.map((it, i) => [it, 1000 + i]))
  const some = new Map<ShardLevelMetric, number>([['IncomingBytes', 5]])
  broker.counts = [
    { ...orders, shards: [{ shardId: 'shardId-000000000000', figures: all }] },
    { ...orders, streamName: 'b', shards: [{ shardId: 'shardId-000000000007', figures: some }] },
  ]
  const { body } = await new Metrics(connections, broker, '1.2.3').answer()
  const lines = body.split('\n').filter((it) => it.startsWith('millrace_shard_'))
  const first = '{stream="orders",shard="shardId-000000000000"}'
  expect(lines).toEqual([
    `millrace_shard_append_bytes_total${first} 1000`,
    'millrace_shard_append_bytes_total{stream="b",shard="shardId-000000000007"} 5',
    `millrace_shard_append_records_total${first} 1001`,
    `millrace_shard_append_throttled_records_total${first} 1004`,
    `millrace_shard_read_bytes_total${first} 1002`,
    `millrace_shard_read_records_total${first} 1003`,
    `millrace_shard_read_throttled_total${first} 1005`,
    `millrace_shard_iterator_age_seconds${first} 1.006`,
  ])
})

it('count the shards beyond the first 1000 together', async () => {
  const broker = makeBroker()
  const figures = new Map<ShardLevelMetric, number>([
    ['IncomingRecords', 2],
    ['IteratorAgeMilliseconds', 1000],
  ])
  const shards = Array.from({ length: 1010 }, (_, i) => ({ shardId: `shardId-${i}`, figures }))
  broker.counts = [{ ...orders, shards }]
  const { body } = await new Metrics(connections, broker, '1.2.3').answer()
  expect(body.match(/^millrace_shard_append_records_total\{/gm)).toHaveLength(1001)
  expect(body).toMatch(/^millrace_shard_append_records_total\{stream="orders",shard="other"\} 20$/m)
  expect(body.match(/^millrace_shard_iterator_age_seconds\{/gm)).toHaveLength(1000)
})

it('do not add up from scrape to scrape', async () => {
  const metrics = new Metrics(connections, makeBroker(), '1.2.3')
  await metrics.answer()
  expect((await metrics.answer()).body).toMatch(/^millrace_syncs_total 40$/m)
})

it('have help, a known prefix, and counters end in _total', async () => {
  const { body } = await new Metrics(connections, makeBroker(), '1.2.3').answer()
  const types = Array.from(body.matchAll(/^# TYPE (millrace_\w+) (\w+)$/gm))
  expect(types.length).toBeGreaterThan(20)
  for (const [, name, kind] of types) {
    expect(name?.endsWith('_total'), name).toBe(kind === 'counter')
    expect(body).toMatch(new RegExp(`^# HELP ${name} [A-Z].*\\.$`, 'm'))
  }
})

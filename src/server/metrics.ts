/**
 * The metrics of a server in the text format of Prometheus. Everything is counted where it happens,
 * as a plain number, and read when somebody asks: nothing is observed on the way of a request.
 * Labels are bounded: streams beyond the first 200 are `other`, and no name of a client is one.
 */

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { type CountedValues, countedHistogram } from './counted-histogram.ts'
import {
  type ConnectionFigures,
  type Figures,
  type Labels,
  labelOf,
  otherLabel,
  type Row,
  row,
  type Samples,
  streamLabelsMax,
} from './metric-row.ts'
import { ackBoundsSeconds, type BrokerStats, type ServedBroker } from './served-broker.ts'
import { shardRows } from './shard-metrics.ts'
import type { HttpAnswer } from './transport.ts'

const microsPerSecond = 1e6
const millisPerSecond = 1000

type StreamStats = BrokerStats['streams'][number]

function perStream(
  figures: Figures,
  of: (stats: StreamStats) => number,
  labels: Labels = {},
): Samples {
  return figures.broker.streams.map((it, index) => [
    of(it),
    { stream: labelOf(it.streamName, index), ...labels },
  ])
}

function perCode(
  figures: Figures,
  of: (stats: StreamStats) => ReadonlyMap<string, number>,
): Samples {
  return figures.broker.streams.flatMap((it, index) =>
    Array.from(
      of(it),
      ([code, count]) => [count, { stream: labelOf(it.streamName, index), code }] as const,
    ),
  )
}

const poll = { mode: 'poll' }
const push = { mode: 'push' }

const streamRows: readonly Row[] = [
  row(
    'counter',
    'append_records_total',
    'Records that were appended.',
    (it) => perStream(it, ({ appendRecords }) => appendRecords),
    ['stream'],
  ),
  row(
    'counter',
    'append_bytes_total',
    'Bytes of the requests that appended them.',
    (it) => perStream(it, ({ appendBytes }) => appendBytes),
    ['stream'],
  ),
  row(
    'counter',
    'append_refused_total',
    'Records and requests to append that were refused; other: also those that name no stream.',
    (it) => [
      ...perCode(it, ({ appendRefused }) => appendRefused),
      ...Array.from(
        it.broker.strayRefused,
        ([code, count]) => [count, { stream: otherLabel, code }] as const,
      ),
    ],
    ['stream', 'code'],
  ),
  row(
    'counter',
    'read_records_total',
    'Records that were read.',
    (it) => [
      ...perStream(it, ({ readRecords }) => readRecords, poll),
      ...perStream(it, ({ pushedRecords }) => pushedRecords, push),
    ],
    ['stream', 'mode'],
  ),
  row(
    'counter',
    'read_bytes_total',
    'Bytes that were read.',
    (it) => [
      ...perStream(it, ({ readBytes }) => readBytes, poll),
      ...perStream(it, ({ pushedBytes }) => pushedBytes, push),
    ],
    ['stream', 'mode'],
  ),
  row(
    'counter',
    'pushed_slices_total',
    'Slices that were pushed: frames with records.',
    (it) => perStream(it, ({ pushedSlices }) => pushedSlices),
    ['stream'],
  ),
  row(
    'counter',
    'read_refused_total',
    'Requests to read that were refused.',
    (it) => perCode(it, ({ readRefused }) => readRefused),
    ['stream', 'code'],
  ),
  row('gauge', 'streams', 'Streams.', ({ broker }) => [[broker.streams.length]]),
]

const scalingRows: readonly Row[] = [
  row(
    'gauge',
    'open_shards',
    'Shards that take records.',
    (it) => perStream(it, ({ openShardCount }) => openShardCount),
    ['stream'],
  ),
  row(
    'counter',
    'scaling_splits_total',
    'Shards that streams in ON_DEMAND mode have split by themselves.',
    (it) => perStream(it, ({ scaling }) => scaling.splits),
    ['stream'],
  ),
  row(
    'counter',
    'scaling_merges_total',
    'Pairs of shards that they have merged by themselves.',
    (it) => perStream(it, ({ scaling }) => scaling.merges),
    ['stream'],
  ),
  row(
    'gauge',
    'scaling_last_change_timestamp_seconds',
    'When they have done so for the last time; 0: not since the start.',
    ({ broker }) =>
      broker.streams
        .slice(0, streamLabelsMax)
        .map(({ streamName, scaling }) => [
          scaling.changedMillis / millisPerSecond,
          { stream: streamName },
        ]),
    ['stream'],
  ),
  row(
    'gauge',
    'scaling_blocked_shards',
    'Hot shards that are not split: one key has it all, or there are as many as there may be.',
    ({ broker }) =>
      broker.streams.flatMap(({ streamName, scaling }, index) =>
        Array.from(
          scaling.blocked,
          ([reason, count]) => [count, { stream: labelOf(streamName, index), reason }] as const,
        ),
      ),
    ['stream', 'reason'],
  ),
  row(
    'counter',
    'scaling_failures_total',
    'Splits and merges that could not be begun, and are tried again later.',
    (it) => perCode(it, ({ scaling }) => scaling.failures),
    ['stream', 'code'],
  ),
]

const connectionRows: readonly Row[] = [
  row('gauge', 'connections', 'Open connections.', ({ connections }) => [[connections.count]]),
  row('gauge', 'requests_in_flight', 'Requests that wait for their answers.', (it) => [
    [it.connections.inFlight()],
  ]),
  row('gauge', 'socket_buffered_bytes', 'Bytes that clients have not taken.', (it) => [
    [it.connections.bufferedBytes()],
  ]),
  row(
    'counter',
    'disconnects_total',
    'Connections that have ended, by close code.',
    (it) => Array.from(it.connections.closes, ([code, count]) => [count, { code: `${code}` }]),
    ['code'],
  ),
  row(
    'counter',
    'errors_total',
    'Errors that were answered, but for those of puts.',
    (it) => Array.from(it.connections.errors, ([code, count]) => [count, { code }]),
    ['code'],
  ),
]

const overloadRows: readonly Row[] = [
  row('counter', 'shed_requests_total', 'Requests that were refused for want of memory.', (it) => [
    [it.connections.overload.shedRequests],
  ]),
  row('counter', 'half_messages_cut_total', 'Connections cut for what they held unseen.', (it) => [
    [it.connections.halfMessages.cut],
  ]),
  row(
    'gauge',
    'event_loop_delay_seconds',
    'How late the event loop was in the last minute or two.',
    (it) => it.connections.overload.delays().map(([quantile, at]) => [at, { quantile }]),
    ['quantile'],
  ),
]

const subscriptionRows: readonly Row[] = [
  row(
    'gauge',
    'subscriptions',
    'Subscriptions that have had everything, have not, and wait for credit.',
    ({ broker: { fanOut } }) => [
      [fanOut.live, { state: 'live' }],
      [fanOut.behind, { state: 'behind' }],
      [fanOut.waiting, { state: 'waiting' }],
    ],
    ['state'],
  ),
  row('gauge', 'credit_outstanding_bytes', 'Bytes that were pushed and not given back.', (it) => [
    [it.broker.fanOut.creditOutBytes],
  ]),
  row('gauge', 'subscriptions_behind_bytes', 'Bytes that subscriptions have yet to get.', (it) => [
    [it.broker.fanOut.behindBytes],
  ]),
  row(
    'gauge',
    'subscribe_behind_latest_seconds',
    'Age of the oldest record that a subscription has yet to get, by stream; the worst.',
    ({ broker }) =>
      broker.streams
        .slice(0, streamLabelsMax)
        .map(({ streamName }) => [
          (broker.fanOut.behindMillis.get(streamName) ?? 0) / millisPerSecond,
          { stream: streamName },
        ]),
    ['stream'],
  ),
  row('counter', 'take_overs_total', 'Subscriptions of consumers that others replaced.', (it) => [
    [it.broker.fanOut.takenOver],
  ]),
]

const logRows: readonly Row[] = [
  row('counter', 'appends_total', 'Batches that were appended.', ({ broker }) => [
    [broker.log.appendCount],
  ]),
  row('counter', 'syncs_total', 'Syncs of segments.', ({ broker }) => [[broker.log.syncCount]]),
  row('counter', 'sync_rounds_total', 'Group commits: each syncs what is dirty.', (it) => [
    [it.broker.log.syncGroupCount],
  ]),
  row('counter', 'sync_waits_total', 'Group commits put off for a late event loop.', (it) => [
    [it.broker.log.syncWaitCount],
  ]),
  row('counter', 'sync_seconds_total', 'Time in syncs.', ({ broker }) => [
    [broker.log.syncMicrosTotal / microsPerSecond],
  ]),
  row('gauge', 'shards', 'Shards, closed ones included.', ({ broker }) => [
    [broker.log.shardCount],
  ]),
  row(
    'gauge',
    'segments',
    'Segment files.',
    ({ broker: { log } }) => [
      [log.mappedSegmentCount, { state: 'mapped' }],
      [log.spareSegmentCount, { state: 'spare' }],
    ],
    ['state'],
  ),
  row('gauge', 'disk_free_bytes', 'Free space where the data is.', ({ broker }) => [
    [broker.log.diskBytesFree],
  ]),
  row('gauge', 'damaged_ranges', 'Ranges of the log that are not served.', ({ broker }) => [
    [broker.log.damagedRangeCount],
  ]),
  row('counter', 'scrubbed_bytes_total', 'Bytes that were checked in the background.', (it) => [
    [it.broker.log.scrubbedBytes],
  ]),
  row('gauge', 'recovery_seconds', 'Time that the log took to open.', ({ broker }) => [
    [broker.log.openMicros / microsPerSecond],
  ]),
  row(
    'gauge',
    'build_info',
    'Always 1: the labels say what runs.',
    ({ version }) => [[1, { version, node: process.version }]],
    ['version', 'node'],
  ),
]

const rows: readonly Row[] = [
  ...streamRows,
  ...shardRows,
  ...scalingRows,
  ...connectionRows,
  ...overloadRows,
  ...subscriptionRows,
  ...logRows,
]

const ackWords = {
  name: 'millrace_append_ack_seconds',
  help: 'Time from a put to its acknowledgement, to a turn of the event loop.',
  bounds: ackBoundsSeconds,
}

function ackValues(figures: Figures | undefined): CountedValues[] {
  const acks = figures?.broker.acks ?? []
  return acks.map(({ durability, counts, sumSeconds: sum }) => {
    return { labels: { durability }, counts, sum }
  })
}

export class Metrics {
  readonly #registry = new Registry()
  readonly #connections: ConnectionFigures
  readonly #broker: Pick<ServedBroker, 'stats'>
  readonly #version: string
  #figures: Figures | undefined

  constructor(
    connections: ConnectionFigures,
    broker: Pick<ServedBroker, 'stats'>,
    version: string,
  ) {
    this.#connections = connections
    this.#broker = broker
    this.#version = version
    collectDefaultMetrics({ register: this.#registry })
    for (const it of rows) this.#register(it)
    const acks = countedHistogram(ackWords, () => ackValues(this.#figures))
    this.#registry.registerMetric(acks)
  }

  /** Answers a scrape. Rejects with what the statistics of the broker reject with. */
  async answer(): Promise<HttpAnswer> {
    this.#figures = {
      connections: this.#connections,
      broker: await this.#broker.stats(),
      version: this.#version,
    }
    const body = await this.#registry.metrics()
    return { status: '200 OK', type: this.#registry.contentType, body }
  }

  #register({ kind, name, help, labels, samples }: Row): void {
    const read = () => (this.#figures === undefined ? [] : samples(this.#figures))
    const options = { name, help, labelNames: [...labels], registers: [this.#registry] }
    if (kind === 'counter') {
      new Counter({
        ...options,
        collect() {
          this.reset()
          for (const [value, of = {}] of read()) this.inc(of, value)
        },
      })
    } else {
      new Gauge({
        ...options,
        collect() {
          this.reset()
          for (const [value, of = {}] of read()) this.inc(of, value)
        },
      })
    }
  }
}

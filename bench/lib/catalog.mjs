// The benches: what each runs, and the bars that its rows are held to. A goal is about the share of
// the limit ('ratio'), about the figure itself ('value') or about what something costs ('cost');
// `side` says which side is good; bars.mjs says what the bars are. A row is held to every goal whose
// pattern it matches.
const must = (of, bar, aim) => ({ of, side: 'least', must: bar, aim })
const atMost = (of, bar, aim) => ({ of, side: 'most', must: bar, aim })

const native = (program, part) => ({ kind: 'native', program, part })
const node = (script, part) => ({ kind: 'node', script, part })
const broker = (part, script = 'ingest') => ({ kind: 'broker', script, part })

/** What limits are in KiB that were set in bytes. */
const kibibytes = (bytes) => bytes / 1024

/** The lower one of a share of the limit and of what syncs alone would allow. */
function ofBoth(share, shareOfSyncs, aimedShare) {
  const lower = (of) => (row) =>
    Math.min(of, (shareOfSyncs * (row.info.recordsPerSecondBySyncs ?? Infinity)) / row.limit.value)
  return { of: 'ratio', side: 'least', must: lower(share), aim: lower(aimedShare) }
}

/** Records of 1 KiB in so many bytes. */
const kibibyteRecords = (bytes) => bytes / 1024

export const benches = [
  {
    id: 'E1',
    title: 'C++ append, batch of 500, warm segments, `os`',
    runs: [native('append_bench', 'warm')],
    goals: [
      [/^append /, must('ratio', 0.8, 0.9)],
      [/^append 100 B/, must('value', 35e6, 55e6)],
    ],
  },
  {
    id: 'E2',
    title: 'C++ append, batch of 500, fresh and recycled segments, helper prefaulting, `os`',
    runs: [native('append_bench', 'cold')],
    goals: [
      [/against demand faults$/, must('ratio', 1.5)],
      // "Against populating" says what the page work costs by itself; no bar is about that.
      [/^append (?!.*against )/, must('ratio', 0.6, 0.8)],
    ],
  },
  {
    id: 'E3',
    title: 'Node, one call per record of 100 B, Buffer in, `os`',
    runs: [node('append', 'one')],
    goals: [[/^append one/, must('value', 3e6, 5e6)]],
  },
  {
    id: 'E4',
    title: 'Node, packed batch of 500, `os` and `disk`',
    runs: [node('append', 'batch')],
    goals: [
      [/100 B, pack/, must('value', 8e6, 12e6)],
      [/1 KiB/, must('value', 2.5e9 / 1024, 4e9 / 1024)],
    ],
    limitFrom: ({ params }) =>
      params.durability === 'os'
        ? {
            id: 'E2',
            name: `append ${params.recordBytes === 1024 ? '1 KiB' : '100 B'}, recycled`,
            as: 'C++ append, recycled (E2)',
          }
        : undefined,
  },
  {
    id: 'E5',
    title: 'Read: batches in C++, records in JavaScript',
    runs: [native('read_bench'), node('read')],
    goals: [
      [/^read in C\+\+/, must('ratio', 0.7, 0.85)],
      [/^lazy record views/, must('value', 5e6, 10e6)],
    ],
  },
  {
    id: 'ingest',
    title: 'PutRecords, 500 records, random keys over 4 shards, `os`',
    runs: [native('ingest_bench'), node('ingest')],
    goals: [[/from Node, 500 x 100 B/, must('value', 5e6, 10e6)]],
    limitFrom: (row) =>
      row.name.includes('from Node')
        ? { id: 'ingest', name: row.name.replace('from Node', 'in C++'), as: 'the same in C++' }
        : undefined,
  },
  {
    id: 'I1',
    title: 'Broker: sealed batches, 64 KiB frames, `os`',
    runs: [broker('I1')],
    goals: [
      [/^sealed/, must('ratio', 0.5, 0.65)],
      [/^sealed/, must('value', 8e6, 12e6)],
    ],
  },
  {
    id: 'I2',
    title: 'Broker: PutRecords with keys, 500 x 100 B, 4 shards, `os`',
    runs: [broker('I2'), broker(undefined, 'pairs'), node('put-costs')],
    goals: [
      [/random keys(?! *,)/, must('ratio', 0.3, 0.5)],
      [/random keys(?! *,)/, must('value', 5e6, 8.5e6)],
      // Without sockets, whose noise is larger than what is asked for: the share of a whole put is less.
      [/in process, limits and metrics of shards/, atMost('cost', 0.03)],
      [/in process, with permissions and rates/, atMost('cost', 0.02)],
    ],
  },
  {
    id: 'I3',
    title: 'Broker: PutRecords of 1 KiB, 4 shards, `os`',
    runs: [broker('I3')],
    goals: [
      [/64 KiB frames/, must('ratio', 0.5, 0.65)],
      [/64 KiB frames/, must('value', kibibyteRecords(1e9), kibibyteRecords(1.4e9))],
      [/500-record frames/, must('ratio', 0.55, 0.75)],
      [/500-record frames/, must('value', kibibyteRecords(0.75e9), kibibyteRecords(1e9))],
    ],
  },
  {
    id: 'I4',
    title: 'Broker: single puts, 256 in flight on one connection, `os`',
    runs: [broker('I4')],
    goals: [
      [/^single/, must('ratio', 0.37, 0.66)],
      [/^single/, must('value', 250e3, 450e3)],
    ],
  },
  {
    id: 'I5',
    title: 'Broker: single puts, 100 connections, `os`',
    runs: [broker('I5')],
    goals: [
      [/^single/, must('ratio', 0.7, 0.85)],
      [/^single/, must('value', 55e3, 75e3)],
    ],
  },
  {
    id: 'I6',
    title: 'Broker: the loads of I1, I2 and I4 with `disk`',
    runs: [broker('I6')],
    goals: [[/./, ofBoth(0.6, 0.95, 0.85)]],
  },
  {
    id: 'F1',
    title: 'Broker: 100 records of 100 B to each subscriber of a shard, `os`',
    runs: [broker('F1', 'fan-out')],
    goals: [
      // One batch to one subscriber by itself is as much a put as a push.
      [/, 1 subscriber(?!.* by itself)/, must('ratio', 0.6)],
      [/, \d+ subscribers/, must('ratio', 0.8, 0.95)],
    ],
  },
  {
    id: 'F2',
    title: 'Broker: one record of 100 B to each subscriber of a shard, `os`',
    runs: [broker('F2', 'fan-out')],
    goals: [[/subscribers?(?!.* by itself)/, must('ratio', 0.9)]],
  },
  {
    id: 'F3',
    title: 'Broker: subscribers beside some that do not read, `os`',
    runs: [broker('F3', 'fan-out')],
    goals: [
      [/^\d+ subscribers/, must('ratio', 0.8, 0.9)],
      [/^memory/, atMost('value', 256, 64)],
    ],
  },
  {
    id: 'R1',
    title: 'Broker: replay of a cached shard to one consumer, raw batches',
    runs: [broker('R1', 'fan-out')],
    goals: [
      [/^replay/, must('ratio', 0.6, 0.8)],
      [/^replay/, must('value', 1.5, 3)],
    ],
  },
  {
    id: 'R2',
    title: 'Broker: replay of a cached shard to the JavaScript client',
    runs: [broker(undefined, 'replay')],
    goals: [[/of each record$/, must('value', 3e6, 4e6)]],
  },
  {
    id: 'L1',
    title: 'Broker: from a put to its push, open loop, `os`',
    runs: [broker('L1', 'latency')],
    goals: [
      [/p50$/, atMost('value', 150, 60)],
      [/p99$/, atMost('value', 1000, 300)],
      [/p99\.9$/, atMost('value', undefined, 2000)],
    ],
  },
  {
    id: 'L2',
    title: 'Broker: from a put to its push, open loop, `disk`',
    runs: [broker('L2', 'latency')],
    goals: [
      [/p50$/, atMost('value', 1000)],
      [/p50 in syncs$/, atMost('value', 1.5)],
      [/p99 in syncs$/, atMost('value', 4, 3)],
    ],
  },
  {
    id: 'L3',
    title: 'Broker: from a put to its push, 100 subscribers, `os`',
    runs: [broker('L3', 'latency')],
    goals: [[/p99$/, atMost('value', 10_000, 5000)]],
  },
  {
    id: 'C1',
    title: 'Broker: idle connections and subscribers, and all of them at once',
    runs: [broker(undefined, 'idle-connections'), broker(undefined, 'idle-subscribers')],
    goals: [
      [/^memory of an idle/, { ...atMost('value', 20, kibibytes(2000)), goal: kibibytes(4000) }],
      [/^kernel memory/, atMost('value', kibibytes(16_000 - 4000), kibibytes(8000 - 2000))],
      [/^until/, atMost('value', 5, 2)],
    ],
  },
  {
    id: 'X2',
    title: 'Broker: 50,000 puts a second, 10 subscribers and a replay, for a long time',
    // Minutes of one load: it runs when it is named.
    isLong: true,
    runs: [broker(undefined, 'soak')],
    goals: [
      [/^put to push beside a replay, p99$/, must('ratio', 0.2, 1 / 3)],
      [/^memory held, the end more/, atMost('value', 10, 5)],
    ],
  },
  {
    id: 'map-vs-pwritev',
    title: 'The appender: stores through a map, or pwritev',
    runs: [native('appender_bench')],
    goals: [],
  },
  {
    id: 'group-commit',
    title: 'Group commit, 64 KiB batches, `disk`',
    runs: [native('commit_bench')],
    goals: [[/processor share/, atMost('value', 0.5)]],
  },
  {
    id: 'V1',
    title: 'Open and verify a large log',
    runs: [native('open_bench')],
    goals: [
      [/^clean open/, atMost('value', 100)],
      [/^unclean open/, atMost('value', 500, 100)],
      [/^full verify/, must('ratio', 0.7)],
    ],
  },
  {
    id: 'T1',
    title: 'Retention: trimming, looking for what has expired, and memory',
    runs: ['trim', 'sweep', 'memory'].map((part) => node('retention', part)),
    goals: [
      // What has been retained for a day or more is on disk; the rows beside it say what memory adds.
      [/^processor time of trimming 100 GB$/, atMost('value', 1)],
      [/^a look at shards of which none/, atMost('value', 300)],
      [/^memory, more for/, atMost('value', 16)],
    ],
  },
  {
    id: 'S1',
    title: 'Resharding: from the call until it is done, and looking at the loads',
    runs: ['change', 'look'].map((part) => node('reshard', part)),
    goals: [[/^a look at shards/, atMost('value', 50)]],
  },
  {
    id: 'memory',
    title: 'Idle shards: memory and opening',
    runs: [native('memory_bench')],
    goals: [
      [/^memory of an idle shard/, atMost('value', 64)],
      [/^memory of the process/, atMost('value', 1024)],
      [/^open of all shards/, atMost('value', 5)],
    ],
  },
  {
    id: 'sync',
    title: 'Calibrator: syncs of this disk',
    runs: [native('sync_bench')],
    goals: [],
  },
  {
    id: 'seam',
    title: 'Calibrator: the Node boundary',
    runs: [node('seam')],
    goals: [],
  },
  {
    id: 'wire',
    title: 'Calibrator: heads of puts, their answers and frames',
    runs: [node('wire')],
    goals: [],
  },
  {
    id: 'instructions',
    title: 'Calibrator: instructions of the hot kernels, by callgrind',
    runs: [{ ...node('instructions'), programs: ['kernel_calls'] }],
    goals: [],
  },
  {
    id: 'hash',
    title: 'Calibrator: CRC32C and MD5 kernels',
    runs: [native('hash_bench')],
    goals: [],
    adapt: adaptHash,
  },
  {
    id: 'scan',
    title: 'Calibrator: scanning and routing of records',
    runs: [native('scan_bench')],
    goals: [],
    adapt: adaptScan,
  },
]

// hash_bench and scan_bench stand alone, with a JSON of their own.
function adaptHash(report) {
  return report.results.map((it) => ({
    name: `${it.name}, ${it.kernel}, ${it.bytes} B${it.keys > 1 ? `, ${it.keys} keys` : ''}`,
    params: { kernel: it.kernel, bytes: it.bytes, keys: it.keys },
    value: it.keys > 1 ? it.nanosPerKey : it.gigabytesPerSecond,
    unit: it.keys > 1 ? 'ns/key' : 'GB/s',
    info: { nanosPerOperation: it.nanosPerOperation },
    check: `every kernel computes the same, ${report.work}`,
  }))
}

function adaptScan(report) {
  return report.figures.map((it) => ({
    name: it.name,
    params: {},
    value: it.median,
    low: it.best,
    unit: report.unit,
    info: {},
    check: `${report.figures.length} figures, each record scanned and routed once`,
  }))
}

/** The benches with bars that a release is held to, in one run: `matrix` stands for all of them. */
const matrix = benches.filter((it) => it.goals.length > 0 && !it.isLong).map((it) => it.id)

/** The benches that were asked for, in their order; all but the long ones when none was. */
export function select(asked) {
  const ids = asked.flatMap((id) => (id === 'matrix' ? matrix : [id]))
  const unknown = ids.filter((id) => !benches.some((it) => it.id === id))
  if (unknown.length > 0) throw new RangeError(`no bench is called ${unknown.join(', ')}`)
  return benches.filter((it) => (ids.length === 0 ? !it.isLong : ids.includes(it.id)))
}

/** What a row is held to. */
export function goalsOf(bench, row) {
  return bench.goals.filter(([pattern]) => pattern.test(row.name)).map(([, goal]) => goal)
}

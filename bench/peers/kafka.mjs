// Kafka as one node in KRaft mode, from its jars, loaded by its own performance tests.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { latencyWorkloads, loadKafkaLatency, ratesOfOne } from './lib/latency.mjs'
import { freePort, runProgram, startServer } from './lib/programs.mjs'
import { payload } from './lib/records.mjs'
import { fromMaven } from './lib/sources.mjs'

const version = '4.4.0'
// The producer's own API of logging is of this line.
const loggingVersion = '2.26.1'
const artifacts = [
  `org.apache.kafka:kafka_2.13:${version}`,
  `org.apache.kafka:kafka-tools:${version}`,
  `org.apache.logging.log4j:log4j-slf4j-impl:${loggingVersion}`,
  `org.apache.logging.log4j:log4j-core:${loggingVersion}`,
]
const startSeconds = 90
const askSeconds = 90
/** What the tool of the consumer takes beside consuming. */
const sparedSeconds = 15
const topic = 'bench'
const partitionsOfRates = 4
const producer =
  'producer performance test, acks=1, batches of 64 KiB, 5 ms of linger, 4 partitions'
const payloads = 500

const propertiesOf = ({ port, controllerPort, directory, more }) => `
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
log.dirs=${join(directory, 'data')}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
${more}
`

/** Records a second and how many, of those that come after the warm-up. */
export function parseProducerPerformance(text) {
  const line = text.split('\n').findLast((it) => it.includes('steady state records sent'))
  const [, records, rate] =
    /(\d+) steady state records sent, ([\d.]+) records\/sec/.exec(line) ?? []
  if (!(Number(rate) > 0)) throw new Error(`the producer said no rate:\n${text}`)
  return { records: Number(records), rate: Number(rate) }
}

/** How many records were consumed, and the seconds that the fetches took. */
export function parseConsumerPerformance(text) {
  const lines = text.trim().split('\n')
  const names = lines.find((it) => it.startsWith('start.time'))?.split(', ') ?? []
  const figures = lines.at(-1).split(', ')
  const figureOf = (name) => Number(figures[names.indexOf(name)])
  const [records, millis] = [figureOf('data.consumed.in.nMsg'), figureOf('fetch.time.ms')]
  if (!(records > 0 && millis > 0)) throw new Error(`the consumer said no rate:\n${text}`)
  return { records, seconds: millis / 1000 }
}

/** How many records there are, from lines of `topic:partition:offset`. */
export function parseOffsets(text) {
  const offsets = [...text.matchAll(/^[^:\s]+:\d+:(\d+)$/gm)].map((it) => Number(it[1]))
  if (offsets.length === 0) throw new Error(`no offsets were said:\n${text}`)
  return offsets.reduce((sum, it) => sum + it, 0)
}

const java = (installed, ...args) => ['java', '-cp', installed.classPath, ...args]
const tool = (installed, name, ...args) =>
  java(installed, `org.apache.kafka.tools.${name}`, ...args)

async function ask(installed, name, port, ...args) {
  const command = tool(installed, name, '--bootstrap-server', `127.0.0.1:${port}`, ...args)
  return await runProgram(command, { seconds: askSeconds })
}

/** A new data folder for the server that these properties are of. */
async function format(installed, properties) {
  const storage = java(installed, 'kafka.tools.StorageTool')
  const id = await runProgram([...storage, 'random-uuid'], { seconds: askSeconds })
  const command = [...storage, 'format', '--standalone', '-t', id.trim(), '-c', properties]
  await runProgram(command, { seconds: askSeconds })
}

/** Sends records, and counts all that are there. */
async function produce({ installed, server, directory, seconds }, records, warmUp) {
  const count = ['--num-records', String(records)]
  if (warmUp > 0) count.push('--warmup-records', String(warmUp))
  const properties = ['acks=1', 'linger.ms=5', 'batch.size=65536']
  const set = [`bootstrap.servers=127.0.0.1:${server.port}`, ...properties]
  const data = ['--payload-file', join(directory, 'payloads'), '--throughput', '-1']
  const args = ['--topic', topic, ...count, ...data, '--command-property', ...set]
  const command = tool(installed, 'ProducerPerformance', ...args)
  const said = await runProgram(command, { place: 'last', seconds })
  server.sent += records
  const there = parseOffsets(await ask(installed, 'GetOffsetShell', server.port, '--topic', topic))
  if (there !== server.sent) throw new Error(`${there} are there, not ${server.sent}`)
  return said
}

/** From the oldest record on; each load is a group of its own. */
async function consume({ installed, server, records, seconds }) {
  const from = ['--bootstrap-server', `127.0.0.1:${server.port}`, '--topic', topic]
  // Before the load as a whole is late, so that the tool says itself what it has got until then.
  const timeout = Math.max(1, seconds - sparedSeconds) * 1000
  const count = ['--num-records', String(records), '--timeout', String(timeout)]
  const command = tool(installed, 'ConsumerPerformance', ...from, ...count)
  const said = parseConsumerPerformance(await runProgram(command, { place: 'last', seconds }))
  if (said.records < records) throw new Error(`${said.records} were consumed, not ${records}`)
  return { ...said, check: `${said.records} records consumed` }
}

export const kafka = {
  id: 'kafka',
  name: 'Kafka',
  workloads: {
    producer: {
      what: producer,
      durability: 'os',
      more: '',
      probe: 50_000,
    },
    'producer, 1 KiB': {
      what: producer,
      durability: 'os',
      more: '',
      probe: 20_000,
      recordBytes: 1024,
    },
    consumer: {
      what: 'consumer performance test, one consumer, time of fetches alone',
      durability: 'os',
      more: '',
      probe: 50_000,
      recordsMax: 1_000_000,
    },
    ...latencyWorkloads(
      'producer to consumer, acks=1, no linger, one partition',
      [...ratesOfOne, { rate: 800, subscribers: 100 }],
      { durability: 'os', more: '', partitions: 1 },
    ),
    'producer, synced': {
      what: `${producer}, log.flush.interval.messages=1`,
      durability: 'disk',
      more: 'log.flush.interval.messages=1',
      probe: 20_000,
    },
  },

  async install(cache) {
    await runProgram(['java', '-version'], { seconds: askSeconds })
    return { version, classPath: await fromMaven(cache, 'kafka', artifacts) }
  },

  async start({ installed, settings, directory }) {
    const [port, controllerPort] = [await freePort(), await freePort()]
    const file = join(directory, 'server.properties')
    const { more, recordBytes = 100, partitions = partitionsOfRates } = settings
    writeFileSync(file, propertiesOf({ port, controllerPort, directory, more }))
    const lines = Array.from({ length: payloads }, (_, i) => payload(recordBytes, i + 1))
    writeFileSync(join(directory, 'payloads'), lines.join('\n'))
    await format(installed, file)
    const memory = ['-Xms1G', '-Xmx1G', '-XX:+UseG1GC']
    const command = ['java', ...memory, '-cp', installed.classPath, 'kafka.Kafka', file]
    const server = await startServer(command, { port, seconds: startSeconds, cwd: directory })
    try {
      const create = ['--create', '--topic', topic, '--partitions', String(partitions)]
      await ask(installed, 'TopicCommand', port, ...create)
    } catch (error) {
      await server.stop()
      throw error
    }
    return { ...server, sent: 0 }
  },

  /** What a consumer reads is there before the clock starts. */
  async prepare(about) {
    const { server, workload, records } = about
    if (workload === 'consumer' && records > server.sent) {
      await produce(about, records - server.sent, 0)
    }
  },

  async load(about) {
    const { records, server, workload, settings } = about
    if (settings.rate !== undefined) return await loadKafkaLatency(about)
    if (workload === 'consumer') return await consume(about)
    // The virtual machine compiles while the first records are sent: those are not counted.
    const said = parseProducerPerformance(await produce(about, 2 * records, records))
    const check = `${server.sent} records counted`
    return {
      records: said.records,
      handled: 2 * records,
      seconds: said.records / said.rate,
      check,
    }
  },
}

// NATS JetStream with its file store, loaded by `nats bench js`, and the messages of NATS itself.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  latencyWorkloads,
  loadLatency,
  loadSoak,
  ratesOfOne,
  soakWorkload,
} from './lib/latency.mjs'
import { freePort, runProgram, startServer } from './lib/programs.mjs'
import { loadPushes, pushWorkloads } from './lib/push.mjs'
import { payload } from './lib/records.mjs'
import { fromGo } from './lib/sources.mjs'

const serverVersion = '2.15.2'
const toolVersion = '0.5.0'
const startSeconds = 20
const askSeconds = 20
const streamBytesMax = '8GB'
const stream = 'bench'
const recordBytes = 100

const configuration = ({ port, directory, sync }) => `
listen: "127.0.0.1:${port}"
ping_interval: "1h"
jetstream { store_dir: ${JSON.stringify(directory)}${sync ? ', sync_interval: always' : ''} }
`

/** Records a second, from the last line with figures that `nats bench` prints. */
export function parseNatsBench(text) {
  const rates = [...text.matchAll(/stats: ([\d,]+(?:\.\d+)?) msgs\/sec/g)]
  const rate = Number(rates.at(-1)?.[1].replaceAll(',', ''))
  if (!(rate > 0)) throw new Error(`nats bench said no rate:\n${text}`)
  return rate
}

/** `nats` with its arguments; it keeps its own files in the folder of this run. */
function ask({ installed, server, directory }, args, options) {
  const url = ['--server', `nats://127.0.0.1:${server.port}`, '--no-context']
  const env = { XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory }
  return runProgram([installed.tool, ...args, ...url], { env, seconds: askSeconds, ...options })
}

const countOf = (messages) => ['--msgs', String(messages), '--no-progress', '--stream', stream]

/** Messages into the stream, which is made where it is missing. */
async function publish(about, messages) {
  const { directory, settings, seconds } = about
  const bytes = String(settings.messageBytes ?? recordBytes)
  const data = ['--payload', join(directory, 'payload'), '--size', bytes, '--batch', '500']
  const create = ['--create', '--storage', 'file', '--maxbytes', streamBytesMax]
  const bench = ['bench', 'js', 'pub', 'async', stream, ...create, ...countOf(messages), ...data]
  return await ask(about, bench, { place: 'last', seconds })
}

async function messagesThere(about) {
  const { state } = JSON.parse(await ask(about, ['stream', 'info', stream, '--json']))
  return state.messages
}

/** Its tool ends when it has got as many as it was told to expect. */
async function consume(about) {
  const { records, seconds } = about
  const there = await messagesThere(about)
  if (there < records) throw new Error(`${there} are there, not ${records}`)
  const bench = ['bench', 'js', 'ordered', ...countOf(records), '--size', String(recordBytes)]
  const said = await ask(about, bench, { place: 'last', seconds })
  return { records, seconds: records / parseNatsBench(said), check: `${records} records consumed` }
}

const workload = (what, more) => ({
  what: `js pub async, one connection, 500 in flight, file store${what}`,
  ...more,
})

export const nats = {
  id: 'nats',
  name: 'NATS',
  workloads: {
    async: workload('', { durability: 'os', sync: false, probe: 20_000 }),
    'async, 60 KiB': workload(', 60 records of 1 KiB a message', {
      durability: 'os',
      sync: false,
      probe: 6000,
      recordsPerMessage: 60,
      messageBytes: 60 * 1024,
    }),
    ...pushWorkloads('core', { sync: false }),
    'ordered consumer': {
      what: 'js ordered, one consumer, file store',
      durability: 'os',
      sync: false,
      probe: 20_000,
      recordsMax: 500_000,
    },
    ...latencyWorkloads('JetStream, push consumer, file store', ratesOfOne, {
      durability: 'os',
      sync: false,
    }),
    soak: soakWorkload('JetStream, push consumers, file store, and a replay by one', {
      durability: 'os',
      sync: false,
    }),
    'async, synced': workload(', sync_interval always', {
      durability: 'disk',
      sync: true,
      probe: 1000,
    }),
  },

  async install(cache) {
    const path = 'github.com/nats-io/nats-server/v2'
    const server = await fromGo(cache, 'nats-server', path, `v${serverVersion}`)
    const toolPath = 'github.com/nats-io/natscli/nats'
    const tool = await fromGo(cache, 'nats', toolPath, `v${toolVersion}`)
    return { version: serverVersion, server, tool }
  },

  async start({ installed, settings, directory }) {
    const port = await freePort()
    const file = join(directory, 'nats.conf')
    writeFileSync(file, configuration({ port, directory, sync: settings.sync }))
    writeFileSync(join(directory, 'payload'), payload(settings.messageBytes ?? recordBytes))
    const cwd = dirname(file)
    return await startServer([installed.server, '-c', file], { cwd, port, seconds: startSeconds })
  },

  /** What a consumer reads is there before the clock starts. */
  async prepare(about) {
    if (about.workload !== 'ordered consumer') return
    const missing = about.records - (about.server.filled ?? 0)
    if (missing > 0) await publish(about, missing)
    about.server.filled = Math.max(about.records, about.server.filled ?? 0)
  },

  async load(about) {
    const { settings, records: wanted } = about
    if (about.workload === 'soak') return await loadSoak(about)
    if (settings.rate !== undefined) return await loadLatency('nats', about)
    if (settings.subscribers !== undefined) return await loadPushes('nats', about)
    if (about.workload === 'ordered consumer') return await consume(about)
    const { recordsPerMessage = 1 } = settings
    const messages = Math.ceil(wanted / recordsPerMessage)
    const said = await publish(about, messages)
    const there = await messagesThere(about)
    await ask(about, ['stream', 'rm', stream, '--force'])
    if (there !== messages) throw new Error(`${there} are there, not ${messages}`)
    const records = messages * recordsPerMessage
    return {
      records,
      seconds: messages / parseNatsBench(said),
      check: `${records} records counted`,
    }
  },
}

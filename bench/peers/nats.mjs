// NATS JetStream with its file store, loaded by `nats bench js pub async`.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { freePort, runProgram, startServer } from './lib/programs.mjs'
import { payload } from './lib/records.mjs'
import { fromGo } from './lib/sources.mjs'

const serverVersion = '2.15.2'
const toolVersion = '0.5.0'
const startSeconds = 20
const askSeconds = 20
const streamBytesMax = '8GB'
const stream = 'bench'

const configuration = ({ port, directory, sync }) => `
listen: "127.0.0.1:${port}"
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

const workload = (what, more) => ({
  what: `js pub async, one connection, 500 in flight, file store${what}`,
  ...more,
})

export const nats = {
  id: 'nats',
  name: 'NATS JetStream',
  workloads: {
    async: workload('', { durability: 'os', sync: false, probe: 20_000 }),
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
    writeFileSync(join(directory, 'payload'), payload(100))
    const cwd = dirname(file)
    return await startServer([installed.server, '-c', file], { cwd, port, seconds: startSeconds })
  },

  async load(about) {
    const { directory, records, seconds } = about
    const count = ['--msgs', String(records), '--batch', '500', '--no-progress']
    const data = ['--payload', join(directory, 'payload'), '--size', '100']
    const create = ['--create', '--storage', 'file', '--maxbytes', streamBytesMax]
    const flags = ['--stream', stream, ...create, ...count, ...data]
    const bench = ['bench', 'js', 'pub', 'async', stream, ...flags]
    const said = await ask(about, bench, { place: 'last', seconds })
    const { state } = JSON.parse(await ask(about, ['stream', 'info', stream, '--json']))
    await ask(about, ['stream', 'rm', stream, '--force'])
    if (state.messages !== records) throw new Error(`${state.messages} are there, not ${records}`)
    const check = `${state.messages} records counted`
    return { records, seconds: records / parseNatsBench(said), check }
  },
}
